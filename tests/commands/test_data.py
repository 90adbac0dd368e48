"""Every kind of data gives the results of `measure` on the same arrays."""

import csv
import io
import json
import struct
import zlib

import keras
import numpy as np
import pytest
from keras import layers

import keras_repreg
from keras_repreg.commands.classes import named
from keras_repreg.commands.data import image_size
from tests.commands.cases import arrays, run


def measured(capsys, *arguments, code=0):
    """Return what the command prints as JSON, and its notes."""
    capsys.readouterr()
    assert run(*arguments, "--json") == code
    out, err = capsys.readouterr()
    return json.loads(out), err


def expected(folder, x, y=None):
    model = keras.saving.load_model(folder / "model.keras")
    data = x if y is None else (x, y)
    return keras_repreg.measure(model, data, labels=None if y is None else True).to_dict()


def equal(found, wanted):
    assert found["layers"].keys() == wanted.keys()
    for layer, values in wanted.items():
        assert found["layers"][layer] == pytest.approx(values), layer


@pytest.mark.parametrize("name", ["data.npz", "first.npz", "named.npz", "array.npy", "table.csv", "bare.csv", "x.csv"])
def test_single_input_files_of_every_format(name, folder, tmp_path, capsys):
    x, y = arrays()
    path = tmp_path / name
    labelled = name not in ("array.npy", "x.csv")
    if name == "first.npz":
        np.savez(path, x, y)  # named arr_0 and arr_1
    elif name == "named.npz":
        np.savez(path, activations=x, labels=y)
    elif name == "array.npy":
        np.save(path, x)
    elif name == "data.npz":
        np.savez_compressed(path, x=x.astype(np.longdouble), y=y[:, None])
    else:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if name == "table.csv":
                writer.writerow(["Label", "a", "b", "c", "d", "e, quoted"])
            for row, k in zip(x.tolist(), y.tolist(), strict=True):
                first, last = (
                    (["class " + str(k)], []) if name == "table.csv" else ([], [k] if name == "bare.csv" else [])
                )
                writer.writerow([*first, *map(repr, row), *last])
    found, err = measured(capsys, folder / "model.keras", "--data", path)
    assert err == ""
    assert found["samples"] == 60
    assert found["labelled"] == labelled
    equal(found, expected(folder, x, y if labelled else None))


