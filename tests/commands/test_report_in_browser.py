"""The report in headless Chromium: nothing is cut off or fetched."""

import re

import keras
import numpy as np
import pytest
from keras import layers

from tests.browser import CUT_OFF, browser, opening  # noqa: F401 (a fixture)
from tests.commands.cases import run

DEPTH = 13


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Write the report on a deep network with long names and one dead layer."""
    folder = tmp_path_factory.mktemp("report")
    keras.utils.set_random_seed(0)
    hidden = [layers.Dense(8, "relu", name=f"a_long_name_of_a_block_{k}_branch_relu") for k in range(1, DEPTH + 1)]
    model = keras.Sequential([keras.Input((5,)), *hidden, layers.Dense(3)])
    kernel, bias = hidden[-1].get_weights()
    hidden[-1].set_weights([kernel, bias - 1e3])
    model.save(folder / "model.keras")
    x = np.random.default_rng(0).normal(size=(60, 5)).astype("float32")
    np.savez(folder / "data.npz", x=x, y=np.arange(60) % 30)
    arguments = (folder / "model.keras", "--data", folder / "data.npz", "--report", folder / "report.html")
    assert run(*arguments, "--noise-variance", "1e-9") == 0
    return folder / "report.html"


@pytest.fixture
def opened(browser, report):  # noqa: F811
    with opening(browser, report) as open_page:
        yield open_page


def test_without_a_browser(report):
    """The first finding is on the dead layer, the last on the estimate, and three layers are open."""
    page = report.read_text(encoding="utf-8")
    remarks = re.findall(r'<li class="(\w+)">(.*?)</li>', page[: page.index("<h2>All layers</h2>")])
    assert [level for level, _ in remarks][:1] == ["broken"]
    assert f'href="#layer-{DEPTH}"' in remarks[0][1]
    assert [level for level, _ in remarks].count("measurement") == 1
    assert "at its cap" in remarks[-1][1]
    opened = re.findall(r'<details class="layer"( open)?><summary><h3>(.*?)</h3>', page)
    assert len(opened) == DEPTH
    assert [name for mark, name in opened if mark][-1] == f"a_long_name_of_a_block_{DEPTH}_branch_relu"
    assert 1 <= sum(bool(mark) for mark, _ in opened) <= 3
    assert page.count("data:image/svg+xml") == 1


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("unfolded", [False, True])
def test_nothing_is_cut_off(opened, width, unfolded):
    page = opened(width)
    if unfolded:
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(CUT_OFF) == []
    assert page.evaluate("[...document.images].every(one => one.complete && one.naturalWidth > 0)")
    if not unfolded:
        assert page.evaluate("document.documentElement.scrollHeight") < (8000 if width > 1000 else 12_000)


def test_all_table_columns_can_be_reached(opened):
    page = opened(390)
    last = page.locator(".layers thead th").last
    assert last.bounding_box()["x"] > 390
    last.scroll_into_view_if_needed()
    assert last.bounding_box()["x"] + last.bounding_box()["width"] <= 390
    first = page.locator(".layers tbody th").first
    assert 0 <= first.bounding_box()["x"] < 40  # the name stays visible


def test_findings_come_first_and_link_to_their_layer(opened):
    page = opened(1280)
    items = page.locator("ul.findings").first.locator("li")
    assert items.first.get_attribute("class") == "broken"
    assert items.last.get_attribute("class") == "measurement"
    assert items.filter(has_text="at its cap").count() == 1
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = false)")
    link = items.first.locator("a").first
    link.click()
    layer = page.locator(f"{link.get_attribute('href')} img").first
    layer.wait_for(state="visible")
    assert page.locator("details[open].layer").count() == 1
    page.wait_for_function("scrollY > 500")


def test_layers_without_findings_are_folded(opened):
    page = opened(1280)
    assert page.locator("details.layer").count() == DEPTH
    assert 1 <= page.locator("details[open].layer").count() <= 3
    assert page.locator("details[open].layer h3").last.inner_text() == f"a_long_name_of_a_block_{DEPTH}_branch_relu"


def luminance(rgb):
    parts = np.array([float(part) for part in rgb.removeprefix("rgb(").removesuffix(")").split(",")]) / 255
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_have_contrast_in_light_and_dark(opened, scheme):
    page = opened(1280, color_scheme=scheme)
    colours = page.evaluate(
        """() => [...document.querySelectorAll('body, a, .about, small, .level, dd, summary, figcaption')].map(one => {
          let under = one;
          while (getComputedStyle(under).backgroundColor === 'rgba(0, 0, 0, 0)') under = under.parentElement;
          return [getComputedStyle(one).color, getComputedStyle(under).backgroundColor];
        })"""
    )
    paper = luminance(colours[0][1])
    assert paper > 0.9 if scheme == "light" else paper < 0.05
    for text, under in set(map(tuple, colours)):
        light, dark = sorted([luminance(text), luminance(under)], reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, under)


def test_all_layers_are_printed(opened):
    page = opened(1280)
    page.emulate_media(media="print")
    heights = page.evaluate("[...document.querySelectorAll('details.layer')].map(one => one.offsetHeight)")
    assert min(heights) > 300
    assert page.evaluate(CUT_OFF) == []
    assert page.pdf(format="A4").startswith(b"%PDF")
