"""What travels with the package: the citation, and the pictures that an index shows in README."""

import re
import sys
import tomllib
from pathlib import Path

import sk_twolayer

ROOT = Path(__file__).parent.parent


def test_the_citation_names_this_version():
    version = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)[1]
    assert version == sk_twolayer.__version__


def test_the_links_of_readme_lead_to_files_from_everywhere():
    readme = (ROOT / "README.md").read_text()
    links = re.findall(r"\]\(([^)\s]+)\)", readme) + re.findall(r'(?:src|href)="([^"]+)"', readme)
    ours = re.compile(
        r"https://(?:raw\.githubusercontent\.com/sk-twolayer/sk_twolayer/main"
        r"|github\.com/sk-twolayer/sk_twolayer/blob/main)/(.+)"
    )
    paths = [match[1] for link in links if (match := ours.fullmatch(link))]
    assert all(link.startswith("https://") for link in links)
    assert len(paths) > 3
    assert [path for path in paths if not (ROOT / path).is_file()] == []


def test_the_links_of_readme_lead_to_pages_of_the_site():
    readme = (ROOT / "README.md").read_text()
    site = r"\]\(https://sk-twolayer\.github\.io/sk_twolayer/([^)\s]*)\.html\)"
    pages = set(re.findall(site, readme)) - {"auto_examples/index"}  # which sphinx-gallery makes
    assert len(pages) > 10
    sources = {path.with_suffix("") for path in (ROOT / "docs").rglob("*.[rm][sd]*")}
    assert {page for page in pages if ROOT / "docs" / page not in sources} == set()


def test_what_the_package_always_needs_is_declared():
    imports = re.compile(r"^(?:from|import) (\w+)|^    +(?:from|import) (matplotlib)", re.MULTILINE)
    modules = [path for path in (ROOT / "sk_twolayer").rglob("*.py") if path.name != "onnx.py"]
    used = {"".join(names) for path in modules for names in imports.findall(path.read_text())}
    used -= {*sys.stdlib_module_names, "sk_twolayer"}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {re.match(r"[\w-]+", line)[0] for line in project["dependencies"]}
    assert {name.replace("sklearn", "scikit-learn") for name in used} == declared
