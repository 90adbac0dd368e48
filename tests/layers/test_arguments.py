"""Invalid input raises an error that states what was expected and received."""

import keras
import numpy as np
import pytest

import keras_repreg
from tests.layers.cases import CASES, CLASSWISE


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"WEIGHT": -1.0}, ValueError),
        ({"WEIGHT": float("nan")}, ValueError),
        ({"WEIGHT": float("inf")}, ValueError),
        ({"WEIGHT": "0.1"}, TypeError),
        ({"WEIGHT": True}, TypeError),
        ({"normalize": "yes"}, TypeError),
    ],
    ids=str,
)
def test_invalid_constructor_arguments_raise(case, arguments, error):
    for weight in case.weights:
        given = {weight if name == "WEIGHT" else name: value for name, value in arguments.items()}
        with pytest.raises(error, match=f"Received: {next(iter(given))}="):
            case.layer(**given)


@pytest.mark.parametrize("case", CLASSWISE, ids=str)
@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"num_classes": 0}, ValueError),
        ({"num_classes": 2.0}, TypeError),
        ({"label_key": 1.5}, TypeError),
    ],
    ids=str,
)
def test_invalid_classwise_constructor_arguments_raise(case, arguments, error):
    with pytest.raises(error, match="Received: "):
        case.layer(0.1, **arguments)


@pytest.mark.parametrize("layer", [keras_repreg.RankRegularization, keras_repreg.ClasswiseRankRegularization])
def test_unknown_method_raises(layer):
    with pytest.raises(ValueError, match="'holder', 'power', 'svd'.*Received: method='exact'"):
        layer(method="exact")


@pytest.mark.parametrize("shape", [(4,), (4, 3, 2)])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_activations_must_be_a_matrix(case, shape):
    z = np.ones(shape, "float32")
    with pytest.raises(ValueError, match=r"\(samples, units\)"):
        case.make()([z, np.zeros(4, "int32")] if case.classwise else z)


@pytest.mark.parametrize(
    "labels",
    [np.zeros(3, "int32"), np.zeros((4, 2, 2), "int32"), np.zeros((), "int32")],
    ids=lambda labels: str(labels.shape),
)
def test_labels_of_wrong_shape_raise(labels):
    with pytest.raises(ValueError, match=r"Received: labels.shape=.*activations.shape=\(4, 2\)"):
        CLASSWISE[0].make()([np.ones((4, 2), "float32"), labels])


def test_wrong_one_hot_width_raises():
    layer = CLASSWISE[0].make(num_classes=5)
    with pytest.raises(ValueError, match="num_classes=5.*Received: labels.shape=\\(4, 3\\)"):
        layer([np.ones((4, 2), "float32"), np.eye(4, 3, dtype="int32")])


def test_half_precision_ids_raise():
    layer = CLASSWISE[0].make(dtype="bfloat16")
    with pytest.raises(ValueError, match="Received: labels.dtype=bfloat16"):
        layer([np.ones((4, 2), "float32"), np.arange(4, dtype="float32")])


def test_three_inputs_raise():
    with pytest.raises(ValueError, match="Received: a list of 3 inputs"):
        CLASSWISE[0].make()([np.ones((4, 2), "float32")] * 3)


@pytest.mark.parametrize("case", [case for case in CASES if not case.classwise], ids=str)
def test_labels_for_a_layer_without_labels_raise(case):
    with pytest.raises(ValueError, match="expects only the activations.*Received: a list of 2 inputs"):
        case.make()([np.ones((4, 2), "float32"), np.zeros(4, "int32")])
    with pytest.raises(ValueError, match="expects only the activations.*Received: a list of 2 inputs"):
        case.make()([keras.Input((2,)), keras.Input((), dtype="int32")])


@pytest.mark.parametrize("argument", ["activity_regularizer", "kernel_regularizer", "bias_regularizer"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_layer_as_a_regularizer_argument_raises(case, argument):
    """Keras would treat the layer as a function and add the sum of its output to the loss."""
    dense = keras.layers.Dense(3, **{argument: case.make(name="penalty")}, name="dense")
    # The oldest Keras itself rejects it as a kernel regularizer.
    with pytest.raises(
        (TypeError, ValueError), match="'penalty' as a separate layer.*Received: it as .*dense|name=penalty"
    ):
        # Keras evaluates weight penalties when it reads the losses.
        dense(np.ones((2, 4), "float32")), dense.losses


def test_layers_can_be_called_by_other_layers():
    class Block(keras.layers.Layer):
        def __init__(self):
            super().__init__(activity_regularizer="l2")
            self.penalty = keras_repreg.L1Regularization(0.5)

        def call(self, x):
            return self.penalty(x)

    block = Block()
    block(np.ones((2, 4), "float32"))
    assert 4.0 in [float(loss) for loss in block.losses]


def test_numpy_numbers_are_accepted():
    layer = CLASSWISE[0].layer(np.float32(0.5), num_classes=np.int64(3))
    assert (layer.weight, layer.num_classes) == (0.5, 3)
    assert type(layer.num_classes) is int  # so that it can be saved


def test_label_aware_accepts_only_models():
    with pytest.raises(TypeError, match="Received: .*Dense"):
        keras_repreg.label_aware(keras.layers.Dense(3))


def test_base_class_requires_omega():
    with pytest.raises(NotImplementedError, match="omega"):
        keras_repreg.layers.RepresentationRegularization()(np.ones((4, 2), "float32"))
