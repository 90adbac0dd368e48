"""Every row of the table of rules: its maps keep the output, and more general maps raise."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_repreg import ion
from keras_repreg.ion import elementwise, rules
from keras_repreg.ion.maps import Kind
from tests.ion.architectures import randomized
from tests.ion.networks import nonsingular, output, representation

PERMUTATION, SCALING, LINEAR, AFFINE = Kind
UNITS = 4


def dense(**settings):
    return layers.Dense(UNITS, name="z", bias_initializer="normal", **settings)


def conv(rank, **settings):
    return getattr(layers, f"Conv{rank}D")(UNITS, 2, name="z", bias_initializer="normal", **settings)


def last(rank=0, **settings):
    if not rank:
        return layers.Dense(3, name="next", **settings)
    return getattr(layers, f"Conv{rank}D")(3, 2, name="next", **settings)


VECTOR, SEQUENCE, IMAGE, VOLUME = (5,), (6, 5), (6, 6, 2), (5, 5, 5, 1)

# By the layers in between: input shape, layers from "z" on, and the most general map that keeps the output.
CASES = {
    "nothing": (VECTOR, lambda: [dense(), last()], AFFINE),
    "no bias": (VECTOR, lambda: [dense(use_bias=False), last()], LINEAR),
    "a consumer without bias": (VECTOR, lambda: [dense(), last(use_bias=False)], LINEAR),
    "identities": (VECTOR, lambda: [dense(), layers.Dropout(0.5), layers.Identity(), last()], AFFINE),
    "LayerNormalization": (VECTOR, lambda: [dense(), layers.LayerNormalization(), last()], PERMUTATION),
    "GroupNormalization": (SEQUENCE, lambda: [dense(), layers.GroupNormalization(1), last()], PERMUTATION),
    "UnitNormalization": (VECTOR, lambda: [dense(), layers.UnitNormalization(), last()], PERMUTATION),
    "BatchNormalization": (VECTOR, lambda: [dense(), layers.BatchNormalization(), last()], SCALING),
    "BatchNormalization, plain": (
        VECTOR, lambda: [dense(), layers.BatchNormalization(center=False, scale=False), last()], SCALING,
    ),
    "ReLU": (VECTOR, lambda: [dense(), layers.ReLU(), last()], SCALING),
    "ReLU with a maximum": (VECTOR, lambda: [dense(), layers.ReLU(max_value=0.5), last()], PERMUTATION),
    "ReLU with a threshold": (VECTOR, lambda: [dense(), layers.ReLU(threshold=0.5), last()], PERMUTATION),
    "ReLU with a slope": (VECTOR, lambda: [dense(), layers.ReLU(negative_slope=0.3), last()], SCALING),
    "LeakyReLU": (VECTOR, lambda: [dense(), layers.LeakyReLU(0.2), last()], SCALING),
    "PReLU": (VECTOR, lambda: [dense(), layers.PReLU("uniform"), last()], SCALING),
    "ELU": (VECTOR, lambda: [dense(), layers.ELU(), last()], PERMUTATION),
    "Softmax": (VECTOR, lambda: [dense(), layers.Softmax(), last()], PERMUTATION),
    "Rescaling": (VECTOR, lambda: [dense(), layers.Rescaling(2.0, 1.0), last()], PERMUTATION),
    "RepeatVector": (VECTOR, lambda: [dense(), layers.RepeatVector(3), last()], AFFINE),
    "Conv1D": (SEQUENCE, lambda: [conv(1), last(1)], AFFINE),
    "Conv2D": (IMAGE, lambda: [conv(2), last(2)], AFFINE),
    "Conv3D": (VOLUME, lambda: [conv(3), last(3)], AFFINE),
    "Conv2D with padding": (IMAGE, lambda: [conv(2), last(2, padding="same")], LINEAR),
    "Conv1D with causal padding": (SEQUENCE, lambda: [conv(1), last(1, padding="causal")], LINEAR),
    "Conv1DTranspose": (SEQUENCE, lambda: [conv(1), layers.Conv1DTranspose(3, 2, name="next")], LINEAR),
    "Conv2DTranspose": (IMAGE, lambda: [conv(2), layers.Conv2DTranspose(3, 2, name="next")], LINEAR),
    "Conv3DTranspose": (VOLUME, lambda: [conv(3), layers.Conv3DTranspose(3, 2, name="next")], LINEAR),
    "after Conv2DTranspose": (
        IMAGE, lambda: [layers.Conv2DTranspose(UNITS, 2, bias_initializer="normal", name="z"), last(2)], AFFINE,
    ),
    "SeparableConv1D": (
        SEQUENCE, lambda: [conv(1), layers.SeparableConv1D(3, 2, depth_multiplier=2, name="next")], SCALING,
    ),
    "SeparableConv2D": (
        IMAGE, lambda: [conv(2), layers.SeparableConv2D(3, 2, depth_multiplier=2, name="next")], SCALING,
    ),
    "after SeparableConv2D": (IMAGE, lambda: [layers.SeparableConv2D(UNITS, 2, name="z"), last(2)], AFFINE),
    "DepthwiseConv1D": (
        SEQUENCE, lambda: [conv(1), layers.DepthwiseConv1D(2, bias_initializer="normal"), last(1)], SCALING,
    ),
    "DepthwiseConv2D": (
        IMAGE,
        lambda: [conv(2), layers.DepthwiseConv2D(2, depth_multiplier=3, bias_initializer="normal"), last(2)],
        SCALING,
    ),
    "DepthwiseConv2D with GELU": (IMAGE, lambda: [conv(2), layers.DepthwiseConv2D(2, activation="gelu"), last(2)],
                                  PERMUTATION),
    "SimpleRNN": (SEQUENCE, lambda: [dense(), layers.SimpleRNN(3, name="next")], LINEAR),
    "GRU": (SEQUENCE, lambda: [dense(), layers.GRU(3, name="next")], LINEAR),
    "LSTM": (SEQUENCE, lambda: [dense(), layers.LSTM(3, return_sequences=True, name="next")], LINEAR),
    "Bidirectional": (SEQUENCE, lambda: [dense(), layers.Bidirectional(layers.LSTM(3), name="next")], LINEAR),
    "Flatten": (IMAGE, lambda: [conv(2), layers.Flatten(), last()], AFFINE),
    "Reshape, keeping units": (IMAGE, lambda: [conv(2), layers.Reshape((25, UNITS)), last()], AFFINE),
    "Reshape, flat": (IMAGE, lambda: [conv(2), layers.Reshape((100,)), last()], AFFINE),
    "Permute": (IMAGE, lambda: [conv(2), layers.Permute((2, 1, 3)), last(2)], AFFINE),
    **{
        f"{name}{rank}D": (
            {1: SEQUENCE, 2: IMAGE, 3: VOLUME}[rank],
            lambda name=name, rank=rank: [
                conv(rank), getattr(layers, f"{name}{rank}D")(*([2] if name == "AveragePooling" else [])),
                *([] if name.startswith("Global") else [layers.Flatten()]), last(),
            ],
            kind,
        )
        for rank in (1, 2, 3)
        for name, kind in {
            "AveragePooling": AFFINE, "GlobalAveragePooling": AFFINE, "UpSampling": AFFINE, "Cropping": AFFINE,
            "ZeroPadding": LINEAR, "MaxPooling": SCALING, "GlobalMaxPooling": SCALING,
        }.items()
    },
    **{f"Activation {name}": (VECTOR, lambda name=name: [dense(activation=name), last()], SCALING)
       for name in elementwise.HOMOGENEOUS},
    **{
        f"Activation {name}": (VECTOR, lambda name=name: [dense(), layers.Activation(name), last()], PERMUTATION)
        for name in elementwise.ELEMENTWISE + elementwise.OVER_UNITS
        if hasattr(keras.activations, name)
    },
}  # fmt: skip
if hasattr(layers, "RMSNormalization"):
    CASES["RMSNormalization"] = (VECTOR, lambda: [dense(), layers.RMSNormalization(), last()], PERMUTATION)


def graph(combine, shape=VECTOR):
    """Return a model in which a function combines the outputs of the layers "z" and "other"."""
    start = keras.Input(shape)
    z, other = dense()(start), layers.Dense(UNITS, name="other", bias_initializer="normal")(start)
    return keras.Model(start, last()(combine(z, other)))


def embedding():
    start = keras.Input((6,), dtype="int32")
    return keras.Model(start, last()(layers.Embedding(9, UNITS, name="z")(start)))


def attention_after():
    start = keras.Input(SEQUENCE)
    z = dense()(start)
    return keras.Model(start, layers.MultiHeadAttention(2, 3, name="next")(z, z))


def attention_before():
    start = keras.Input(SEQUENCE)
    return keras.Model(start, last()(layers.MultiHeadAttention(2, 3, output_shape=UNITS, name="z")(start, start)))


GRAPHS = {
    "two consumers": (
        lambda: graph(lambda z, other: layers.Concatenate()([layers.Dense(2)(z), layers.Dense(2)(z)])), AFFINE,
    ),
    "Add": (lambda: graph(lambda z, other: layers.Add()([z, other])), LINEAR),
    "Add to itself": (lambda: graph(lambda z, other: layers.Add()([z, layers.ReLU()(z)])), SCALING),
    "Subtract": (lambda: graph(lambda z, other: layers.Subtract()([other, z])), LINEAR),
    "Average": (lambda: graph(lambda z, other: layers.Average()([z, other])), LINEAR),
    "Maximum": (lambda: graph(lambda z, other: layers.Maximum()([z, other])), SCALING),
    "Minimum": (lambda: graph(lambda z, other: layers.Minimum()([z, other])), SCALING),
    "Multiply": (lambda: graph(lambda z, other: layers.Multiply()([z, other])), PERMUTATION),
    "Multiply by one gate": (
        lambda: graph(lambda z, other: layers.Multiply()([layers.Dense(1)(other), z])), PERMUTATION,
    ),
    "Concatenate": (lambda: graph(lambda z, other: layers.Concatenate()([other, z])), AFFINE),
    "Concatenate twice": (lambda: graph(lambda z, other: layers.Concatenate()([z, other, z])), AFFINE),
    "Concatenate positions": (
        lambda: graph(lambda z, other: layers.Concatenate(axis=1)([z, other]), SEQUENCE), AFFINE,
    ),
    "operators": (lambda: graph(lambda z, other: (z * ops.relu6(z + 3.0) - other) / 6.0), PERMUTATION),
    "functions": (lambda: graph(lambda z, other: ops.maximum(ops.gelu(z), ops.tanh(other))), PERMUTATION),
    "relu": (lambda: graph(lambda z, other: ops.relu(z)), SCALING),
    "a sum with an activation before": (
        lambda: graph(lambda z, other: layers.Add()([layers.Activation("gelu")(other), z])), PERMUTATION,
    ),
    "a sum with normalization before": (
        lambda: graph(lambda z, other: layers.Add()([layers.BatchNormalization()(other), z])), SCALING,
    ),
    "a sum within a concatenation": (
        lambda: graph(lambda z, other: layers.Add()(
            [layers.Concatenate()([z, other]), layers.Dense(2 * UNITS, name="wide")(other)]
        )), LINEAR,
    ),
    "a sum of concatenations": (
        lambda: graph(lambda z, other: layers.Add()(
            [layers.Concatenate()([other, z]), layers.Concatenate()([layers.Dense(UNITS)(other) for _ in range(2)])]
        )), LINEAR,
    ),
    "Embedding": (embedding, LINEAR),
    "MultiHeadAttention": (attention_after, LINEAR),
    "after MultiHeadAttention": (attention_before, AFFINE),
}  # fmt: skip


def model_of(case):
    keras.utils.set_random_seed(0)
    if case in GRAPHS:
        make, kind = GRAPHS[case]
        return randomized(make()), kind
    shape, make, kind = CASES[case]
    return randomized(keras.Sequential([keras.Input(shape), *make()])), kind


def maps(rng):
    q = nonsingular(UNITS, 3, 0)
    order = [2, 0, 3, 1]
    factors = np.array([0.5, 2.0, 1.5, 3.0])
    return {
        PERMUTATION: (np.eye(UNITS)[order], None),
        SCALING: (np.diag(factors)[order], None),
        LINEAR: (q, None),
        AFFINE: (q, rng.normal(size=UNITS)),
    }


@pytest.mark.parametrize("case", [*CASES, *GRAPHS])
def test_each_row_keeps_outputs_or_raises(case):
    model, allowed = model_of(case)
    assert ion.find_site(model, "z").allows == allowed
    x = ion.probing.random_inputs(model)[:8]
    for kind, (q, m) in maps(np.random.default_rng(1)).items():
        before, y, z = model.get_weights(), output(model, x), representation(model, x)
        if kind > allowed:
            with pytest.raises(ValueError, match="Expected"):
                ion.transform(model, "z", q, m)
            for a, b in zip(before, model.get_weights(), strict=True):
                np.testing.assert_array_equal(a, b)
            continue
        assert ion.transform(model, "z", q, m) is model
        np.testing.assert_allclose(output(model, x), y, atol=1e-5 * np.abs(y).max())
        moved = (z if m is None else z - m) @ q.T
        np.testing.assert_allclose(representation(model, x), moved, atol=1e-5 * np.abs(moved).max())


def test_every_row_has_a_case():
    seen = {type(layer) for case in [*CASES, *GRAPHS] for layer in model_of(case)[0].layers}
    assert not [row.__name__ for row in rules.ROWS if row not in seen]


REFUSED = {
    "units joined with others' axis": lambda: [dense(), layers.Reshape((2, 2)), last()],
    "grouped convolution": lambda: [layers.Reshape((5, 1)), conv(1), layers.Conv1D(4, 2, groups=2), last()],
    "normalization over another axis": lambda: [layers.Reshape((5, 1)), conv(1), layers.BatchNormalization(1), last()],
    "normalization in groups": lambda: [dense(), layers.GroupNormalization(2), last()],
    "softmax over positions": lambda: [layers.Reshape((5, 1)), conv(1), layers.Softmax(axis=1), last()],
    "slopes shared by units": lambda: [layers.Reshape((5, 1)), conv(1), layers.PReLU(shared_axes=[1, 2]), last()],
    "units moved to another axis": lambda: [layers.Reshape((5, 1)), conv(1), layers.Permute((2, 1)), last()],
    "one scale per unit": lambda: [dense(), layers.Rescaling([1.0, 2.0, 3.0, 4.0]), last()],
    "channels first": lambda: [layers.Reshape((5, 1)), conv(1), layers.MaxPooling1D(data_format="channels_first"),
                               last()],
    "an unknown layer": lambda: [dense(), layers.Lambda(lambda z: z[:, ::-1]), last()],
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_unsupported_layer_configurations_raise(case):
    model = keras.Sequential([keras.Input(VECTOR), *REFUSED[case]()])
    before = model.get_weights()
    with pytest.raises(ValueError, match="Received: '"):
        ion.permute(model, "z", [1, 0, 2, 3])
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_sums_of_one_stream_are_rewritten_together():
    from tests.ion.architectures import residual, transformer

    for model, name, factors in ((residual(), "stem", True), (transformer(), "embedding", False)):
        site = ion.find_site(model, name)
        assert len(site.producers) > 2
        x = ion.probing.random_inputs(model)
        y = output(model, x)
        ion.permute(model, name, np.random.default_rng(0).permutation(site.units))
        np.testing.assert_allclose(output(model, x), y, atol=1e-5 * np.abs(y).max())
        if factors:
            ion.rescale(model, name, np.geomspace(0.5, 2, site.units))
            np.testing.assert_allclose(output(model, x), y, atol=1e-5 * np.abs(y).max())
