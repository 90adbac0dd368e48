"""The result of `measure` as a mapping, a printed table and a file."""

import csv
import json

import numpy as np
import pytest

from keras_repreg.characteristics import CharacteristicsTable


def table():
    return CharacteristicsTable(
        {
            "first": {"sparsity": 1 / 3, "spectrum": np.array([2.0, 0.5])},
            "<second>": {"sparsity": 0.0, "nc1": 12345.678},
        },
        {"first": 10, "<second>": 10},
    )


def test_result_is_a_mapping():
    found = table()
    assert list(found) == ["first", "<second>"]
    assert found["first"]["sparsity"] == 1 / 3
    assert len(found) == 2
    assert "third" not in found
    assert dict(found)["<second>"] == {"sparsity": 0.0, "nc1": 12345.678}
    assert found.samples["first"] == 10


def test_result_prints_as_a_table():
    assert str(table()).splitlines() == [
        "layer     sparsity    spectrum        nc1",
        "first       0.3333  [2 values]",
        "<second>         0              1.235e+04",
    ]


def test_html_is_escaped():
    page = table()._repr_html_()
    assert "<th>&lt;second&gt;</th>" in page
    assert page.count("<tr>") == 3
    assert "0.3333" in page


def test_result_converts_to_json_and_data_frame_rows():
    assert json.loads(json.dumps(table().to_dict()))["first"]["spectrum"] == [2.0, 0.5]
    assert [row["layer"] for row in table().rows()] == ["first", "<second>"]
    assert table().rows()[1]["nc1"] == 12345.678


def test_csv_has_all_digits_and_replaces_no_file(tmp_path):
    path = tmp_path / "made" / "table.csv"
    table().to_csv(path)
    with open(path, newline="") as file:
        first, second = csv.DictReader(file)
    assert float(first["sparsity"]) == 1 / 3
    assert [float(value) for value in first["spectrum"].split()] == [2.0, 0.5]
    assert (first["nc1"], second["spectrum"]) == ("", "")
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        CharacteristicsTable({}).to_csv(path)
    assert path.read_bytes() == before
    CharacteristicsTable({"only": {"mean": 1.0}}).to_csv(str(path), overwrite=True)
    assert path.read_text() == "layer,mean\nonly,1.0\n"
    assert [file.name for file in path.parent.iterdir()] == ["table.csv"]
