"""Verdicts of each check on constructed numbers: cases that hold, hold in part and fail, at the exact boundary.

A case consists of the module and name of a check, its arguments, and the expected verdict.
"""

import math

from benchmarks.claims import appendix_c, section2, section3, section4, section5, section6
from benchmarks.claims.verdicts import Verdict
from keras_repreg.regularizer_set import REGULARIZERS

HOLDS, PARTLY, FAILS, NOT_RUN = Verdict.HOLDS, Verdict.PARTLY, Verdict.FAILS, Verdict.NOT_RUN
FIVE = ("Baseline", "Dropout", "BN", "CR", "L1R")


def five(column, *values):
    """Rows of Figure 1 with one column."""
    return {name: {column: value, "trials": 1} for name, value in zip(FIVE, values, strict=True)}


def twelve(given=None, **columns):
    """Rows of the twelve regularizers; `columns` are equal for all, and `given` changes some rows."""
    return {name: {"trials": 4, **columns, **(given or {}).get(name, {})} for name in REGULARIZERS}


def conditions(errors, std=1.0, trials=2):
    """Rows under conditions: a tuple of errors per regularizer with equal deviations; None means not run."""
    rows = {}
    for name, values in errors.items():
        row = {"trials": trials}
        for column, value in zip("abcdefg", values, strict=False):
            row[column] = math.nan if value is None else value
            row[f"{column}_std"] = math.nan if value is None else std
        rows[name] = row
    return rows


def few(**errors):
    return {
        name.replace("_", "-"): {"data_1k": value, "data_1k_std": 1.0, "trials": 2}
        for name, value in {"Baseline": 9.0, **errors}.items()
    }


def layers(right):
    """Table 2 where the sixth layer is nearer in `number` of 15 comparisons, and otherwise as far as the first."""
    columns = ("amplitude", "covariance", "correlation", "sparsity", "stable_rank")
    rows, number = {}, 0
    for name in ("Baseline", "Dropout", "BN"):
        rows |= {f"{name} ({layer})": {} for layer in ("1st", "5th", "6th")}
        for column in columns:
            rows[f"{name} (5th)"][column] = 1.0
            rows[f"{name} (1st)"][column] = 2.0
            rows[f"{name} (6th)"][column] = 1.5 if number < right else 2.0
            number += 1
    return rows


def small_layers(fifth, first, sixth):
    """Table 2 with 12 nearer characteristics and one with these values."""
    rows = layers(12)
    for layer, value in (("5th", fifth), ("1st", first), ("6th", sixth)):
        rows[f"BN ({layer})"]["stable_rank"] = value
    return rows


def transformed(name, correlation, error):
    return {
        "Identity": {"correlation": 0.4, "error": 2.0, "trials": 1},
        name: {"correlation": correlation, "error": error, "trials": 1},
    }


ROOT_2 = math.sqrt(2.0)
ONES = "Ones with random positive diagonal"


def line(accuracies, values=None, data="s", factors=10):
    """One line of Figure 2 or 3, with loss weights 0, 1, 2, ..."""
    values = values or [float(i) for i in range(len(accuracies))]
    return {
        f"{data} {factors} {weight}": {
            "data": data, "factors": factors, "weight": float(weight), "accuracy": accuracy, "x": value
        }
        for weight, (accuracy, value) in enumerate(zip(accuracies, values, strict=True))
    }  # fmt: skip


def many(number, line_of):
    """A line for each of `number` data sets."""
    rows = {}
    for i in range(10):
        rows |= line_of(i < number, f"s{i}")
    return rows


RISING, MIXED = [0.0, 1.0, 2.0, 3.0, 4.0], [0.0, 2.0, 1.0, 3.0, 0.5]


def falling_at(accuracy):
    """Ten lines whose characteristic rises with the weight but falls at the last one, which has this accuracy."""
    return many(10, lambda right, data: line([90.0] * 4 + [accuracy], [0.0, 1.0, 2.0, 3.0, -1.0], data))


