"""The arguments `soft_labels` and `ignore_class` of the class-wise layers: meaning, errors, and training."""

import keras
import numpy as np
import pytest

import keras_repreg
from tests.layers.cases import CLASSWISE, batch, gradient, penalty
from tests.layers.test_in_models import compiled, stack


@pytest.mark.parametrize("case", CLASSWISE, ids=str)
def test_one_hot_rows_are_hard_labels_with_and_without_soft_labels(case):
    z, labels = batch(20, 10, 4)
    expected = penalty(case.make(), z, labels)
    one_hot = np.eye(4, dtype="float32")[labels]
    assert penalty(case.make(), z, one_hot) == pytest.approx(expected, rel=1e-6)
    assert penalty(case.make(soft_labels=True), z, one_hot) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("case", CLASSWISE, ids=str)
def test_soft_rows_become_their_largest_entry_by_default(case):
    z, labels = batch(20, 10, 4)
    soft = 0.6 * np.eye(4, dtype="float32")[labels] + 0.1
    assert penalty(case.make(), z, soft) == pytest.approx(penalty(case.make(), z, labels), rel=1e-6)
    assert penalty(case.make(soft_labels=True), z, soft) != pytest.approx(penalty(case.make(), z, labels), rel=1e-2)


@pytest.mark.parametrize("value", [1e12, np.inf, np.nan])
@pytest.mark.parametrize("case", CLASSWISE, ids=str)
def test_values_of_ignored_samples_do_not_matter(case, value):
    z, labels = batch(12, 10, 3)
    expected = case.oracle(z[1:], labels[1:])
    z[0] = value
    hard, soft = labels.copy(), np.eye(3, dtype="float32")[labels]
    hard[0], soft[0] = -1, 0
    for layer, side in ((case.make(ignore_class=-1), hard), (case.make(soft_labels=True), soft)):
        assert penalty(layer, z, side) == pytest.approx(expected, rel=1e-3)
        slopes = gradient(layer, z, side)
        assert np.isfinite(slopes).all()
        assert not slopes[0].any()


@pytest.mark.parametrize("ignored", [-1, 255, 2])
@pytest.mark.parametrize("case", CLASSWISE, ids=str)
def test_ignored_samples_have_no_effect(case, ignored):
    z, labels = batch(30, 10, 3)
    labels[::3] = ignored
    kept = labels != ignored
    for normalize in (False, True):
        layer, plain = case.make(ignore_class=ignored, normalize=normalize), case.make(normalize=normalize)
        assert penalty(layer, z, labels) == pytest.approx(penalty(plain, z[kept], labels[kept]), rel=1e-5)
    assert not gradient(layer, z, labels)[~kept].any()


@pytest.mark.parametrize("case", CLASSWISE, ids=str)
def test_all_samples_ignored(case):
    z, _ = batch(6, 10, 3)
    layer = case.make(ignore_class=-1, normalize=True)
    assert penalty(layer, z, np.full(6, -1, "int32")) == 0
    assert not gradient(layer, z, np.full(6, -1, "int32")).any()


@pytest.mark.parametrize("case", CLASSWISE, ids=str)
def test_normalization_divides_by_the_number_of_soft_classes(case):
    z, labels = batch(20, 10, 3)
    one_hot = np.eye(5, dtype="float32")[labels]
    literal = penalty(case.make(soft_labels=True), z, one_hot)
    found = penalty(case.make(soft_labels=True, normalize=True), z, one_hot)
    assert found == pytest.approx(literal / case.divisor(20, 10, 3), rel=1e-5)
    found = penalty(case.make(soft_labels=True, normalize=True, num_classes=5), z, one_hot)
    assert found == pytest.approx(literal / case.divisor(20, 10, 5), rel=1e-5)


@pytest.mark.parametrize("case", CLASSWISE, ids=str)
def test_fit_with_soft_targets(case):
    x = np.random.default_rng(0).normal(size=(50, 5)).astype("float32")
    y = np.random.default_rng(1).dirichlet(np.ones(3), 50).astype("float32")
    model = keras_repreg.Sequential(stack(case, soft_labels=True))
    compiled(model)
    model.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True))
    history = model.fit(x, y, batch_size=20, epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


@pytest.mark.parametrize("case", CLASSWISE, ids=str)
@pytest.mark.parametrize("arguments", [{"soft_labels": True}, {"ignore_class": 255}], ids=str)
def test_arguments_are_saved(case, arguments):
    layer = case.layer.from_config(case.make(**arguments).get_config())
    assert {name: getattr(layer, name) for name in arguments} == arguments


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"soft_labels": 1}, TypeError),
        ({"ignore_class": 1.5}, TypeError),
        ({"ignore_class": True}, TypeError),
        ({"ignore_class": 2**31}, ValueError),
        ({"soft_labels": True, "ignore_class": -1}, ValueError),
    ],
    ids=str,
)
def test_arguments_out_of_range_raise(arguments, error):
    with pytest.raises(error, match="Received: "):
        CLASSWISE[0].make(**arguments)


@pytest.mark.parametrize("labels", [np.zeros(4, "int32"), np.zeros((4, 1), "float32"), np.zeros((4, 3), "float32")])
def test_labels_that_are_not_soft_raise(labels):
    layer = CLASSWISE[0].make(soft_labels=True, num_classes=5)
    with pytest.raises(ValueError, match=r"num_classes=5\).*Received: labels.shape="):
        layer([np.ones((4, 2), "float32"), labels])
