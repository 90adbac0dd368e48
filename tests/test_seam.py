"""Contract tests for what the package assumes about Keras beyond its documented interface."""

import threading

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_repreg
from keras_repreg import seam

BACKEND = keras.backend.backend()


def network():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(4, name="a"), layers.Dense(2, name="b")])
    model.compile("sgd", "mse")
    return model


X, Y = np.ones((6, 3), "float32"), np.zeros((6, 2), "float32")


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0)], ids=str)
@pytest.mark.parametrize("own", [False, True])
def test_methods_are_replaced_and_restored_in_any_order(order, own):
    model, calls = network(), []
    before = model.evaluate
    if own:
        vars(model)["evaluate"] = before
    undo = []
    for number in range(3):

        def around(original, *args, number=number, **kwargs):
            calls.append(number)
            return original(*args, **kwargs)

        undo.append(seam.replace_method(model, "evaluate", around))
    model.evaluate(X, Y, verbose=0)
    assert calls == [2, 1, 0]
    left = [0, 1, 2]
    for number in order:
        undo[number]()
        undo[number]()
        left.remove(number)
        calls.clear()
        model.evaluate(X, Y, verbose=0)
        assert calls == left[::-1]
    assert vars(model).get("evaluate") is (before if own else None)


def test_later_replacements_by_others_are_kept():
    model = network()
    undo = seam.replace_method(model, "evaluate", lambda original, *args, **kwargs: 7.0)
    inner = model.evaluate
    model.evaluate = outer = lambda *args, **kwargs: inner(*args, **kwargs)
    assert model.evaluate(X, Y, verbose=0) == 7.0
    undo()
    assert model.evaluate is outer
    assert model.evaluate(X, Y, verbose=0) != 7.0


@pytest.mark.parametrize("own", [False, True])
def test_method_is_substituted_temporarily(own):
    model = network()
    if own:
        seam.replace_method(model, "evaluate", lambda original, *args, **kwargs: 7.0)
    before = vars(model).get("evaluate")
    with seam.substituted(model, "evaluate", lambda *args, **kwargs: 8.0):
        assert model.evaluate(X, Y, verbose=0) == 8.0
    assert vars(model).get("evaluate") is before


def test_a_replaced_step_runs_once_its_compiled_function_is_forgotten():
    model, calls = network(), []
    model.fit(X, Y, verbose=0)

    def around(original, *args, **kwargs):
        calls.append(1)
        return original(*args, **kwargs)

    seam.replace_method(model, "train_step", around)
    seam.forget_compiled(model)
    model.fit(X, Y, verbose=0)
    assert calls


def test_layers_within_layers_are_found():
    class Block(layers.Layer):
        def __init__(self):
            super().__init__(name="block")
            self.inner = [layers.Dense(2, name="first"), layers.Dense(2, name="second")]

    wrapped = layers.TimeDistributed(layers.Dense(2, name="timed"), name="wrapper")
    model = keras.Sequential([Block(), wrapped, keras.Sequential([layers.Dense(2, name="deep")], name="nested")])
    names = {layer.name for layer in seam.all_sublayers(model)}
    assert {"block", "first", "second", "wrapper", "timed", "nested", "deep"} <= names
    assert [layer.name for layer in seam.sublayers(model)] == ["block", "wrapper", "nested"]


def test_outermost_layer_of_a_call_is_known_and_direct_calls_leave_no_trace():
    found = []

    class Ask(layers.Layer):
        def call(self, x):
            found.append(seam.outermost_layer(self))
            return x

    ask = Ask()
    model = keras.Sequential([keras.Input((3,)), ask, layers.Dense(2)])
    found.clear()
    model(X)
    assert found == [model]
    ask.call(X)
    ask(X)
    assert found[1:] == [ask, ask]
    penalty = keras_repreg.L1Regularization(1.0)
    penalty.call(ops.convert_to_tensor(X))
    penalty(X)  # starts a separate forward pass
    assert len(penalty.losses) == 1


def test_model_class_can_change_to_a_subclass():
    model = network()
    seam.become(model, keras_repreg.Sequential)
    assert type(model) is keras_repreg.Sequential
    model.fit(X, Y, verbose=0)
    assert seam.functional_class() is type(keras.Model(model.inputs, model.outputs))


def test_custom_methods_are_distinguished_from_library_methods():
    class Own(keras.Sequential):
        def test_step(self, *args):
            return super().test_step(*args)

    class Aware(keras_repreg.Sequential):
        def test_step(self, *args):
            return super().test_step(*args)

    for model, own in ((network(), False), (keras_repreg.Sequential(), False), (Own(), True), (Aware(), True)):
        assert seam.is_own_method(model, "test_step") is own
        seam.replace_method(model, "test_step", lambda original, *args: original(*args))
        assert seam.is_own_method(model, "test_step") is own


def record(model, names, run):
    seen = []
    chosen = [model.get_layer(name) for name in names]
    with seam.tapped(chosen, lambda layer, output, mask: seen.append((layer.name, output, mask))):
        run()
    return seen


def test_tap_sees_each_call_of_its_thread_and_leaves_no_trace():
    model = network()
    other = threading.Thread(target=lambda: model(2 * X))
    seen = record(model, ["a", "b"], lambda: (model(X), other.start(), other.join(), model.get_layer("a")(X)))
    assert [name for name, _, _ in seen] == ["a", "b", "a"]
    np.testing.assert_allclose(*(ops.convert_to_numpy(z) for z in (seen[0][1], model.get_layer("a")(X))))
    assert not any("call" in vars(layer) or "quantized_call" in vars(layer) for layer in model.layers)


