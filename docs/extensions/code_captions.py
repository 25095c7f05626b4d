"""A caption above each excerpt of the source: the file it is from, and the function."""

from pathlib import Path

from docutils import nodes
from sphinx.directives.code import LiteralInclude

ROOT = Path(__file__).parents[2]


class CaptionedInclude(LiteralInclude):
    """Include code, with its place in the repository as the caption."""

    def run(self):
        """Return the excerpt."""
        path = Path(self.env.relfn2path(self.arguments[0])[1]).resolve().relative_to(ROOT.resolve())
        parts = [str(path), self.options.get("pyobject")]
        self.options.setdefault("caption", ", ".join(f"``{part}``" for part in parts if part))
        return [self.trimmed(node) for node in super().run()]

    @staticmethod
    def trimmed(block):
        """Return a block without the empty lines that follow the excerpt in its file."""
        for literal in block.findall(nodes.literal_block):
            literal.rawsource = literal.astext().rstrip()
            literal[:] = [nodes.Text(literal.rawsource)]
        return block


def setup(app):
    """Replace the directive of Sphinx."""
    app.add_directive("literalinclude", CaptionedInclude, override=True)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
