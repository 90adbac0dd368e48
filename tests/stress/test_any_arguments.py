"""Every public function with one invalid argument works, or states what was expected and received."""

import functools

import keras
import numpy as np
import pytest

import keras_repreg
from keras_repreg import characteristics, information, ion, layers, plots, tuning

WRONG = {
    "None": None,
    "True": True,
    "minus one": -1,
    "zero": 0,
    "a half": 0.5,
    "nan": float("nan"),
    "inf": float("inf"),
    "no text": "",
    "text": "x",
    "bytes": b"x",
    "empty list": [],
    "list of None": [None],
    "list of text": ["x"],
    "ragged": [[1.0], [1.0, 2.0]],
    "dict": {},
    "object": object(),
    "complex": 1j,
    "huge": 10**400,
    "array": np.arange(3.0),
    "nan array": np.full((6, 3), np.nan),
    "complex array": np.ones((6, 3), complex),
    "objects": np.full((6, 3), None),
    "empty array": np.zeros((0, 3)),
    "scalar array": np.array(1.0),
}


@functools.cache
def network():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(3, name="z"),
            keras.layers.Dense(3, activation="relu", name="relu"),
            keras_repreg.ClasswiseRankRegularization(0.1, name="penalty"),
            keras.layers.Dense(3, name="before"),
            keras.layers.BatchNormalization(name="bn"),
            keras.layers.Dense(2, name="logits"),
        ]
    )
    model.compile("sgd", "mse")
    return model


def targets():
    """Return {name: (callable, valid arguments)}; functions that change a model get a copy."""
    rng = np.random.default_rng(0)
    x, z, y = rng.normal(size=(6, 4)), rng.normal(size=(6, 3)), np.arange(6) % 2
    model = network()
    of_site = {"model": model, "layer": "z", "data": x, "copy": True}
    measured = {"labels": None, "characteristics": None, "units": "channels", "positive_only": None, "batch_size": 4}
    point = information.mutual_information(z, y)
    penalty = {"weight": 0.1, "normalize": True, "units": None, "data_format": None, "synchronized": False}
    classwise = {**penalty, "num_classes": 2, "label_key": None, "soft_labels": False, "ignore_class": None}
    loggers = {"layers": None, "data": None, "frequency": 1, "batch_size": 4}
    found = {
        "characterize": (
            keras_repreg.characterize,
            {"z": z, "labels": y, "positive_only": True, "characteristics": None, "units": "channels"},
        ),
        "measure": (keras_repreg.measure, {"model": model, "data": x, "layers": "z", "steps": 2, **measured}),
        "accumulate": (characteristics.accumulate, {"model": model, "data": x, "layers": "z", "steps": 2, **measured}),
        "Characteristics": (characteristics.Characteristics, {"positive_only": True, "characteristics": None}),
        "select_layers": (characteristics.select_layers, {"model": model, "layers": "z"}),
        "stable_rank": (characteristics.stable_rank, {"covariance": np.eye(3)}),
        "mutual_information": (
            information.mutual_information,
            {"z": z, "labels": y, "noise_variance": 0.1, "information_unit": "nats", "samples": 10, "seed": 0},
        ),
        "noise_sweep": (
            information.noise_sweep,
            {"z": z, "labels": y, "noise_variances": [0.1], "information_unit": "nats", "samples": 10, "seed": 0},
        ),
        "relative_noise_variance": (information.relative_noise_variance, {"z": z, "share": 1.0}),
        "entropy_bounds": (information.entropy_bounds, {"z": z, "noise_variance": 0.1}),
        "binned_mutual_information": (
            information.binned_mutual_information,
            {"z": z, "labels": y, "bins": 3, "bin_width": None, "information_unit": "nats"},
        ),
        "whiten": (ion.whiten, {**of_site, "null_space": 1e-8}),
        "decorrelate": (ion.decorrelate, of_site),
        "with_covariance": (ion.with_covariance, {**of_site, "target": np.eye(3), "null_space": 1e-8}),
        "transform": (ion.transform, {**of_site, "q": np.eye(3), "m": np.zeros(3)}),
        "permute": (ion.permute, {**of_site, "order": [2, 0, 1]}),
        "rescale": (ion.rescale, {**of_site, "factors": 2.0}),
        "orthogonal": (ion.orthogonal, {**of_site, "seed": 0}),
        "insert_linear": (ion.insert_linear, {"model": model, "layer": "z", "name": "new"}),
        "fold_batch_norm": (ion.fold_batch_norm, {"model": model, "layer": "bn", "copy": True}),
        "comparable": (
            ion.comparable,
            {
                "model": model, "layer": "relu", "q": np.eye(3), "data": (x, z[:, :2]), "loss": "mse", "epochs": 0,
                "copy": True,
            },
        ),
        "find_site": (ion.find_site, {"model": model, "layer": "z"}),
        "verify": (ion.verify, {"model": model, "other": model, "data": x, "batch_size": 4}),
        "whitening_matrix": (ion.whitening_matrix, {"covariance": np.eye(3), "null_space": 1e-8}),
        "label_aware": (keras_repreg.label_aware, {"model": keras.Sequential([keras.layers.Dense(2)])}),
        "linear_warm_up": (keras_repreg.linear_warm_up, {"length": 3, "start": 0.0}),
        "WeightSchedule": (keras_repreg.WeightSchedule, {"schedule": lambda epoch: 1.0, "per": "epoch"}),
        "CharacteristicsLogger": (
            keras_repreg.CharacteristicsLogger,
            {**loggers, "labels": None, "characteristics": None, "units": "channels", "positive_only": None},
        ),
        "InformationPlaneLogger": (
            keras_repreg.InformationPlaneLogger,
            {**loggers, "labels": None, "noise_variance": 0.1, "information_unit": "nats", "max_samples": 100},
        ),
        "unit_histograms": (
            plots.unit_histograms, {"z": z, "labels": y, "units": [0], "bins": 5, "figure": None},
        ),
        "unit_scatter": (plots.unit_scatter, {"z": z, "labels": y, "units": (0, 1), "ax": None}),
        "by_layer": (
            plots.by_layer, {"tables": {"z": {"sparsity": 0.5}}, "characteristics": "sparsity", "figure": None},
        ),
        "correlation_scatter": (
            plots.correlation_scatter, {"points": {"z": (0.0, 1.0)}, "x_label": "x", "y_label": "y", "ax": None},
        ),
        "spectrum": (plots.spectrum, {"spectra": np.arange(3.0), "ax": None}),
        "correlation_matrix": (plots.correlation_matrix, {"correlation": np.eye(3), "ax": None}),
        "information_plane": (
            plots.information_plane, {"points": {"z": [point]}, "estimate": "conventional", "order": None, "ax": None},
        ),
        "characteristics_over_epochs": (
            plots.characteristics_over_epochs,
            {"history": {"val_z_sparsity": [0.5]}, "layer": None, "order": None, "figure": None},
        ),
        "Regularization": (tuning.Regularization, {"name": "Dropout", "rate": 0.5}),
        "Regularization with a weight": (tuning.Regularization, {"name": "CR", "weight": 0.5}),
    }  # fmt: skip
    for layer in (layers.CovarianceRegularization, layers.VarianceRegularization, layers.L1Regularization):
        found[layer.__name__] = (layer, penalty)
    found["RankRegularization"] = (layers.RankRegularization, {**penalty, "method": "power"})
    for layer in (layers.ClasswiseCovarianceRegularization, layers.ClasswiseVarianceRegularization):
        found[layer.__name__] = (layer, classwise)
    found["ClasswiseRankRegularization"] = (layers.ClasswiseRankRegularization, {**classwise, "method": "svd"})
    return found


