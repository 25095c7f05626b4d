"""Open every page of the built site in a browser: at two widths, by day and by night.

Serves the site from this machine, opens each page in headless Chromium or Firefox at the width of a
desktop and of a phone, in the light and the dark theme, and reports what a reader would stumble
over: a page wider than the screen, a figure or formula that must be scrolled, a picture that does
not load, a broken word in a table or a heading, fences that differ in size, a root that hangs below
its line, a full stop that begins a line, a warning in the output of a script. In Chromium it also
reports errors in the console and requests to other servers. It searches for parameters, whose pages
must come first, and keeps a screenshot of each page if `--screenshots` says where. Needs selenium,
the browser and its driver (chromedriver or geckodriver).

    python docs/check_pages.py docs/_build --screenshots shots
    python docs/check_pages.py docs/_build --browser firefox
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

# How wide the page is, what sticks out of it or is cut off, and what else is wrong with it.
LOOK = r"""
const root = document.documentElement, edge = root.clientWidth + 1;
const all = selector => [...document.querySelectorAll(selector)];
const style = e => getComputedStyle(e);
const name = e => e.textContent.replace(/\s+/g, " ").trim().slice(0, 60);
const scrolls = e => e.closest("article") && (/auto|scroll/.test(style(e).overflowX)
    && e.scrollWidth > e.clientWidth && e.clientWidth <= edge || scrolls(e.parentElement));
const right = e => e.getBoundingClientRect().left + Math.max(
    e.offsetWidth || e.getBoundingClientRect().width,
    style(e).overflowX === "visible" ? e.scrollWidth : 0);
const faults = all("article *, footer *, .prev-next-footer *").filter(
    e => e.getClientRects().length && right(e) > edge && !scrolls(e)
).slice(-1).map(e => `reaches beyond the screen with ${e.tagName} ${name(e)}`);
const report = (elements, fault) => faults.push(...elements.map(e => `${fault} ${name(e)}`));

report(all("article figure, article .formula, .sphx-glr-single-img-box").filter(
    e => e.scrollWidth > e.clientWidth + 1), "must be scrolled sideways to see");
report(all("article strong").filter(
    e => /\d$/.test(e.previousSibling?.data)), "has a power that became bold:");
report(all(".sphx-glr-script-out").filter(
    e => /Warning:/.test(e.textContent)), "prints a warning:");
for (const image of document.images)
    if (image.complete && !image.naturalWidth) faults.push(`lacks the picture ${image.src}`);

// Words in several pieces, except long dotted names.
const range = document.createRange();
const tops = (node, start, end) => {
    range.setStart(node, start);
    range.setEnd(node, end);
    return new Set([...range.getClientRects()].filter(r => r.width).map(r => Math.round(r.top)));
};
const texts = selector => all(selector).flatMap(e => {
    const walker = document.createTreeWalker(e, NodeFilter.SHOW_TEXT), nodes = [];
    while (walker.nextNode()) nodes.push(walker.currentNode);
    return nodes;
});
for (const node of texts("article :is(h1, h2, h3, dt, th, td), .prev-next-title, .page-toc a"))
    for (const word of node.data.matchAll(/[\w.]+/g))
        if (word[0].length <= 24 && tops(node, word.index, word.index + word[0].length).size > 1)
            faults.push(`breaks the word ${word[0]}`);

