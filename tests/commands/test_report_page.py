"""The report's HTML lists findings by severity, each once, with links to their layers."""

import base64
import io

import numpy as np
from PIL import Image

from keras_repreg import plots
from keras_repreg.characteristics import Characteristics
from keras_repreg.commands import report_pictures
from keras_repreg.commands.findings import LEVELS, Finding
from keras_repreg.commands.report import _cell, _coordinates
from keras_repreg.commands.report_page import REMARKS, finding_item, remarks, section, stands_out


def one(level, extent=0.0, title="Something", text="Some text.", **more):
    return Finding(LEVELS.index(level) + extent, title, text, **more)


def test_most_severe_finding_comes_first_with_a_link():
    page = stands_out(remarks([(1, "a", one("minor", title="x")), (2, "<b>", one("broken", text="All > dead."))]), 2)
    assert page.index("broken") < page.index("minor")
    assert '<strong><a href="#layer-2">&lt;b&gt;</a></strong>: All &gt; dead.' in page
    assert '<strong><a href="#layer-1">a</a></strong>: Some text.' in page


def test_same_finding_in_several_layers_is_reported_once():
    found = [(1, "a", one("major", 0.1, brief="1 of 8")), (2, "b", one("major", 0.5, brief="4 of 8"))]
    (remark,) = remarks(found)
    assert remark.finding.severity == found[1][2].severity
    page = stands_out([remark], 3)
    assert page.count("<li") == 1
    assert "<strong>Something</strong> in 2 layers: " in page
    assert page.index('<a href="#layer-2">b</a> (4 of 8)') < page.index('<a href="#layer-1">a</a> (1 of 8)')
    # A finding that is minor in one layer and major in another is listed twice.
    assert len(remarks([*found, (3, "c", one("minor", 0.1))])) == 2


def test_finding_in_all_layers_does_not_list_them():
    found = remarks((k, f"layer {k}", one("measurement", title="At its cap", advice="Try more.")) for k in range(1, 14))
    page = stands_out(found, 13)
    assert "<strong>At its cap</strong> in all 13 layers. Try more." in page
    assert "href" not in page
    assert "in 13 layers: " in stands_out(found, 14)


def test_many_findings_are_folded():
    found = remarks((k, str(k), one("minor", 0.5 - 0.01 * k, title=str(k))) for k in range(REMARKS + 3))
    page = stands_out(found, REMARKS + 3)
    shown, _, folded = page.partition("<details><summary>3 more, less severe</summary>")
    assert (shown.count("<li"), folded.count("<li")) == (REMARKS, 3)
    assert stands_out([], 3) == '<p class="about">Nothing stands out.</p>'


def test_links_unfold_their_section():
    folded, opened = (section(3, "<a>", "8 units", "1 finding", "body", opened=value) for value in (False, True))
    assert folded.startswith('<details class="layer"><summary><h3>&lt;a&gt;</h3>')
    assert opened.startswith('<details class="layer" open>')
    assert folded.index("</summary>") < folded.index('id="layer-3"')


def test_layer_findings_have_advice():
    assert finding_item(one("major", advice="Do <this>.")).endswith("Some text. Do &lt;this&gt;.</li>")


def test_values_at_chance_are_shown_beside_the_value():
    z = np.random.default_rng(0).normal(size=(50, 4))
    accumulator = Characteristics(False, ["correlation", "sparsity"], chance=True)
    accumulator.update(z)
    values = accumulator.result()
    chance = values["correlation_at_chance"]
    assert _cell(values, "correlation") == f"{values['correlation']:.4g} <small>chance {chance:.4g}</small>"
    assert _cell(values, "sparsity") == "0"


def test_coordinates_preserve_distances():
    z = np.random.default_rng(0).normal(size=(6, 40))
    reduced = _coordinates(z)
    assert reduced.shape == (6, 6)
    for i in range(6):
        for j in range(6):
            np.testing.assert_allclose(np.linalg.norm(reduced[i] - reduced[j]), np.linalg.norm(z[i] - z[j]), atol=1e-9)
    np.testing.assert_array_equal(_coordinates(z.T), z.T)


def test_images_state_their_size_and_use_a_palette_for_few_colours():
    for palette, mode in ((True, "P"), (False, "RGB")):
        figure = plots.spectrum([1.0, 0.5])
        source, width, height = report_pictures._image(figure, "png", palette=palette)
        kind, _, content = source.partition(";base64,")
        image = Image.open(io.BytesIO(base64.b64decode(content)))
        assert (kind, image.mode) == ("data:image/png", mode)
        assert (width, height) == tuple(round(96 * inches) for inches in figure.get_size_inches())
        assert image.size[0] / width > 1.8
