"""Network traces: read from files (FORMATS), or made by the generators that ship with the project (GENERATORS)."""

from pathlib import Path

from glassbench.netem.traces.detect import FORMATS
from glassbench.netem.traces.files import find, load, load_pair
from glassbench.netem.traces.generators import GENERATORS, generate
from glassbench.netem.traces.trace import Series, Statistics, Trace, TraceError, TracePair

__all__ = [
    "FORMATS",
    "GENERATORS",
    "Series",
    "Statistics",
    "Trace",
    "TraceError",
    "TracePair",
    "generate",
    "load",
    "load_pair",
    "open_trace",
]

SHORTEST = 10.0


def open_trace(name_or_path: str | Path, *, seed: int, duration: float, columns: str | None = None) -> TracePair:
    """The trace of a scenario: a shipped generator by its name, or a file by its path. Raises TraceError.

    `seed` and `duration` (seconds) are for generators, which make at least SHORTEST, so that a short run meets the
    start of a long one; a file is as long as it is, and repeats. The downlink `X.down` finds its uplink `X.up`. A file
    called like a generator needs a folder in its path (`./steps`). `columns` names those of a log (`columns.py`).
    """
    if str(name_or_path) in GENERATORS:
        if columns is not None:
            raise TraceError(f"columns: {name_or_path} is a shipped trace, but columns are those of a log in a file")
        return generate(str(name_or_path), seed=seed, duration=max(duration, SHORTEST))
    if find(Path(name_or_path)) is None and Path(name_or_path).name == str(name_or_path):
        names = ", ".join(GENERATORS)
        raise TraceError(f"{name_or_path}: found neither a file nor a shipped trace of this name ({names})")
    return load_pair(name_or_path, columns=columns)
