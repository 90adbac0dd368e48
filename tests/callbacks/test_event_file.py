"""Histograms in one pass, and event files read back by TensorBoard's reader."""

import sys

import keras
import numpy as np
import pytest
from keras import layers

import keras_repreg
from keras_repreg.callbacks.event_file import EventFile
from keras_repreg.callbacks.histogram import EDGES, Histogram


def test_histogram_counts_every_finite_value_batch_by_batch():
    values = np.random.default_rng(0).normal(size=1000) * np.repeat([1e-8, 1, 1e8, 0], 250)
    histogram = Histogram()
    for part in np.split(values, 5):
        histogram.update(np.append(part, [np.nan, np.inf]))
    rows = histogram.rows()
    assert rows[0, 0] == values.min()
    assert rows[-1, 1] == values.max()
    np.testing.assert_array_equal(rows[1:, 0], rows[:-1, 1])
    for left, right, count in rows[1:-1]:
        assert count == np.sum((values >= left) & (values < right))
    assert rows[:, 2].sum() == 1000
    assert rows[np.searchsorted(rows[:, 0], -1e-6), 2] == 500  # zeros and tiny values
    # Each bin bounds its values to within 20%.
    middle = EDGES[(EDGES > 0) & np.isfinite(EDGES)]
    assert (middle[1:] / middle[:-1]).max() < 1.2001


def test_histogram_without_values_is_empty():
    histogram = Histogram()
    histogram.update(np.array([np.nan]))
    assert histogram.rows().shape == (0, 3)


def read_back(folder):
    tf = pytest.importorskip("tensorflow")
    found = {}
    for path in sorted(folder.iterdir()):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                plugin = value.metadata.plugin_data.plugin_name
                found[value.tag, event.step] = (plugin, tf.make_ndarray(value.tensor))
    return found


def test_an_event_file_holds_values_histograms_and_spectra(tmp_path):
    pytest.importorskip("tensorflow")
    model = keras.Sequential(
        [keras.Input((5,)), layers.Dense(6, activation="relu", name="hidden"), layers.Dense(3, name="logits")]
    )
    model.compile("sgd", "mse")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 5)).astype("float32"), rng.normal(size=(40, 3)).astype("float32")
    logger = keras_repreg.CharacteristicsLogger(characteristics=["mean", "spectrum"], log_dir=tmp_path / "logs")
    model.fit(x, y, epochs=3, validation_data=(x, y), callbacks=[logger], verbose=0)
    found = read_back(tmp_path / "logs")
    assert {tag for tag, _ in found} == {"hidden/mean", "hidden/activations", "hidden/log10_spectrum"}
    assert {step for _, step in found} == {0, 1, 2}
    plugin, mean = found["hidden/mean", 2]
    assert plugin == "scalars"
    assert mean == pytest.approx(logger.tables[3]["hidden"]["mean"], rel=1e-6)
    z = keras.ops.convert_to_numpy(keras.Model(model.inputs[0], model.get_layer("hidden").output)(x))
    plugin, rows = found["hidden/activations", 2]
    assert plugin == "histograms"
    assert rows[:, 2].sum() == z.size
    assert rows[0, 2] == np.sum(z < 1e-6)
    assert rows[-1, 1] == pytest.approx(z.max(), rel=1e-5)
    plugin, rows = found["hidden/log10_spectrum", 2]
    assert plugin == "histograms"
    spectrum = logger.tables[3]["hidden"]["spectrum"]
    assert rows[:, 2].sum() == np.count_nonzero(spectrum)
    assert rows[-1, 1] == pytest.approx(np.log10(spectrum[0]))


def test_missing_tensorflow_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ImportError, match=r"keras-repreg\[tensorflow\]"):
        EventFile(tmp_path)
