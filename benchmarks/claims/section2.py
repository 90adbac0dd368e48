"""Section 2: what Figure 1 shows of single units."""

from typing import Any

from benchmarks.claims.claim import Claim, claim
from benchmarks.claims.nulls import random_numbers, uniform
from benchmarks.claims.verdicts import Finding, Rows, graded

CLAIMS: list[Claim] = []
FIGURE: dict[str, Any] = {"tables": ("figure1",), "printed": ()}


@claim(
    CLAIMS,
    "2, Figure 1",
    "The baseline's units have a large class-wise variance; BN and CR are similar.",
    null=random_numbers("shares of the variance between 0 and 1", {"within_class_variance": uniform(0, 1)}),
    why="New in the list.",
    **FIGURE,
)
def similar_within_classes(figure1: Rows) -> Finding:
    """Share of the variance that is within classes: BN's and CR's differ from the baseline's by at most 15%."""
    share = {name: row["within_class_variance"] for name, row in figure1.items()}
    near = [abs(share[name] - share["Baseline"]) <= 0.15 * share["Baseline"] for name in ("BN", "CR")]
    text = "share of the variance within classes: "
    return graded(all(near)), text + ", ".join(f"{name} {value:.2f}" for name, value in share.items())


@claim(
    CLAIMS,
    "2, Figure 1",
    "Dropout looks completely different: its activations are more spread out for the active classes.",
    null=random_numbers("spreads between 0 and 1", {"spread_when_active": uniform(0, 1)}),
    why="New in the list.",
    **FIGURE,
)
def dropout_is_spread_out(figure1: Rows) -> Finding:
    """Deviation over mean of positive activations of active classes: 1.5 times that of every other."""
    spread = {name: row["spread_when_active"] for name, row in figure1.items()}
    others = [value for name, value in spread.items() if name != "Dropout"]
    text = "standard deviation over mean, where a unit is active: "
    text += ", ".join(f"{name} {value:.2f}" for name, value in spread.items())
    return graded(spread["Dropout"] >= 1.5 * max(others)), text


@claim(
    CLAIMS,
    "2, Figure 1",
    "Two units under dropout have an extremely high correlation within a class, under BN a very low one, and under CR "
    "almost none.",
    null=random_numbers("correlations between 0 and 1", {"class_wise_correlation": uniform(0, 1)}),
    before="holds",
    why="The earlier check tested the order only, so that 0.37 counted as a strong correlation and 0.21 as hardly any.",
    **FIGURE,
)
def correlated_within_classes(figure1: Rows) -> Finding:
    """Dropout's is at least 0.8; BN's and CR's are at most 0.1. In part if two of the three are so."""
    found = {name: row["class_wise_correlation"] for name, row in figure1.items()}
    right = (found["Dropout"] >= 0.8) + (found["BN"] <= 0.1) + (found["CR"] <= 0.1)
    text = "mean correlation within a class: " + ", ".join(f"{name} {value:.2f}" for name, value in found.items())
    return graded(right == 3, right == 2), text


@claim(
    CLAIMS,
    "2, Figure 1",
    "Under L1R a unit is typically active for one or two classes only.",
    null=random_numbers("classes between 0 and 10", {"classes_of_a_unit": uniform(0, 10)}),
    before="holds",
    why="A claim of its own now, with the other regularizers as the contrast.",
    **FIGURE,
)
def few_classes_of_a_unit(figure1: Rows) -> Finding:
    """At most two classes under L1R, and more than three under every other."""
    classes = {name: row["classes_of_a_unit"] for name, row in figure1.items()}
    others = [value for name, value in classes.items() if name != "L1R"]
    text = "classes for which a unit is active: " + ", ".join(f"{name} {value:.1f}" for name, value in classes.items())
    return graded(classes["L1R"] <= 2 and min(others) > 3), text
