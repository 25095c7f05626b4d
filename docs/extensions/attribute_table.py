"""A table of the attributes of a class, read from its docstring, for the top of its page."""

import importlib

from numpydoc.docscrape import ClassDoc
from sphinx.util.docutils import SphinxDirective


class AttributeTable(SphinxDirective):
    """Write a heading and a table of the attributes that a class documents, if there are any."""

    required_arguments = 1

    def run(self):
        """Return the nodes."""
        module, _, name = self.arguments[0].rpartition(".")
        cls = getattr(importlib.import_module(module), name)
        lines = []
        for attribute in ClassDoc(cls, config={"show_class_members": False})["Attributes"]:
            sentence, period, _ = " ".join(attribute.desc).partition(". ")
            names = attribute.name.replace(", ", "``, ``")
            lines += [f"   * - ``{names}``", f"     - {sentence}{period.strip()}"]
        if not lines:
            return []
        table = [".. list-table::", "   :class: autosummary", "   :widths: auto", "", *lines]
        return self.parse_text_to_nodes("\n".join([".. rubric:: Attributes", "", *table]))


def setup(app):
    """Make the directive known."""
    app.add_directive("attribute-table", AttributeTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
