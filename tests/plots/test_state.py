"""Plots do not change pyplot or its settings; without matplotlib the error names the extra."""

import inspect
import pkgutil
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot

from keras_repreg import plots


def test_pyplot_figures_and_settings_are_untouched(tmp_path):
    pyplot.close("all")
    before = dict(matplotlib.rcParams)
    plots.unit_histograms(np.eye(4), [0, 0, 1, 1])
    plots.unit_scatter(np.eye(4), [0, 0, 1, 1]).savefig(tmp_path / "picture.png")
    plots.spectrum([1.0, 2.0])
    plots.correlation_matrix(np.eye(4))
    plots.characteristics_over_epochs({"val_a_sparsity": [0.1]})
    plots.by_layer({"a": {"sparsity": 0.1}, "b": {"sparsity": 0.2}})
    plots.correlation_scatter({"a": (0.0, 1.0)})
    assert pyplot.get_fignums() == []
    assert dict(matplotlib.rcParams) == before
    assert (tmp_path / "picture.png").read_bytes()[:4] == b"\x89PNG"


def test_matplotlib_is_imported_in_one_function_only():
    for module in pkgutil.iter_modules(plots.__path__):
        source = inspect.getsource(sys.modules[f"keras_repreg.plots.{module.name}"])
        assert "import pyplot" not in source
        assert "matplotlib.pyplot" not in source
        assert "\nimport matplotlib" not in source
        assert "\nfrom matplotlib" not in source


def test_missing_matplotlib_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"keras-repreg\[plots\]"):
        plots.unit_scatter(np.eye(4))
