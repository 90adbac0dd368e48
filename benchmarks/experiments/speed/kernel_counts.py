"""Count the kernels that a penalty adds to a training step compiled by XLA: `KERAS_BACKEND=jax python -m` this module.

On a GPU, the time of a small step is mostly the time to launch its kernels. They are counted in the step of the MNIST
MLP as compiled for this machine: fusions, matrix products, scatters, sorts, reductions, calls and all other operations
except bookkeeping. Those of a loop's body count once. Fusion differs between CPU and GPU, so the counts are only
meaningful relative to each other.
"""

import re
from collections import Counter

import jax
import keras
import numpy as np

from benchmarks.training.epoch_jax import training_step
from benchmarks.training.epochs import BATCH
from benchmarks.training.models import mlp

REGULARIZERS = ("Baseline", "CR", "cw-CR", "VR", "cw-VR", "L1R", "RR", "cw-RR")
BOOKKEEPING = {"parameter", "constant", "tuple", "get-tuple-element", "bitcast", "copy", "after-all", "partition-id"}


def compiled_step(regularizer: str) -> str:
    """Return the compiled step of the MNIST MLP as text."""
    model, optimizer = mlp(regularizer, 0.001), keras.optimizers.Adam(1e-4)
    optimizer.build(model.trainable_variables)
    step = training_step(model, optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    variables = (model.trainable_variables, model.non_trainable_variables, optimizer.variables)
    state = tuple([one.value for one in some] for some in variables)
    x, y = np.zeros((BATCH, 784), "float32"), np.zeros(BATCH, "int32")
    # Without the loss value, which training does not need in every step.
    return jax.jit(lambda *arguments: step(*arguments)[0]).lower(state, x, y).compile().as_text()


def kernels(text: str) -> Counter[str]:
    """Count the instructions that run as kernels, by kind; those inside a fusion or reduction belong to it."""
    found: Counter[str] = Counter()
    inside = False
    for line in text.splitlines():
        header = re.match(r"(ENTRY )?%?([\w.-]+) .*\{$", line)
        if header and not line.startswith(" "):
            inside = bool(header[1]) or bool(re.match(r".*(body|region_with_loop)", header[2]))
            continue
        instruction = re.match(r"\s+(ROOT )?%?[\w.-]+ = (?:\(.*?\)|\S+) ([\w-]+)\(", line)
        if inside and instruction and instruction[2] not in BOOKKEEPING:
            found[instruction[2]] += 1
    return found


def main() -> None:
    """Print a row per regularizer."""
    plain = 0
    for name in REGULARIZERS:
        found = kernels(compiled_step(name))
        total = sum(found.values())
        plain = plain or total
        print(f"{name:<10}{total:>5} {total - plain:>+5}  {dict(found.most_common())}", flush=True)


if __name__ == "__main__":
    main()