@pytest.mark.parametrize("kind", ["regression", "several labels", "one number each", "unlabelled", "asked not to"])
def test_targets_that_are_not_classes_are_ignored(kind, folder, tmp_path, capsys):
    x, y = arrays()
    targets = {
        "regression": y + 0.25,
        "several labels": np.random.default_rng(0).integers(0, 2, (60, 4)),
        "one number each": np.linspace(0, 1, 60)[:, None],
    }
    content = {"y": targets[kind]} if kind in targets else {"y": y} if kind == "asked not to" else {}
    path = tmp_path / "data.npz"
    np.savez(path, x=x, **content)
    options = ["--no-labels"] if kind == "asked not to" else []
    found, err = measured(capsys, folder / "model.keras", "--data", path, *options)
    equal(found, expected(folder, x))
    assert not found["labelled"]
    assert ("are not classes and are ignored" in err) == (kind in targets)
    assert err.count("\n") == len(found["notes"]) == (kind in targets)
    found, err = measured(capsys, folder / "model.keras", "--data", path, *options, "--quiet")
    assert err == ""
    assert run(folder / "model.keras", "--data", path, *options, "--characteristics", "nc1", "--quiet") == 2
    err = capsys.readouterr().err
    assert "for class characteristics" in err
    assert ("are not classes" in err) == (kind in targets)
    assert err.count("\n") == 1


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A model with two inputs and an optional third one for labels."""
    path = tmp_path_factory.mktemp("two") / "two.keras"
    start = [keras.Input((5,), name="left"), keras.Input((2,), name="right")]
    labels = keras.Input((1,), dtype="int32", name="labels", optional=True)
    joined = layers.Concatenate()([layers.Dense(4, name="a")(start[0]), layers.Dense(3, name="b")(start[1])])
    joined = keras_repreg.ClasswiseVarianceRegularization(0.1)([joined, labels])
    joined = layers.Dense(6, activation="relu", name="joined")(joined)
    keras.Model([*start, labels], layers.Dense(2)(joined)).save(path)
    return path


@pytest.mark.parametrize("order", ["names", "names with test", "order", "positions"])
def test_several_inputs(order, two, tmp_path, capsys):
    x, y = arrays()
    right = x[:, :2] ** 2
    path = tmp_path / "data.npz"
    if order == "names":
        np.savez(path, right=right, left=x, y=y)
    elif order == "names with test":
        np.savez(path, right_test=right, left_test=x, y_test=y, left=np.ones(3))
    elif order == "order":
        np.savez(path, one=x, another=right, y=y)
    else:
        np.savez(path, x, right, y)
    found, _ = measured(capsys, two, "--data", path, "--characteristics", "amplitude,within_class_variance")
    model = keras.saving.load_model(two)
    model.get_layer("labels").optional = True  # Keras 3.11 does not save optional inputs
    wanted = keras_repreg.measure(
        model, ([x, right, None], y), labels=True, characteristics=["amplitude", "within_class_variance"]
    )
    equal(found, wanted.to_dict())
    assert {"a", "b", "joined"} <= set(found["layers"])


def test_labels_that_only_penalties_read_are_optional(tmp_path, capsys):
    """Keras 3.11 saves an optional input as a required one."""
    start, labels = keras.Input((5,)), keras.Input((1,), dtype="int32", name="labels")
    z = layers.Dense(4, activation="relu", name="z")(start)
    z = keras_repreg.ClasswiseVarianceRegularization(0.1)([z, labels])
    keras.Model([start, labels], layers.Dense(2)(z)).save(tmp_path / "model.keras")
    np.savez(tmp_path / "x.npz", x=arrays()[0])
    found, _ = measured(capsys, tmp_path / "model.keras", "--data", tmp_path / "x.npz")
    assert set(found["layers"]["z"]) == set(keras_repreg.characteristics.NAMES)
    read = layers.Concatenate()([z, layers.Rescaling(1.0)(labels)])  # so prediction requires the labels
    keras.Model([start, labels], layers.Dense(2)(read)).save(tmp_path / "read.keras")
    assert run(tmp_path / "read.keras", "--data", tmp_path / "x.npz") == 2
    assert "2 inputs" in capsys.readouterr().err


def test_inputs_in_a_dict(tmp_path, capsys):
    start = {"q": keras.Input((5,), name="q"), "p": keras.Input((2,), name="p")}
    first = layers.Dense(4, name="a")(start["q"])
    model = keras.Model(start, layers.Dense(2)(layers.Concatenate()([first, start["p"]])))
    model.save(tmp_path / "model.keras")
    x, _ = arrays()
    np.savez(tmp_path / "data.npz", q=x, p=x[:, :2])
    found, _ = measured(capsys, tmp_path / "model.keras", "--data", tmp_path / "data.npz")
    equal(found, keras_repreg.measure(model, {"q": x, "p": x[:, :2]}).to_dict())


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["left", "more"], "contains left, more; the model takes 2"),
        (["left"], "contains left; the model takes 2 inputs: left"),
    ],
)
def test_missing_inputs_are_rejected(names, words, two, tmp_path, capsys):
    x, _ = arrays()
    content = dict.fromkeys(names, x)
    if len(names) == 2:
        content["third"] = x
        words = words.replace("left, more", "left, more, third")
    np.savez(tmp_path / "data.npz", **content)
    assert run(two, "--data", tmp_path / "data.npz") == 2
    assert words in capsys.readouterr().err


def test_one_array_for_two_inputs_is_rejected(two, tmp_path, capsys):
    np.savetxt(tmp_path / "x.csv", arrays()[0], delimiter=",")
    assert run(two, "--data", tmp_path / "x.csv") == 2
    assert "has one input, but the model takes 2: left (N, 5), right (N, 2)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "contains no samples"),
        ("a,b,c\n", "contains no samples"),
        ("1,2,3,4,x\n", "cannot be read as a table of numbers"),
        ("1,2,3,4,5\n1,2\n", "cannot be read as a table of numbers"),
        ("1,2,3,4,nan\n", "1 values that are NaN"),
        ("1,2\n", "takes inputs of shape (N, 5), but"),
        ("1;2;3;4;5\n1;2;3;4;5\n", "takes inputs of shape (N, 5), but"),
        ("1,2,3,4,\x00\n", "cannot be read as a table"),
    ],
)
def test_invalid_tables_are_rejected(text, words, folder, tmp_path, capsys):
    (tmp_path / "table.csv").write_text(text)
    assert run(folder / "model.keras", "--data", tmp_path / "table.csv") == 2
    err = capsys.readouterr().err
    assert words in err
    assert err.count("\n") == 1


def png(path, array):
    """Write a PNG image without a library."""
    height, width, channels = array.shape
    raw = b"".join(b"\0" + row.tobytes() for row in array)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, {1: 0, 3: 2}[channels], 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    )


@pytest.fixture
def images(tmp_path):
    """A folder with images of two classes, and a model for them."""
    rng = np.random.default_rng(0)
    x, y = [], []
    for k, name in enumerate(["cats", "dogs"]):
        (tmp_path / "images" / name).mkdir(parents=True)
        for i in range(4):
            array = rng.integers(0, 256, (8, 6, 3), dtype=np.uint8)
            png(tmp_path / "images" / name / f"{i}.png", array)
            x.append(array)
            y.append(k)
    model = keras.Sequential(
        [keras.Input((8, 6, 3)), layers.Conv2D(4, 3, name="conv"), layers.Flatten(), layers.Dense(2)]
    )
    model.save(tmp_path / "model.keras")
    return tmp_path, model, np.stack(x).astype("float32"), np.array(y)


def test_a_folder_of_images(images, capsys):
    pytest.importorskip("tensorflow")
    folder, model, x, y = images
    found, err = measured(
        capsys, folder / "model.keras", "--data", folder / "images", "--divide-by", 255, "--batch-size", 3
    )
    assert err == ""
    equal(found, keras_repreg.measure(model, (x / 255, y), labels=True, batch_size=3).to_dict())
    report = folder / "report.html"
    assert run(folder / "model.keras", "--data", folder / "images", "--report", report) == 0
    assert "8 samples" in report.read_text()


@pytest.mark.parametrize("kind", ["huge", "no image", "damaged", "other shape"])
def test_invalid_images_are_rejected(kind, images, capsys):
    pytest.importorskip("tensorflow")
    folder, *_ = images
    path = folder / "images" / "cats" / "0.png"
    content = bytearray(path.read_bytes())
    if kind == "huge":
        content[16:24] = struct.pack(">II", 2**30, 2**30)
    elif kind == "no image":
        content = b"text"
    elif kind == "damaged":
        content = content[:60]
    else:
        keras.Sequential([keras.Input((5,)), layers.Dense(4), layers.Dense(2)]).save(folder / "model.keras")
    path.write_bytes(content)
    assert run(folder / "model.keras", "--data", folder / "images") == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    words = {
        "huge": "1,073,741,824 x",
        "no image": "is not a PNG",
        "damaged": "the model fails on",
        "other shape": "(N, 5)",
    }
    assert words[kind] in err


@pytest.mark.parametrize(
    "start",
    [
        b"GIF89a" + struct.pack("<HH", 6, 8),
        b"BM" + b"\0" * 16 + struct.pack("<ii", 6, -8),
        b"\xff\xd8\xff\xe0\x00\x04ab\xff\xff\xc2\x00\x11\x08" + struct.pack(">HH", 8, 6),
    ],
)
def test_sizes_of_images(start, tmp_path):
    path = tmp_path / "image"
    path.write_bytes(start)
    assert image_size.image_size(path) == (8, 6)
    for end in range(len(start)):
        path.write_bytes(start[:end])
        assert image_size.image_size(path) is None


def prepared(tmp_path, monkeypatch, **features):
    """Write a prepared TensorFlow Datasets data set to a directory."""
    tfds = pytest.importorskip("tensorflow_datasets")
    import tensorflow as tf

    x, y = arrays()
    labels = tfds.features.ClassLabel(names=["a", "b", "c"])
    kinds = {"image": tfds.features.Tensor(shape=(5,), dtype=np.float32), "label": labels, **features}
    data = {"image": x, "label": y if features == {} else (y + 0.25).astype("float32")}
    tfds.dataset_builders.store_as_tfds_dataset(
        name="made", version="1.0.0", data_dir=tmp_path / "tfds", features=tfds.features.FeaturesDict(kinds),
        split_datasets={"test": tf.data.Dataset.from_tensor_slices(data)}, disable_shuffling=True,
    )  # fmt: skip
    real = tfds.builder

    def builder(name, **kwargs):
        if name != "made":
            return real(name, data_dir=tmp_path / "empty", **kwargs)
        return tfds.builder_from_directory(str(tmp_path / "tfds" / "made" / "1.0.0"))

    monkeypatch.setattr(tfds, "builder", builder)


def test_a_prepared_data_set(folder, tmp_path, monkeypatch, capsys):
    prepared(tmp_path, monkeypatch)
    found, err = measured(capsys, folder / "model.keras", "--data", "tfds:made")
    assert err == ""
    equal(found, expected(folder, *arrays()))
    assert run(folder / "model.keras", "--data", "tfds:made@train") == 2
    assert "has the splits test, but not 'train'" in capsys.readouterr().err


def test_a_prepared_data_set_of_numbers(folder, tmp_path, monkeypatch, capsys):
    tfds = pytest.importorskip("tensorflow_datasets")
    prepared(tmp_path, monkeypatch, label=tfds.features.Scalar(np.float32))
    found, err = measured(capsys, folder / "model.keras", "--data", "tfds:made")
    assert "are not classes and are ignored: " in err
    equal(found, expected(folder, arrays()[0]))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "expected a name"),
        ("../x", "expected a name"),
        ("no_such_data", "tfds:no_such_data"),
        ("mnist", "not prepared"),
    ],
)
def test_missing_data_sets_are_rejected(name, words, folder, tmp_path, monkeypatch, capsys):
    prepared(tmp_path, monkeypatch)
    capsys.readouterr()
    assert run(folder / "model.keras", "--data", f"tfds:{name}") == 2
    err = capsys.readouterr().err
    assert words in err
    assert err.count("\n") == 1


def test_class_names(folder, tmp_path, capsys):
    path = tmp_path / "report.html"
    arguments = (folder / "model.keras", "--data", folder / "data.npz", "--report", path)
    assert run(*arguments, "--class-names", "cat,dog,<bird>") == 0
    for names, words in (("cat,dog", "names classes 0 to 1, but"), ("a,b,c", "has no labels in use")):
        options = ["--class-names", names, "--overwrite", *(["--no-labels"] if names == "a,b,c" else [])]
        capsys.readouterr()
        assert run(*arguments, *options) == 2
        assert words in capsys.readouterr().err


def test_names_in_a_legend():
    """No name is read as a formula or omitted, and classes without names keep their ids."""
    names = named(np.array([2, 0, 1, 0]), ["_a", "$\\frac", "b\a" + "x" * 100])
    assert names.tolist() == ["2 b\\x07" + "x" * 33, "0 _a", "1 \\$\\frac", "0 _a"]
    assert named(np.array(["_a", "b$"]), None).tolist() == [" _a", "b\\$"]
    z = np.random.default_rng(0).normal(size=(4, 2))
    keras_repreg.plots.unit_histograms(z, names).savefig(io.BytesIO())
    ids = np.arange(3)
    assert named(ids, None) is ids
    assert named(None, ["a"]) is None


def test_more_classes_than_a_legend_has_lines(folder, tmp_path, capsys):
    x = np.concatenate([arrays()[0]] * 4)
    np.savez(tmp_path / "data.npz", x=x, y=np.arange(240) % 60)
    assert run(folder / "model.keras", "--data", tmp_path / "data.npz", "--report", tmp_path / "r.html") == 0
    assert "nc1" in (tmp_path / "r.html").read_text()
