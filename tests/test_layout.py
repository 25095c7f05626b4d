"""The layout of the package: imports run one way, from estimators down to data and network."""

import ast
from pathlib import Path

import pytest

import sk_twolayer

PACKAGE = Path(sk_twolayer.__file__).parent

# A folder imports from the folders before it, and from nothing after it.
FLOORS = [
    {"sklearn_private", "datasets"},
    {"data", "network"},
    {"optimizers"},
    {"sparse"},
    {"training"},
    {"planning", "callbacks"},
    {"estimators", "schedules"},
    {"sk_twolayer"},  # __init__.py itself
    {"preprocessing"},
    {"display", "gradient_check", "onnx"},
]
FLOOR = {folder: floor for floor, folders in enumerate(FLOORS) for folder in folders}


def modules():
    """Return the path of every module, by its dotted name."""
    names = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        names[".".join(parts).removesuffix(".__init__")] = path
    return names


def imported_modules(path):
    """Return the names of the package's modules that a module imports at any time."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name for name in names if name in modules()}


def folder(name):
    """Return the folder (or file at the top) that a module belongs to."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else parts[0]


def test_every_folder_has_a_floor():
    assert {folder(name) for name in modules()} == FLOOR.keys()


@pytest.mark.parametrize("name", sorted(modules()))
def test_imports_run_one_way(name):
    own = folder(name)
    for imported in imported_modules(modules()[name]) - {"sk_twolayer"}:
        other = folder(imported)
        assert other == own or FLOOR[other] < FLOOR[own], f"{name} imports {imported}"


def test_no_circle_between_files():
    files = {name: path for name, path in modules().items() if path.name != "__init__.py"}
    imports = {name: imported_modules(path) & files.keys() - {name} for name, path in files.items()}
    while ready := {name for name, imported in imports.items() if not imported & imports.keys()}:
        imports = {name: imported for name, imported in imports.items() if name not in ready}
    assert not imports


def test_a_module_opens_by_saying_what_it_is_for():
    for name, path in modules().items():
        doc = ast.get_docstring(ast.parse(path.read_text()))
        assert doc, name
        assert not doc.startswith(("What ", "Which ", "How ", "Whom ")), name
