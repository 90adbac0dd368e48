"""How many kernels a penalty adds to a training step that XLA compiles: `KERAS_BACKEND=jax python -m` this module.

On a GPU a small step takes as long as its kernels take to launch, whatever they compute. Counted in the step of the
MNIST MLP as it is compiled for this machine: fusions, matrix products, scatters, sorts, reductions, calls and what else
is no bookkeeping, each of a loop's body once. What is fused on a GPU differs, so that counts tell before from after.
"""

import re
from collections import Counter
from typing import Any

import jax
import keras
import numpy as np

import keras_repreg
from benchmarks.training.epochs import BATCH
from benchmarks.training.models import mlp

REGULARIZERS = ("Baseline", "CR", "cw-CR", "VR", "cw-VR", "L1R", "RR", "cw-RR")
BOOKKEEPING = {"parameter", "constant", "tuple", "get-tuple-element", "bitcast", "copy", "after-all", "partition-id"}


def compiled_step(regularizer: str) -> str:
    """The compiled step of the MNIST MLP, as text."""
    model, optimizer = mlp(regularizer, 0.001), keras.optimizers.Adam(1e-4)
    optimizer.build(model.trainable_variables)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def total_loss(trainable: Any, rest: Any, x: Any, y: Any) -> tuple[Any, Any]:
        with keras_repreg.label_scope(y):
            logits, rest, penalties = model.stateless_call(trainable, rest, x, training=True, return_losses=True)
        return sum(penalties, loss(y, logits)), rest

    def step(trainable: Any, rest: Any, slots: Any, x: Any, y: Any) -> tuple[Any, Any, Any]:
        (_, rest), gradients = jax.value_and_grad(total_loss, has_aux=True)(trainable, rest, x, y)
        trainable, slots = optimizer.stateless_apply(slots, gradients, trainable)
        return trainable, rest, slots

    variables = (model.trainable_variables, model.non_trainable_variables, optimizer.variables)
    state = ([one.value for one in some] for some in variables)
    x, y = np.zeros((BATCH, 784), "float32"), np.zeros(BATCH, "int32")
    return jax.jit(step).lower(*state, x, y).compile().as_text()


def kernels(text: str) -> Counter[str]:
    """Instructions that run as kernels, by kind; what is inside a fusion or a reduction belongs to it."""
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
