"""Representation regularizers, characteristics and identical output networks for Keras 3."""

import importlib
import sys
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Where each public name lives. They are imported at first use: importing Keras imports its backend, and
# `import keras_repreg` alone shall cost nothing.
_HOME = {
    "CharacteristicsLogger": "callbacks",
    "ClasswiseCovarianceRegularization": "layers",
    "ClasswiseRankRegularization": "layers",
    "ClasswiseVarianceRegularization": "layers",
    "CovarianceRegularization": "layers",
    "InformationPlaneLogger": "callbacks",
    "L1Regularization": "layers",
    "Model": "labels",
    "PenaltyLogger": "callbacks",
    "RankRegularization": "layers",
    "Sequential": "labels",
    "VarianceRegularization": "layers",
    "WeightSchedule": "callbacks",
    "characterize": "characteristics",
    "label_aware": "labels",
    "label_scope": "labels",
    "linear_warm_up": "callbacks",
    "measure": "characteristics",
}
_MODULES = (
    "callbacks",
    "characteristics",
    "classes",
    "information",
    "ion",
    "labels",
    "layers",
    "plots",
    "statistics",
    "tuning",
)

__all__ = sorted([*_HOME, "callbacks", "characteristics", "information", "ion", "layers", "plots", "tuning"])

if TYPE_CHECKING:
    from keras_repreg import callbacks, characteristics, information, ion, layers, plots, tuning
    from keras_repreg.callbacks import (
        CharacteristicsLogger,
        InformationPlaneLogger,
        PenaltyLogger,
        WeightSchedule,
        linear_warm_up,
    )
    from keras_repreg.characteristics import characterize, measure
    from keras_repreg.labels import Model, Sequential, label_aware, label_scope
    from keras_repreg.layers import (
        ClasswiseCovarianceRegularization,
        ClasswiseRankRegularization,
        ClasswiseVarianceRegularization,
        CovarianceRegularization,
        L1Regularization,
        RankRegularization,
        VarianceRegularization,
    )


def __getattr__(name: str) -> Any:
    if name not in _HOME and name not in _MODULES:
        raise AttributeError(f"module 'keras_repreg' has no attribute {name!r}")
    try:
        module = importlib.import_module(f"keras_repreg.{_HOME.get(name, name)}")
    except ModuleNotFoundError as error:
        from keras_repreg.backends import advice

        advised = advice(error)
        if advised is None:
            raise
        raise ModuleNotFoundError(f"keras_repreg.{name}: {advised}. Received: {error}", name=error.name) from error
    value = getattr(module, name) if name in _HOME else module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))


# Keras loads a saved layer by its registered name, which exists once the layer's module is imported. Where Keras
# is there already, `import keras_repreg` is therefore enough for `keras.saving.load_model`, and costs little.
if "keras" in sys.modules:
    importlib.import_module("keras_repreg.labels")
    importlib.import_module("keras_repreg.layers")
