"""The layers in summaries, configurations, predictions and exported models."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_repreg
from tests.layers.cases import CASES, CLASSWISE, batch, gradient, penalty
from tests.layers.test_in_models import compiled, data, stack

BACKEND = keras.backend.backend()
ONE = CLASSWISE[0]


def plain_stack():
    return [keras.Input((5,)), keras.layers.Dense(12, activation="relu"), keras.layers.Dense(3)]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=str)
def test_evaluate_can_exclude_the_penalty(case):
    x, y = data()
    keras.utils.set_random_seed(0)
    kind = keras_repreg.label_aware if case.classwise else lambda model: model
    with_it = compiled(kind(keras.Sequential(stack(case, 0.1))))
    without = compiled(kind(keras.Sequential(stack(case, 0.1, penalize_evaluation=False))))
    without.set_weights(with_it.get_weights())
    fit = {"batch_size": 48, "validation_data": (x, y), "verbose": 0}
    one, other = with_it.fit(x, y, **fit).history, without.fit(x, y, **fit).history
    assert one["loss"] == pytest.approx(other["loss"], rel=1e-5)
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(y, without.predict(x, verbose=0))
    assert other["val_loss"] == pytest.approx([float(cross_entropy)], rel=1e-5)
    assert one["val_loss"][0] > other["val_loss"][0]


def test_evaluation_without_the_penalty_needs_no_labels():
    x, y = data()
    layer = ONE.make(penalize_evaluation=False)
    assert layer([x, y], training=False).shape == x.shape
    assert layer.losses == []
    layer([x, y], training=True)
    assert len(layer.losses) == 1
    # Labels are not validated either.
    assert layer([x, np.zeros(3, "int32")], training=False).shape == x.shape


@pytest.mark.parametrize("name", ["synchronized", "penalize_evaluation"])
def test_flags(name):
    with pytest.raises(TypeError, match=f"Expected `{name}` to be True or False. Received: {name}=1"):
        keras_repreg.L1Regularization(**{name: 1})


@pytest.mark.parametrize("case", CASES, ids=str)
def test_configuration(case):
    layer = case.make(0.3, units="channels", data_format="channels_first", synchronized=True, penalize_evaluation=False)
    config = layer.get_config()
    assert {"units": "channels", "data_format": "channels_first", "synchronized": True}.items() <= config.items()
    assert type(layer).from_config(config).get_config() == config
    # As in files saved before these arguments existed.
    for name in ("units", "data_format", "synchronized", "penalize_evaluation"):
        del config[name]
    old = type(layer).from_config(config)
    assert (old.units, old.synchronized, old.penalize_evaluation) == (None, False, True)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_summary_and_clone_have_no_weights(case):
    model = keras.Sequential(stack(case, units="flatten"))
    lines = []
    model.summary(print_fn=lines.append)
    assert "Non-trainable params: 0" in "\n".join(lines)
    twin = keras.models.clone_model(model)
    assert twin.get_layer("penalty").get_config() == model.get_layer("penalty").get_config()
    assert len(model.weights) == 4
    # As for Dropout, the random state is not a weight.
    assert len(model.variables) == 4 + ("seed" in case.arguments)


@pytest.mark.parametrize("case", [ONE, CASES[0]], ids=str)
def test_prediction_is_the_same_without_the_layer(case):
    model, plain = keras.Sequential(stack(case)), keras.Sequential(plain_stack())
    x, _ = data()
    plain.set_weights(model.get_weights())
    np.testing.assert_array_equal(model.predict(x, verbose=0), plain.predict(x, verbose=0))


def served_by_export(model, path, inputs):
    import tensorflow as tf

    model.export(path, verbose=False)
    loaded = tf.saved_model.load(path)
    return loaded.serve(inputs)


@pytest.mark.slow
@pytest.mark.skipif(BACKEND != "tensorflow", reason="SavedModel requires TensorFlow")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_export(case, tmp_path):
    x, y = data()
    model = compiled(keras_repreg.Sequential(stack(case, synchronized=True)))
    # A schedule leaves a variable in the layer.
    model.fit(x, y, verbose=0, callbacks=[keras_repreg.WeightSchedule(lambda epoch: 0.5), keras_repreg.PenaltyLogger()])
    served = served_by_export(model, str(tmp_path / "model"), x)
    np.testing.assert_allclose(served, model.predict(x, verbose=0), rtol=1e-5, atol=1e-6)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="SavedModel requires TensorFlow")
def test_export_with_a_label_input(tmp_path):
    x, y = data()
    inputs, labels = keras.Input((5,), name="x"), keras.Input((), dtype="int32", name="labels")
    z = ONE.make()([keras.layers.Dense(12, activation="relu")(inputs), labels])
    model = compiled(keras.Model([inputs, labels], keras.layers.Dense(3)(z)))
    model.fit([x, y], y, verbose=0)
    served = served_by_export(model, str(tmp_path / "model"), [x, y])
    np.testing.assert_allclose(served, model.predict([x, y], verbose=0), rtol=1e-5, atol=1e-6)


def required_operations(graph, outputs):
    """Return the types of the operations that outputs depend on, and of those with side effects."""
    waiting = [tensor.op for tensor in outputs] + [op for op in graph.get_operations() if op.op_def.is_stateful]
    found = {}
    while waiting:
        operation = waiting.pop()
        if operation.name not in found:
            found[operation.name] = operation.type
            waiting += [tensor.op for tensor in operation.inputs] + list(operation.control_inputs)
    # Identity operations, and the end of the function.
    return sorted(kind for kind in found.values() if kind not in ("Identity", "NoOp", "Placeholder"))


@pytest.mark.skipif(BACKEND != "tensorflow", reason="inspects a TensorFlow graph")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_prediction_graph_has_no_operation_of_the_layer(case):
    import tensorflow as tf

    def graph(model):
        function = tf.function(lambda x: model(x, training=False))
        return function.get_concrete_function(tf.TensorSpec((None, 5))).graph

    plain = graph(keras.Sequential(plain_stack()))
    expected = required_operations(plain, plain.outputs)
    found = graph(keras.Sequential(stack(case)))
    # TensorFlow removes operations that no output needs.
    assert required_operations(found, found.outputs) == expected
    found = graph(keras.Sequential(stack(case, penalize_evaluation=False)))
    assert len(found.get_operations()) == len(plain.get_operations())


@pytest.mark.skipif(BACKEND != "jax", reason="inspects a JAX program")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_prediction_compiles_to_the_program_without_the_layer(case):
    import jax

    def program(model):
        def predict(weights, x):
            return model.stateless_call(weights, state, x, training=False)[0]

        weights = [variable.value for variable in model.trainable_variables]
        state = [variable.value for variable in model.non_trainable_variables]
        lowered = jax.jit(predict).lower(weights, data()[0])
        return lowered.compile().as_text(), str(jax.make_jaxpr(predict)(weights, data()[0]))

    def instructions(text):
        return sorted(line.split(", metadata")[0].strip() for line in text.splitlines() if " = " in line)

    plain, plain_trace = program(keras.Sequential(plain_stack()))
    compiled_with, _ = program(keras.Sequential(stack(case)))
    assert len(instructions(compiled_with)) == len(instructions(plain))
    _, trace = program(keras.Sequential(stack(case, penalize_evaluation=False)))
    assert trace == plain_trace


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_mixed_precision_handles_large_activations(case, policy):
    # At this scale, squares and sums over a batch overflow float16.
    z, labels = batch(16, 10, 3)
    dtype = policy.removeprefix("mixed_")
    z = ops.convert_to_numpy(ops.cast(ops.cast(z * np.float32(1e4 / z.max()), dtype), "float32"))
    side = labels if case.classwise else None
    half = {"dtype": keras.DTypePolicy(policy)}
    assert penalty(case.make(**half), z, side) == pytest.approx(penalty(case.make(), z, side), rel=1e-5)
    # The gradient with respect to half-precision activations, scaled into the range of float16.
    scale = 1 / np.abs(gradient(case.make(), z, side)).max()
    expected = gradient(case.make(scale), z, side)
    found = gradient(case.make(scale, **half), z, side)
    np.testing.assert_allclose(found, expected, atol=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("case", [ONE, CASES[0], CASES[5]], ids=str)
def test_mixed_precision_trains_like_float32(case, policy):
    x, y = data()

    def history(dtype):
        keras.utils.set_random_seed(0)
        keras.config.set_dtype_policy(dtype)
        try:
            model = keras_repreg.Sequential(stack(case, 0.1))
            model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
            fit = {"epochs": 3, "batch_size": 48, "verbose": 0}
            return model.fit(x, y, **fit, callbacks=[keras_repreg.PenaltyLogger()]).history["penalty_penalty"]
        finally:
            keras.config.set_dtype_policy("float32")

    assert history(policy) == pytest.approx(history("float32"), rel=0.03)


def test_sample_weights_do_not_affect_the_penalty():
    x, y = data()
    model = compiled(keras_repreg.Sequential(stack(ONE)))
    logger = keras_repreg.PenaltyLogger()
    fit = {"batch_size": 48, "verbose": 0, "callbacks": [logger]}
    start = model.get_weights()
    expected = model.fit(x, y, **fit).history["penalty_penalty"]
    model.set_weights(start)
    weighted = model.fit(x, y, sample_weight=np.linspace(0, 1, len(x)), **fit).history["penalty_penalty"]
    assert weighted == pytest.approx(expected, rel=1e-5)


def test_labels_of_several_outputs():
    x, y = data()
    inputs = keras.Input((5,))
    z = ONE.make(0.5, label_key=1, name="penalty")(keras.layers.Dense(12, activation="relu", name="hidden")(inputs))
    outputs = [keras.layers.Dense(1, name="value")(z), keras.layers.Dense(3, name="class")(z)]
    model = keras_repreg.Model(inputs, outputs)
    model.compile("sgd", ["mse", keras.losses.SparseCategoricalCrossentropy(from_logits=True)])
    hidden = ops.convert_to_numpy(keras.Model(inputs, model.get_layer("hidden").output)(x))
    targets = [np.zeros((len(y), 1), "float32"), y]
    history = model.fit(x, targets, batch_size=48, verbose=0, callbacks=[keras_repreg.PenaltyLogger()]).history
    assert history["penalty_penalty"][0] == pytest.approx(0.5 * ONE.oracle(hidden, y), rel=1e-4)


@keras.saving.register_keras_serializable("tests")
class Shifted(keras_repreg.CovarianceRegularization):
    """A user's penalty with a weight of its own."""

    def build(self, input_shape):
        super().build(input_shape)
        self.shift = self.add_weight(shape=input_shape[-1:], initializer="zeros", trainable=False, name="shift")


