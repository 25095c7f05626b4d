"""Formulas as MathML, which every current browser draws by itself.

Sphinx's own renderer is a script from another server. docutils, on which Sphinx is built, turns TeX
into MathML while a page is written; a formula that it does not understand is a warning. Its MathML
leaves some things to the browser that TeX decides; here they are decided as in TeX.
"""

import re
from contextlib import suppress
from html import unescape
from xml.etree import ElementTree

from docutils import nodes
from docutils.writers.html5_polyglot import HTMLTranslator

NAMESPACE = "http://www.w3.org/1998/Math/MathML"
ElementTree.register_namespace("", NAMESPACE)

# TeX leaves a thin space between a function and its argument, as in log p, and docutils does not.
ARGUMENT = re.compile(
    r"(\\(?:exp|log|max|min|tanh)(?:'|[_^](?:\{[^{}]*\}|\w))*)\s+(?=\w|\\(?!left|[Bb]ig|[^a-zA-Z]))"
)
# Where a line of several formulas may be broken if the screen is narrow.
GAP = re.compile(r"\\qquad|(?<=,)\s*\\quad")
BARS = {"|", "‖"}
# The smallest root sign of the font stands on the line if its radicand is of this size, by whether
# that has superscripts. A lower radicand would let it hang below, and a slightly larger one takes a
# sign of twice the size; letters may reach over the edge by a little.
RADICANDS = {
    False: {"height": "0.75em", "depth": "0.25em"},
    True: {"height": "0.88em", "depth": "0.15em"},
}


def tag(name):
    """Return a name of MathML as ElementTree writes it."""
    return f"{{{NAMESPACE}}}{name}"


def finish(mathml):
    """Return MathML whose bars are fences of one size, and whose roots stand on the line."""
    mathml = re.sub(r"&(?!lt;|gt;|amp;)\w+;", lambda entity: unescape(entity[0]), mathml)
    math = ElementTree.fromstring(mathml)
    operators = list(math.iter(tag("mo")))
    fence = {"stretchy": "false", "lspace": "0", "rspace": "0"}
    for i, bar in enumerate(mo for mo in operators if mo.text in BARS):
        # No pair is inside of another, so they open and close in turn.
        bar.attrib = {"form": "prefix" if i % 2 == 0 else "postfix", **fence}
    for parent in math.iter():
        for before, mo in zip([None, *parent], parent, strict=False):
            if mo.tag == tag("mo") and mo.text in ("max", "min"):
                # Other operators have space around them; these are functions, like log.
                needs_space = before is not None and before.text not in set("=(,")
                mo.attrib = {"lspace": "0.17em" if needs_space else "0", "rspace": "0"}
    for prime in (mo for mo in operators if mo.text == "'"):
        # An apostrophe is an operator, with space around it.
        prime.tag, prime.text = tag("mi"), "\N{PRIME}"
    for root in math.iter(tag("msqrt")):
        if root.find(f".//{tag('mfrac')}") is None:
            has_superscript = any(root.iter(tag("msup"))) or any(root.iter(tag("msubsup")))
            radicand = ElementTree.Element(tag("mpadded"), RADICANDS[has_superscript])
            radicand.extend(root)
            root[:] = [radicand]
            root.set("displaystyle", "false")
    return ElementTree.tostring(math, encoding="unicode")


def write(translator, node, formula):
    """Write a formula."""
    formula = ARGUMENT.sub(r"\1\\, ", formula)
    translator.math_output, translator.math_options = "mathml", ""
    start = len(translator.body)
    with suppress(nodes.SkipChildren):  # this says that the children are done
        # The writer of docutils has what Sphinx's own translator replaces.
        HTMLTranslator.visit_math(translator, type(node)(formula, nodes.Text(formula)))
    translator.body[start:] = [
        finish(part) if part.startswith("<math") else part for part in translator.body[start:]
    ]


def visit_inline(translator, node):
    """Write a formula inside a line."""
    write(translator, node, node.astext())
    raise nodes.SkipNode


def visit_block(translator, node):
    """Write formulas on lines of their own."""
    translator.body.append(translator.starttag(node, "div", CLASS="formula"))
    text = node.astext()
    # A gap inside of aligned lines belongs to one of them.
    for formula in [text] if "&" in text else GAP.split(text):
        write(translator, node, formula)
    translator.body.append("</div>\n")
    raise nodes.SkipNode


def keep_stops(app, doctree, name):
    """Keep each formula inside a line together with the full stop or comma that follows."""
    for math in list(doctree.findall(nodes.math)):
        parent, after = math.parent, math.parent.index(math) + 1
        text = parent[after].astext() if after < len(parent) else ""
        if text.startswith(tuple(".,;:)")) and isinstance(parent[after], nodes.Text):
            together = nodes.inline("", "", math, nodes.Text(text[0]), classes=["nowrap"])
            parent[after - 1 : after + 1] = [together, nodes.Text(text[1:])]


def setup(app):
    """Make the renderer known to Sphinx, under the name that conf.py uses."""
    app.connect("doctree-resolved", keep_stops)
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"version": "5", "parallel_read_safe": True, "parallel_write_safe": True}
