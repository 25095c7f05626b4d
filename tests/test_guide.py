"""The user guide covers all parameters and figures. Its examples run as doctests."""

import re
from codeop import compile_command
from pathlib import Path

import pytest
from sklearn.neural_network import MLPClassifier

REPOSITORY = Path(__file__).parent.parent
GUIDE = REPOSITORY / "docs" / "guide"
PAGES = [
    REPOSITORY / "README.md",
    *sorted(GUIDE.glob("*.rst")),
    *sorted((REPOSITORY / "sk_twolayer").rglob("*.py")),
]


@pytest.mark.parametrize("name", sorted(MLPClassifier().get_params()))
def test_every_parameter_of_mlpclassifier_has_a_row_in_the_guide(name):
    rows = (GUIDE / "from_mlpclassifier.rst").read_text().split("    * - | ")
    assert any(row.startswith(f"``{name}=") for row in rows)


def test_every_figure_has_a_script_and_appears_in_the_guide():
    figures = {path.stem for path in (GUIDE / "figures").glob("*.png")}
    scripts = {path.stem for path in (GUIDE / "figures").glob("*.py")}
    pages = "".join(path.read_text() for path in GUIDE.glob("*.rst"))
    assert figures == scripts
    assert [name for name in figures if f"figures/{name}.png" not in pages] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_examples_can_be_pasted_into_a_plain_shell(page):
    # A plain shell runs a def, for or with at the first empty line, and at no other line.
    statement = []
    for prompt, code in re.findall(r"^ *(>>>|\.\.\.)(?: (.*))?$", page.read_text("utf-8"), re.M):
        if prompt == ">>>":
            assert statement == [], f"no empty '...' line before {code!r}"
        statement.append(code)
        if compile_command("\n".join(statement)):
            statement = []
    assert statement == []