@pytest.mark.parametrize("scheduled", [False, True])
def test_own_weights_of_a_penalty_are_saved(tmp_path, scheduled):
    model = keras.Sequential([keras.Input((3,)), Shifted(0.1)])
    model.layers[-1].shift.assign([1.0, 2.0, 3.0])
    if scheduled:
        model.layers[-1].weight_factor.make_variable()
        model.layers[-1].weight_factor.assign(0.5)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras").layers[-1]
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(loaded.shift), [1, 2, 3])
    assert [float(one) for one in loaded.weight_factor.variables] == ([0.5] if scheduled else [])


@pytest.mark.skipif(BACKEND != "tensorflow", reason="only TensorFlow keeps compiled functions")
@pytest.mark.parametrize(("factor", "warnings"), [(0.5, 1), (1.0, 0)])
def test_loaded_factor_that_compiled_functions_do_not_have_warns(factor, warnings, recwarn):
    layer = keras_repreg.VarianceRegularization(1.0, name="p")
    keras.Sequential([keras.Input((3,)), layer], name="outer")
    layer(np.ones((2, 3), "float32"))
    recwarn.clear()
    layer.load_own_variables({"weight_factor": np.array(factor)})
    assert [str(one.message).partition(":")[0] for one in recwarn] == [
        f"The weight factor 0.5 loaded for '{layer.path}' has no effect in functions that are already compiled"
    ] * warnings
    assert layer.weight_factor.value == factor
    assert layer.path != layer.name
