"""The JSON of the Rust crate netem-trace: models of bandwidth, and of delay and loss beside them.

An object names models: `RepeatedBwPatternConfig`, `StaticBwConfig` or `TraceBwConfig`, and if they are given
`RepeatedDelayPatternConfig` or `StaticDelayConfig`, and the same with `Loss`; the ending `Config` may be left out. A
duration is {"secs": 1, "nanos": 0} or "1s 500ms", a bandwidth {"gbps": 0, "bps": 12000000} or "12Mbps", and what is
left out has the crate's default; a pattern without a count, or of 0, is for ever. The trace is the bandwidth once
through, which repeats; delay and loss repeat until then. A loss of several probabilities, each for a packet after so
many lost ones, becomes its mean.
"""

import json
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from glassbench.netem.schedule import RateSchedule
from glassbench.netem.traces.format import (
    MAX_DELAY,
    MAX_DURATION,
    MAX_RATE_BPS,
    Format,
    check_carries,
    check_duration,
    quote,
    refusal,
    without_comments,
)
from glassbench.netem.traces.trace import FloatArray, Series, Trace, merged

MAX_CHARACTERS = 8 * 1024 * 1024  # JSON grows about thirtyfold in memory
MAX_STEPS = 1_000_000
MAX_DEPTH = 20
ACCEPTED = (
    "a netem-trace file is a JSON object of models: RepeatedBwPatternConfig, StaticBwConfig or TraceBwConfig, and of "
    "delay and loss RepeatedDelayPatternConfig, StaticDelayConfig, RepeatedLossPatternConfig, StaticLossConfig"
)

Step = tuple[float, float]  # seconds, and the value that holds so long

_TIME_UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_RATE_UNITS = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12}
_TIME = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-z]+)")
_RATE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)(?:bps|bit/s|b/s)", re.IGNORECASE)


class _FaultError(ValueError):
    """Something is wrong with a model; the message is what was found."""


def recognize(line: str) -> str | None:
    return "it starts with {, as a JSON object does" if line[0] == "{" else None


def parse(text: str, name: str) -> Trace:
    if len(text) > MAX_CHARACTERS:
        accepted = f"a netem-trace file has at most {MAX_CHARACTERS}"
        raise refusal(name, None, f"{len(text)} characters of JSON", accepted)
    try:
        quantities = _quantities(json.loads(without_comments(text)))
    except json.JSONDecodeError as error:
        given = quote(error.doc[error.pos : error.pos + 40]) if error.pos < len(error.doc) else "the end of the file"
        raise refusal(name, error.lineno, given, ACCEPTED) from None
    except _FaultError as fault:
        raise refusal(name, None, str(fault), ACCEPTED) from None
    except (ValueError, RecursionError):
        raise refusal(name, None, "numbers too long or lists too deep", ACCEPTED) from None
    edges, rates = _line(quantities["Bw"])
    duration = float(edges[-1])
    check_duration(duration, name)
    check_carries(rates, "a bandwidth", "throughout", name)
    delay, loss = (
        _repeated(quantities[quantity], quantity, duration, name) if quantity in quantities else None
        for quantity in ("Delay", "Loss")
    )
    schedule = RateSchedule(*merged(edges[:-1], rates), duration)
    return Trace(name, "netem-trace", f"netem-trace file {name}", schedule, delay, loss)


def _quantities(models: Any) -> dict[str, list[Step]]:
    """The steps of each quantity that the file has. Raises _FaultError."""
    if not isinstance(models, dict):
        raise _FaultError("no object")
    steps: dict[str, list[Step]] = {}
    for key, content in models.items():
        quantity = next((quantity for quantity in _READ if _is_model(key, quantity)), None)
        if quantity is None:
            raise _FaultError(f"the model {quote(key)}")
        if quantity in steps:
            raise _FaultError(f"two models of {quantity}")
        steps[quantity] = _steps({key: content}, quantity, 0)
    if "Bw" not in steps:
        raise _FaultError("no model of bandwidth")
    return steps


def _is_model(key: str, quantity: str) -> bool:
    names = [f"Repeated{quantity}Pattern", f"Static{quantity}", *(["TraceBw"] if quantity == "Bw" else [])]
    return key.removesuffix("Config") in names


def _steps(model: object, quantity: str, depth: int) -> list[Step]:
    """The steps of one model once through. Raises _FaultError."""
    if not isinstance(model, dict) or len(model) != 1 or depth > MAX_DEPTH:
        raise _FaultError(f"{_shown(model)} in the place of a model of {quantity}")
    ((key, content),) = model.items()
    if not _is_model(key, quantity) or not isinstance(content, dict):
        raise _FaultError(f"{_shown(model)} in the place of a model of {quantity}")
    if key.startswith("Static"):
        value = content.get(quantity.lower(), _DEFAULTS[quantity])
        return [(_seconds(content.get("duration", "1s")), _READ[quantity](value))]
    pattern = content.get("pattern", [])
    if not isinstance(pattern, list):
        raise _FaultError(f"the pattern {_shown(pattern)}")
    if key.startswith("Trace"):
        return _bounded([step for entry in pattern for step in _entry(entry)], 1)
    count = content.get("count", 0)
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise _FaultError(f"the count {_shown(count)}")
    if any(len(pattern) > 1 and _is_endless(inner) for inner in pattern):
        raise _FaultError("a pattern for ever (its count is 0) beside others, which never come")
    once: list[Step] = []
    for inner in pattern:
        once = _bounded(once + _steps(inner, quantity, depth + 1), 1)
    # 0 is for ever; and at the top the trace repeats anyway.
    return _bounded(once, max(1, count) if depth else 1)


