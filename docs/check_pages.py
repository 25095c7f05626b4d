"""Open every page of the built site in a browser: at two widths, by day and by night.

Serves the site from this machine, opens each page in headless Chromium at the width of a desktop
and of a phone, in the light and the dark theme, and reports what a reader would stumble over: a
page wider than the screen, a picture that does not load, an error in the console, a request to
another server. It also searches for a word, and keeps a screenshot of each page if `--screenshots`
says where. Needs selenium, Chromium and its driver.

    python docs/check_pages.py docs/_build --screenshots shots
"""

import argparse
import functools
import json
import shutil
import sys
import tempfile
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

WIDTHS = {"desktop": 1280, "phone": 390}
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--hide-scrollbars",
]

# How wide the page is, what sticks out of it or is cut off, and which pictures are not there.
LOOK = """
const root = document.documentElement, edge = root.clientWidth + 1;
const style = e => getComputedStyle(e);
const scrolls = e => e.closest("article") && (/auto|scroll/.test(style(e).overflowX)
    && e.scrollWidth > e.clientWidth && e.clientWidth <= edge || scrolls(e.parentElement));
const right = e => e.getBoundingClientRect().left + Math.max(
    e.offsetWidth || e.getBoundingClientRect().width,
    style(e).overflowX === "visible" ? e.scrollWidth : 0);
const cut = [...document.querySelectorAll("article *, footer *, .prev-next-footer *")].filter(
    e => e.getClientRects().length && right(e) > edge && !scrolls(e)
).slice(-1).map(e => `${e.tagName} ${e.textContent.replace(/\\s+/g, " ").slice(0, 60)}`);
const pictures = [...document.images].filter(i => i.complete && !i.naturalWidth);
return {
    wide: root.scrollWidth - root.clientWidth,
    cut: cut,
    broken: pictures.map(i => i.src),
    theme: root.dataset.theme,
};
"""


class QuietHandler(SimpleHTTPRequestHandler):
    """Serve files without a line for each."""

    def log_message(self, *arguments):
        """Say nothing."""


def open_browser(profile):
    """Start Chromium with a profile of its own, which notes each request and console line."""
    driver = shutil.which("chromedriver")
    if driver is None:
        raise SystemExit("There is no chromedriver: install Chromium and its driver.")
    options = webdriver.ChromeOptions()
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    # Given no driver, selenium would look for one on the network.
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    browser.get("about:blank")
    browser.get_log("performance")  # what the first tab loaded is not ours
    return browser


def set_screen(browser, width, theme):
    """Make the screen that wide, and the reader's system prefer that theme."""
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": "prefers-color-scheme", "value": theme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def requests_elsewhere(browser, site):
    """Return the addresses outside of the site that were asked since the last call."""
    events = [json.loads(line["message"])["message"] for line in browser.get_log("performance")]
    asked = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
    return [url for url in asked if not url.startswith((site, "data:", "blob:"))]


def look_at(browser, site, page, theme):
    """Open a page, and yield what is wrong with it."""
    browser.get(f"{site}/{page}")
    seen = browser.execute_script(LOOK)
    if seen["theme"] != theme:
        yield f"shows the theme {seen['theme']}"
    if seen["wide"] > 0:
        yield f"is {seen['wide']} pixels too wide"
    for element in seen["cut"]:
        yield f"reaches beyond the screen with {element}"
    for picture in seen["broken"]:
        yield f"lacks the picture {picture}"
    for line in browser.get_log("browser"):
        if line["level"] in ("WARNING", "SEVERE"):
            yield f"console: {line['message']}"
    for url in requests_elsewhere(browser, site):
        yield f"asks {url}"


def screenshot(browser, width, path):
    """Keep a picture of the whole page."""
    height = browser.execute_script("return document.documentElement.scrollHeight")
    set_height = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", set_height)
    path.parent.mkdir(parents=True, exist_ok=True)
    browser.save_screenshot(str(path))


def search(browser, site, words):
    """Return the pages that the search box finds."""
    browser.get(f"{site}/search.html?q={words.replace(' ', '+')}")
    WebDriverWait(browser, 20).until(
        lambda browser: browser.find_elements(By.CSS_SELECTOR, "#search-results li a")
    )
    links = browser.find_elements(By.CSS_SELECTOR, "#search-results li a")
    return [link.get_attribute("href").removeprefix(f"{site}/") for link in links]


def main(root, screenshots):
    pages = sorted(str(path.relative_to(root)) for path in root.rglob("*.html"))
    pages = [page for page in pages if not page.startswith("_static/")]
    handler = functools.partial(QuietHandler, directory=root)
    server = ThreadingHTTPServer(("localhost", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    site, n_problems = f"http://localhost:{server.server_port}", 0
    with tempfile.TemporaryDirectory() as profile:
        browser = open_browser(profile)
        for name, width in WIDTHS.items():
            for theme in ("light", "dark"):
                for page in pages:
                    set_screen(browser, width, theme)
                    for problem in look_at(browser, site, page, theme):
                        n_problems += 1
                        print(f"{page} ({name}, {theme}) {problem}")
                    if screenshots:
                        path = screenshots / f"{name}-{theme}" / f"{page}.png"
                        screenshot(browser, width, path)
        found = search(browser, site, "learning_rate_schedule")
        print(f"the search finds {len(found)} pages, first {found[0]}")
        browser.quit()
    server.shutdown()
    print(f"{len(pages)} pages, {len(WIDTHS) * 2} times each: {n_problems} problems")
    return 1 if n_problems or not pages else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("site", type=Path, help="the folder that sphinx-build wrote")
    parser.add_argument("--screenshots", type=Path, help="folder for a picture of each page")
    arguments = parser.parse_args()
    sys.exit(main(arguments.site, arguments.screenshots))
