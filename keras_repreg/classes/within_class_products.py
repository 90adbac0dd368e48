"""Multiply each sample by the covariance of its class, without storing the covariances of all classes."""

from typing import TYPE_CHECKING, Any, NamedTuple

import keras
from keras import ops

from keras_repreg import seam
from keras_repreg.derivatives import with_derivatives_of
from keras_repreg.devices import on_accelerator

if TYPE_CHECKING:
    from keras_repreg.classes.hard import HardClasses

Tensor = Any


class Tiling(NamedTuple):
    """The division of samples into tiles.

    Attributes:
        rows: The number of rows in a tile.
        one: The maximum number of samples that form a single tile.
    """

    rows: int
    one: int


# On CPUs, with N from 1000 to 4000, tiles of 128 rows take twice as long as tiles of 64.
ON_CPU = Tiling(rows=64, one=128)
# On accelerators, each further tile adds latency: on an H100 with N=4096, M=512, K=10, tiles of 64 rows take 27 times
# as long as one tile, and tiles of 1024 rows 5 times. One tile of 4096 rows is 67 MB.
ON_ACCELERATOR = Tiling(rows=1024, one=4096)


def tiling(rows: Tensor) -> Tiling:
    """Return the tiling for the device of these rows."""
    return ON_ACCELERATOR if on_accelerator(rows) else ON_CPU


def within_class_product(rows: Tensor, classes: "HardClasses") -> Tensor:
    """Return the sum over m in the class of n of (y_n^T y_m) y_m, for the rows y of shape (N, M).

    Samples are sorted by class and processed in tiles. Each tile uses the cheaper of two methods:

    - the inner products of its rows with those of their classes, O(n_k M) operations per row. In the Gram matrix of all
      samples the classes are blocks on the diagonal; only tiles that overlap a block are formed.
    - the product of its rows with the covariance of their class, O(M^2) operations per row. The covariance is reused
      for all tiles of the class.

    Both hold one tile or one covariance at a time, so memory is O(N M) for any number of classes. On an accelerator, up
    to `ON_ACCELERATOR.one` samples form a single tile, which takes memory O(N (N + M)). Derivatives of the product,
    which only second derivatives of a penalty need, also use a single tile.
    """
    samples, units = rows.shape
    tile, one = tiling(rows)
    torch = keras.backend.backend() == "torch"
    # While PyTorch traces or maps a function, loops cannot depend on values.
    if (samples is not None and samples <= one) or (torch and seam.value_of(classes.slot) is None):
        return _in_one_tile(rows, classes.slot)
    many = samples is None or samples > units + tile

    def in_tiles(rows: Tensor, order: Tensor, sorted_slot: Tensor, position: Tensor, slot: Tensor) -> Tensor:
        in_order = ops.take(rows, order, axis=0)
        product = _Tiles(in_order, sorted_slot, tile).product(by_covariance=many)
        return ops.take(product, position, axis=0)

    constants = (classes.order, classes.sorted_slot, classes.position, classes.slot)
    if torch:
        return in_tiles(rows, *constants)
    # For loops whose length depends on values, JAX has no gradient, and TensorFlow none that XLA compiles.
    return with_derivatives_of(lambda _, rows, *constants: _in_one_tile(rows, constants[-1]), in_tiles, rows, constants)


def _in_one_tile(rows: Tensor, slot: Tensor) -> Tensor:
    return _products_by_gram(rows, slot, rows, slot)


def _products_by_gram(rows: Tensor, slot: Tensor, others: Tensor, other_slot: Tensor) -> Tensor:
    gram = ops.matmul(rows, ops.transpose(others))
    same = ops.equal(slot[:, None], other_slot[None, :])
    return ops.matmul(ops.where(same, gram, ops.zeros_like(gram)), others)


class _Tiles:
    """Rows sorted by class, in tiles."""

    def __init__(self, rows: Tensor, slot: Tensor, height: int):
        self.height = height
        self.samples = rows.shape[0] if rows.shape[0] is not None else ops.shape(rows)[0]
        self.units = rows.shape[1]
        self.number = (self.samples + height - 1) // height
        missing = self.number * height - self.samples
        # The last tile is padded with rows of zeros, which form a separate class.
        self.rows = ops.reshape(ops.pad(rows, [[0, missing], [0, 0]]), (-1, height, self.units))
        self.slot = ops.reshape(ops.pad(slot, [[0, missing]], constant_values=self.samples), (-1, height))
        self.first, self.last = self.slot[:, 0], self.slot[:, -1]

    def product(self, by_covariance: bool) -> Tensor:
        if not by_covariance:
            tiles = ops.map(self._by_gram, ops.arange(self.number))
            return ops.reshape(tiles, (-1, self.units))[: self.samples]

        def tile(i: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            products, *kept = state
            start, stop = self._touching(self.first[i], self.last[i])
            few = (stop - start) * self.height <= self.units * (1 + self.last[i] - self.first[i])
            slot, covariance, product = ops.cond(
                few, lambda: (*kept, self._by_gram(i)), lambda: self._by_covariance(i, *kept)
            )
            return ops.slice_update(products, (i, 0, 0), product[None]), slot, covariance

        nothing = ops.zeros((self.units, self.units), dtype=self.rows.dtype)
        state = (ops.zeros_like(self.rows), ops.full((), -1, dtype="int32"), nothing)
        tiles, *_ = ops.fori_loop(0, self.number, tile, state)
        return ops.reshape(tiles, (-1, self.units))[: self.samples]

    def _touching(self, first: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
        """Return the half-open range of tiles with samples of the classes from `first` to `last`."""
        return ops.sum(ops.cast(self.last < first, "int32")), ops.sum(ops.cast(self.first <= last, "int32"))

    def _by_gram(self, i: Tensor) -> Tensor:
        rows, slot = self.rows[i], self.slot[i]
        return ops.fori_loop(
            *self._touching(self.first[i], self.last[i]),
            lambda j, total: total + _products_by_gram(rows, slot, self.rows[j], self.slot[j]),
            ops.zeros_like(rows),
        )

    def _by_covariance(self, i: Tensor, kept_slot: Tensor, kept: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the last class of the tile, its covariance and the products, given the covariance of one class."""

        def one_class(slot: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            kept_slot, kept, total = state
            covariance = ops.cond(ops.equal(slot, kept_slot), lambda: kept, lambda: self._covariance(slot))
            return slot, covariance, total + ops.matmul(self._of_class(i, slot), covariance)

        state = (kept_slot, kept, ops.zeros_like(self.rows[i]))
        return ops.fori_loop(self.first[i], self.last[i] + 1, one_class, state)

    def _covariance(self, slot: Tensor) -> Tensor:
        def add(j: Tensor, total: Tensor) -> Tensor:
            rows = self._of_class(j, slot)
            return total + ops.matmul(ops.transpose(rows), rows)

        nothing = ops.zeros((self.units, self.units), dtype=self.rows.dtype)
        return ops.fori_loop(*self._touching(slot, slot), add, nothing)

    def _of_class(self, i: Tensor, slot: Tensor) -> Tensor:
        """Return the rows of a tile, with zeros for samples of other classes."""
        return ops.where(ops.equal(self.slot[i], slot)[:, None], self.rows[i], ops.zeros_like(self.rows[i]))