def _is_endless(model: object) -> bool:
    """Whether it is a pattern that never ends."""
    if not isinstance(model, dict) or len(model) != 1:
        return False
    ((key, content),) = model.items()
    return key.startswith("Repeated") and isinstance(content, dict) and content.get("count", 0) == 0


def _entry(entry: object) -> list[Step]:
    """An entry of TraceBw: a duration, and the bandwidths that hold so long each. Raises _FaultError."""
    if not isinstance(entry, list) or len(entry) != 2 or not isinstance(entry[1], list):
        raise _FaultError(f"{_shown(entry)} in a pattern of TraceBw")
    seconds = _seconds(entry[0])
    return [(seconds, _bits_per_second(bandwidth)) for bandwidth in entry[1]]


def _bounded(steps: list[Step], count: int) -> list[Step]:
    if not steps:
        raise _FaultError("an empty pattern")
    if len(steps) * count > MAX_STEPS:
        raise _FaultError(f"more than {MAX_STEPS} steps")
    return steps * count


def _seconds(value: object) -> float:
    seconds = _read_seconds(value)
    if not 0 < seconds <= MAX_DURATION:
        raise _FaultError(f"the duration {_shown(value)}")
    return seconds


def _delay(value: object) -> float:
    seconds = _read_seconds(value)
    if not 0 <= seconds <= MAX_DELAY:
        raise _FaultError(f"the delay {_shown(value)}")
    return seconds


def _read_seconds(value: object) -> float:
    """The seconds of a text or an object; nan if it is neither."""
    if not isinstance(value, str):
        return _sum_of(value, {"secs": 1.0, "nanos": 1e-9})
    parts = _TIME.findall(value.lower())
    if not parts or _TIME.sub("", value.lower()).strip() or not all(unit in _TIME_UNITS for _, unit in parts):
        return math.nan
    return sum(float(number) * _TIME_UNITS[unit] for number, unit in parts)


def _bits_per_second(value: object) -> float:
    rate = math.nan
    if not isinstance(value, str):
        rate = _sum_of(value, {"gbps": 1e9, "bps": 1.0})
    elif (parts := _RATE.findall(value)) and not _RATE.sub("", value).strip():
        rate = sum(float(number) * _RATE_UNITS[prefix.lower()] for number, prefix in parts)
    if not 0 <= rate <= MAX_RATE_BPS:
        raise _FaultError(f"the bandwidth {_shown(value)}")
    return rate


def _loss(value: object) -> float:
    """The mean loss of packets: `value[n]` is the chance after n lost ones, and the last holds for more."""
    chances = [_sum_of({"chance": chance}, {"chance": 1.0}) for chance in value] if isinstance(value, list) else []
    if not chances or not all(0 <= chance <= 1 for chance in chances):
        raise _FaultError(f"the loss {_shown(value)}")
    if chances[-1] == 1:  # whoever gets so far loses all that follows
        return 1.0 if all(chances) else 0.0
    run, lost = 1.0, 0.0  # for each packet that arrives: the chance of at least n losses behind it, and their mean
    for chance in chances[:-1]:
        run *= chance
        lost += run
    lost += run * chances[-1] / (1 - chances[-1])
    return lost / (1 + lost)


def _sum_of(value: object, fields: dict[str, float]) -> float:
    """The sum of the numbers of an object, each in the unit of its field; nan for anything else."""
    if not isinstance(value, dict) or not value or not set(value) <= set(fields):
        return math.nan
    for number in value.values():
        if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number <= 1e15:
            return math.nan
    return float(sum(number * fields[field] for field, number in value.items()))


def _line(steps: list[Step]) -> tuple[FloatArray, FloatArray]:
    """The edges of the steps in seconds, one more than there are steps, and their values."""
    lengths, values = np.array(steps, dtype=np.float64).T
    return np.append(0.0, np.cumsum(lengths)), values


def _repeated(steps: list[Step], quantity: str, duration: float, name: str) -> Series:
    """Steps that repeat from their end until `duration`. Raises TraceError."""
    edges, values = _line(steps)
    count = max(1, math.ceil(duration / edges[-1] - 1e-9))
    if count * len(values) > MAX_STEPS:
        raise refusal(name, None, f"more than {MAX_STEPS} steps of {quantity} in {duration:g} s", ACCEPTED)
    times = (edges[-1] * np.arange(count)[:, None] + edges[:-1]).ravel()
    inside = times < duration
    return Series(*merged(times[inside], np.tile(values, count)[inside]))


def _shown(value: object) -> str:
    return quote(json.dumps(value))


_READ: dict[str, Callable[[object], float]] = {"Bw": _bits_per_second, "Delay": _delay, "Loss": _loss}
_DEFAULTS: dict[str, object] = {"Bw": "12Mbps", "Delay": "10ms", "Loss": [0.1, 0.2]}  # those of the crate

FORMAT = Format(
    name="netem-trace",
    summary="JSON of the Rust crate netem-trace: RepeatedBwPatternConfig and the like, with delay and loss",
    recognize=recognize,
    parse=parse,
)
