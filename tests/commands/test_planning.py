"""The batch size and the number of passes of a measurement."""

import keras
import pytest
from keras import layers

from keras_repreg.commands import planning


def model():
    return keras.Sequential([keras.Input((64, 64, 3)), layers.Conv2D(32, 3, padding="same"), layers.Flatten()])


@pytest.mark.parametrize(("available", "expected"), [(2**20, 1), (2**24, 1), (2**28, 25), (2**40, 256)])
def test_batches_use_a_fraction_of_memory(available, expected):
    # 2 x 131,072 numbers per sample: 1 MiB.
    assert planning.batch_size_of(model(), {}, available) == expected


def test_batches_of_large_layers_use_at_most_512_mib():
    large = keras.Sequential([keras.Input((512, 512, 3)), layers.Conv2D(32, 3, padding="same")])  # 32 MiB
    assert planning.batch_size_of(large, {}, 2**40) == 16
    assert planning.batch_size_of(large, {"call": [(512, 512, 64)]}, 2**40) == 8
