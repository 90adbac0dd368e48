"""The label scope and the accepted forms of labels."""

import contextlib
import threading

import keras
import numpy as np
import pytest
from keras import ops

import keras_repreg
from keras_repreg import label_checks
from keras_repreg.labels import class_ids, current_labels


def test_scopes_nest_and_exit_on_exceptions():
    with keras_repreg.label_scope("outer"):
        with contextlib.suppress(RuntimeError), keras_repreg.label_scope("inner"):
            assert current_labels() == "inner"
            raise RuntimeError
        assert current_labels() == "outer"
    assert current_labels() is None


def test_scope_belongs_to_one_thread():
    seen = []
    with keras_repreg.label_scope("here"):
        thread = threading.Thread(target=lambda: seen.append(current_labels()))
        thread.start()
        thread.join()
    assert seen == [None]


@pytest.mark.parametrize(
    ("y", "key", "expected"),
    [
        ({"a": 1}, None, 1),
        ({"a": 1, "b": 2}, "b", 2),
        ([1, 2], 1, 2),
        ((5,), None, 5),
    ],
    ids=str,
)
def test_structured_targets(y, key, expected):
    with keras_repreg.label_scope(y):
        assert current_labels(key) == expected


def test_structured_targets_without_a_key():
    with (
        keras_repreg.label_scope({"a": 1, "b": 2}),
        pytest.raises(ValueError, match=r"\['a', 'b'\].*Received: label_key=None"),
    ):
        current_labels()


@pytest.mark.parametrize(
    "labels",
    [
        np.array([2, 0, 1], "int64"),
        np.array([2, 0, 1], "uint8"),
        np.array([2.0, 0.0, 1.0], "float32"),
        np.array([[2], [0], [1]], "int32"),
        np.eye(3, dtype="float32")[[2, 0, 1]],
        np.eye(3, dtype="int32")[[2, 0, 1]],
        np.array([[0.1, 0.1, 0.8], [0.8, 0.1, 0.1], [0.1, 0.8, 0.1]], "float32"),
    ],
    ids=lambda labels: f"{labels.dtype}{labels.shape}",
)
def test_class_ids(labels):
    ids = class_ids(labels, ops.ones((3, 4)))
    np.testing.assert_array_equal(ops.convert_to_numpy(ids), [2, 0, 1])


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only TensorFlow has unknown shapes")
def test_unknown_second_dimension_raises():
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((None, None), tf.int32)])
    def ids(labels):
        return class_ids(labels, tf.ones((3, 4)))

    with pytest.raises(ValueError, match="a known K"):
        ids(np.zeros((3, 1), "int32"))
    with pytest.raises(ValueError, match="Received: labels.dtype=string"):
        class_ids(tf.constant(["a", "b", "c"]), tf.ones((3, 4)))


def test_binary_labels():
    ids = class_ids(np.array([True, False, True]), ops.ones((3, 4)))
    np.testing.assert_array_equal(ops.convert_to_numpy(ids), [1, 0, 1])


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="uses tf.data.Dataset")
def test_integer_targets_of_a_dataset_are_not_read():
    """Reading the first batch of a data set can be expensive."""
    import tensorflow as tf

    def forbidden():
        raise AssertionError("read")
        yield

    for shape, read in (((), False), ((3,), True)):
        spec = tf.TensorSpec((2,)), tf.TensorSpec((2, *shape), tf.int32)
        dataset = tf.data.Dataset.from_generator(forbidden, output_signature=spec)
        with pytest.raises(Exception, match="read") if read else contextlib.nullcontext():
            assert label_checks._first_targets(dataset) == (None, dataset)