# Parametrized by name, so that collecting tests creates no models.
NAMES = [
    "characterize", "measure", "accumulate", "Characteristics", "select_layers", "stable_rank", "mutual_information",
    "noise_sweep", "relative_noise_variance", "entropy_bounds", "binned_mutual_information", "whiten", "decorrelate",
    "with_covariance",
    "transform", "permute", "rescale", "orthogonal", "insert_linear", "fold_batch_norm", "comparable", "find_site",
    "verify", "whitening_matrix", "label_aware", "linear_warm_up", "WeightSchedule", "CharacteristicsLogger",
    "InformationPlaneLogger", "unit_histograms", "unit_scatter", "by_layer", "correlation_scatter",
    "spectrum", "correlation_matrix", "information_plane",
    "characteristics_over_epochs", "Regularization", "Regularization with a weight", "CovarianceRegularization",
    "VarianceRegularization", "L1Regularization", "RankRegularization", "ClasswiseCovarianceRegularization",
    "ClasswiseVarianceRegularization", "ClasswiseRankRegularization",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:No data for layer")
@pytest.mark.parametrize("name", NAMES)
def test_one_invalid_argument_works_or_raises(name):
    assert set(targets()) == set(NAMES)
    function, arguments = targets()[name]
    function(**arguments)
    weights = [np.array(weight) for weight in network().get_weights()]
    poor = []
    for argument in set(arguments) - {"copy"}:
        for kind, wrong in WRONG.items():
            if (argument, kind) == ("epochs", "huge"):
                continue  # it would start a search
            try:
                function(**{**arguments, argument: wrong})
            except (ValueError, TypeError) as error:
                # Keras itself reports inputs that a network does not accept.
                if "Received: " not in str(error) and argument != "data":
                    poor.append((argument, kind, type(error).__name__, str(error)[:200]))
            except Exception as error:
                if argument == "data" and isinstance(error, Warning):
                    continue
                poor.append((argument, kind, type(error).__name__, str(error)[:200]))
    assert not poor, "\n".join(map(str, poor))
    for before, after in zip(weights, network().get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
