"""Randomly changed files and command lines: each must succeed, or exit with 2 and one line.

`python -m tests.stress.attacks 2000` tries 2000, `--seed 7` other ones, and `--first 300` starts at number 300.
"""

import argparse
import contextlib
import copy
import csv
import io
import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
from keras import layers

from keras_repreg.commands import main

VALUES = [
    0, -1, 1, 2, 3, 10**6, 10**9, 10**18, 2**63, -(2**31), 0.5, -0.0, 1e308, float("nan"), float("inf"), True, False,
    None, "", "relu", "float16", "int8", "complex64", "x" * 3000, "\x1b[31m\0\n", "../../escape", "/etc/passwd", [],
    [1], [None, None], [10**6, 10**6], {}, {"a": 1},
    {"class_name": "Dense", "config": {"units": 10**9}, "module": "keras.layers"},
    {"class_name": "Lambda", "config": {"name": "l"}, "module": "keras.layers"},
    {"class_name": "function", "config": "mkdir", "module": "os", "registered_name": "mkdir"},
    {"class_name": "__numpy__", "config": {"value": [1], "dtype": "float32"}},
    {"class_name": "__tensor__", "config": {"value": [1], "dtype": "float32"}},
    {"class_name": "__lambda__", "config": {"value": "x"}},
]  # fmt: skip
WORDS = [
    "0", "-1", "1", "3", "1.5", "nan", "inf", "1e999", "9" * 50, "", " ", "--", "all", "nc1", "spectrum,rankme", "a",
    "b", "a,b", "a,,b", "\udcff", "\0", "../x", "nowhere/x", ".", "bits", "flatten", "channels", "\x1b[2J", "tfds:",
    "tfds:x", "/dev/null", "model.keras", "data.npz", "-h",
]  # fmt: skip
OPTIONS = [
    "--layers", "--characteristics", "--units", "--csv", "--noise-variance", "--information-unit", "--samples",
    "--batch-size", "--divide-by", "--class-names", "--memory-share", "--data", "--report",
]  # fmt: skip
FLAGS = ["--overwrite", "--json", "--wide", "--quiet", "--no-labels"]
SLOWEST = 60
MOST_MEMORY = 2 * 2**30


