"""Every penalty on every kind of batch has no NaN in value or gradient, and passes its input on."""

import keras
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from tests.layers.cases import CASES, gradient
from tests.stress.examples import batches, examples, ids, in_range_of

# JAX has no float64 by default.
DTYPES = ("float32", "float16", "bfloat16", *(["float64"] if keras.backend.backend() != "jax" else []))


def penalty_of(layer, z, labels):
    """Return what the layer adds to the loss, after checking that it passes its input on."""
    z = ops.convert_to_tensor(z)
    out = layer(z) if labels is None else layer([z, ops.convert_to_tensor(labels)])
    assert tuple(out.shape) == tuple(z.shape)
    np.testing.assert_array_equal(ops.convert_to_numpy(ops.cast(out, "float32")), ops.convert_to_numpy(z))
    (loss,) = layer.losses
    assert tuple(loss.shape) == ()
    return float(ops.convert_to_numpy(loss))


def check(case, layer, z, labels, dtype):
    value = penalty_of(layer, z, labels)
    slope = np.asarray(gradient(layer, z, labels), "float64")
    assert value >= 0, (case, value)
    assert slope.shape == z.shape
    assert not np.isnan(slope).any(), (case, value)
    # Beyond 1e8 the squared covariance overflows float32, so only infinity is correct.
    if np.abs(z).max(initial=0) < 1e8 or "Rank" in str(case) or "L1" in str(case):
        assert np.isfinite(value), case
        # The gradient is returned in float16, which overflows at 65520.
        assert np.isfinite(slope).all() or dtype == "float16", case


@examples(24)
@given(data=st.data(), z=batches(), dtype=st.sampled_from(DTYPES), normalize=st.booleans())
def test_value_and_gradient(data, z, dtype, normalize):
    case = data.draw(st.sampled_from(CASES))
    z = in_range_of(z, dtype)
    z = np.asarray(ops.convert_to_numpy(ops.cast(ops.cast(z, dtype), "float32")))
    labels = data.draw(ids(len(z))) if case.classwise else None
    check(case, case.make(normalize=normalize, dtype=dtype), z, labels, dtype)


@examples(10)
@given(data=st.data(), z=batches(kinds=("whole numbers", "zeros")), dtype=st.sampled_from(("int32", "uint8", "bool")))
def test_integers_are_accepted(data, z, dtype):
    case = data.draw(st.sampled_from(CASES))
    labels = data.draw(ids(len(z))) if case.classwise else None
    z = np.abs(z).astype(dtype)
    found = penalty_of(case.make(), z, labels)
    assert found == penalty_of(case.make(), z.astype("float32"), labels)


@examples(8)
@given(data=st.data(), z=batches(kinds=("normal",)), bad=st.sampled_from([np.nan, np.inf, -np.inf]))
def test_nonfinite_values_are_passed_on_and_stay_in_the_loss(data, z, bad):
    """There is no exception, and the penalty is not finite."""
    case = data.draw(st.sampled_from(CASES))
    z = z.astype("float32")
    z[data.draw(st.integers(0, len(z) - 1)), data.draw(st.integers(0, z.shape[1] - 1))] = bad
    labels = np.zeros(len(z), "int32") if case.classwise else None
    layer = case.make()
    given = ops.convert_to_tensor(z)
    out = layer(given) if labels is None else layer([given, labels])
    np.testing.assert_array_equal(ops.convert_to_numpy(out), z)
    value = float(ops.convert_to_numpy(layer.losses[0]))
    if "Covariance" not in str(case) or z.shape[1] > 1:
        assert not np.isfinite(value) or "Rank" in str(case), (case, value)


def test_complex_activations_raise():
    z = np.ones((4, 3), "complex64")
    for case in CASES:
        try:
            case.make()([z, np.zeros(4, "int32")] if case.classwise else z)
        except ValueError as error:
            assert "Received: inputs.dtype=complex64" in str(error)  # noqa: PT017
        else:
            raise AssertionError(case)
