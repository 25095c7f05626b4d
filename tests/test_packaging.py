"""The citation, the links of README and the declared dependencies match the package."""

import ast
import re
import sys
import tomllib
from importlib.metadata import metadata
from pathlib import Path

import sk_twolayer

ROOT = Path(__file__).parent.parent


def imported(nodes):
    """Return the names of the top-level packages that statements import."""
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module)
    return {name.partition(".")[0] for name in names}


def test_the_citation_has_the_version_of_the_package_and_the_date_of_the_changelog():
    citation = (ROOT / "CITATION.cff").read_text()
    version, date = (
        re.search(rf"^{name}: \"?([^\"\n]+)", citation, re.MULTILINE)[1]
        for name in ("version", "date-released")
    )
    assert version == sk_twolayer.__version__
    assert f"## {version} ({date})\n" in (ROOT / "CHANGELOG.md").read_text()


def test_the_public_workflow_runs_the_supported_versions_of_python():
    workflow = (ROOT / ".github" / "workflows" / "tests.yml").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    supported = {
        line.rpartition(" ")[2] for line in project["classifiers"] if re.search(r":: 3\.\d+$", line)
    }
    assert set(re.findall(r'"(3\.\d+)"', workflow)) == supported


def test_the_links_of_readme_lead_to_files_and_are_absolute_on_a_package_index():
    readme = (ROOT / "README.md").read_text()
    links = re.findall(r"\]\(([^)\s]+)\)", readme) + re.findall(r'(?:src|href)="([^"]+)"', readme)
    ours = re.compile(
        r"https://(?:raw\.githubusercontent\.com/sk-twolayer/sk_twolayer/main"
        r"|github\.com/sk-twolayer/sk_twolayer/blob/main)/(.+)"
    )
    paths = [match[1] for link in links if (match := ours.fullmatch(link))]
    pictures = {link for link in links if not link.startswith("https://")}
    assert pictures == {link for link in links if re.fullmatch(r"docs/\w+\.png", link)} != set()
    described = metadata("sk_twolayer").json["description"]
    assert all(f"/sk_twolayer/main/{path})" in described for path in pictures)
    assert not any(f"({path})" in described for path in pictures)
    paths += pictures
    assert len(paths) > 3
    assert [path for path in paths if not (ROOT / path).is_file()] == []


def test_the_links_of_readme_to_the_site_lead_to_pages():
    readme = (ROOT / "README.md").read_text()
    site = r"\]\(https://sk-twolayer\.github\.io/sk_twolayer/([^)\s]*)\.html\)"
    pages = set(re.findall(site, readme)) - {"auto_examples/index"}  # sphinx-gallery makes it
    assert len(pages) > 5
    sources = {path.with_suffix("") for path in (ROOT / "docs").rglob("*.[rm][sd]*")}
    assert {page for page in pages if ROOT / "docs" / page not in sources} == set()


def test_the_declared_dependencies_are_the_imported_packages():
    used = set()
    for path in (ROOT / "sk_twolayer").rglob("*.py"):
        if path.parent.name != "onnx":
            tree = ast.parse(path.read_text())
            # Functions import optional packages, and matplotlib, which takes long to import.
            used |= imported(tree.body) | ({"matplotlib"} & imported(ast.walk(tree)))
    used -= {*sys.stdlib_module_names, "sk_twolayer"}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {re.match(r"[\w-]+", line)[0] for line in project["dependencies"]}
    assert {name.replace("sklearn", "scikit-learn") for name in used} == declared