def controlled(number, flat=90.0):
    return many(number, lambda right, data: line([90.0] * 4 + [flat], RISING if right else MIXED, data))


def costs(number, points=0.5):
    return many(number, lambda right, data: line([90.0, 91.0, 90.0 - (points if right else 0.25)], data=data))


def informed(**rows):
    """Figure 4's intervals: Pearson and Spearman as (value, low), by level."""
    found = {}
    for name, (pearson, spearman) in rows.items():
        row = {"trials": 12}
        for kind, (value, low, *high) in (("pearson", pearson), ("spearman", spearman)):
            row |= {kind: value, f"{kind}_low": low, f"{kind}_high": high[0] if high else 0.99}
        found[name] = row
    return found


GOOD, WEAK = (0.7, 0.1), (0.69, 0.1)
NUMBERS = [float(i) for i in range(12)]
UNRELATED = [3.0, 9.0, 5.0, 0.0, 10.0, 6.0, 1.0, 7.0, 11.0, 4.0, 2.0, 8.0]
# A correlation of about 0.6 with NUMBERS; its interval extends beyond 0.7.
LOOSE = [4.0, 0.0, 7.0, 1.0, 2.0, 10.0, 3.0, 5.0, 6.0, 11.0, 8.0, 9.0]
STATISTICS = ("amplitude", "covariance", "correlation", "sparsity", "dead_units", "stable_rank")


def related(error, **columns):
    """Rows of the twelve with these columns; other characteristics are constant."""
    return {
        name: {"trials": 4, **dict.fromkeys(STATISTICS, 1.0), "error": error[i]}
        | {column: values[i] for column, values in columns.items()}
        for i, name in enumerate(REGULARIZERS)
    }


def more(covariance):
    """Figure 4 where I(z;x) equals the error, and Table 6 with this covariance."""
    figure4 = {name: {"zx": float(i), "error": float(i), "trials": 3} for i, name in enumerate(REGULARIZERS)}
    return [figure4, related(NUMBERS, covariance=covariance)]


def label(value=0.0, lower=0.0, upper=0.0):
    """Figure 4 where I(z;y) and its conventional bounds have these ranges."""
    ends = {"zy": value, "zy_lower_conventional": lower, "zy_upper_conventional": upper}
    return {"Baseline": dict.fromkeys(ends, 0.0) | {"trials": 3}, "CR": ends | {"trials": 3}}


H_Y = math.log(10)


def spread(lower=(0.0, 0.0), upper=(0.0, 0.0), mean=1.0, trials=3):
    """Figure 4 for two regularizers with means `mean` and `-mean` and these deviations."""
    return {
        name: {"zx_lower": m, "zx_lower_std": lower[i], "zx_upper": m, "zx_upper_std": upper[i], "trials": trials}
        for i, (name, m) in enumerate((("Baseline", mean), ("CR", -mean)))
    }


TARGETS = {
    "Baseline": {"stable_rank": 2.0}, "RR": {"stable_rank": 1.0}, "cw-RR": {"stable_rank": 1.0},
    "CR": {"covariance": 1.0, "correlation": 0.1}, "cw-CR": {"covariance": 1.0}, "VR": {"amplitude": 1.0},
    "cw-VR": {"amplitude": 1.0}, "L1R": {"sparsity": 0.9, "dead_units": 0.5},
}  # fmt: skip
BASE = {"amplitude": 4.0, "covariance": 2.0, "correlation": 0.2, "sparsity": 0.3, "dead_units": 0.1, "stable_rank": 2.0}


def targets(**changes):
    given = {name: dict(row) for name, row in TARGETS.items()}
    for name, row in changes.items():
        key = name.replace("_", "-")
        given[key] = given.get(key, {}) | row
    return twelve(given, **BASE)


