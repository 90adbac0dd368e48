"""Small versions of common architectures, with random statistics in their normalization layers."""

import keras
import numpy as np
from keras import layers


def randomized(model, seed=0):
    """Set random scales, shifts and statistics in every normalization, so that each has an effect."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            # On average these keep activations near unit variance, as trained statistics would.
            ranges = {
                "gamma": (0.5, 1.5),
                "beta": (-0.5, 0.5),
                "moving_mean": (-0.5, 0.5),
                "moving_variance": (0.5, 2.0),
            }
        elif isinstance(layer, layers.LayerNormalization):
            ranges = {"gamma": (0.5, 1.5), "beta": (-0.5, 0.5)}
        else:
            continue
        for name, (low, high) in ranges.items():
            variable = getattr(layer, name, None)
            if variable is not None:
                variable.assign(rng.uniform(low, high, size=variable.shape))
    return model


def unet(activation="relu", size=16, use_bias=False):
    """Return a U-Net with two levels, with batch normalization and a skip connection at each level."""

    def block(x, filters, name):
        for i in range(2):
            x = layers.Conv2D(filters, 3, padding="same", use_bias=use_bias, name=f"{name}_conv{i}")(x)
            x = layers.BatchNormalization(name=f"{name}_bn{i}")(x)
            x = layers.Activation(activation, name=f"{name}_act{i}")(x)
        return x

    start = keras.Input((size, size, 3))
    first = block(start, 6, "down1")
    second = block(layers.MaxPooling2D()(first), 8, "down2")
    x = block(layers.MaxPooling2D()(second), 10, "bottom")
    x = layers.Conv2DTranspose(8, 2, strides=2, padding="same", name="up2")(x)
    x = block(layers.Concatenate()([second, x]), 8, "up2")
    x = layers.Conv2DTranspose(6, 2, strides=2, padding="same", name="up1")(x)
    x = block(layers.Concatenate()([first, x]), 6, "up1")
    return randomized(keras.Model(start, layers.Conv2D(2, 1, name="logits")(x)))


def residual(activation="relu", size=8):
    """Return residual blocks as in ResNet, where several layers add to one stream."""
    start = keras.Input((size, size, 3))
    x = layers.Conv2D(6, 3, padding="same", name="stem")(start)
    for i in range(2):
        y = layers.Conv2D(5, 3, padding="same", name=f"block{i}_in")(x)
        y = layers.BatchNormalization(name=f"block{i}_bn")(y)
        y = layers.Activation(activation, name=f"block{i}_act")(y)
        y = layers.Conv2D(6, 1, name=f"block{i}_out")(y)
        x = layers.Activation(activation, name=f"block{i}_sum")(layers.Add(name=f"block{i}_add")([x, y]))
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return randomized(keras.Model(start, layers.Dense(4, name="logits")(x)))


def inverted(size=8):
    """Return depthwise convolutions, hard swish and squeeze-and-excitation, as in MobileNetV3."""

    def hard_swish(x):
        return x * keras.ops.relu6(x + 3.0) / 6.0

    start = keras.Input((size, size, 3))
    x = layers.Conv2D(6, 1, use_bias=False, name="expand")(start)
    x = hard_swish(layers.BatchNormalization(name="expand_bn")(x))
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, depth_multiplier=2, name="depthwise")(x)
    x = hard_swish(layers.BatchNormalization(name="depthwise_bn")(x))
    gate = layers.Reshape((1, 1, 12))(layers.GlobalAveragePooling2D()(x))
    gate = layers.Conv2D(4, 1, activation="relu", name="squeeze")(gate)
    gate = layers.Conv2D(12, 1, activation="hard_sigmoid", name="excite")(gate)
    x = layers.Multiply(name="gated")([x, gate])
    x = layers.Conv2D(5, 1, use_bias=False, name="project")(x)
    x = layers.BatchNormalization(name="project_bn")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return randomized(keras.Model(start, layers.Dense(4, name="logits")(x)))


def transformer(blocks=2, width=8, tokens=6, vocabulary=20):
    """Return a classifier of token sequences: embedding, self-attention, GELU."""
    start = keras.Input((tokens,), dtype="int32")
    x = layers.Embedding(vocabulary, width, name="embedding")(start)
    for i in range(blocks):
        y = layers.LayerNormalization(name=f"norm{i}_attention")(x)
        x = layers.Add()([x, layers.MultiHeadAttention(2, width // 2, name=f"attention{i}")(y, y)])
        y = layers.LayerNormalization(name=f"norm{i}_mlp")(x)
        y = layers.Dense(2 * width, activation="gelu", name=f"mlp{i}_in")(y)
        x = layers.Add()([x, layers.Dense(width, name=f"mlp{i}_out")(y)])
    x = layers.LayerNormalization(name="norm")(x)
    x = layers.GlobalAveragePooling1D(name="pool")(x)
    x = layers.Dense(width, name="code")(x)
    return randomized(keras.Model(start, layers.Dense(3, activation="softmax", name="classes")(x)))
