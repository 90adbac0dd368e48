"""Check the arguments of a search: the tuner and the objective, and that KerasTuner is installed."""

import importlib
from typing import Any

import keras


def trials_module() -> Any:
    """Return `keras_repreg.tuning.trials`, which imports KerasTuner."""
    try:
        if keras.backend.backend() == "tensorflow":
            importlib.import_module("tensorboard")  # KerasTuner imports it in every trial, only on this backend
        return importlib.import_module("keras_repreg.tuning.trials")
    except ImportError as error:
        raise ImportError(
            "keras_repreg.tuning.RegularizerSearch requires KerasTuner: `pip install 'keras-repreg[tuner]'`. "
            f"Received: {type(error).__name__}: {error}"
        ) from error


def tuner_class(tuner: Any, trials: Any) -> Any:
    """Return a tuner class that keeps the score of every execution, given its name or class."""
    if isinstance(tuner, str) and tuner not in trials.TUNERS:
        raise ValueError(f"Expected `tuner` to be one of {list(trials.TUNERS)}. Received: tuner={tuner!r}")
    base = trials.TUNERS[tuner] if isinstance(tuner, str) else tuner
    if not (isinstance(base, type) and issubclass(base, trials.keras_tuner.Tuner)):
        raise TypeError(f"Expected `tuner` to be the name or class of a KerasTuner tuner. Received: tuner={tuner!r}")
    return type(f"Regularizer{base.__name__}", (trials.RecordsExecutions, base), {})


def check_objective(objective: Any) -> None:
    """Reject losses."""
    for name in metric_names(objective):
        if name in ("loss", "val_loss"):
            raise ValueError(
                "Expected an objective without the penalties. They are part of the loss, so the loss would compare "
                "the weights of the penalties rather than the networks. Use 'val_accuracy', or also compile the loss "
                "as a metric: metrics=[keras.metrics.SparseCategoricalCrossentropy(name='cross_entropy')] and "
                f"objective=keras_tuner.Objective('val_cross_entropy', 'min'). Received: objective={name!r}"
            )


def metric_names(objective: Any) -> list[str]:
    """Return the names of one objective or a list of objectives."""
    return [str(getattr(each, "name", each)) for each in (objective if isinstance(objective, list) else [objective])]