def weight_decay(**row):
    return twelve({"L1W": row}, amplitude=10.0, covariance=10.0, correlation=10.0, sparsity=10.0, stable_rank=10.0)


def dead(units=0.25, error=2.0, name="L1R", std=0.0):
    given = {name: {"dead_units": units, "error": error, "error_std": std}}
    return twelve(given, dead_units=0.1, error=2.0, error_std=0.0)


def dropout(covariance, correlation, amplitude=2.0, std=ROOT_2):
    """The baseline has 4, 4 and 4; deviations are 2 over 8 trials, so that the standard error of a difference is 1."""
    stds = {"covariance_std": std, "correlation_std": std, "amplitude_std": 0.0}
    before = {"trials": 4, "covariance": 4.0, "correlation": 4.0, "amplitude": 4.0, **stds}
    after = before | {"covariance": covariance, "correlation": correlation, "amplitude": amplitude}
    return {"Baseline": before, "Dropout": after}


def zeros(changed, covariance=2.0, correlation=2.0, own=1.0, std=ROOT_2):
    """So many of the twelve change, in standard errors of 1 (deviations of the square root of 2 in four trials)."""
    rows = {}
    for i, name in enumerate(REGULARIZERS):
        row = {"trials": 4, "covariance": own, "correlation": own}
        row |= {f"{column}_std": std for column in ("covariance", "covariance_all", "correlation", "correlation_all")}
        row["covariance_all"] = own + (covariance if i < changed else 0.0)
        row["correlation_all"] = own + (correlation if i < changed else 0.0)
        rows[name] = row
    return rows


def squashed(number, amplitude=2.0, error=2.0):
    names = ("CR", "cw-CR", "VR", "cw-VR", "L1R", "RR", "cw-RR")[:number]
    return twelve({name: {"amplitude": amplitude, "error": error} for name in names}, amplitude=4.0, error=2.0)


def spared(number=5, covariance=0.1, lost=0, correlation=0.1, amplitude=2.0):
    """Some of the seven are squashed, and some of these lose half of their correlation."""
    names = ("CR", "cw-CR", "VR", "cw-VR", "L1R", "RR", "cw-RR")[:number]
    given = {
        name: {"amplitude": amplitude, "covariance": covariance, "correlation": correlation if i < lost else 0.11}
        for i, name in enumerate(names)
    }
    return twelve(given, amplitude=4.0, covariance=1.0, correlation=0.2)


def ranks(near):
    """Twelve stable ranks, some at the ends of the range and the others just beyond."""
    return {str(i): {"stable_rank": ((8.0, 12.0) if i < near else (7.9, 12.1))[i % 2]} for i in range(12)}


