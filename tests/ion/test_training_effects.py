"""Rewrites keep outputs but may change penalties and violate constraints, which one warning states."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_repreg
from keras_repreg import ion
from tests.ion.networks import output

X = np.random.default_rng(0).normal(size=(50, 5)).astype("float32")
REGULARIZED = {
    "kernel": lambda: [layers.Dense(4, name="z", kernel_regularizer="l2"), layers.Dense(3)],
    "bias": lambda: [layers.Dense(4, name="z", bias_regularizer="l2"), layers.Dense(3)],
    "output": lambda: [layers.Dense(4, name="z", activity_regularizer="l1"), layers.Dense(3)],
    "next kernel": lambda: [layers.Dense(4, name="other"), layers.Dense(3, name="z", kernel_regularizer="l2")],
    "a layer after": lambda: [layers.Dense(4, name="other"), keras_repreg.VarianceRegularization(1.0, name="z"),
                              layers.Dense(3)],
    "Keras's own": lambda: [layers.Dense(4, name="other"), layers.ActivityRegularization(l2=0.1, name="z"),
                            layers.Dense(3)],
}  # fmt: skip


def first(parts):
    return keras.Sequential([keras.Input((5,)), *parts])


@pytest.mark.parametrize("what", REGULARIZED)
def test_penalties(what):
    model = first(REGULARIZED[what]())
    name = model.layers[0].name
    with pytest.warns(UserWarning, match=r"training will differ: the penalties of \['z'\] have changed\.$") as caught:
        ion.rescale(model, name, 2.0)
    assert [one.filename for one in caught if one.category is UserWarning] == [__file__]
    ion.permute(model, name, [1, 0, 3, 2])  # no penalty depends on the order of units, so no warning is expected


def test_ineffective_penalties_do_not_warn():
    """The weights of a frozen layer are not penalized, and the outputs of later layers do not change."""
    model = first(
        [layers.Dense(4, name="z", kernel_regularizer="l2"), layers.Dense(3, activity_regularizer="l1", name="next")]
    )
    model.get_layer("z").trainable = False
    ion.rescale(model, "z", 2.0)


def test_constraints():
    model = first([layers.Dense(4, name="z"), layers.Dense(3, name="next", kernel_constraint="max_norm")])
    with pytest.warns(UserWarning, match=r"projects the weights of \['next'\] onto their constraints"):
        ion.rescale(model, "z", 2.0)


@pytest.mark.parametrize(
    ("parts", "names"),
    [
        (lambda norm: [layers.Dense(4, kernel_regularizer="l2", name="z"), norm, layers.ReLU(), layers.Dense(3)], "z"),
        (lambda norm: [layers.Dense(4, activity_regularizer="l2", name="z"), norm, layers.Dense(3)], "z"),
        (lambda norm: [layers.Dense(4, "relu"), norm, layers.Dense(3, kernel_regularizer="l2", name="z")], "z"),
        (lambda norm: [layers.Dense(4, "relu"), norm, layers.ActivityRegularization(0.1, name="z"), layers.Dense(3)],
         "z"),
        (lambda norm: [layers.Dense(4), layers.ActivityRegularization(0.1, name="z"), norm, layers.ReLU(),
                       layers.Dense(3)], "z"),
    ],
    ids=["kernel before", "output before", "kernel after", "output", "between"],
)  # fmt: skip
def test_folding(parts, names):
    model = first(parts(layers.BatchNormalization(name="norm", gamma_initializer="normal")))
    y = output(model, X)
    with pytest.warns(UserWarning, match=rf"the penalties of \['{names}'\] have changed"):
        ion.fold_batch_norm(model, "norm")
    np.testing.assert_allclose(output(model, X), y, atol=1e-5)


def test_removal():
    model = first([layers.Dense(4, "relu", name="z", kernel_regularizer="l2"), layers.Dense(3)])
    with pytest.warns(UserWarning, match=r"the penalties of \['z'\] have changed"):
        ion.remove_units(model, "z", [0])


def test_warning_points_at_the_caller():
    for rewrite in (
        lambda model: ion.rescale(model, "z", 2.0),
        lambda model: ion.whiten(model, "z", X),
        lambda model: ion.transform(model, "z", np.eye(4) * 2),
        lambda model: ion.remove_units(model, "z", [0]),
    ):
        model = first([layers.Dense(4, name="z", kernel_regularizer="l2"), layers.Dense(3)])
        with pytest.warns(UserWarning, match="penalties") as caught:
            rewrite(model)
        assert caught[-1].filename == __file__
