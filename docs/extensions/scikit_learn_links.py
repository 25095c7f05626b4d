"""Links to scikit-learn's documentation, made by rule: the address of a page follows from its name.

Intersphinx would download an inventory at each build. What is inherited from scikit-learn also
refers to its glossary, user guide and gallery.
"""

import re
from pathlib import Path

from docutils import nodes

SITE = "https://scikit-learn.org/stable/"
GUIDE = {
    "accuracy_score": "modules/model_evaluation.html#accuracy-score",
    "df_output_transform": "modules/df_output_transform.html",
    "metadata_routing": "metadata_routing.html",
    "r2_score": "modules/model_evaluation.html#r2-score",
}


def page(kind, target):
    """Return the page of scikit-learn's site that a reference means, or None."""
    if kind == "term":
        return f"glossary.html#term-{target.replace(' ', '-')}"
    if target.startswith("sklearn."):
        return f"modules/generated/{target}.html"
    if example := re.fullmatch(r"sphx_glr_auto_examples_([a-z]+)_(plot_\w+)\.py", target):
        return "auto_examples/{}/{}.html".format(*example.groups())
    return GUIDE.get(target)


def resolve(app, env, node, content):
    """Return the link for a reference that Sphinx found no page of ours for."""
    found = page(node["reftype"], node["reftarget"])
    if found and found.startswith("auto_examples"):  # a script without a title
        content = nodes.Text(Path(found).with_suffix(".py").name)
    return found and nodes.reference("", "", content, internal=False, refuri=SITE + found)


def setup(app):
    """Ask to be called for every reference that leads nowhere."""
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
