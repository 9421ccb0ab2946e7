"""What encoding and decoding cost in virtual time: a model that has a name says it, never the wall clock.

One table serves both ends: the experiment hands an encode model to the sender pipeline and a decode model to the
receiver pipeline, which know them only as functions of a frame. The coefficients stand beside their codec
(`transport/codecs.py`).
"""

import io
import math
import re
from collections.abc import Callable
from pathlib import Path

from glassbench.sender.regular_file import read_regular_text
from glassbench.transport.codecs import CODECS, LinearCost

Cost = Callable[[int, bool, tuple[int, int] | None], float]
"""Seconds of work for a frame: (sequence, keyframe, width and height) -> seconds. The size is None where it is not
known: then it is that of the source."""

_MAX_SECONDS = 60.0
_MAX_FILE_BYTES = 8 * 2**20
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s)")
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


_NOTHING = {"none": LinearCost(0.0, 0.0)}

ENCODE_COSTS: dict[str, LinearCost] = _NOTHING | {
    model: cost for codec in CODECS.values() for model, cost in codec.encode_costs.items()
}
DECODE_COSTS: dict[str, LinearCost] = _NOTHING | {name: codec.decode_cost for name, codec in CODECS.items()}


class CostError(ValueError):
    """A cost model that does not exist or cannot be read, in one sentence."""


def encode_cost(spec: str, *, width: int, height: int) -> Cost:
    """The model that `spec` names: an entry of ENCODE_COSTS, "fixed:2ms", or "recorded:FILE". Raises CostError.

    A recorded file has one duration in milliseconds a line, used by sequence and repeated from its end.
    """
    return _cost(spec, ENCODE_COSTS, "encode cost", width, height)


def decode_cost(spec: str, *, width: int, height: int) -> Cost:
    """As `encode_cost`, over DECODE_COSTS."""
    return _cost(spec, DECODE_COSTS, "decode cost", width, height)


def _cost(spec: str, table: dict[str, LinearCost], what: str, width: int, height: int) -> Cost:
    kind, _, argument = spec.partition(":")
    if kind == "fixed" and (match := _DURATION.fullmatch(argument)):
        seconds = float(match[1]) * _UNITS[match[2]]
        if seconds > _MAX_SECONDS:
            raise CostError(f"{what} {spec!r} is over {_MAX_SECONDS:g} s a frame")
        return lambda sequence, keyframe, size: seconds
    if kind == "recorded" and argument:
        durations = read_durations(Path(argument), what)
        return lambda sequence, keyframe, size: durations[sequence % len(durations)]
    if spec in table:
        linear = table[spec]
        return lambda sequence, keyframe, size: linear.seconds(*(size or (width, height)))
    raise CostError(f"unknown {what} {spec!r}; accepted are {', '.join(table)}, fixed:2ms, recorded:FILE")


def read_durations(path: Path, what: str = "cost") -> list[float]:
    """The recorded durations of a file, in seconds. Raises CostError."""
    try:
        content = read_regular_text(path, most_bytes=_MAX_FILE_BYTES)
    except OSError as error:
        raise CostError(f"cannot read {what} file {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CostError(f"{what} file {path} is not a text in UTF-8") from None
    durations = [
        _milliseconds(text, f"{what} file {path} line {number}")
        for number, line in enumerate(io.StringIO(content, newline=None), start=1)
        if (text := line.partition("#")[0].strip())
    ]
    if not durations:
        raise CostError(f"{what} file {path} has no durations; one in milliseconds a line is accepted")
    return durations


def _milliseconds(text: str, where: str) -> float:
    try:
        seconds = float(text) / 1e3
    except ValueError:
        seconds = math.nan
    if not 0.0 <= seconds <= _MAX_SECONDS:
        raise CostError(f"{where}: {text[:40]!r} is not a duration of 0 to {_MAX_SECONDS * 1e3:g} ms")
    return seconds
