"""Random chains of rewrites on random networks: `python -m tests.ion.chains 1000` counts their outcomes."""

import collections
import sys
import warnings

import keras
import numpy as np
from keras import layers

from keras_repreg import ion
from keras_repreg.arrays import to_float64
from tests.ion import architectures
from tests.ion.architectures import randomized
from tests.ion.networks import nonsingular

DTYPES = ("mixed_float16", "mixed_bfloat16", "float32", "float64")
# As documented in `transform`.
LIMITS = {"mixed_bfloat16": 2**-5, "mixed_float16": 2**-8, "float32": 2**-15, "float64": 2**-40}
if keras.backend.backend() == "torch":
    LIMITS["float64"] = LIMITS["float32"]  # Keras multiplies float64 matrices in float32 on PyTorch


def mlp(rng):
    """Dense layers with random activations and normalization between them."""
    parts = [keras.Input((5,))]
    for i in range(rng.integers(2, 5)):
        activation = rng.choice(["linear", "linear", "relu", "leaky_relu", "gelu", "tanh", "softmax"])
        parts.append(layers.Dense(int(rng.integers(1, 9)), str(activation), bool(rng.random() < 0.8), name=f"dense{i}"))
        between = rng.choice(["nothing", "batch", "layer", "relu", "dropout", "penalty"])
        if between == "batch":
            parts.append(layers.BatchNormalization(name=f"norm{i}"))
        elif between == "layer":
            parts.append(layers.LayerNormalization(name=f"norm{i}"))
        elif between == "relu":
            parts.append(layers.ReLU())
        elif between == "dropout":
            parts.append(layers.Dropout(0.5))
    return randomized(keras.Sequential([*parts, layers.Dense(3, name="last")]), int(rng.integers(1000)))


def convolutions(rng):
    """Convolutions of several kinds with pooling and normalization between them."""
    parts = [keras.Input((8, 8, 2)), layers.Conv2D(4, 1, name="conv0", bias_initializer="normal")]
    makers = [
        lambda: layers.Conv2D(4, 2, padding=str(rng.choice(["same", "valid"])), bias_initializer="normal"),
        lambda: layers.DepthwiseConv2D(2, depth_multiplier=int(rng.integers(1, 3)), use_bias=bool(rng.random() < 0.5)),
        lambda: layers.SeparableConv2D(4, 2, padding="same"),
        lambda: layers.Conv2DTranspose(4, 2),
        layers.BatchNormalization,
        layers.BatchNormalization,
        layers.ReLU,
        lambda: layers.Activation("silu"),
        layers.ZeroPadding2D,
        layers.UpSampling2D,
    ]
    parts += [makers[i]() for i in rng.integers(len(makers), size=rng.integers(2, 6))]
    parts += [layers.MaxPooling2D(), layers.Flatten() if rng.random() < 0.5 else layers.GlobalAveragePooling2D()]
    return randomized(keras.Sequential([*parts, layers.Dense(3, name="last")]), int(rng.integers(1000)))


NETWORKS = {
    "mlp": mlp,
    "convolutions": convolutions,
    "unet": lambda rng: architectures.unet(str(rng.choice(["relu", "gelu"])), 8, bool(rng.random() < 0.5)),
    "residual": lambda rng: architectures.residual(str(rng.choice(["relu", "silu"])), 4),
    "inverted": lambda rng: architectures.inverted(4),
    "transformer": lambda rng: architectures.transformer(1, 4, 3),
}


def _q(rng, units):
    return nonsingular(units, 10 ** rng.uniform(0, 4), int(rng.integers(1000)))


REWRITES = {
    "permute": lambda model, name, units, rng, data: ion.permute(model, name, rng.permutation(units), data=data),
    "rescale": lambda model, name, units, rng, data: ion.rescale(
        model, name, np.exp(rng.normal(size=units) * rng.uniform(0, 4)), data=data
    ),
    "orthogonal": lambda model, name, units, rng, data: ion.orthogonal(model, name, int(rng.integers(99)), data=data),
    "linear": lambda model, name, units, rng, data: ion.transform(model, name, _q(rng, units), data=data),
    "affine": lambda model, name, units, rng, data: ion.transform(
        model,
        name,
        _q(rng, units),
        rng.normal(size=units) * 10 ** rng.uniform(-1, 6),
        data=data,
        copy=rng.random() < 0.3,
    ),
    "whiten": lambda model, name, units, rng, data: ion.whiten(model, name, data),
    "decorrelate": lambda model, name, units, rng, data: ion.decorrelate(model, name, data),
    "fold one": lambda model, name, units, rng, data: ion.fold_batch_norm(model, name, data=data),
    "fold all": lambda model, name, units, rng, data: ion.fold_batch_norm(model, data=data, copy=rng.random() < 0.3),
    "insert": lambda model, name, units, rng, data: ion.insert_linear(model, name, f"new{rng.integers(10**6)}"),
    "remove": lambda model, name, units, rng, data: ion.remove_units(model, name).model,
}


