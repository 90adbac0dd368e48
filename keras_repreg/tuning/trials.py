"""Extensions of KerasTuner for a search: labels, seeds, a first trial of each name, and a score per execution.

This module imports KerasTuner, so it is imported only by a search.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import keras_tuner

from keras_repreg.models import label_aware
from keras_repreg.regularizer_set import ALL_REGULARIZERS
from keras_repreg.tuning.cocktail import INGREDIENTS, Cocktail

TUNERS = {
    "random": keras_tuner.RandomSearch,
    "bayesian": keras_tuner.BayesianOptimization,
    "hyperband": keras_tuner.Hyperband,
    "grid": keras_tuner.GridSearch,
}
_SCORES = "executions.json"


class LabelAwareHyperModel(keras_tuner.HyperModel):
    """A hypermodel whose models are label aware, and whose executions are seeded.

    Args:
        inner: The model-building function or HyperModel of the user.
        prefix: The name of the hyperparameter of the choice.
        seed: The seed of the first execution of each trial, incremented for each further execution; None for no seeds.
    """

    def __init__(self, inner: Any, prefix: str, seed: int | None):
        super().__init__()
        self.inner = inner
        self.prefix = prefix
        self.seed = seed
        self._execution: int | None = None

    @contextmanager
    def trial(self) -> Iterator[None]:
        """Count the models built in this context as executions of one trial."""
        self._execution = 0
        try:
            yield
        finally:
            self._execution = None

    def declare_hyperparameters(self, hp: Any) -> None:
        if isinstance(self.inner, keras_tuner.HyperModel):
            self.inner.declare_hyperparameters(hp)

    def build(self, hp: Any) -> Any:
        if self._execution is not None:
            if self.seed is not None:
                keras.utils.set_random_seed(self.seed + self._execution)
            self._execution += 1
        model = self.inner.build(hp) if isinstance(self.inner, keras_tuner.HyperModel) else self.inner(hp)
        names_in(hp, self.prefix)
        if not isinstance(model, keras.Model):
            return model  # KerasTuner raises an error
        if model.built and model.optimizer is not None:
            # Hyperband's later rounds load weights together with the optimizer's state.
            model.optimizer.build(model.trainable_variables)
        return label_aware(model)

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(self.inner, keras_tuner.HyperModel):
            return self.inner.fit(hp, model, *args, **kwargs)
        return model.fit(*args, **kwargs)


class RecordsExecutions:
    """Mixin of tuner classes that keeps the score of every execution; KerasTuner keeps only their mean."""

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
        with self.hypermodel.trial():  # type: ignore[attr-defined]
            results = super().run_trial(trial, *args, **kwargs)  # type: ignore[misc]
        objective = self.oracle.objective  # type: ignore[attr-defined]
        scores = [_score(result, objective) for result in (results if isinstance(results, list) else [results])]
        path = _scores_path(self, trial)
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(scores))
        os.replace(unfinished, path)
        return results


def scores_of(tuner: Any, trial: Any) -> list[float]:
    """Return the score of each execution of a finished trial."""
    return json.loads(_scores_path(tuner, trial).read_text())


def _scores_path(tuner: Any, trial: Any) -> Path:
    return Path(tuner.get_trial_dir(trial.trial_id)) / _SCORES


def _score(result: Any, objective: Any) -> float:
    """Return the best value of the objective over the epochs, as defined by KerasTuner."""
    if isinstance(result, keras.callbacks.History):
        history = result.history
        epochs = [dict(zip(history, values, strict=False)) for values in zip(*history.values(), strict=False)]
        if not epochs or not objective.has_value(epochs[0]):
            raise keras_tuner.errors.FatalValueError(
                "Expected the objective in the logs of `fit`; compile the model with that metric. Received: "
                f"objective={str(objective)!r}, logs={sorted(history)}"
            )
        values = [objective.get_value(epoch) for epoch in epochs]
        best = values[0]
        for value in values[1:]:
            best = value if objective.better_than(value, best) else best
        return float(best)
    return float(objective.get_value(result) if isinstance(result, dict) else result)


def names_in(hp: Any, prefix: str) -> list[str]:
    """Return the regularizations that hyperparameters choose from; for cocktails, Baseline and each ingredient.

    Raises:
        ValueError: if the hyperparameters contain no such choice.
    """
    for parameter in hp.space:
        names = list(getattr(parameter, "values", []))
        if parameter.name == prefix and set(names) <= set(ALL_REGULARIZERS):
            return names
    switches = {f"{prefix}_{name}": name for name in INGREDIENTS}
    ingredients = [switches[parameter.name] for parameter in hp.space if parameter.name in switches]
    if ingredients:
        return ["Baseline", *ingredients]
    raise ValueError(
        "Expected the model-building function to call `keras_repreg.tuning.choose_regularization(hp, x)` or "
        f"`choose_cocktail(hp, x)` with `prefix={prefix!r}`. "
        f"Received: hyperparameters {[parameter.name for parameter in hp.space]}"
    )


def name_of(values: dict[str, Any], prefix: str) -> str:
    """Return the regularization chosen by values of hyperparameters; for a cocktail, the names of its ingredients."""
    return values[prefix] if prefix in values else Cocktail.from_values(values, prefix).name


def cover_every_name(oracle: Any, prefix: str) -> None:
    """Make the first trials of an oracle try each regularization alone, with its starting weight."""
    draw = oracle.populate_space

    def populate_space(trial_id: str) -> dict[str, Any]:
        response = draw(trial_id)
        drawn = response.get("values")
        # Hyperband's later rounds continue earlier trials.
        if response["status"] != "RUNNING" or "tuner/trial_id" in drawn:
            return response
        tried = {name_of(trial.hyperparameters.values, prefix) for trial in oracle.trials.values()}
        missing = [name for name in names_in(oracle.get_space(), prefix) if name not in tried]
        if missing:
            response = {**response, "values": _with_name(oracle.get_space(), drawn, prefix, missing[0])}
        return response

    oracle.populate_space = populate_space


def _with_name(space: Any, drawn: dict[str, Any], prefix: str, name: str) -> dict[str, Any]:
    """Return the drawn values with the regularization replaced by the named one, with its default strength."""
    switches = {f"{prefix}_{ingredient}": ingredient for ingredient in INGREDIENTS}
    ours = {f"{start}_{strength}" for start in (prefix, *switches) for strength in ("weight", "rate")}
    parameters = {parameter.name for parameter in space.space}
    space.values = {key: value for key, value in drawn.items() if key not in parameters}
    # Parents come before the hyperparameters that depend on them.
    for parameter in space.space:
        if parameter.name == prefix:
            space.values[prefix] = name
        elif parameter.name in switches:
            space.values[parameter.name] = switches[parameter.name] == name
        elif space.is_active(parameter):
            kept = parameter.name in drawn and parameter.name not in ours
            space.values[parameter.name] = drawn[parameter.name] if kept else parameter.default
    return space.values