def prepare(folder):
    """Create a few small models and their data."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    dense = [layers.Dense(6, activation="relu", name="a"), layers.Dropout(0.5), layers.Dense(5, name="b")]
    start = keras.Input((6, 6, 1), name="image")
    conv = layers.Conv2D(3, 3, activation="relu", name="a")(start)
    conv = layers.BatchNormalization()(conv)
    conv = layers.Add()([layers.Conv2D(3, 3, padding="same", name="b")(conv), conv])
    words = keras.Sequential(
        [keras.Input((7,), dtype="int32"), layers.Embedding(9, 4, name="a"), layers.GRU(3, name="b"), layers.Dense(2)]
    )
    models = {
        "dense": (keras.Sequential([keras.Input((5,)), *dense, layers.Dense(3)]), rng.normal(size=(20, 5))),
        "conv": (keras.Model(start, layers.Dense(2)(layers.Flatten()(conv))), rng.normal(size=(20, 6, 6, 1))),
        "words": (words, rng.integers(0, 9, (20, 7))),
    }
    for name, (model, x) in models.items():
        model.save(folder / f"{name}.keras")
        x = x.astype("float32" if x.dtype.kind == "f" else "int32")
        np.savez(folder / f"{name}.npz", x=x, y=np.arange(20) % 3)


class Attack:
    """One random change to one file or argument."""

    def __init__(self, seed, source, place):
        self.random = random.Random(seed)
        name = self.random.choice(["dense", "conv", "words"])
        self.model = (source / f"{name}.keras").read_bytes()
        self.data = (source / f"{name}.npz").read_bytes()
        self.place, self.ending, self.words = place, "npz", []
        self.kind = self.random.choice(
            [
                "model bytes",
                "configuration",
                "weights",
                "weight bytes",
                "data bytes",
                "arrays",
                "header",
                "table",
                "line",
            ]
        )
        getattr(self, self.kind.replace(" ", "_"))()

    def run(self):
        """Write the files, run the command, and return its exit code and output."""
        (self.place / "model.keras").write_bytes(self.model)
        (self.place / f"data.{self.ending}").write_bytes(self.data)
        arguments = ["measure", "model.keras", "--data", f"data.{self.ending}", *self.words]
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = main(arguments)
            except SystemExit as end:
                code = end.code
        return code, err.getvalue()

    def damaged(self, content):
        changed = bytearray(content)
        for _ in range(self.random.choice([1, 1, 3, 30])):
            where = self.random.randrange(len(changed))
            how = self.random.randrange(4)
            if how == 0:
                changed[where] = self.random.randrange(256)
            elif how == 1:
                changed[where] ^= 1 << self.random.randrange(8)
            elif how == 2:
                changed[where : where + self.random.randrange(9)] = b""
            else:
                changed[where:where] = self.random.randbytes(self.random.randrange(9))
            if len(changed) < 10:
                break
        return bytes(changed if self.random.random() < 0.8 else changed[: self.random.randrange(len(changed) + 1)])

    def parts(self):
        with zipfile.ZipFile(io.BytesIO(self.model)) as archive:
            return {name: archive.read(name) for name in archive.namelist()}

    def together(self, parts):
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", self.random.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as file:
            for name, content in parts.items():
                file.writestr(name, content)
        self.model = archive.getvalue()

    def model_bytes(self):
        self.model = self.damaged(self.model)

    def data_bytes(self):
        self.data = self.damaged(self.data)

    def configuration(self):
        parts = self.parts()
        config = json.loads(parts["config.json"])
        for _ in range(self.random.choice([1, 1, 1, 2, 5])):
            holders = []
            waiting = [config]
            while waiting:
                part = waiting.pop()
                holders.append(part)
                waiting += [
                    v for v in (part.values() if isinstance(part, dict) else part) if isinstance(v, (dict, list)) and v
                ]
            holder = self.random.choice(holders)
            key = self.random.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
            if self.random.random() < 0.15:
                del holder[key]
                if not config or not holder:
                    break
            elif self.random.random() < 0.15:
                holder[key] = copy.deepcopy(self.random.choice(holders))
            else:
                holder[key] = copy.deepcopy(self.random.choice(VALUES))
        parts["config.json"] = json.dumps(config)
        self.together(parts)

    def weights(self):
        parts = self.parts()
        content = io.BytesIO(parts["model.weights.h5"])
        with h5py.File(content, "r+") as file:
            names = []
            file.visit(names.append)
            for _ in range(self.random.choice([1, 1, 3])):
                name = self.random.choice(names)
                if file.get(name, getlink=True) is None:
                    continue
                held = file.get(name)
                shape = held.shape if isinstance(held, h5py.Dataset) else (3,)
                del held
                del file[name]
                how = self.random.randrange(6)
                if how == 0:
                    file[name] = self.random.choice([h5py.SoftLink("/layers"), h5py.ExternalLink("x.h5", "/y")])
                elif how == 1:
                    size = self.random.choice([0, 1, 10**5, 10**9, 10**12])
                    file.create_dataset(
                        name, (size,), "f4", chunks=(max(min(size, 10**5), 1),), compression="gzip", maxshape=(None,)
                    )
                elif how == 2:
                    kind = self.random.choice(["f2", "f8", "i1", "u8", "c8", "S3", "?", h5py.string_dtype()])
                    file.create_dataset(name, shape, kind)
                elif how == 3:
                    file.create_dataset(name, shape, "f4")[...] = self.random.choice([np.nan, np.inf, 1e38, 0, -1])
                elif how == 4:
                    file.create_group(name)
        parts["model.weights.h5"] = content.getvalue()
        self.together(parts)

    def weight_bytes(self):
        parts = self.parts()
        parts["model.weights.h5"] = self.damaged(parts["model.weights.h5"])
        self.together(parts)

    def arrays(self):
        kinds = ["f4", "f8", "f2", "i1", "u2", "i8", "?", "c8", "S3", "U2", "M8[s]", "V4", [("a", "f4")], "g"]
        content = {}
        for name in self.random.sample(
            ["x", "y", "x_test", "y_test", "image", "labels", "z", "arr_0"], self.random.randrange(5)
        ):
            shape = self.random.choice(
                [(), (0,), (20,), (20, 5), (19, 5), (20, 6, 6, 1), (20, 7), (20, 0), (20, 5, 5), (1, 5)]
            )
            array = np.zeros(shape, self.random.choice(kinds))
            if array.dtype.kind == "f" and array.size and self.random.random() < 0.5:
                array[...] = np.asarray(self.random.choice([np.nan, np.inf, 6e4, -1, 1e-40])).astype(array.dtype)
            content[name] = array
        file = io.BytesIO()
        self.random.choice([np.savez, np.savez_compressed])(file, **content)
        self.data = file.getvalue()

    def header(self):
        shape = self.random.choice(
            ["(20, 5)", "(10000000000, 5)", "(-1, 5)", "(20,)", "5", "((1,2),)", "(20, 5", "(True, 5)", "()"]
        )
        kind = self.random.choice(
            ["'<f4'", "'|O'", "'<f99'", "None", "'|S1000000000'", "[('a','O')]", "'>i2'", "__import__"]
        )
        text = (
            f"{{'descr': {kind}, 'fortran_order': {self.random.choice(['False', 'True', '7'])}, 'shape': {shape}, }}\n"
        )
        size = self.random.choice([len(text), 0, 1, 65535])
        version = self.random.choice([b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x09\x00"])
        length = size.to_bytes(2 if version[0] == 1 else 4, "little")
        content = b"\x93NUMPY" + version + length + text.encode() + b"\0" * self.random.choice([0, 1, 400, 10**5])
        if self.random.random() < 0.5:
            self.ending, self.data = "npy", content
            return
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("x.npy", content)
        self.data = file.getvalue()

    def table(self):
        self.ending = "csv"
        file = io.StringIO()
        writer = csv.writer(file, delimiter=self.random.choice(",,,;\t"))
        columns = self.random.choice([5, 5, 6, 7, 36, 0, 1])
        if self.random.random() < 0.4:
            writer.writerow(
                [*[f"c{i}" for i in range(columns - 1)], self.random.choice(["y", "label", "z", "\0", '"'])]
            )
        for i in range(self.random.choice([0, 1, 20])):
            cells = [self.random.choice(["1", "0.5", "-3e4", str(i % 3)]) for _ in range(columns)]
            if self.random.random() < 0.05:
                cells[:1] = [self.random.choice(["nan", "inf", "x", "", "1e999", "\0", "'", "0x1", "1_0", "１"])]
            writer.writerow(cells)
        self.data = file.getvalue().encode()
        if self.random.random() < 0.3:
            self.data = self.damaged(self.data or b"1,2\n1,2\n1,2\n")

    def line(self):
        for _ in range(self.random.choice([1, 1, 2, 3])):
            option = self.random.choice([*OPTIONS, *FLAGS])
            # Reports take a second and have their own test.
            value = self.random.choice(WORDS)
            if option in FLAGS:
                self.words.append(option)
            elif option != "--report" or value in ("", "\0", ".", "/dev/null", "model.keras", "nowhere/x"):
                self.words.append(f"{option}={value}")


def snapshot(folder):
    """Return every file in a folder with its content."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def outputs(words, place):
    """Return the files that a command line may write."""
    named = [word.partition("=")[2] for word in words if word.startswith(("--csv=", "--report="))]
    return {(place / name).resolve() for name in named if "\0" not in name}