def run(kind, dtype, seed, length=4):
    """Rewrite a random network a few times.

    Returns:
        How many rewrites were accepted, how many refused, and the largest change relative to the tolerance.

    Raises:
        AssertionError: if an output changed in silence, or a refusal changed a weight.
    """
    rng = np.random.default_rng(seed)
    keras.utils.set_random_seed(seed)
    policy = keras.config.dtype_policy()
    counts: collections.Counter = collections.Counter()
    worst = 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            keras.config.set_dtype_policy(dtype)
            model = NETWORKS[kind](rng)
            # Inputs different from those on which the rewrites are verified.
            x = fresh(model, rng)
            for _ in range(length):
                name, rewrite = draw(model, rng)
                units = model.get_layer(name).output.shape[-1]
                data = fresh(model, rng) if rewrite in ("whiten", "decorrelate") or rng.random() < 0.3 else None
                before, weights = outputs(model, x), model.get_weights()
                try:
                    model = REWRITES[rewrite](model, name, units, rng, data)
                except (ValueError, RuntimeError) as error:
                    if "Expected" not in str(error) and "tolerance" not in str(error):
                        raise
                    for a, b in zip(weights, model.get_weights(), strict=True):
                        assert np.array_equal(a, b), (kind, dtype, seed, rewrite, name)
                    counts["refused", rewrite] += 1
                    continue
                after = outputs(model, x)
                change = max(ion.probing.largest_change(a, b) for a, b in zip(before, after, strict=True))
                worst = max(worst, change / LIMITS[dtype])
                counts["accepted", rewrite] += 1
                # The maximum over other samples may be somewhat larger.
                assert change <= 3 * LIMITS[dtype], (kind, dtype, seed, rewrite, name, change)
        finally:
            keras.config.set_dtype_policy(policy)
    return counts, worst


def draw(model, rng):
    """Return a layer and a rewrite, mostly one recommended by the survey."""
    rewrite = str(rng.choice(list(REWRITES)))
    needed = NEEDED.get(rewrite)
    recommended = [row.layer for row in ion.survey(model, None) if needed in row.functions]
    if recommended and rng.random() < 0.8:
        return str(rng.choice(recommended)), rewrite
    return str(rng.choice([layer.name for layer in model.layers])), rewrite


NEEDED = {
    "permute": "permute",
    "rescale": "rescale",
    "orthogonal": "orthogonal",
    "linear": "orthogonal",
    "affine": "whiten",
    "whiten": "whiten",
    "decorrelate": "decorrelate",
    "fold one": "fold_batch_norm",
    "remove": "remove_units",
}


def fresh(model, rng):
    drawn = ion.probing.random_inputs(model)[:64]
    if np.issubdtype(np.asarray(drawn).dtype, np.integer):
        return rng.permutation(drawn.ravel()).reshape(drawn.shape)
    return rng.normal(size=drawn.shape).astype(drawn.dtype)


def outputs(model, x):
    found = keras.tree.flatten(model(x, training=False))
    return [to_float64(y) for y in found]


def dtypes():
    return [dtype for dtype in DTYPES if dtype != "float64" or keras.backend.backend() != "jax"]


def main(number, start=0):
    total, worst, failures = collections.Counter(), 0.0, 0
    # Small networks vary the most.
    kinds, available = [*["mlp"] * 6, "convolutions", *NETWORKS], dtypes()
    for seed in range(start, start + number):
        kind, dtype = kinds[seed % len(kinds)], available[seed // len(kinds) % len(available)]
        try:
            counts, found = run(kind, dtype, seed)
        except Exception as error:
            failures += 1
            print("FAILED", kind, dtype, seed, type(error).__name__, str(error)[:500], flush=True)
            continue
        total += counts
        worst = max(worst, found)
        if seed % 50 == 49 or seed == start + number - 1:
            accepted, refused = (sum(total[how, name] for name in REWRITES) for how in ("accepted", "refused"))
            print(
                f"{seed + 1 - start} chains on {keras.backend.backend()}: {accepted} rewrites accepted, {refused} "
                f"refused, {failures} failures, largest change {worst:.2f} of the limit",
                flush=True,
            )
    for name in REWRITES:
        print(f"{name}: {total['accepted', name]} accepted, {total['refused', name]} refused")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
