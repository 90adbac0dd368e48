"""The paper's networks, with one of the twelve regularizers on one layer."""

from typing import Any

import keras

import keras_repreg
from benchmarks.regularizers import REGULARIZERS

# The paper names neither initializers nor the dropout rate. Kernels as below, common with the TensorFlow 1.5 that it
# used, and biases of zero reproduce the baseline's row of Table 6; He's and Glorot's kernels do not.
KERNEL_STDDEV = 0.1
DROPOUT_RATE = 0.5


def mlp(
    regularizer: str, weight: float, *, inputs: int = 784, width: int = 100, hidden: int = 5, classes: int = 10
) -> keras.Model:
    """The MLP of Appendix D.2: `hidden` ReLU layers and a linear output, the last hidden layer regularized.

    The layer whose activations are measured is named `representation`.
    """
    layers: list[Any] = [keras.Input((inputs,))]
    layers += [_dense(width, activation="relu") for _ in range(hidden - 1)]
    if regularizer == "BN":
        layers += [
            _dense(width),
            keras.layers.BatchNormalization(),
            keras.layers.Activation("relu", name="representation"),
        ]
    else:
        # Normalised as the other penalties are: a mean over the kernel's entries.
        norms = {"L1W": keras.regularizers.L1, "L2W": keras.regularizers.L2}
        penalty = norms[regularizer](weight / width**2) if regularizer in norms else None
        layers += [_dense(width, activation="relu", name="representation", kernel_regularizer=penalty)]
    if regularizer == "Dropout":
        layers += [keras.layers.Dropout(DROPOUT_RATE)]
    if REGULARIZERS[regularizer].layer:
        layers += [REGULARIZERS[regularizer].keras_layer(weight)]
    layers += [_dense(classes, name="logits")]
    return keras_repreg.Sequential(layers)


def with_linear_layer(regularizer: str, *, inputs: int = 784, width: int = 100, classes: int = 10) -> keras.Model:
    """The 7-layer MLP of Table 2: five ReLU layers, a linear sixth, and the output; `Dropout` and `BN` at each.

    The hidden layers' representations are those of the layers named `layer1` to `layer6`.
    """
    layers: list[Any] = [keras.Input((inputs,))]
    for number in range(1, 7):
        activation = "relu" if number < 6 else "linear"
        if regularizer == "BN":
            layers += [_dense(width), keras.layers.BatchNormalization()]
            layers += [keras.layers.Activation(activation, name=f"layer{number}")]
        else:
            layers += [_dense(width, activation=activation, name=f"layer{number}")]
        if regularizer == "Dropout":
            layers += [keras.layers.Dropout(DROPOUT_RATE)]
    return keras.Sequential([*layers, _dense(classes, name="logits")])


def _dense(units: int, **kwargs: Any) -> keras.layers.Dense:
    initializer = keras.initializers.TruncatedNormal(stddev=KERNEL_STDDEV)
    return keras.layers.Dense(units, kernel_initializer=initializer, bias_initializer="zeros", **kwargs)