def attempt(seed, source, place):
    """Run one attack in an empty folder; return its kind, its exit code, and the failure or None."""
    place.mkdir()
    before, here = snapshot(place.parent), Path.cwd()
    attack, wrong, code = None, None, None
    signal.alarm(SLOWEST)
    try:
        os.chdir(place)
        attack = Attack(seed, source, place)
        code, said = attack.run()
        if "-h" in " ".join(attack.words) and code == 0:
            pass
        elif code not in (0, 2) or (code == 2 and (said.count("\n") != 1 or not said.startswith("keras-repreg"))):
            wrong = f"{code}: {said}"
        elif not said.replace("\n", "").isprintable():
            wrong = f"not printable: {said!r}"
    except Exception:
        wrong = traceback.format_exc()
    finally:
        signal.alarm(0)
        os.chdir(here)
    allowed = {place / "model.keras", *place.glob("data.*")}
    after = snapshot(place.parent)
    changed = {p for p in after if before.get(p) != after[p]} - allowed
    changed = {p for p in changed if p.resolve() not in outputs(attack.words if attack else [], place)}
    if wrong is None and changed:
        wrong = f"written: {changed}"
    return attack.kind if attack else "none", code, wrong


def run(number, seed, first=0):
    """Run attacks, and return the failures, the counts of outcomes, and the memory used in bytes."""
    import resource

    failures, ends = [], {}
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "source"
        source.mkdir()
        prepare(source)
        attempt(-1, source, Path(name) / "warm")
        base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for i in range(first, number):
            place = Path(name) / f"attack{i}"
            kind, code, wrong = attempt(f"{seed}/{i}", source, place)
            ends[kind, code] = ends.get((kind, code), 0) + 1
            if wrong:
                failures.append((i, kind, wrong))
            for path in sorted(place.rglob("*"), reverse=True):
                path.unlink()
            place.rmdir()
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) * 1024
    return failures, ends, grown


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("number", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    start = time.monotonic()
    found, ended, memory = run(given.number, given.seed, given.first)
    for attack, kind, text in found:
        print(f"--- attack {attack}, {kind}\n{text[-1500:]}")
    for (kind, code), count in sorted(ended.items(), key=str):
        print(f"{kind:15} exit code {code}: {count}")
    print(f"{len(found)} failures, {memory / 1e6:.0f} MB more at the peak, {time.monotonic() - start:.0f} s")
    sys.exit(bool(found) or memory > MOST_MEMORY)
