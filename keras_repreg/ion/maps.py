"""Maps of a layer's units, z~ = Q (z - m), and their effect on the axes of parameters."""

import enum
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Kind(enum.IntEnum):
    """Kinds of maps, the most specific first: a function that commutes with one commutes with those before it."""

    PERMUTATION = 1
    SCALING = 2  # positive factors, and permutations
    LINEAR = 3
    AFFINE = 4

    def __str__(self) -> str:
        return {1: "permutations", 2: "permutations and positive factors", 3: "any Q", 4: "any Q and m"}[int(self)]


@dataclass(frozen=True)
class UnitMap:
    """z~ = Q (z - m).

    Attributes:
        q: Q, nonsingular, shape (M, M).
        m: m, shape (M,).
    """

    q: Array
    m: Array

    @property
    def order(self) -> Any:
        """The current index of each unit in the new order if Q has one entry per row and column, otherwise None."""
        entries = self.q != 0
        single = (entries.sum(axis=0) == 1).all() and (entries.sum(axis=1) == 1).all()
        return entries.argmax(axis=1) if single else None

    @property
    def kind(self) -> Kind:
        """The most specific kind of this map."""
        if self.m.any():
            return Kind.AFFINE
        order = self.order
        if order is None:
            return Kind.LINEAR
        factors = self.q[np.arange(len(self.q)), order]
        if (factors < 0).any():
            return Kind.LINEAR
        return Kind.PERMUTATION if (factors == 1).all() else Kind.SCALING

    @property
    def condition_number(self) -> float:
        """The condition number of Q in the 2-norm."""
        order = self.order
        if order is None:
            return float(np.linalg.cond(self.q))
        factors = np.abs(self.q[np.arange(len(self.q)), order])
        return float(factors.max() / factors.min())

    def forward(self, values: Array, axis: int, index: Any) -> Array:
        """Transform parameters that move like z: apply Q along an axis, for each repetition of the units in `index`."""
        order = self.order
        if order is None:
            return _along(values, axis, index, lambda block: self.q @ block)
        factors = self.q[np.arange(len(self.q)), order][:, None]
        return _along(values, axis, index, lambda block: factors * block[order])

    def inverse(self, values: Array, axis: int, index: Any) -> Array:
        """Transform parameters that are multiplied with z, preserving the product: apply Q^-T along an axis."""
        order = self.order
        if order is None:
            return _along(values, axis, index, lambda block: np.linalg.solve(self.q.T, block))
        factors = self.q[np.arange(len(self.q)), order][:, None]
        return _along(values, axis, index, lambda block: block[order] / factors)

    def reordered(self, values: Array, axis: int, index: Any) -> Array:
        """Transform parameters that do not depend on the scale of z: apply only its order."""
        order = self.order
        return values if order is None else _along(values, axis, index, lambda block: block[order])

    def shifted(self, values: Array, index: Any) -> Array:
        """Subtract m from a bias, before Q is applied."""
        return _along(values, -1, index, lambda block: block - self.m[:, None])

    def taken(self, kernel: Array, axis: int, index: Any) -> Array:
        """Return the contribution of the shift m to each output of a kernel."""
        moved = np.moveaxis(kernel, axis, 0)[index]  # (repetitions, units, ..., outputs)
        total = np.tensordot(self.m, moved, axes=([0], [1]))
        return np.asarray(total.reshape(-1, total.shape[-1]).sum(axis=0), dtype=np.float64)


def _along(values: Array, axis: int, index: Any, move: Any) -> Array:
    """Apply a function of (units, anything) to the units along an axis, for each repetition."""
    moved = np.moveaxis(values, axis, 0).copy()
    block = moved[index]
    repetitions, units = index.shape
    flat = np.moveaxis(block, 1, 0).reshape(units, -1)
    changed = np.asarray(move(flat)).reshape(units, repetitions, *block.shape[2:])
    moved[index] = np.moveaxis(changed, 0, 1)
    return np.moveaxis(moved, 0, axis)
