"""Write the reference pages: a table of names and summaries, then the full documentation of each name.

`python docs/reference.py` writes `docs/reference-*.md`; `--check` changes nothing and fails if one is stale. On a code
host the table is what a reader sees; the site puts the docstrings below it.
"""

import argparse
import importlib
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import keras_repreg

DOCS = Path(__file__).resolve().parent
# Page: title, and its sections with their names, the most used first.
PAGES: dict[str, tuple[str, dict[str, str]]] = {
    "layers": (
        "Reference: layers",
        {
            "Penalties": (
                "layers.CovarianceRegularization layers.ClasswiseCovarianceRegularization "
                "layers.VarianceRegularization layers.ClasswiseVarianceRegularization layers.L1Regularization "
                "layers.RankRegularization layers.ClasswiseRankRegularization layers.VCRegularization "
                "layers.SIGRegularization layers.ClasswiseSIGRegularization"
            ),
            "Normalization": "layers.DecorrelatedBatchNormalization",
            "Penalties of your own": (
                "layers.RepresentationRegularization layers.ClasswiseRegularization classes.Classes "
                "classes.HardClasses classes.SoftClasses"
            ),
        },
    ),
    "training": (
        "Reference: labels and training",
        {
            "Labels": "models.Sequential models.Model models.label_aware labels.label_scope insertion.insert",
            "During training": (
                "callbacks.PenaltyLogger callbacks.WeightSchedule callbacks.linear_warm_up layers.WeightFactor"
            ),
            "Tuning": (
                "tuning.choose_regularization tuning.choose_cocktail tuning.RegularizerSearch tuning.Regularization "
                "tuning.Cocktail tuning.Leaderboard tuning.compare tuning.Comparison tuning.NAMES tuning.LATER_NAMES"
            ),
        },
    ),
    "characteristics": (
        "Reference: characteristics",
        {
            "Measure": (
                "characteristics.characterize characteristics.measure characteristics.CharacteristicsTable "
                "characteristics.measure_units callbacks.CharacteristicsLogger"
            ),
            "Results, accumulation and definitions": (
                "characteristics.UnitsTable characteristics.Characteristics characteristics.accumulate "
                "characteristics.select_layers characteristics.stable_rank characteristics.NAMES "
                "characteristics.CHARACTERISTICS"
            ),
        },
    ),
    "information": (
        "Reference: mutual information and similarity",
        {
            "Mutual information": (
                "information.mutual_information information.MutualInformation information.noise_sweep "
                "information.relative_noise_variance information.entropy_bounds information.EntropyBounds "
                "information.binned_mutual_information information.BinnedMutualInformation "
                "callbacks.InformationPlaneLogger"
            ),
            "Similarity of two networks": (
                "similarity.compare similarity.cka similarity.cca similarity.procrustes "
                "similarity.CrossMoments similarity.SimilarityLogger similarity.SimilarityTable"
            ),
        },
    ),
    "plots": (
        "Reference: plots",
        {
            "Functions": (
                "plots.by_layer plots.unit_histograms plots.unit_scatter plots.spectrum plots.correlation_matrix "
                "plots.correlation_scatter plots.characteristics_over_epochs plots.information_plane"
            ),
        },
    ),
    "rewrites": (
        "Reference: rewrites",
        {
            "Functions": (
                "ion.whiten ion.decorrelate ion.with_covariance ion.align_dead_units ion.orthogonal "
                "ion.permute ion.rescale ion.transform ion.fold_batch_norm ion.remove_units ion.match "
                "ion.insert_linear ion.comparable ion.search_comparable ion.survey ion.verify"
            ),
            "Results and parts": (
                "ion.Surveyed ion.Removal ion.RemovedUnit ion.Matching ion.Candidate ion.rewrites ion.Rewrite "
                "ion.find_site ion.Site ion.whitening_matrix"
            ),
        },
    ),
}
# Descriptions of names that have no docstring.
CONSTANTS = {
    "characteristics.NAMES": "The names of all characteristics.",
    "characteristics.CHARACTERISTICS": "The definition of each characteristic, by name.",
    "tuning.NAMES": "The names of the regularizers, in the order of Table 6.",
    "tuning.LATER_NAMES": "The names of the regularizers introduced after the paper: DBN, VC, SIG and cw-SIG.",
}


def row(path: str) -> str:
    """Return the line of the table for a name such as `layers.RankRegularization`."""
    module, _, name = path.rpartition(".")
    value = getattr(importlib.import_module(f"keras_repreg.{module}"), name)
    shown = name if name in keras_repreg.__all__ else path
    constant = isinstance(value, tuple | dict)
    summary = CONSTANTS[path] if constant else " ".join((inspect.getdoc(value) or "").split("\n\n")[0].split())
    return f"| [`{shown}`](#keras_repreg.{path}) | {summary.replace('|', chr(92) + '|')} |"


def page(title: str, sections: dict[str, str]) -> Iterator[str]:
    """Yield the lines of a page."""
    yield f"# {title}"
    for section, names in sections.items():
        yield from ("", f"## {section}", "", "| in `keras_repreg` | description |", "| --- | --- |")
        yield from (row(path) for path in names.split())
        yield ""
        yield from (f"::: keras_repreg.{path}" for path in names.split())


def main() -> int:
    """Write the stale pages, or with `--check` only name them and return 1."""
    parser = argparse.ArgumentParser(description="Write the pages of the reference.")
    parser.add_argument("--check", action="store_true", help="change nothing; fail if a page is stale")
    check = parser.parse_args().check
    stale = False
    for name, (title, sections) in PAGES.items():
        path, text = DOCS / f"reference-{name}.md", "\n".join(page(title, sections)) + "\n"
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale = True
        print(f"{path.name} {'is stale: run python docs/reference.py' if check else 'was rewritten'}")
        if not check:
            path.write_text(text, encoding="utf-8")
    return int(check and stale)


if __name__ == "__main__":
    sys.exit(main())
