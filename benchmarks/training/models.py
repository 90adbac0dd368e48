"""The paper's networks, with one of the twelve regularizers."""

from typing import Any

import keras

import keras_repreg
from keras_repreg.regularizer_set import REGULARIZERS

# The paper gives neither the initializers nor the dropout rate. These kernels, common with the TensorFlow 1.5 that it
# used, and zero biases reproduce the baseline's row of Table 6; He's and Glorot's kernels do not.
KERNEL_STDDEV = 0.1
DROPOUT_RATE = 0.5
# With the kernels above, networks of width 2 or 8 hardly ever learn, because the signal vanishes. Of the initializers
# tried, only Glorot's kernels with biases of 0.1 let every network of width 2 learn.
WIDTH = 100
NARROW_BIAS = 0.1


def mlp(regularizer: str, weight: float, *, inputs: int = 784, width: int = 100, classes: int = 10) -> keras.Model:
    """Return the MLP of Appendix D.2: five ReLU layers, the last one regularized, and a linear output.

    The layer whose activations are measured is named `representation`.
    """
    narrow = width < WIDTH
    layers: list[Any] = [keras.Input((inputs,))]
    layers += [_dense(width, narrow=narrow, activation="relu") for _ in range(4)]
    layers += _representation(regularizer, weight, width, width, narrow=narrow)
    return keras_repreg.Sequential([*layers, _dense(classes, narrow=narrow, name="logits")])


def cnn(
    regularizer: str, weight: float, *, inputs: tuple[int, int, int] = (32, 32, 3), width: int = 128, classes: int = 10
) -> keras.Model:
    """Return the CNN of Table 7 for CIFAR: four convolutions and a fully connected layer, which is regularized.

    The paper does not specify padding and initializers; here padding is "same" and convolutions have Keras's defaults.
    """

    def convolution(filters: int) -> keras.layers.Conv2D:
        return keras.layers.Conv2D(filters, 3, padding="same", activation="relu")

    layers: list[Any] = [keras.Input(inputs), convolution(32), convolution(64), keras.layers.MaxPooling2D(2)]
    layers += [convolution(128), keras.layers.MaxPooling2D(2), convolution(128), keras.layers.MaxPooling2D(2)]
    layers += [keras.layers.Flatten()]
    flat = (inputs[0] // 8) * (inputs[1] // 8) * 128
    layers += _representation(regularizer, weight, flat, width)
    return keras_repreg.Sequential([*layers, _dense(classes, name="logits")])


def _representation(regularizer: str, weight: float, inputs: int, width: int, *, narrow: bool = False) -> list[Any]:
    """Return the layers for the regularized representation."""
    if regularizer == "BN":
        activation = keras.layers.Activation("relu", name="representation")
        return [_dense(width, narrow=narrow), keras.layers.BatchNormalization(), activation]
    # Normalized like the other penalties: a mean over the kernel's entries.
    norms = {"L1W": keras.regularizers.L1, "L2W": keras.regularizers.L2}
    penalty = norms[regularizer](weight / (inputs * width)) if regularizer in norms else None
    arguments = {"activation": "relu", "name": "representation", "kernel_regularizer": penalty}
    layers: list[Any] = [_dense(width, narrow=narrow, **arguments)]
    if regularizer == "Dropout":
        layers += [keras.layers.Dropout(DROPOUT_RATE)]
    if REGULARIZERS[regularizer].layer:
        layers += [REGULARIZERS[regularizer].keras_layer(weight)]
    return layers


def with_linear_layer(regularizer: str, *, inputs: int = 784, width: int = 100, classes: int = 10) -> keras.Model:
    """Return the 7-layer MLP of Table 2: five ReLU layers, a linear sixth, and the output.

    `Dropout` and `BN` apply to each hidden layer. The hidden representations are the outputs of `layer1` to `layer6`.
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


def _dense(units: int, *, narrow: bool = False, **kwargs: Any) -> keras.layers.Dense:
    kernels: Any = keras.initializers.TruncatedNormal(stddev=KERNEL_STDDEV)
    biases: Any = keras.initializers.Zeros()
    if narrow:
        kernels, biases = keras.initializers.GlorotUniform(), keras.initializers.Constant(NARROW_BIAS)
    return keras.layers.Dense(units, kernel_initializer=kernels, bias_initializer=biases, **kwargs)
