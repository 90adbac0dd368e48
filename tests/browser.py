"""Open pages in headless Chromium, if Playwright and a browser are installed."""

import contextlib
import shutil
from pathlib import Path

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Text that is outside of the page and not in a scrollable element.
CUT_OFF = """() => {
  const cut = [], texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = texts.currentNode, range = document.createRange();
    range.selectNodeContents(text);
    for (const box of range.getClientRects())
      if (box.width && (box.left < -1 || box.right > innerWidth + 1) && !text.parentElement.closest('.scroll'))
        cut.push(text.data);
  }
  for (const element of document.querySelectorAll('body *')) {
    const style = getComputedStyle(element);
    if (['hidden', 'clip'].includes(style.overflowX) && element.scrollWidth > element.clientWidth + 1)
      cut.push(element.outerHTML.slice(0, 80));
  }
  return cut;
}"""


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    installed = next(filter(None, map(shutil.which, BROWSERS)), None)
    with playwright.sync_playwright() as started:
        if installed is None and not Path(started.chromium.executable_path).exists():
            pytest.skip("no Chromium is installed")
        # Chromium has no sandbox for root, the usual user in continuous integration.
        opened = started.chromium.launch(executable_path=installed, args=["--no-sandbox"])
        yield opened
        opened.close()


@contextlib.contextmanager
def opening(browser, path):
    """Yield a function that opens a page in a window of a given width; the page must log and fetch nothing."""
    pages, said = [], []

    def open_page(width, **options):
        page = browser.new_page(viewport={"width": width, "height": 800}, **options)
        pages.append(page)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("requestfailed", lambda request: said.append(request.url[:100]))
        page.on("request", lambda request: request.url.startswith(("data:", path.as_uri())) or said.append(request.url))
        page.goto(path.as_uri())
        return page

    yield open_page
    for page in pages:
        page.close()
    assert said == []
