"""Check the built site without a browser: its links lead somewhere, and it loads nothing of others.

`sphinx-build -W` warns of references it cannot resolve; this reads what it wrote. Every link to a
page of the site must lead to a file, and to an id of it if it names one; every script, style sheet
and picture must be a file of the site. Links of the text to other sites are not followed.

    python docs/check_links.py docs/_build
"""

import argparse
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {"img": ["src", "srcset"], "script": ["src"], "source": ["src", "srcset"]}
LOADED |= {"iframe": ["src"], "video": ["src"], "object": ["data"]}
LINKS_THAT_LOAD = {"stylesheet", "icon", "preload", "shortcut", "modulepreload"}


class Page(HTMLParser):
    """What a page links to and loads, and the ids that links to it may name."""

    def __init__(self, path):
        super().__init__()
        self.path, self.links, self.loads, self.ids = path, [], [], set()
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        """Note what is of interest in a tag."""
        found = {name: value for name, value in attributes if value}
        self.ids |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        if tag == "link" and LINKS_THAT_LOAD & set(found.get("rel", "").split()):
            self.loads.append(found["href"])
        for name in LOADED.get(tag, []):
            self.loads += [part.split()[0] for part in found.get(name, "").split(",") if part]


def problems(pages, root):
    """Yield a line for each link or file that is wrong."""
    for page in pages.values():
        for target in page.links + page.loads:
            url = urlsplit(target)
            if url.scheme or url.netloc:
                if target in page.loads and url.scheme != "data":
                    yield f"{page.path.relative_to(root)} loads {target} from elsewhere"
                continue
            path = page.path.parent / unquote(url.path) if url.path else page.path
            path = (path / "index.html" if path.is_dir() else path).resolve()
            if not path.is_file():
                yield f"{page.path.relative_to(root)}: {target} is no file of the site"
            elif url.fragment and path in pages and unquote(url.fragment) not in pages[path].ids:
                yield f"{page.path.relative_to(root)}: {target} names an id that is not there"
    elsewhere = re.compile(r"""(?:url\(|@import\s*)['"]?((?:https?:)?//[^'")]+)""")
    for sheet in root.rglob("*.css"):
        for target in elsewhere.findall(sheet.read_text()):
            yield f"{sheet.relative_to(root)} loads {target} from elsewhere"


def main(root):
    root = root.resolve()
    paths = [path for path in sorted(root.rglob("*.html")) if "_static" not in path.parts]
    pages = {path: Page(path) for path in paths}
    found = sorted(set(problems(pages, root)))
    print("\n".join(found))
    n_links = sum(len(page.links) + len(page.loads) for page in pages.values())
    print(f"{len(pages)} pages, {n_links} links and files, {len(found)} problems")
    return 1 if found or not pages else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("site", type=Path, help="the folder that sphinx-build wrote")
    sys.exit(main(parser.parse_args().site))
