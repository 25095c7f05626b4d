"""The user guide covers all parameters and figures. Its examples run as doctests."""

from pathlib import Path

import pytest
from sklearn.neural_network import MLPClassifier

GUIDE = Path(__file__).parent.parent / "docs" / "guide"


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
