"""Representation regularizers, characteristics and identical output networks for Keras 3."""

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# The module of each public name. Modules not imported below are imported on first use.
_HOME = {
    "CharacteristicsLogger": "callbacks",
    "ClasswiseCovarianceRegularization": "layers",
    "ClasswiseRankRegularization": "layers",
    "ClasswiseSIGRegularization": "layers",
    "ClasswiseVarianceRegularization": "layers",
    "CovarianceRegularization": "layers",
    "DecorrelatedBatchNormalization": "layers",
    "InformationPlaneLogger": "callbacks",
    "L1Regularization": "layers",
    "Model": "models",
    "PenaltyLogger": "callbacks",
    "RankRegularization": "layers",
    "SIGRegularization": "layers",
    "Sequential": "models",
    "VCRegularization": "layers",
    "VarianceRegularization": "layers",
    "WeightSchedule": "callbacks",
    "characterize": "characteristics",
    "insert": "insertion",
    "label_aware": "models",
    "label_scope": "labels",
    "linear_warm_up": "callbacks",
    "measure": "characteristics",
    "measure_units": "characteristics",
}
_MODULES = (
    "batch_statistics",
    "callbacks",
    "characteristics",
    "classes",
    "information",
    "ion",
    "labels",
    "layers",
    "models",
    "plots",
    "similarity",
    "tuning",
)

__all__ = sorted(
    [*_HOME, "callbacks", "characteristics", "information", "ion", "layers", "plots", "similarity", "tuning"]
)

if TYPE_CHECKING:
    from keras_repreg import callbacks, characteristics, information, ion, layers, plots, similarity, tuning
    from keras_repreg.callbacks import (
        CharacteristicsLogger,
        InformationPlaneLogger,
        PenaltyLogger,
        WeightSchedule,
        linear_warm_up,
    )
    from keras_repreg.characteristics import characterize, measure, measure_units
    from keras_repreg.insertion import insert
    from keras_repreg.labels import label_scope
    from keras_repreg.layers import (
        ClasswiseCovarianceRegularization,
        ClasswiseRankRegularization,
        ClasswiseSIGRegularization,
        ClasswiseVarianceRegularization,
        CovarianceRegularization,
        DecorrelatedBatchNormalization,
        L1Regularization,
        RankRegularization,
        SIGRegularization,
        VarianceRegularization,
        VCRegularization,
    )
    from keras_repreg.models import Model, Sequential, label_aware


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


def _is_command() -> bool:
    """Return whether this is the command line, which imports Keras only after parsing its arguments."""
    return Path(sys.argv[0]).stem == "keras-repreg" or sys.orig_argv[1:3] == ["-m", "keras_repreg"]


# Keras loads saved layers and models by their registered names, which requires importing their modules.
if not _is_command():
    try:
        importlib.import_module("keras_repreg.models")
    except ModuleNotFoundError as _error:
        from keras_repreg.backends import advice

        if advice(_error) is None:
            raise  # without a backend, the first use of a name explains what to install
