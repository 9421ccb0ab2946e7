"""How far an arm is while it runs: a small file in the folder of its cell, which is gone when the results are complete.

    {"arm": "rtp", "seed": 20, "duration": 25.0}
    {"elapsed": 0.26, "share": 0.21, "slices": [[0.5, 15, 13, 31.5, 44.0], ...], "left_out": 0}
    {"elapsed": 1.31, "share": 1.0, "slices": [], "left_out": 0, "outcome": "measured", "reason": null}

A line comes at most every LINE_INTERVAL, and the file never has more than MOST_BYTES. Whoever reads it may meet half a
line, or whatever a stranger wrote there.
"""

import json
import math
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from glassbench.experiments.results.json_form import no_number
from glassbench.experiments.worlds.shown_slices import MOST_SLICES, ShownSlice

LIVE_FILE = "live.jsonl"

LINE_INTERVAL = 0.25
"""Seconds of the clock between two lines, at least."""

MOST_BYTES = 128 * 1024

_STEP = 0.01  # share of an arm that is worth a line by itself
_LAST_LINE = 4096  # bytes that are left for how the arm ended
_MOST_TEXT = 500  # characters of a reason or a name
_MOST_READ = 4 * MOST_SLICES  # slices: of some attempts of a live arm


class LiveWriter:
    """Writes the file of an arm. `now` is the clock in seconds, of which the file says how much has `elapsed`.

    What cannot be written is left out: it is no part of the results, and must not end a run.
    """

    def __init__(self, place: Path, about: Mapping[str, Any], *, now: float) -> None:
        self._begun_at = now
        self._next_at = now
        self._share = self._told_share = 0.0
        self._waiting: list[ShownSlice] = []
        self._left_out = 0
        self._size = 0
        self._file: int | None = None
        with suppress(OSError):
            place.mkdir(parents=True, exist_ok=True)
            path = place / LIVE_FILE
            path.unlink(missing_ok=True)  # of an earlier attempt, or a link to elsewhere
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_APPEND, 0o644)
        self._write(about)

    def progress(self, share: float, *, now: float) -> None:
        """So much of the arm is done."""
        self._share = share
        if now >= self._next_at and (self._waiting or share >= self._told_share + _STEP):
            self._next_at = now + LINE_INTERVAL
            self._told_share = share
            self._tell(now)

    def shown(self, shown: ShownSlice) -> None:
        """A slice, which stands in the next line."""
        if len(self._waiting) < MOST_SLICES:
            self._waiting.append(shown)
        else:
            self._left_out += 1

    def end(self, outcome: str, reason: str | None, *, now: float) -> None:
        """The arm has ended; nothing may be written after this."""
        reason = None if reason is None else reason[:_MOST_TEXT]
        self._tell(now, {"outcome": outcome, "reason": reason}, room=0)
        if self._file is not None:
            with suppress(OSError):
                os.close(self._file)
            self._file = None

    def _tell(self, now: float, ended: Mapping[str, Any] | None = None, *, room: int = _LAST_LINE) -> None:
        def line(slices: list[ShownSlice], left_out: int) -> dict[str, Any]:
            about = {"elapsed": round(now - self._begun_at, 3), "share": round(self._share, 4)}
            return {**about, "slices": slices, "left_out": left_out, **(ended or {})}

        slices, self._waiting = self._waiting, []
        if not self._write(line(slices, self._left_out), room=room):
            self._left_out += len(slices)
            if ended:
                self._write(line([], self._left_out))

    def _write(self, content: Mapping[str, Any], *, room: int = 0) -> bool:
        """Whether the line is in the file."""
        data = (json.dumps(content) + "\n").encode()
        if self._file is None or self._size + len(data) + room > MOST_BYTES:
            return False
        try:
            self._size += os.write(self._file, data)
        except OSError:
            with suppress(OSError):
                os.close(self._file)
            self._file = None
            return False
        return True


@dataclass
class LiveArm:
    """What the file of an arm says. `attempt` counts how often its slices began again. `outcome` is None while the arm
    runs. `damaged`: not every line is one of ours."""

    arm: str = ""
    seed: int = 0
    duration: float = 0.0
    elapsed: float = 0.0
    share: float = 0.0
    slices: list[ShownSlice] = field(default_factory=list)
    attempt: int = 0
    left_out: int = 0
    outcome: str | None = None
    reason: str | None = None
    damaged: bool = False


def read_live(data: bytes) -> LiveArm:
    """What the bytes of a file say, whoever wrote them; a line without an end is not there yet."""
    arm = LiveArm()
    for number, line in enumerate(data.split(b"\n")[:-1]):
        try:
            content = json.loads(line, parse_constant=no_number)
            (_take_line if number else _take_first)(arm, content)
        except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
            arm.damaged = True
    return arm


def _take_first(arm: LiveArm, content: dict[str, Any]) -> None:
    arm.arm, arm.seed, arm.duration = _text(content["arm"]), int(content["seed"]), _number(content["duration"])


def _take_line(arm: LiveArm, content: dict[str, Any]) -> None:
    arm.elapsed, arm.share = _number(content["elapsed"]), min(1.0, max(0.0, _number(content["share"])))
    arm.left_out = int(content["left_out"])
    for each in content["slices"]:
        at, captured, shown, p50, p95 = each
        delays = (None if value is None else _number(value) for value in (p50, p95))
        one = ShownSlice(_number(at), int(captured), int(shown), *delays)
        if arm.slices and one.at <= arm.slices[-1].at:
            arm.attempt += 1
            arm.slices.clear()
        if len(arm.slices) < _MOST_READ:
            arm.slices.append(one)
    if "outcome" in content:
        arm.outcome = _text(content["outcome"])
        arm.reason = None if content["reason"] is None else _text(content["reason"])


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!a:.40} is no finite number")
    return float(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!a:.40} is no text")
    return value[:_MOST_TEXT]
