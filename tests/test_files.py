"""Files are whole or not there, and replace others only where they shall."""

import pytest

from keras_repreg.files import write_atomically


def test_it_writes_text_and_bytes_and_replaces(tmp_path):
    path = tmp_path / "folder" / "file"
    write_atomically(path, "é")
    assert path.read_bytes() == "é".encode()
    write_atomically(path, b"\x00\x01")
    assert path.read_bytes() == b"\x00\x01"
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_is_there_stays_unless_told_otherwise(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(FileExistsError, match=r"overwrite=False keeps it: '.*/file'$"):
        write_atomically(path, "new", overwrite=False)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    write_atomically(tmp_path / "other", "new", overwrite=False)
    assert (tmp_path / "other").read_text() == "new"
    assert len(list(tmp_path.iterdir())) == 2
