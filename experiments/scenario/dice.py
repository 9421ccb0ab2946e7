"""Random numbers by purpose: one stream for each named purpose of a run, so that a new one changes no other."""

import zlib

import numpy as np


def generator(seed: int, *purpose: str) -> np.random.Generator:
    """The stream of a purpose, such as ("network", "down", "loss-episodes", "loss", "0").

    The purpose is a key of numpy's SeedSequence. The CRC-32 of its name stands for it, because Python's own hash of a
    text differs from process to process.
    """
    return np.random.default_rng(_sequence(seed, purpose))


def integer(seed: int, *purpose: str) -> int:
    """A seed of 32 bits for code that takes one."""
    return int(_sequence(seed, purpose).generate_state(1)[0])


def _sequence(seed: int, purpose: tuple[str, ...]) -> np.random.SeedSequence:
    return np.random.SeedSequence(seed, spawn_key=tuple(zlib.crc32(part.encode()) for part in purpose))
