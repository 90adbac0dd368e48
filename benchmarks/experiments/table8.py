"""Table 8: the twelve regularizers under five conditions on MNIST, with loss weights chosen by validation error.

The width applies to all hidden layers; narrow networks have other initial weights (`benchmarks.training.models`). With
fewer training samples, training takes 200 epochs, until the validation error stops falling. Networks of width 2 are
also trained for 200 epochs, although their error still falls then.
"""

from benchmarks import paper
from benchmarks.experiments.conditions import Conditions
from benchmarks.training.mnist import MnistRun, train

EXPERIMENT = Conditions(
    name="table8",
    place="Appendix D.4, MNIST",
    title="test errors (%) on MNIST under conditions of data size and width",
    claim="No regularizer performs consistently well for a condition, but the best of the twelve improves on the "
    "baseline in each of them.",
    base=MnistRun("Baseline", 0.0, seed=1, epochs=50),
    conditions={
        "default": {},
        "data_1k": {"samples": 1000, "epochs": 200},
        "data_5k": {"samples": 5000, "epochs": 200},
        "width_2": {"width": 2, "epochs": 200},
        "width_8": {"width": 8},
    },
    train=train,
    paper=paper.errors("table8"),
)
