"""A few of the generated attacks; `python -m tests.stress.attacks 2000` tries more."""

import pytest

from tests.stress.attacks import attempt, prepare


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("source")
    prepare(path)
    return path


@pytest.mark.parametrize("number", range(60))
def test_attacks_end_in_a_result_or_one_error_line(number, source, tmp_path):
    kind, code, wrong = attempt(f"0/{number}", source, tmp_path / "place")
    assert wrong is None, kind
    assert code in (0, 2)


def test_misbehaviour_is_detected(source, tmp_path, monkeypatch):
    """Tracebacks, a second line and additional files are detected."""
    monkeypatch.setattr("tests.stress.attacks.main", lambda arguments: 1 / 0)
    assert "ZeroDivisionError" in attempt("0/0", source, tmp_path / "a")[2]

    def chatty(arguments):
        import sys

        print("keras-repreg: one\ntwo", file=sys.stderr)
        return 2

    monkeypatch.setattr("tests.stress.attacks.main", chatty)
    assert attempt("0/0", source, tmp_path / "b")[2].startswith("2: keras-repreg: one")

    def writes(arguments):
        (tmp_path / "elsewhere").write_text("")
        return 0

    monkeypatch.setattr("tests.stress.attacks.main", writes)
    assert "elsewhere" in attempt("0/0", source, tmp_path / "c")[2]