def test_taps_in_several_threads_see_their_own_calls():
    model, wrong = network(), []
    a = model.get_layer("a")
    expected = [ops.convert_to_numpy(a(number * X)) for number in range(3)]

    def measure(number):
        for _ in range(20):
            for _, output, _ in record(model, ["a"], lambda: model(number * X)):
                if not np.array_equal(ops.convert_to_numpy(output), expected[number]):
                    wrong.append(number)

    threads = [threading.Thread(target=measure, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert "call" not in vars(a)


@pytest.mark.parametrize("mode", ["int8", "int4", "float8"])
def test_tap_sees_quantized_layers(mode):
    model = network()
    model(X)
    try:
        model.get_layer("a").quantize(mode)
    except (ValueError, NotImplementedError) as error:
        pytest.skip(f"this Keras has no {mode}: {error}")
    (seen,) = record(model, ["a"], lambda: model(X))
    np.testing.assert_allclose(ops.convert_to_numpy(seen[1]), ops.convert_to_numpy(model.get_layer("a")(X)))


def test_tap_sees_one_call_of_a_recursive_layer():
    class Twice(layers.Layer):
        def call(self, x, again=True):
            return self.call(x + 1, again=False) if again else x

    model = keras.Sequential([keras.Input((3,)), Twice(name="twice")])
    (seen,) = record(model, ["twice"], lambda: model(X))
    np.testing.assert_array_equal(ops.convert_to_numpy(seen[1]), X + 1)


def test_tap_reads_masks():
    ids = np.array([[1, 2, 0], [3, 0, 0]])
    start = keras.Input((3,), dtype="int32")
    z = layers.Embedding(5, 4, mask_zero=True, name="embedding")(start)
    z = layers.Dense(2, name="dense")(z)
    z = layers.Activation("relu", name="relu")(z)
    model = keras.Model(start, layers.GlobalAveragePooling1D(name="pooled")(z))
    for name, _, mask in record(model, ["embedding", "dense", "relu", "pooled"], lambda: model(ids)):
        if name == "pooled":
            assert mask is None
        else:
            np.testing.assert_array_equal(ops.convert_to_numpy(mask), ids != 0)


def test_concrete_values_are_distinguished_from_traced_tensors():
    assert seam.value_of(ops.ones((2,))).tolist() == [1, 1]
    assert seam.value_of(keras.Input((2,))) is None
    seen = []

    class Look(layers.Layer):
        def call(self, x):
            seen.append(seam.value_of(x))
            return x

    model = keras.Sequential([keras.Input((3,)), Look(), layers.Dense(2)])
    seen.clear()
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0)
    assert (seen[-1] is None) is (BACKEND != "torch")


class Two(seam.ExactLosses):
    """Adds given losses; `reads` counts how often a model has summed its losses."""

    reads = 0

    def call(self, x):
        self.add_loss(ops.sum(x))
        return x

    def on_losses_read(self, losses):
        self.reads += 1


def test_evaluation_reads_losses_and_prediction_does_not():
    layer = Two()
    model = keras.Sequential([keras.Input((3,)), layer, layers.Dense(2, kernel_initializer="zeros")])
    model.compile("sgd", "mse")
    model.predict(X, verbose=0)
    assert layer.reads == 0
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(18)
    assert layer.reads > 0


def test_losses_of_every_call_are_summed_on_every_backend():
    layer = Two()
    start = keras.Input((3,))
    model = keras.Model(start, layers.Dense(2, kernel_initializer="zeros")(layer(start) + layer(2 * start)))
    model.compile("sgd", "mse")
    for _ in range(2):
        assert model.evaluate(X, Y, verbose=0) == pytest.approx(54)
    # Outside of a step, only the losses of the last forward pass count.
    model(X)
    model(X)
    assert sum(map(float, model.losses)) == pytest.approx(54)
    layer(X)
    assert sum(map(float, layer.losses)) == pytest.approx(18)


def test_prediction_on_pytorch_keeps_no_graph():
    with seam.without_gradients():
        z = network()(X)
    assert BACKEND != "torch" or not z.requires_grad


@pytest.mark.skipif(BACKEND != "torch", reason="autocast exists on PyTorch only")
def test_full_precision_within_autocast():
    import torch

    z = torch.full((2, 2), 1 / 3)
    with torch.autocast("cpu", torch.bfloat16):
        assert (z @ z).dtype == torch.bfloat16
        with seam.full_precision(z):
            assert (z @ z).dtype == torch.float32


@pytest.mark.skipif(BACKEND != "jax", reason="hooks exist on JAX only")
@pytest.mark.parametrize("used", [True, False])
def test_hooks_detect_whether_a_gradient_arrives(used):
    import jax

    forward, backward = [], []

    def loss(x):
        watched = seam.with_hooks(ops.sum(x), lambda: forward.append(1), lambda: backward.append(1))
        return (watched if used else 0.0) + ops.sum(2 * x)

    gradient = jax.jit(jax.grad(loss))(ops.ones(3))
    np.testing.assert_array_equal(gradient, np.full(3, 3.0 if used else 2.0))
    assert (bool(forward), bool(backward)) == (True, used)
    forward.clear()
    jax.jit(loss)(ops.ones(3))
    assert not forward