S2, S3, S4, S5, S6, C = section2, section3, section4, section5, section6, appendix_c
CASES = [
    (S2, "similar_within_classes", [five("within_class_variance", 20.0, 0.0, 23.0, 17.0, 0.0)], HOLDS),
    (S2, "similar_within_classes", [five("within_class_variance", 20.0, 0.0, 23.1, 17.0, 0.0)], FAILS),
    (S2, "similar_within_classes", [five("within_class_variance", 20.0, 0.0, 23.0, 16.9, 0.0)], FAILS),
    (S2, "dropout_is_spread_out", [five("spread_when_active", 1.0, 1.5, 0.2, 0.2, 0.2)], HOLDS),
    (S2, "dropout_is_spread_out", [five("spread_when_active", 1.0, 1.49, 0.2, 0.2, 0.2)], FAILS),
    (S2, "dropout_is_spread_out", [five("spread_when_active", 0.1, 1.5, 0.2, 0.2, 1.1)], FAILS),
    (S2, "correlated_within_classes", [five("class_wise_correlation", 0.3, 0.8, 0.1, 0.1, 0.5)], HOLDS),
    (S2, "correlated_within_classes", [five("class_wise_correlation", 0.3, 0.79, 0.1, 0.1, 0.5)], PARTLY),
    (S2, "correlated_within_classes", [five("class_wise_correlation", 0.3, 0.8, 0.11, 0.1, 0.5)], PARTLY),
    (S2, "correlated_within_classes", [five("class_wise_correlation", 0.3, 0.8, 0.1, 0.11, 0.5)], PARTLY),
    (S2, "correlated_within_classes", [five("class_wise_correlation", 0.3, 0.8, 0.11, 0.11, 0.5)], FAILS),
    (S2, "correlated_within_classes", [five("class_wise_correlation", 0.3, 0.5, 0.5, 0.5, 0.5)], FAILS),
    (S2, "few_classes_of_a_unit", [five("classes_of_a_unit", 8.0, 5.0, 4.0, 3.1, 2.0)], HOLDS),
    (S2, "few_classes_of_a_unit", [five("classes_of_a_unit", 8.0, 5.0, 4.0, 3.1, 2.1)], FAILS),
    (S2, "few_classes_of_a_unit", [five("classes_of_a_unit", 8.0, 5.0, 4.0, 3.0, 2.0)], FAILS),
    *(
        (S3, "rank_is_number_of_classes", [ranks(near)], verdict)
        for near, verdict in ((9, HOLDS), (8, PARTLY), (6, PARTLY), (5, FAILS))
    ),
    (S3, "squashed_and_well", [squashed(5)], HOLDS),
    (S3, "squashed_and_well", [squashed(4)], PARTLY),
    (S3, "squashed_and_well", [squashed(3)], PARTLY),
    (S3, "squashed_and_well", [squashed(2)], FAILS),
    (S3, "squashed_and_well", [squashed(5, amplitude=2.1)], FAILS),
    (S3, "squashed_and_well", [squashed(5, error=2.1)], FAILS),
    (S3, "squashing_spares_correlation", [spared()], HOLDS),
    (S3, "squashing_spares_correlation", [spared(4)], HOLDS),
    (S3, "squashing_spares_correlation", [spared(3)], FAILS),
    (S3, "squashing_spares_correlation", [spared(amplitude=2.1)], FAILS),
    (S3, "squashing_spares_correlation", [spared(covariance=0.11)], FAILS),
    (S3, "squashing_spares_correlation", [spared(lost=1)], PARTLY),
    (S3, "squashing_spares_correlation", [spared(lost=2)], FAILS),
    (S3, "squashing_spares_correlation", [spared(covariance=0.11, lost=1)], FAILS),
    (S3, "linear_like_relu", [layers(13)], HOLDS),
    (S3, "linear_like_relu", [layers(12)], PARTLY),
    (S3, "linear_like_relu", [layers(11)], FAILS),
    # Values below half of the last printed digit are equivalent.
    (S3, "linear_like_relu", [small_layers(0.0, 0.0052, 0.005)], HOLDS),
    (S3, "linear_like_relu", [small_layers(0.0, 0.0049, 0.0047)], PARTLY),
    (S3, "high_correlation_performs", [transformed(ONES, 0.8, 2.2)], HOLDS),
    (S3, "high_correlation_performs", [transformed(ONES, 0.8, 2.21)], PARTLY),
    (S3, "high_correlation_performs", [transformed(ONES, 0.8, 2.5)], PARTLY),
    (S3, "high_correlation_performs", [transformed(ONES, 0.8, 2.51)], FAILS),
    (S3, "high_correlation_performs", [transformed(ONES, 0.79, 2.0)], FAILS),
    (S3, "whitening_performs", [transformed("Whitening", 0.2, 2.5)], HOLDS),
    (S3, "whitening_performs", [transformed("Whitening", 0.2, 2.51)], PARTLY),
    (S3, "whitening_performs", [transformed("Whitening", 0.2, 4.0)], PARTLY),
    (S3, "whitening_performs", [transformed("Whitening", 0.2, 4.1)], FAILS),
    (S3, "whitening_performs", [transformed("Whitening", 0.21, 2.0)], FAILS),
    *((S4, "controlled", [controlled(n), "x", 1], v) for n, v in ((9, HOLDS), (8, PARTLY), (7, PARTLY), (6, FAILS))),
    (S4, "controlled", [controlled(10), "x", -1], FAILS),
    # A weight with an accuracy of 20% counts, one with 19.9% does not.
    (S4, "controlled", [falling_at(20.0), "x", 1], FAILS),
    (S4, "controlled", [falling_at(19.9), "x", 1], HOLDS),
    (S4, "controlled", [many(10, lambda right, d: line([90.0] * 5, [1.0] * 5, d)), "x", 1], FAILS),
    # With five weights, swapping two neighbours gives a rank correlation of 0.9.
    (S4, "controlled", [many(10, lambda right, d: line([90.0] * 5, [0.0, 2.0, 1.0, 3.0, 4.0], d)), "x", 1], HOLDS),
    (S4, "controlled", [many(10, lambda right, d: line([90.0] * 5, [0.0, 3.0, 1.0, 2.0, 4.0], d)), "x", 1], FAILS),
    # With six weights, two swaps give 0.89.
    (S4, "controlled", [many(10, lambda right, d: line([90.0] * 6, [1.0, 0.0, 3.0, 2.0, 4.0, 5.0], d)), "x", 1], FAILS),
    (S4, "no_gain_with_few_factors", [line([90.0, 90.5]) | line([80.0, 80.5], data="t")], HOLDS),
    (S4, "no_gain_with_few_factors", [line([90.0, 90.52]) | line([80.0, 80.5], data="t")], PARTLY),
    (S4, "no_gain_with_few_factors", [line([90.0, 90.52]) | line([80.0, 80.52], data="t")], FAILS),
    (S4, "no_gain_with_few_factors", [line([90.0, 90.5]) | line([80.0, 90.0], factors=50)], HOLDS),
    (S4, "gain_does_not_depend_on_factors", [line([90.0, 92.0]) | line([80.0, 81.0], factors=50)], HOLDS),
    (S4, "gain_does_not_depend_on_factors", [line([90.0, 92.1]) | line([80.0, 81.0], factors=50)], FAILS),
    (
        S4,
        "gain_does_not_depend_on_factors",
        [line([90.0, 92.1]) | line([80.0, 81.0], factors=50) | line([80.0, 81.0], data="t")],
        PARTLY,
    ),
    *((S4, "strong_weights_cost", [costs(n)], v) for n, v in ((9, HOLDS), (8, PARTLY), (7, FAILS))),
    (S4, "strong_weights_cost", [costs(10, points=0.49)], FAILS),
    (S4, "sparsity_and_rank", [related(NUMBERS, sparsity=NUMBERS, stable_rank=NUMBERS)], FAILS),
    (S4, "sparsity_and_rank", [related(NUMBERS, sparsity=NUMBERS, stable_rank=LOOSE)], PARTLY),
    (S4, "sparsity_and_rank", [related(NUMBERS, sparsity=NUMBERS, stable_rank=UNRELATED)], HOLDS),
    (S4, "nothing_at_fixed_rank", [related(NUMBERS, sparsity=NUMBERS, stable_rank=UNRELATED)], FAILS),
    (S4, "nothing_at_fixed_rank", [related(NUMBERS, dead_units=NUMBERS, stable_rank=UNRELATED)], FAILS),
    (S4, "nothing_at_fixed_rank", [related(NUMBERS, sparsity=LOOSE, stable_rank=UNRELATED)], PARTLY),
    # A linear function of the rank leaves no residual error.
    (S4, "nothing_at_fixed_rank", [related(NUMBERS, sparsity=UNRELATED, stable_rank=NUMBERS)], HOLDS),
    # Related to the error only through the rank.
    (S4, "nothing_at_fixed_rank", [related(NUMBERS, sparsity=NUMBERS, stable_rank=NUMBERS)], HOLDS),
    (S5, "no_statistic_explains", [related(NUMBERS, covariance=NUMBERS)], FAILS),
    (S5, "no_statistic_explains", [related(NUMBERS, amplitude=[math.exp(3 * i) for i in NUMBERS])], FAILS),
    (S5, "no_statistic_explains", [related(NUMBERS, covariance=LOOSE)], PARTLY),
    (S5, "no_statistic_explains", [related(NUMBERS, covariance=UNRELATED)], HOLDS),
    *((S5, "same_information_on_the_label", [label(**{name: 0.1 * H_Y})], HOLDS) for name in ("value", "upper")),
    *((S5, "same_information_on_the_label", [label(**{name: 0.101 * H_Y})], PARTLY) for name in ("value", "lower")),
    *((S5, "same_information_on_the_label", [label(**{name: 0.25 * H_Y})], PARTLY) for name in ("value", "upper")),
    *((S5, "same_information_on_the_label", [label(**{name: 0.251 * H_Y})], FAILS) for name in ("lower", "upper")),
    # A variance of 9 between and 1 within regularizers; then 6 and 2.
    (S5, "information_depends_on_regularizer", [spread(upper=(1.0, 0.0), mean=1.5, trials=2)], HOLDS),
    (S5, "information_depends_on_regularizer", [spread(upper=(1.01, 0.0), mean=1.5, trials=2)], PARTLY),
    (S5, "information_depends_on_regularizer", [spread(lower=(2.0, 0.0), mean=2.0)], PARTLY),
    (S5, "information_depends_on_regularizer", [spread(lower=(0.0, 1.01))], FAILS),
    (S5, "information_depends_on_regularizer", [spread(mean=0.0)], FAILS),
    (S5, "information_explains", [informed(a=(GOOD, GOOD), b=(GOOD, GOOD))], HOLDS),
    (S5, "information_explains", [informed(a=(GOOD, GOOD), b=(WEAK, GOOD))], PARTLY),
    (S5, "information_explains", [informed(a=(GOOD, GOOD), b=(GOOD, WEAK), c=(WEAK, WEAK))], FAILS),
    (
        S5,
        "information_explains",
        [informed(**dict.fromkeys("abcde", (GOOD, GOOD)), **dict.fromkeys("fghijk", (WEAK, WEAK)))],
        FAILS,
    ),
    (S5, "information_explains", [informed(a=((0.9, 0.0), GOOD))], FAILS),
    (S5, "information_explains", [informed(a=((-0.9, -0.95, -0.8), (-0.9, -0.95, -0.8)))], FAILS),
    (S5, "information_explains", [informed(a=(GOOD, (math.nan, math.nan)))], HOLDS),
    (S5, "information_explains", [informed(a=((math.nan, math.nan), (math.nan, math.nan)))], FAILS),
    # Noise relative to each unit is not part of this claim.
    (S5, "information_explains", [informed(**{"a": (GOOD, GOOD), "1 of each unit's deviation": (WEAK, WEAK)})], HOLDS),
    (S5, "information_explains_more", more(UNRELATED), HOLDS),
    # Spearman's is as high, but Pearson's is not.
    (S5, "information_explains_more", more([math.exp(2 * i) for i in NUMBERS]), PARTLY),
    (S5, "information_explains_more", more(NUMBERS), FAILS),
    (S6, "no_single_best", [conditions({"Baseline": (4.1, 0.0), "CR": (0.0, 4.0), "VR": (0.0, 4.0)})], HOLDS),
    (S6, "no_single_best", [conditions({"Baseline": (4.1, 0.0), "CR": (0.0, 3.0)})], PARTLY),
    (S6, "no_single_best", [conditions({"Baseline": (4.0, 0.0), "CR": (0.0, 4.0), "VR": (0.0, 0.0)})], PARTLY),
    (
        S6,
        "no_single_best",
        [conditions({"Baseline": (4.0, 0.0), **dict.fromkeys(("CR", "VR", "RR"), (0.0, 0.0))})],
        PARTLY,
    ),
    (
        S6,
        "no_single_best",
        [conditions({"Baseline": (4.0, 0.0), **dict.fromkeys(("CR", "VR", "RR", "L1R"), (0.0, 0.0))})],
        FAILS,
    ),
    (S6, "no_single_best", [conditions({"Baseline": (4.0,), "CR": (0.0,)})], NOT_RUN),
    (S6, "no_single_best", [conditions({"Baseline": (4.0, None), "CR": (0.0, None)})], NOT_RUN),
    (S6, "best_improves", [conditions({"Baseline": (4.01, 4.01), "CR": (0.0, 0.0)})], HOLDS),
    (S6, "best_improves", [conditions({"Baseline": (4.0, 4.01), "CR": (0.0, 0.0)})], PARTLY),
    (S6, "best_improves", [conditions({"Baseline": (4.0, 4.0, 4.01), "CR": (0.0, 0.0, 0.0)})], FAILS),
    (S6, "best_improves", [conditions({"Baseline": (0.0, 0.0), "CR": (4.0, 4.0)})], FAILS),
    (S6, "best_improves", [conditions({"Baseline": (4.0,), "CR": (0.0,)})], NOT_RUN),
    (S6, "no_single_best_with_few_images", [few(CR=3.1, VR=0.0), few(CR=0.0, VR=3.1), few(CR=0.0, VR=0.0)], HOLDS),
    (S6, "no_single_best_with_few_images", [few(CR=3.1, VR=0.0), few(CR=0.0, VR=3.0), few(CR=0.0, VR=0.0)], PARTLY),
    (S6, "no_single_best_with_few_images", [few(CR=0.0, VR=0.0), few(CR=0.0, VR=0.0), few(CR=0.0, VR=0.0)], FAILS),
    (S6, "no_single_best_with_few_images", [few(CR=3.1, VR=0.0), few(CR=0.0, VR=3.1), {}], HOLDS),
    (S6, "no_single_best_with_few_images", [few(CR=3.1, VR=0.0), few(CR=0.0, VR=3.0), {}], NOT_RUN),
    (S6, "no_single_best_with_few_images", [{}, {}, {}], NOT_RUN),
    *(
        (
            S6,
            "often_best_on_cifar10",
            [conditions({"Baseline": (1,) * n, "L1R": (0,) + (2,) * (n - 1),
                         "cw-VR": (2,) + (0,) * (k - 1) + (2,) * (n - k)})],
            verdict,
        )
        for n, k, verdict in ((4, 4, HOLDS), (7, 4, HOLDS), (7, 3, FAILS), (6, 3, FAILS), (3, 3, NOT_RUN))
    ),
    *(
        (
            S6,
            "representation_often_better",
            [conditions({"Baseline": (9.0,) * n, "Dropout": (3.01,) * k + (3.0,) * (n - k),
                         **dict.fromkeys(("L1W", "L2W", "BN"), (9.0,) * n),
                         "CR": (0.0,) * n, **dict.fromkeys(
                             ("cw-CR", "VR", "cw-VR", "L1R", "RR", "cw-RR"), (9.0,) * n)}), {}, {}],
            verdict,
        )
        for n, k, verdict in (
            (6, 3, HOLDS), (6, 2, PARTLY), (6, 1, FAILS), (7, 2, FAILS), (4, 2, HOLDS), (3, 3, NOT_RUN)
        )
    ),
    (C, "targets_are_hit", [targets()], HOLDS),
    (C, "targets_are_hit", [targets(RR={"stable_rank": 1.05})], PARTLY),
    (C, "targets_are_hit", [targets(RR={"stable_rank": 1.04})], HOLDS),
    *(
        (C, "targets_are_hit", [targets(**{name: {column: value}})], PARTLY)
        for name, column, value in (
            ("CR", "covariance", 2.0), ("cw_CR", "covariance", 2.0), ("CR", "correlation", 0.2),
            ("VR", "amplitude", 4.0), ("cw_VR", "amplitude", 4.0), ("BN", "sparsity", 0.91), ("BN", "dead_units", 0.51),
        )
    ),
    (C, "targets_are_hit", [targets(VR={"amplitude": 4.0}, cw_VR={"amplitude": 4.0})], FAILS),
    (C, "targets_are_hit", [targets(RR={"stable_rank": 2.0})], FAILS),
    (C, "targets_are_hit", [targets(cw_RR={"stable_rank": 2.0})], FAILS),
    (C, "weights_move_nothing", [weight_decay(covariance=12.0)], HOLDS),
    (C, "weights_move_nothing", [weight_decay(covariance=8.1)], HOLDS),
    (C, "weights_move_nothing", [weight_decay(sparsity=12.1)], PARTLY),
    (C, "weights_move_nothing", [weight_decay(stable_rank=15.0)], PARTLY),
    (C, "weights_move_nothing", [weight_decay(amplitude=15.1)], FAILS),
    (C, "weights_move_nothing", [weight_decay(correlation=4.9)], FAILS),
    (C, "dead_units_do_no_harm", [dead()], HOLDS),
    (C, "dead_units_do_no_harm", [dead(error=2.2)], HOLDS),
    (C, "dead_units_do_no_harm", [dead(error=2.21)], FAILS),
    (C, "dead_units_do_no_harm", [dead(units=0.24)], FAILS),
    (C, "dead_units_do_no_harm", [dead(name="BN")], FAILS),
    # 2.5 standard errors of 0.1 below the limit of 2.2.
    (C, "dead_units_do_no_harm", [dead(error=1.949, std=0.2)], HOLDS),
    (C, "dead_units_do_no_harm", [dead(error=1.951, std=0.2)], FAILS),
    (C, "dropout_correlates", [dropout(1.0, 7.0)], HOLDS),
    (C, "dropout_correlates", [dropout(1.1, 7.0)], PARTLY),
    (C, "dropout_correlates", [dropout(1.0, 6.9)], PARTLY),
    (C, "dropout_correlates", [dropout(1.1, 6.9)], FAILS),
    # Without spread, every difference is significant, and equality is not.
    (C, "dropout_correlates", [dropout(3.9, 4.1, std=0.0)], HOLDS),
    (C, "dropout_correlates", [dropout(4.0, 4.1, std=0.0)], PARTLY),
    (C, "dropout_correlates", [dropout(4.0, 4.0, std=0.0)], FAILS),
    (C, "dropout_scales", [dropout(0.9, 4.0, amplitude=2.0)], HOLDS),
    (C, "dropout_scales", [dropout(0.89, 4.0, amplitude=2.0)], FAILS),
    (C, "dropout_scales", [dropout(1.1, 4.0, amplitude=2.0)], FAILS),
    (C, "dropout_scales", [dropout(1.0, 4.0, amplitude=2.0)], HOLDS),
    (C, "zeros_matter", [zeros(6, 3.0, 3.0)], HOLDS),
    (C, "zeros_matter", [zeros(5, 3.0, 3.0)], FAILS),
    (C, "zeros_matter", [zeros(6, 2.9, 3.0)], FAILS),
    (C, "zeros_matter", [zeros(6, 3.0, 2.9)], FAILS),
    (C, "zeros_matter", [zeros(6, -3.0, -3.0)], HOLDS),
    (C, "zeros_matter", [zeros(6, 1.0, 1.0, own=10.0, std=0.0)], HOLDS),
    (C, "zeros_matter", [zeros(6, 0.99, 0.99, own=10.0, std=0.0)], FAILS),
]  # fmt: skip
