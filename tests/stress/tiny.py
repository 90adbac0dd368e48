"""Tiny runs for sweeps that are killed."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Tiny:
    number: int
    folder: str
    seconds: float


def runs(folder, number, seconds):
    return [Tiny(k, str(folder), seconds) for k in range(number)]
