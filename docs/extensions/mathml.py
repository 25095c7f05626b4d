"""Formulas as MathML, which every current browser draws by itself.

Sphinx's own renderer is a script from somebody's server. docutils, on which Sphinx is built, turns
LaTeX into MathML while the page is written; a formula that it does not understand is a warning.
"""

import re

from docutils import nodes
from docutils.writers.html5_polyglot import HTMLTranslator
from sphinx.util.math import get_node_equation_number

# TeX leaves a thin space between a function and its argument, as in log p, and docutils does not.
ARGUMENT = re.compile(
    r"(\\(?:exp|log|max|min|tanh)(?:[_^](?:\{[^{}]*\}|\w))*)\s+(?=\w|\\(?!left|[Bb]ig|[^a-zA-Z]))"
)


def visit_inline(translator, node):
    """Write a formula inside a line."""
    formula = ARGUMENT.sub(r"\1\\, ", node.astext())
    translator.math_output, translator.math_options = "mathml", ""
    # The writer of docutils has what Sphinx's own translator replaces.
    HTMLTranslator.visit_math(translator, type(node)(formula, nodes.Text(formula)))


def visit_block(translator, node):
    """Write a formula on lines of its own, and its number, if it has a label."""
    translator.body.append(translator.starttag(node, "div", CLASS="formula"))
    if node["number"]:
        translator.body.append(f'<span class="eqno">({get_node_equation_number(translator, node)})')
        translator.add_permalink_ref(node, "Link to this equation")
        translator.body.append("</span>")
    visit_inline(translator, node)


def depart_block(translator, node):
    """Close what `visit_block` opened."""
    translator.body.append("</div>\n")


def setup(app):
    """Make the renderer known to Sphinx, under the name that conf.py uses."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, depart_block))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
