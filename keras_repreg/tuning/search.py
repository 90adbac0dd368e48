"""Search for the best regularizer, or cocktail of regularizers, and its strength (section 6.2)."""

import math
import statistics
import warnings
from typing import Any

import keras
import numpy as np

from keras_repreg.characteristics import measure
from keras_repreg.regularizer_set import REGULARIZERS
from keras_repreg.tuning.arguments import check_objective, metric_names, trials_module, tuner_class
from keras_repreg.tuning.cocktail import Cocktail
from keras_repreg.tuning.comparison import NOT_TOLD_APART, Comparison, compare
from keras_repreg.tuning.leaderboard import Leaderboard
from keras_repreg.tuning.regularization import Regularization

TRIALS = 3 * len(REGULARIZERS)


class RegularizerSearch:
    """Searches for the best regularizer and strength, or the best cocktail, with a tuner of KerasTuner.

    Every regularization is first tried alone, with weight 1 or rate 0.5, before the tuner draws freely. (A grid search
    has its own order, and has tried all at the end.) Models receive the labels of the batch for class-wise penalties.
    With `directory` and `project_name` of an earlier search, and without `overwrite`, that search is resumed.
    KerasTuner's environment variables for distributed tuning work as usual.

    The objective cannot be `"val_loss"`, because it includes the penalties and so would compare their weights rather
    than the networks. To use the loss without penalties, also compile it as a metric:
    `metrics=[keras.metrics.SparseCategoricalCrossentropy(name="cross_entropy")]` with
    `objective=keras_tuner.Objective("val_cross_entropy", "min")`.

    The score of an execution is the objective at its best epoch, so the score of the best trial is optimistic: evaluate
    it on data that the search has not used.

    Args:
        build: A function of `keras_tuner.HyperParameters` that returns a compiled model and calls
            `keras_repreg.tuning.choose_regularization` or `choose_cocktail`; or a `keras_tuner.HyperModel`.
        tuner: "random", "bayesian", "hyperband", "grid", or a tuner class of KerasTuner.
        objective: An objective as for KerasTuner, other than a loss.
        max_trials: The maximum number of trials. Defaults to 36 for "random" and "bayesian", and all for "grid";
            "hyperband" derives it from `max_epochs`.
        executions_per_trial: Trainings per trial, each from different initial weights; their mean is the score. The
            leaderboard compares trials by the differences between executions of the same seed, so use five or more.
        directory: The folder of all searches.
        project_name: The folder of this search within `directory`.
        seed: The seed of the tuner. Execution k of every trial starts with `keras.utils.set_random_seed(seed + k)`, so
            that trials differ less by chance and can be compared in pairs. With None, seeds differ and no trials are
            distinguished.
        overwrite: Delete an earlier search of that name.
        prefix: The prefix given to `choose_regularization`.
        **kwargs: Further arguments of the tuner, such as `max_epochs`.

    Attributes:
        tuner: The tuner of KerasTuner.

    Raises:
        ImportError: if KerasTuner is not installed.
        TypeError: if `build` cannot be called or `tuner` is not a tuner class.
        ValueError: if `tuner` is an unknown name, an objective is a loss, `max_trials` is given for hyperband, or
            `build` does not choose a regularization.

    Examples:
        >>> import keras, keras_repreg, numpy as np, tempfile
        >>> def build(hp):
        ...     x = keras.Input((4,))
        ...     z = keras.layers.Dense(8)(x)
        ...     z = keras_repreg.tuning.choose_regularization(hp, z, activation="relu", names=["Baseline", "cw-VR"])
        ...     model = keras.Model(x, keras.layers.Dense(3)(z))
        ...     model.compile("adam", keras.losses.SparseCategoricalCrossentropy(True), metrics=["accuracy"])
        ...     return model
        >>> x, y = np.random.default_rng(0).normal(size=(60, 4)), np.arange(60) % 3
        >>> search = keras_repreg.tuning.RegularizerSearch(build, max_trials=2, directory=tempfile.mkdtemp())
        >>> search.search(x, y, validation_data=(x, y), verbose=0)
        >>> sorted(row["regularization"] for row in search.leaderboard())
        ['Baseline', 'cw-VR']

    Reference:
        Section 6.2 of Choi, Lee, Shin and Rhee (2018), "On the statistical and information-theoretic characteristics
        of deep network representations".
    """

    def __init__(
        self,
        build: Any,
        *,
        tuner: Any = "random",
        objective: Any = "val_accuracy",
        max_trials: int | None = None,
        executions_per_trial: int = 1,
        directory: Any = None,
        project_name: str = "regularizer_search",
        seed: int | None = 0,
        overwrite: bool = False,
        prefix: str = "regularization",
        **kwargs: Any,
    ):
        trials = trials_module()
        chosen_class = tuner_class(tuner, trials)
        check_objective(objective)
        self._is_function = not isinstance(build, trials.keras_tuner.HyperModel)
        if self._is_function and not callable(build):
            raise TypeError(f"Expected `build` to be a function of HyperParameters. Received: build={build!r}")
        if tuner == "hyperband" and max_trials is not None:
            raise ValueError(
                "Expected no `max_trials`: hyperband derives it from `max_epochs`, `factor` and "
                f"`hyperband_iterations`. Received: max_trials={max_trials!r}"
            )
        if max_trials is None and tuner in ("random", "bayesian"):
            max_trials = TRIALS
        optional = {"max_trials": max_trials, "seed": seed}
        kwargs |= {name: value for name, value in optional.items() if value is not None}
        self._trials = trials
        self._prefix = prefix
        self._objective = objective
        self._paired = seed is not None
        self.tuner = chosen_class(
            trials.LabelAwareHyperModel(build, prefix, seed),
            objective=objective,
            executions_per_trial=executions_per_trial,
            directory=directory,
            project_name=project_name,
            overwrite=overwrite,
            **kwargs,
        )
        oracle = self.tuner.oracle
        # A worker of a distributed search has a client instead; the chief covers the names.
        if isinstance(oracle, trials.keras_tuner.Oracle):
            number = len(trials.names_in(oracle.get_space(), prefix))
            if max_trials is not None and max_trials < number:
                warnings.warn(
                    f"max_trials={max_trials} leaves some of the {number} regularizations untried.", stacklevel=2
                )
            if not isinstance(oracle, trials.keras_tuner.oracles.GridSearchOracle):
                trials.cover_every_name(oracle, prefix)

    def search(self, x: Any, y: Any = None, **fit_arguments: Any) -> None:
        """Run the remaining trials.

        Args:
            x: Training data as for `fit`.
            y: Targets, if they are not in `x`.
            **fit_arguments: Further arguments of `fit`, such as `validation_data`, `epochs`, `batch_size`,
                `callbacks` and `verbose`.

        Raises:
            ValueError: if the objective requires validation data and there is none, or `fit` does not log it.
        """
        names = metric_names(self._objective)
        has_validation = {"validation_data", "validation_split"} & set(fit_arguments)
        if self._is_function and not has_validation and any(name.startswith("val_") for name in names):
            raise ValueError(
                f"Expected `validation_data` or `validation_split`, because the objective is {names}. Received: "
                f"{sorted(fit_arguments)}"
            )
        self.tuner.search(*([x] if y is None else [x, y]), **fit_arguments)

    def leaderboard(
        self, *, every_trial: bool = False, characteristics: bool = False, data: Any = None, layer: Any = None
    ) -> Leaderboard:
        """Return the best trial of each regularization, or every trial, the best first.

        Each is compared with the first one by the differences of their scores with the same seeds: see
        `keras_repreg.tuning.compare`, with all finished trials as contenders. A row that is "not told apart" may be as
        good as the best or better.

        Args:
            every_trial: Return one row per trial.
            characteristics: Rebuild the network of each row, with the weights of its best epoch, and measure the
                regularized layer, with the keys of `keras_repreg.characterize`.
            data: Data to measure on, as for `keras_repreg.measure`.
            layer: Another layer to measure, or its name.

        Returns:
            The rows. Failed trials come last, with a score of NaN and the reason.

        Raises:
            ValueError: if characteristics are requested without data.
        """
        if characteristics and data is None:
            raise ValueError("Expected `data` to measure the characteristics on. Received: data=None")
        trials = self._ended_trials()
        tried = [self._regularization(trial) for trial in trials]
        compared = self._compared(trials)
        rows = Leaderboard()
        for i, (trial, regularization) in enumerate(zip(trials, tried, strict=True)):
            alike = [each.name == regularization.name for each in tried]
            if every_trial or not any(alike[:i]):
                row = self._row(trial, regularization, sum(alike), compared.get(trial.trial_id))
                if characteristics:
                    row |= self._measured(trial, data, layer or self._prefix)
                rows.append(row)
        # Failed trials have no network to measure.
        columns = max(rows, key=len, default={})
        rows[:] = [{name: row.get(name, math.nan) for name in columns} for row in rows]
        return rows

    def best_model(self) -> keras.Model:
        """Return the network of the best trial, with the weights of its best epoch.

        Raises:
            ValueError: if no trial has finished.
        """
        return self.tuner.load_model(self._best_trial())

    def best_hyperparameters(self) -> Any:
        """Return the `keras_tuner.HyperParameters` of the best trial.

        Raises:
            ValueError: if no trial has finished.
        """
        return self._best_trial().hyperparameters

    def best_regularization(self) -> Regularization | Cocktail:
        """Return the regularization or cocktail of the best trial, for use without KerasTuner.

        Raises:
            ValueError: if no trial has finished.
        """
        return self._regularization(self._best_trial())

    def _ended_trials(self) -> list[Any]:
        """Return finished trials, the best first and ties in order, followed by failed ones."""
        oracle = self.tuner.oracle
        trials = sorted(oracle.get_best_trials(2**31 - 1), key=lambda trial: int(trial.trial_id))
        finished = [trial for trial in trials if trial.status == "COMPLETED"]
        finished.sort(key=lambda trial: trial.score, reverse=oracle.objective.direction == "max")
        return finished + [trial for trial in trials if trial.status == "FAILED"]

    def _best_trial(self) -> Any:
        trials = self._ended_trials()
        if not trials or trials[0].status != "COMPLETED":
            raise ValueError(f"Expected a finished trial: call `search` first. Received: {len(trials)} that failed")
        return trials[0]

    def _regularization(self, trial: Any) -> Regularization | Cocktail:
        values = trial.hyperparameters.values
        if self._prefix not in values:
            return Cocktail.from_values(values, self._prefix)
        strengths = (values.get(f"{self._prefix}_{name}") for name in ("weight", "rate"))
        return Regularization(values[self._prefix], *strengths)

    def _scores(self, trial: Any) -> list[float]:
        return self._trials.scores_of(self.tuner, trial) if trial.status == "COMPLETED" else []

    def _compared(self, trials: list[Any]) -> dict[str, Comparison]:
        """Return the comparisons of finished trials with the best, by trial id."""
        scores = {trial.trial_id: self._scores(trial) for trial in trials if trial.status == "COMPLETED"}
        if not scores or not self._paired:
            return {}
        number = len(next(iter(scores.values())))
        # Other trials, such as those with a different number of executions, have unpaired scores.
        paired = {name: row for name, row in scores.items() if len(row) == number and np.isfinite(row).all()}
        direction = self.tuner.oracle.objective.direction
        compared = compare(list(paired.values()), direction=direction, contenders=len(scores)) if paired else []
        return dict(zip(paired, compared, strict=True))

    def _row(
        self, trial: Any, regularization: Regularization | Cocktail, trials: int, compared: Comparison | None
    ) -> dict[str, Any]:
        finished = trial.status == "COMPLETED"
        scores = self._scores(trial)
        alone = regularization if isinstance(regularization, Regularization) else None
        return {
            "regularization": alone.name if alone else str(regularization),
            "weight": alone.weight if alone else None,
            "rate": alone.rate if alone else None,
            "score": statistics.fmean(scores) if scores else math.nan,
            "deviation": statistics.stdev(scores) if len(scores) > 1 else math.nan,
            "executions": len(scores),
            "difference": math.nan if compared is None else compared.difference,
            "low": math.nan if compared is None else compared.low,
            "high": math.nan if compared is None else compared.high,
            "verdict": compared.verdict if compared is not None else NOT_TOLD_APART if finished else "",
            "trial": trial.trial_id,
            "trials": trials,
            "status": trial.status.lower(),
            "reason": "" if finished else _reason(trial.message),
        }

    def _measured(self, trial: Any, data: Any, layer: Any) -> dict[str, float]:
        if trial.status != "COMPLETED":
            return {}
        (measured,) = measure(self.tuner.load_model(trial), data, layer).values()
        return measured


def _reason(message: str | None) -> str:
    """Return the last line of a traceback, which names the exception."""
    lines = [line.strip() for line in (message or "").splitlines() if line.strip()]
    return lines[-1] if lines else "no message"
