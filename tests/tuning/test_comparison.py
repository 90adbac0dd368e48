"""Comparison of contenders: intervals keep their stated error rate although the best is chosen by its scores."""

import numpy as np
import pytest
from scipy import stats

from keras_repreg.tuning import compare


def verdicts(scores, **arguments):
    return [each.verdict for each in compare(scores, **arguments)]


def test_interval_of_two_contenders_matches_the_paired_t_test():
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(2, 8))
    other = other + one - 0.7
    first, second = compare([one, other])
    if first.difference:
        one, other, second = other, one, first
    test = stats.ttest_rel(other, one)
    interval = test.confidence_interval(0.95)
    assert second.difference == pytest.approx((other - one).mean())
    assert (second.low, second.high) == pytest.approx((interval.low, interval.high))
    assert (second.verdict == "worse") == (test.pvalue < 0.05)


def test_more_contenders_have_wider_intervals():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(5, 6))
    few, many = compare(scores[:2]), compare(scores[:2], contenders=40)
    width = [next(each.high - each.low for each in found if each.difference) for found in (few, many)]
    t = [stats.t.isf(error / 2, 5) for error in (0.05, 0.05 / 39)]
    assert width[1] / width[0] == pytest.approx(t[1] / t[0])


def test_verdicts():
    rng = np.random.default_rng(1)
    luck = rng.normal(size=8)  # effect of the seed, which all contenders share
    good, close, bad = luck + 0.01 * rng.normal(size=(3, 8)) + np.array([[1.0], [0.999], [0.5]])
    assert verdicts([bad, good, close]) == ["worse", "not told apart", "not told apart"]
    assert verdicts([bad, good]) == ["worse", "best"]
    assert verdicts([-bad, -good], direction="min") == ["worse", "best"]
    # Without pairing, the variation between seeds hides the difference.
    assert verdicts([rng.permutation(bad), good]) == ["not told apart"] * 2
    # Contenders that are not shown may be as good.
    assert verdicts([bad, good], contenders=3) == ["worse", "not told apart"]


def test_single_seed_or_contender_gives_no_verdict():
    assert verdicts([[0.9], [0.1]]) == ["not told apart"] * 2
    assert np.isnan(compare([[0.9], [0.1]])[1].low)
    assert verdicts([[0.9, 0.8]]) == ["not told apart"]


def test_equal_differences_need_enough_seeds():
    for number, expected in ((5, "not told apart"), (6, "worse")):  # 2 / 2^5 > 0.05 > 2 / 2^6
        scores = [[0.25] * number, [0.5] * number]
        assert verdicts(scores)[0] == expected
    assert verdicts([[0.5] * 9] * 3) == ["not told apart"] * 3


DRAWS = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "uniform": lambda rng, shape: rng.random(shape),
    "luck that all share": lambda rng, shape: rng.normal(size=shape) + 3 * rng.normal(size=(1, shape[1])),
    "errors on 1,000 samples": lambda rng, shape: rng.binomial(1000, 0.05, shape) / 1000,
    "errors on 100 samples": lambda rng, shape: rng.binomial(100, 0.05, shape) / 100,
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=list(DRAWS))
@pytest.mark.parametrize(("contenders", "seeds"), [(2, 5), (3, 5), (13, 5), (13, 3)])
def test_identical_contenders_have_a_winner_at_most_at_the_stated_rate(draw, contenders, seeds):
    rng = np.random.default_rng(0)
    found = [verdicts(draw(rng, (contenders, seeds)), direction="min") for _ in range(600)]
    limit = stats.binom.isf(1e-4, 600, 0.05) / 600  # where the true rate is 0.05
    assert np.mean(["best" in each for each in found]) <= limit
    # Naming one of them the best is no error; excluding a given one may happen at the stated rate.
    assert np.mean([each[0] == "worse" for each in found]) <= limit


def test_best_contender_is_rarely_excluded_and_a_clear_one_is_found():
    rng = np.random.default_rng(0)
    truth = np.array([0.0, 0.5, 1.0, 5.0])  # errors
    found = [verdicts(truth[:, None] + rng.normal(size=(4, 6)), direction="min") for _ in range(400)]
    assert np.mean([each[0] == "worse" for each in found]) <= 0.05
    assert np.mean([each[3] == "worse" for each in found]) > 0.8
    clear = [verdicts(np.array([[0.0], [5.0]]) + rng.normal(size=(2, 6)), direction="min") for _ in range(100)]
    assert np.mean([each == ["best", "worse"] for each in clear]) > 0.95


@pytest.mark.parametrize(
    ("scores", "arguments", "message"),
    [
        ([], {}, r"one per seed. Received: shapes \[\]"),
        ([[]], {}, "one per seed"),
        ([[1.0, 2.0], [1.0]], {}, r"Received: shapes \[\(2,\), \(1,\)\]"),
        ([[1.0, np.nan], [1.0, 2.0]], {}, "finite scores"),
        ([[1.0]], {"direction": "up"}, "Received: direction='up'"),
        ([[1.0]], {"confidence": 1.0}, "Received: confidence=1.0"),
        ([[1.0], [2.0]], {"contenders": 1}, "Received: contenders=1"),
    ],
)
def test_invalid_arguments_raise(scores, arguments, message):
    with pytest.raises(ValueError, match=message):
        compare(scores, **arguments)
