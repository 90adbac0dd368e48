"""Images from an npz file as a data set of tensorflow-datasets."""

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.data import load_tfds
from benchmarks.data.tfds import checksums


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return {
        "x_train": rng.integers(0, 256, size=(50, 8, 9, 3), dtype=np.uint8),
        "y_train": rng.integers(0, 5, size=50),
        "x_test": rng.integers(0, 256, size=(20, 8, 9, 3), dtype=np.uint8),
        "y_test": rng.integers(0, 5, size=(20, 1)).astype("uint8"),
    }


def prepare(folder, arrays):
    np.savez(folder / "images.npz", **arrays)
    return main(["prepare", str(folder / "images.npz"), "--name", "some_images", "--data-dir", str(folder / "data")])


def test_stored_data_set_round_trips(arrays, tmp_path, capsys):
    assert prepare(tmp_path, arrays) == 0
    assert "Stored 50 training and 20 test images" in capsys.readouterr().out
    data = load_tfds("some_images", tmp_path / "data", flatten=False)
    np.testing.assert_allclose(np.concatenate([data.train.x, data.validation.x]) * 255, arrays["x_train"], atol=1e-4)
    np.testing.assert_array_equal(np.concatenate([data.train.y, data.validation.y]), arrays["y_train"])
    np.testing.assert_array_equal(data.test.y, arrays["y_test"][:, 0])
    # An existing data set is not overwritten.
    assert prepare(tmp_path, arrays) == 2
    assert "Expected an unused name. Received: 'some_images'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x_test": None}, "without x_test"),
        ({"x_train": np.zeros((50, 8, 9, 3), "float32")}, "Expected uint8 images"),
        ({"x_train": np.zeros((50, 72), "uint8")}, "x_train of uint8 and shape (50, 72)"),
        ({"y_train": np.zeros(49, "int64")}, "Expected 50 class ids >= 0. Received: y_train of int64 and shape (49,)"),
        ({"y_train": np.full(50, -1)}, "Expected 50 class ids >= 0"),
        ({"y_test": np.zeros(20)}, "y_test of float64"),
        ({"x_test": np.zeros((20, 8, 8, 3), "uint8")}, "Received: (8, 9, 3) and (8, 8, 3)"),
        ({"y_test": np.array([{}] * 20)}, "Expected an npz file of arrays"),
    ],
)
def test_invalid_arrays_are_rejected(change, message, arrays, tmp_path, capsys):
    changed = {name: value for name, value in (arrays | change).items() if value is not None}
    assert prepare(tmp_path, changed) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no more", b"text"])
def test_invalid_files_are_rejected(content, tmp_path, capsys):
    (tmp_path / "images.npz").write_bytes(content)
    arguments = ["--name", "some_images", "--data-dir", str(tmp_path / "data")]
    assert main(["prepare", str(tmp_path / "images.npz"), *arguments]) == 2
    assert "Expected an npz file of arrays. Received: " in capsys.readouterr().err
    assert main(["prepare", str(tmp_path / "none.npz"), *arguments]) == 2
    assert "none.npz" in capsys.readouterr().err
    assert main(["prepare", str(tmp_path / "images.npz"), "--name", "../up"]) == 2
    assert "Received: '../up'" in capsys.readouterr().err


def test_catalogue_names_can_be_stored(arrays, tmp_path):
    """Additional arrays in the file, such as class names, are ignored."""
    np.savez(tmp_path / "images.npz", **arrays, names=np.array(["a", "b", "c", "d", "e"]))
    arguments = ["--name", "cifar10", "--data-dir", str(tmp_path / "data")]
    assert main(["prepare", str(tmp_path / "images.npz"), *arguments]) == 0
    data = load_tfds("cifar10", tmp_path / "data", flatten=False)
    np.testing.assert_allclose(data.test.x * 255, arrays["x_test"], atol=1e-4)
    assert len(checksums("cifar10", tmp_path / "data").splitlines()) >= 4
