"""Files are written completely or not at all, and replace only regular files that they may replace."""

import errno
import os
import socket
from pathlib import Path

import pytest

from keras_repreg.files import kind_of, write_atomically


def test_writes_and_replaces_text_and_bytes(tmp_path):
    path = tmp_path / "folder" / "file"
    write_atomically(path, "é")
    assert path.read_bytes() == "é".encode()
    write_atomically(path, b"\x00\x01")
    assert path.read_bytes() == b"\x00\x01"
    assert list(path.parent.iterdir()) == [path]


def test_existing_file_is_kept_by_default(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(FileExistsError, match=r"overwrite=False keeps it: '.*/file'$"):
        write_atomically(path, "new", overwrite=False)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    write_atomically(tmp_path / "other", "new", overwrite=False)
    assert (tmp_path / "other").read_text() == "new"
    assert len(list(tmp_path.iterdir())) == 2


def without_links(number):
    """Make `os.link` fail as on file systems without hard links."""

    def link(*args, **kwargs):
        raise OSError(number, os.strerror(number))

    return link


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EACCES, errno.EMLINK])
def test_works_without_hard_links(number, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", without_links(number))
    path = tmp_path / "file"
    write_atomically(path, "new", overwrite=False)
    assert path.read_text() == "new"
    with pytest.raises(FileExistsError, match="overwrite=False keeps it"):
        write_atomically(path, "newer", overwrite=False)
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_failed_move_without_hard_links_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", without_links(errno.EPERM))
    monkeypatch.setattr(os, "replace", without_links(errno.ENOSPC))
    with pytest.raises(OSError, match="No space left"):
        write_atomically(tmp_path / "file", "new", overwrite=False)
    assert list(tmp_path.iterdir()) == []


def test_works_without_file_permissions(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "chmod", without_links(errno.EPERM))
    write_atomically(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "new"


def special(kind, path):
    """Create something other than a regular file at a path; return a check that it still exists."""
    if kind == "symbolic link":
        (path.parent / "target").write_text("old")
        path.symlink_to("target")
    elif kind == "dangling link":
        path.symlink_to("nowhere")
    elif kind == "FIFO":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(os.fspath(path))
    else:
        path.mkdir()
    return os.lstat(path)


@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize("kind", ["symbolic link", "dangling link", "FIFO", "socket", "directory"])
def test_only_regular_files_are_replaced(kind, overwrite, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    path = Path("special")
    before = special(kind, path)
    with pytest.raises(FileExistsError, match=kind.removeprefix("dangling ")):
        write_atomically(path, "new", overwrite=overwrite)
    after = os.lstat(path)
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    assert not Path("nowhere").exists()
    assert {p.name for p in Path().iterdir()} <= {"special", "target"}
    if kind == "symbolic link":
        assert Path("target").read_text() == "old"


def test_devices_are_recognized():
    assert kind_of(Path("/dev/null")) == "device"
    with pytest.raises(FileExistsError, match="a device, which is kept"):
        write_atomically(Path("/dev/null"), "new")
    assert kind_of(Path("/dev/null")) == "device"


def test_file_names_of_maximal_length(tmp_path):
    path = tmp_path / ("x" * 255)
    write_atomically(path, "new")
    assert path.read_text() == "new"