// Formulas: fences of one size, roots on their line, no full stop that begins a line.
for (const math of all("math")) {
    const size = parseFloat(style(math).fontSize), box = e => e.getBoundingClientRect();
    const uneven = fences => Math.max(...fences.map(f => box(f).height))
        > 1.2 * Math.min(...fences.map(f => box(f).height));
    const operators = [...math.querySelectorAll("mo")], open = [], pairs = [];
    for (const mo of operators) {
        if (/^[(\[]$/.test(mo.textContent)) open.push(mo);
        if (/^[)\]]$/.test(mo.textContent) && open.length) pairs.push([open.pop(), mo]);
    }
    const after = math.nextSibling;
    if (uneven(operators.filter(mo => /^[|‖]$/.test(mo.textContent))))
        report([math], "has bars of different heights:");
    if (pairs.some(uneven)) report([math], "has parentheses of different heights:");
    if ([...math.querySelectorAll("msqrt")].some(
        sign => box(sign).bottom > box(sign.firstElementChild).bottom + 0.3 * size))
        report([math], "has a root that hangs below its line:");
    if (math.getClientRects().length > 1) report([math], "breaks the formula");
    if (/'/.test(math.textContent)) report([math], "has an apostrophe as a prime:");
    if (/^[.,;:)]/.test(after?.data)) {
        range.setStart(after, 0);
        range.setEnd(after, 1);
        if (box(range).left < box(math).left) report([math], "begins a line by the stop after");
    }
}
return {wide: root.scrollWidth - root.clientWidth, faults, theme: root.dataset.theme};
"""


class QuietHandler(SimpleHTTPRequestHandler):
    """Serve files without a line for each."""

    def log_message(self, *arguments):
        """Say nothing."""


class Chromium:
    """Chromium with a profile of its own, which notes each request and console line."""

    def __init__(self):
        options = webdriver.ChromeOptions()
        self.profile = tempfile.TemporaryDirectory()
        for flag in (*FLAGS, f"--user-data-dir={self.profile.name}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        service = webdriver.ChromeService(find_driver("chromedriver"))
        self.driver = webdriver.Chrome(options=options, service=service)
        self.driver.get("about:blank")
        self.driver.get_log("performance")  # what the first tab loaded is not ours

    def set_screen(self, width, theme, height=900):
        """Make the screen that wide, and the reader's system prefer that theme."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1}
        metrics["mobile"] = width < 600
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        features = [{"name": "prefers-color-scheme", "value": theme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def complaints(self, site):
        """Yield warnings of the console, and requests to other servers, since the last call."""
        for line in self.driver.get_log("browser"):
            if line["level"] in ("WARNING", "SEVERE"):
                yield f"console: {line['message']}"
        for line in self.driver.get_log("performance"):
            event = json.loads(line["message"])["message"]
            if event["method"] == "Network.requestWillBeSent":
                url = event["params"]["request"]["url"]
                if not url.startswith((site, "data:", "blob:")):
                    yield f"asks {url}"

    def screenshot(self, width, theme, path):
        """Keep a picture of the whole page."""
        height = self.driver.execute_script("return document.documentElement.scrollHeight")
        self.set_screen(width, theme, height)
        self.driver.save_screenshot(path)

    def quit(self):
        """End the browser, and remove its profile."""
        self.driver.quit()
        self.profile.cleanup()


class Firefox:
    """Firefox, which tells neither requests nor console lines to selenium."""

    def __init__(self):
        options = webdriver.FirefoxOptions()
        options.add_argument("-headless")
        options.add_argument("-remote-allow-system-access")  # for the preference of a theme
        options.enable_bidi = True  # for narrow screens
        service = webdriver.FirefoxService(find_driver("geckodriver"))
        self.driver = webdriver.Firefox(options=options, service=service)

    def set_screen(self, width, theme):
        """Make the screen that wide, and the reader's system prefer that theme."""
        self.driver.browsing_context.set_viewport(
            context=self.driver.current_window_handle, viewport={"width": width, "height": 900}
        )
        preference = "layout.css.prefers-color-scheme.content-override"
        with self.driver.context("chrome"):
            set_it = f"Services.prefs.setIntPref('{preference}', {int(theme == 'light')})"
            self.driver.execute_script(set_it)

    def complaints(self, site):
        """Return nothing."""
        return ()

    def screenshot(self, width, theme, path):
        """Keep a picture of the whole page."""
        self.driver.get_full_page_screenshot_as_file(path)

    def quit(self):
        """End the browser."""
        self.driver.quit()


BROWSERS = {"chromium": Chromium, "firefox": Firefox}


def find_driver(name):
    """Return the path of a browser's driver; selenium would look for one on the network."""
    path = shutil.which(name)
    if path is None:
        raise SystemExit(f"There is no {name}: install it, and the browser that it drives.")
    return path


def look_at(browser, site, page, theme):
    """Open a page, and yield what is wrong with it."""
    browser.driver.get(f"{site}/{page}")
    browser.driver.execute_async_script("document.fonts.ready.then(arguments[0])")
    seen = browser.driver.execute_script(LOOK)
    if seen["theme"] != theme:
        yield f"shows the theme {seen['theme']}"
    if seen["wide"] > 0:
        yield f"is {seen['wide']} pixels too wide"
    yield from seen["faults"]
    yield from browser.complaints(site)


def search(driver, site, words):
    """Return the pages that the search box finds."""
    driver.get(f"{site}/search.html?q={words.replace(' ', '+')}")
    WebDriverWait(driver, 20).until(
        lambda driver: driver.find_elements(By.CSS_SELECTOR, "#search-results li a")
    )
    links = driver.find_elements(By.CSS_SELECTOR, "#search-results li a")
    return [link.get_attribute("href").removeprefix(f"{site}/") for link in links]


def main(root, name, screenshots):
    pages = sorted(str(path.relative_to(root)) for path in root.rglob("*.html"))
    pages = [page for page in pages if not page.startswith("_static/")]
    handler = functools.partial(QuietHandler, directory=root)
    server = ThreadingHTTPServer(("localhost", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    site, n_problems = f"http://localhost:{server.server_port}", 0
    browser = BROWSERS[name]()
    for screen, width in WIDTHS.items():
        for theme in ("light", "dark"):
            browser.set_screen(width, theme)
            for page in pages:
                for problem in look_at(browser, site, page, theme):
                    n_problems += 1
                    print(f"{page} ({screen}, {theme}) {problem}")
                if screenshots:
                    path = screenshots / f"{screen}-{theme}" / f"{page}.png"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    browser.screenshot(width, theme, str(path))
                    browser.set_screen(width, theme)
    for parameter in ("learning_rate_schedule", "alpha", "batch_size", "dropout", "quantile"):
        first = search(browser.driver, site, parameter)[0]
        if not first.startswith("generated/sk_twolayer.TwoLayer"):
            n_problems += 1
            print(f"a search for {parameter} finds {first} first")
    browser.quit()
    server.shutdown()
    print(f"{len(pages)} pages, {len(WIDTHS) * 2} times each: {n_problems} problems")
    return 1 if n_problems or not pages else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("site", type=Path, help="the folder that sphinx-build wrote")
    parser.add_argument("--browser", choices=sorted(BROWSERS), default="chromium")
    parser.add_argument("--screenshots", type=Path, help="folder for a picture of each page")
    arguments = parser.parse_args()
    sys.exit(main(arguments.site, arguments.browser, arguments.screenshots))
