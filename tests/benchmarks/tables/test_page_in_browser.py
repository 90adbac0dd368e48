"""The page of a table in headless Chromium: nothing is cut off or fetched."""

from pathlib import Path

import pytest

from benchmarks.tables import page, published
from tests.browser import CUT_OFF, browser, opening  # noqa: F401 (a fixture)

RESULTS = Path(__file__).parents[3] / "benchmarks" / "results"
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010804000000b51c0c020000000b4944415478da6364600000000600023081d02f"
    "0000000049454e44ae426082"
)


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", ["table6", "table8"])
def test_nothing_is_cut_off_or_fetched(browser, tmp_path, name, width):  # noqa: F811
    path = tmp_path / f"{name}.html"
    path.write_text(page.as_html(published.read(RESULTS / f"{name}.json"), PIXEL), encoding="utf-8")
    with opening(browser, path) as open_page:
        opened = open_page(width)
        assert opened.evaluate("document.documentElement.scrollWidth") == width
        assert opened.evaluate(CUT_OFF) == []
        last = opened.locator("thead th").last
        last.scroll_into_view_if_needed()
        assert last.bounding_box()["x"] + last.bounding_box()["width"] <= width
