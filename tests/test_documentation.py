"""The site has a page for every public name, script and guide. The build itself runs elsewhere."""

import ast
import doctest
import importlib
import os
import re
import runpy
import sys
from pathlib import Path

import pytest

import sk_twolayer
from sk_twolayer import TwoLayerClassifier, TwoLayerRegressor, display

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
API = (DOCS / "api.rst").read_text()
LISTED = {
    f"sk_twolayer.{name}"
    for block in re.split(r"\.\. autosummary::", API)[1:]
    for name in re.findall(r"^   (\w[\w.]*)$", block, re.MULTILINE)
}
GALLERY = sorted((DOCS / "gallery").glob("*.py"))


def find(name):
    """Return the object with a dotted name, and import its modules."""
    module, _, attribute = name.rpartition(".")
    try:
        return importlib.import_module(name)
    except ImportError:
        return getattr(find(module), attribute)


def imported_from_us(source):
    """Return the dotted names that a source imports from the package."""
    return {
        f"{module}.{name}"
        for module, several, one in re.findall(
            r"from (sk_twolayer[\w.]*) import (?:\(([^)]+)\)|(.+))", source
        )
        for name in re.findall(r"\w+", several or one.split("#")[0])
    }


def test_every_name_imported_in_the_documentation_has_a_page():
    pages = [*ROOT.glob("*.md"), *DOCS.rglob("*.rst"), *GALLERY, *ROOT.glob("examples/*.py")]
    pages = [path for path in pages if "auto_examples" not in path.parts]
    shown = set().union(*(imported_from_us(path.read_text()) for path in pages))
    assert len(shown) > 4
    for module in (sk_twolayer, display):
        shown |= {f"{module.__name__}.{name}" for name in module.__all__}
    assert shown - LISTED == set()


def test_every_documented_name_has_an_example():
    assert len(LISTED) > 5
    for name in LISTED - {"sk_twolayer.onnx", "sk_twolayer.onnx.to_onnx"}:  # need other packages
        documented = find(name)
        assert documented.__name__ == name.rpartition(".")[2]
        assert ">>> " in documented.__doc__, name


@pytest.mark.parametrize("estimator", [TwoLayerClassifier, TwoLayerRegressor])
def test_examples_of_methods(estimator):
    """Doctests of a module leave out methods whose class has the address of another module."""
    tests = doctest.DocTestFinder().find(estimator.partial_fit, module=False, globs={})
    assert sum(len(test.examples) for test in tests) > 3
    runner = doctest.DocTestRunner()
    assert sum(runner.run(test).failed for test in tests) == 0


def test_classes_in_modules_carry_their_documented_address():
    """So that files that name them survive a move of the code."""
    classes = {name: find(name) for name in LISTED if re.fullmatch(r"\w+(\.\w+)*\.[A-Z]\w+", name)}
    assert len(classes) > 8
    assert {name: f"{cls.__module__}.{cls.__qualname__}" for name, cls in classes.items()} == {
        name: name for name in classes
    }


def test_the_html_representation_of_an_estimator_links_to_its_page(monkeypatch):
    monkeypatch.setattr(os, "environ", dict(os.environ))  # conf.py changes it
    monkeypatch.setattr(sys, "path", sys.path[:])
    conf = runpy.run_path(str(DOCS / "conf.py"))
    name = TwoLayerClassifier.__name__
    page = TwoLayerClassifier._doc_link_template.format(estimator_name=name)
    assert page == f"{conf['html_baseurl']}generated/sk_twolayer.{name}.html"
    assert ":toctree: generated/" in API
    assert f"{TwoLayerClassifier._doc_link_module}.{name}" in LISTED


def test_the_gallery_orders_every_script_and_gives_it_a_title():
    scripts = runpy.run_path(str(DOCS / "extensions" / "gallery_order.py"))["SCRIPTS"]
    assert sorted(scripts) == [path.name for path in GALLERY]
    for path in GALLERY:
        title, line, *_ = ast.get_docstring(ast.parse(path.read_text())).splitlines()
        assert line == "=" * len(title), path


def test_every_page_is_in_a_table_of_contents():
    contents = {}
    for path in (DOCS / "index.rst", DOCS / "guide" / "index.rst"):
        toctree = path.read_text().partition(".. toctree::")[2]
        contents[path.parent] = set(re.findall(r"^   (\w[\w/]*)$", toctree, re.MULTILINE))
    top, guide = contents.values()
    pages = [*(DOCS / "guide").glob("*.rst"), *(DOCS / "guide").glob("*.md")]
    assert guide == {path.stem for path in pages} - {"index"}
    assert top >= {path.stem for path in DOCS.glob("*.[rm][sd]*")} - {"index"}
    assert top >= {"guide/index", "auto_examples/index"}
