"""The survey agrees with the functions."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_repreg import ion
from tests.ion import architectures
from tests.ion.networks import build

REWRITES = {
    "permute": lambda model, name, units: ion.permute(model, name, np.roll(np.arange(units), 1)),
    "rescale": lambda model, name, units: ion.rescale(model, name, np.linspace(0.5, 2, units)),
    "orthogonal": lambda model, name, units: ion.orthogonal(model, name, 0),
    "whiten": lambda model, name, units: ion.transform(model, name, np.eye(units), np.full(units, 0.1)),
    "fold_batch_norm": lambda model, name, units: ion.fold_batch_norm(model, name),
    "remove_units": lambda model, name, units: ion.remove_units(model, name),
}


@pytest.mark.slow
@pytest.mark.parametrize("make", ["unet", "residual", "inverted", "transformer"])
def test_survey_matches_the_functions(make):
    model = getattr(architectures, make)()
    lines = []
    rows = ion.survey(model, lines.append)
    assert lines == [str(row) for row in rows]
    assert not any("\n" in line for line in lines)
    for row in rows:
        assert row.reason or "whiten" in row.functions or "fold_batch_norm" in row.functions
        units = model.get_layer(row.layer).output.shape[-1]
        for name, rewrite in REWRITES.items():
            if name in row.functions:
                rewrite(model, row.layer, units)
            else:
                with pytest.raises(ValueError, match="Received"):
                    rewrite(model, row.layer, units)


def test_survey_prints_one_line_per_layer(capsys):
    ion.survey(build(between=[layers.BatchNormalization(name="norm")]))
    assert capsys.readouterr().out.splitlines() == [
        "first (Dense): permute, rescale, remove_units; no more: the ReLU of layer 'first'",
        "z (Dense): permute, rescale, remove_units; no more: layer 'norm' of type BatchNormalization; "
        "ion.fold_batch_norm may remove it",
        "norm (BatchNormalization): fold_batch_norm",
        "next (Dense): nothing; no more: layer 'next', whose units reach an output of the model",
    ]


def test_nested_models_and_nonmodels():
    inner = build(activation=None)
    outer = keras.Sequential([keras.Input((5,)), inner, layers.Dense(2, name="last")])
    rows = ion.survey(outer, None)
    assert rows[0].reason.startswith("a nested model")
    with pytest.raises(TypeError, match="Received: 3"):
        ion.survey(3)
    with pytest.raises(ValueError, match="built"):
        ion.survey(keras.Sequential([layers.Dense(3)]))
