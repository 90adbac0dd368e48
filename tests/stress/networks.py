"""A network with every layer, and a fit with every callback."""

import keras
import numpy as np

import keras_repreg


def data(samples=32):
    rng = np.random.default_rng(0)
    return rng.normal(size=(samples, 5)).astype("float32"), rng.integers(0, 3, samples).astype("int32")


def network(every=False):
    """Return a network with every penalty, or with two, which compile faster."""
    penalties = [
        keras_repreg.CovarianceRegularization(1e-3),
        keras_repreg.VarianceRegularization(1e-3),
        keras_repreg.L1Regularization(1e-3, normalize=True),
        keras_repreg.RankRegularization(1e-3, method="power"),
        keras_repreg.ClasswiseCovarianceRegularization(1e-3),
        keras_repreg.ClasswiseVarianceRegularization(1e-3),
        keras_repreg.ClasswiseRankRegularization(1e-3),
    ]
    model = keras_repreg.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Dense(10, activation="relu", name="hidden"),
            *(penalties if every else [penalties[2], penalties[5]]),
            keras.layers.Dense(3, name="logits"),
        ]
    )
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def callbacks():
    return [
        keras_repreg.CharacteristicsLogger(),
        keras_repreg.CharacteristicsLogger("hidden", labels=True, frequency=2),
        keras_repreg.InformationPlaneLogger("hidden"),
        keras_repreg.PenaltyLogger(),
        keras_repreg.WeightSchedule(keras_repreg.linear_warm_up(3)),
    ]


def fit(model, epochs, **arguments):
    x, y = data()
    return model.fit(
        x, y, epochs=epochs, batch_size=16, validation_data=(x, y), callbacks=callbacks(), verbose=0, **arguments
    )
