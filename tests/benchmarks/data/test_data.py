"""The files of MNIST, and errors for missing data."""

import gzip
import hashlib
import shutil
import time

import numpy as np
import pytest

from benchmarks.data import load_mnist, load_tfds
from benchmarks.data.mnist import FOLDER, read_checked
from benchmarks.data.tfds import validation_size


def test_mnist_is_split_as_in_the_paper():
    data = load_mnist()
    assert [len(data.train), len(data.validation), len(data.test)] == [50_000, 10_000, 10_000]
    assert data.train.x.shape == (50_000, 784)
    assert data.train.x.dtype == np.float32
    assert data.train.x.min() == 0
    assert data.train.x.max() == 1
    # The first labels of the official files, and the number of each digit in the test set.
    assert data.train.y[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert np.bincount(data.test.y).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    # The mean pixel of the test set is known to be 0.1325.
    assert float(data.test.x.mean()) == pytest.approx(0.1325, abs=1e-4)


@pytest.fixture
def copied(tmp_path):
    shutil.copytree(FOLDER, tmp_path / "mnist")
    return tmp_path / "mnist"


def test_damaged_file_raises(copied):
    path = copied / "t10k-labels-idx1-ubyte.gz"
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="SHA-256.*t10k-labels.*damaged"):
        load_mnist(copied)


def test_missing_files_raise(copied, tmp_path):
    (copied / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(ValueError, match="train-labels.*does not exist"):
        load_mnist(copied)
    with pytest.raises(ValueError, match="SHA256SUMS"):
        load_mnist(tmp_path)


@pytest.mark.parametrize(
    "content", [b"\x00\x00\x08\x01\x00\x00\x00\x05abc", b"\x00\x00\x0d\x01\x00\x00\x00\x03abc", b""]
)
def test_invalid_idx_file_raises(content, tmp_path):
    path = tmp_path / "labels.gz"
    path.write_bytes(gzip.compress(content))
    with pytest.raises(ValueError, match="Expected a gzipped IDX file. Received: .*unsigned bytes"):
        read_checked(tmp_path, "labels", hashlib.sha256(path.read_bytes()).hexdigest())


def test_unprepared_data_set_raises_immediately(tmp_path):
    started = time.monotonic()
    with pytest.raises(ValueError, match="fashion_mnist.*TFDS_DATA_DIR"):
        load_tfds("fashion_mnist", tmp_path)
    with pytest.raises(ValueError, match="Received: 'no_such_data_set'"):
        load_tfds("no_such_data_set", tmp_path)
    assert time.monotonic() - started < 60


@pytest.mark.parametrize(
    ("samples", "validating"), [(50_000, 10_000), (60_000, 10_000), (15_000, 10_000), (14_999, 2_999), (80, 16)]
)
def test_validation_size_leaves_at_least_5_000_training_images(samples, validating):
    assert validation_size(samples) == validating
