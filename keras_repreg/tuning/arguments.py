"""What a search is given: KerasTuner, the tuner, and the objective."""

import importlib
from typing import Any

import keras


def trials_module() -> Any:
    """`keras_repreg.tuning.trials`, which imports KerasTuner."""
    try:
        if keras.backend.backend() == "tensorflow":
            importlib.import_module("tensorboard")  # KerasTuner imports it in every trial, on this backend alone
        return importlib.import_module("keras_repreg.tuning.trials")
    except ImportError as error:
        raise ImportError(
            "keras_repreg.tuning.RegularizerSearch needs KerasTuner: `pip install 'keras-repreg[tuner]'`. "
            f"Received: {type(error).__name__}: {error}"
        ) from error


def tuner_class(tuner: Any, trials: Any) -> Any:
    """The class of a tuner, from its name or itself, that keeps the score of every execution."""
    if isinstance(tuner, str) and tuner not in trials.TUNERS:
        raise ValueError(f"Expected `tuner` to be one of {list(trials.TUNERS)}. Received: tuner={tuner!r}")
    base = trials.TUNERS[tuner] if isinstance(tuner, str) else tuner
    if not (isinstance(base, type) and issubclass(base, trials.keras_tuner.Tuner)):
        raise TypeError(f"Expected `tuner` to be a name or a class of KerasTuner's tuners. Received: tuner={tuner!r}")
    return type(f"Regularizer{base.__name__}", (trials.RecordsExecutions, base), {})


def check_objective(objective: Any) -> None:
    """Refuse losses."""
    for name in metric_names(objective):
        if name in ("loss", "val_loss"):
            raise ValueError(
                "Expected an objective without the penalties. They are a part of the loss, so that it compares the "
                "weights of the penalties rather than the networks. Take 'val_accuracy', or compile the loss once "
                "more as a metric: metrics=[keras.metrics.SparseCategoricalCrossentropy(name='cross_entropy')] and "
                f"objective=keras_tuner.Objective('val_cross_entropy', 'min'). Received: objective={name!r}"
            )


def metric_names(objective: Any) -> list[str]:
    """The names of one objective or a list of them."""
    return [str(getattr(each, "name", each)) for each in (objective if isinstance(objective, list) else [objective])]
