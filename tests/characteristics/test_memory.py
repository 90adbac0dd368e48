"""The available memory, as the system reports it."""

import pytest

from keras_repreg.characteristics import memory


def test_linux_reports_memory_that_caches_would_give_back(monkeypatch):
    text = "MemTotal: 9999 kB\nMemFree: 11 kB\nMemAvailable: 1234 kB\n"
    monkeypatch.setattr(memory.Path, "read_text", lambda *args, **kwargs: text)
    assert memory.available_memory() == 1234 * 1024


@pytest.mark.parametrize("text", ["", "MemAvailable: many kB\n"])
def test_other_systems_report_free_pages(text, monkeypatch):
    monkeypatch.setattr(memory.Path, "read_text", lambda *args, **kwargs: text)
    monkeypatch.setattr(memory.os, "sysconf", {"SC_AVPHYS_PAGES": 100, "SC_PAGE_SIZE": 4096}.__getitem__)
    assert memory.available_memory() == 409_600


def test_memory_is_assumed_if_no_system_call_reports_it(monkeypatch):
    def unknown(*args, **kwargs):
        raise OSError

    monkeypatch.setattr(memory.Path, "read_text", unknown)
    monkeypatch.setattr(memory.os, "sysconf", unknown)
    assert memory.available_memory() == memory.ASSUMED


@pytest.mark.parametrize(("number", "words"), [(2**30, "1.0 GiB"), (2**30 - 1, "1,024 MiB"), (3 << 20, "3 MiB")])
def test_bytes_in_words(number, words):
    assert memory.in_words(number) == words
