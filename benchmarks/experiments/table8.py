"""Table 8: the twelve regularizers under five conditions on MNIST, with the loss weight of each chosen by validation.

The width is that of all hidden layers; narrow networks start from other weights (`benchmarks.training.models`). On a
smaller training set, training takes 200 epochs, until the validation error no longer falls; so do networks of width 2
on the whole set, whose error still falls then.
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
