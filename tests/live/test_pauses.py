"""A process that stands still while something is due is seen, whichever it is, and its run is repeated or noted."""

import os
import signal
import time
from typing import Any

import pytest

from glassbench.experiments.account.arm_result import ArmResult
from glassbench.experiments.scenario import build
from glassbench.experiments.worlds.live import arm
from glassbench.experiments.worlds.live.arm import run_arm as run_arm_live
from glassbench.experiments.worlds.live.part import PartReport
from glassbench.experiments.worlds.live.process_report import ProcessReport
from glassbench.experiments.worlds.live.task import EMULATOR
from glassbench.experiments.worlds.world import Watch
from glassbench.netem.live.pauses import Pauses

PARTS = ("sender", EMULATOR, "receiver")

SCENARIO = build(
    {
        "name": "pauses",
        "duration": "3s",
        "arms": ["udp"],
        "video": {"source": "lognormal", "bitrate": "500kbit/s"},
        "network": {"rate": "8Mbit/s", "delay": "20ms"},
    }
)


class Loop:
    """A loop by hand: its clock, and how long it computed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.time, self.computed, self.sleeps = 1000.0, 0.0, 0.0
        monkeypatch.setattr("glassbench.netem.live.pauses.time.thread_time", lambda: self.computed)
        monkeypatch.setattr("glassbench.netem.live.pauses.select.select", self._select)
        self.pauses = Pauses(self)  # type: ignore[arg-type]

    def now(self) -> float:
        return self.time

    def wait(self, wake_at: float, *, woke_at: float) -> None:
        self.sleeps = woke_at - self.time
        self.pauses.wait([], wake_at)

    def work(self, seconds: float, *, computed: float) -> None:
        self.time += seconds
        self.computed += computed

    def ended(self) -> dict[str, float]:
        self.wait(self.time, woke_at=self.time)
        return self.pauses.summary()

    def _select(self, *_: object) -> None:
        self.time += self.sleeps


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    return Loop(monkeypatch)


def test_a_loop_that_wakes_in_time_and_computes_for_long_has_no_pause(loop: Loop) -> None:
    loop.wait(1000.1, woke_at=1000.103)  # the machine takes some milliseconds now and then
    loop.work(0.5, computed=0.4997)
    loop.wait(1001.0, woke_at=1000.7)
    loop.pauses.arrived(1000.6996)
    loop.wait(1001.1, woke_at=1000.7001)
    loop.pauses.arrived(1000.2)  # it came while the loop computed, which is work and no pause
    assert loop.ended() == {"count": 0, "total_ms": 0.0, "longest_ms": 0.0}


def test_a_late_wake_up_a_packet_that_waited_and_a_processor_that_was_lost_are_pauses(loop: Loop) -> None:
    loop.wait(1000.1, woke_at=1000.14)
    loop.wait(1000.3, woke_at=1000.2)
    loop.pauses.arrived(1000.18)
    loop.work(0.07, computed=0.01)
    loop.wait(1000.5, woke_at=1000.4)
    assert loop.ended() == {"count": 2, "total_ms": 120.0, "longest_ms": 80.0}


def known(late_ms: float, pauses_of: int = 1, **paused_ms: float) -> dict[str, Any]:
    """What the parts know whose pauses took so long together, in so many of equal length; 3 s of media."""
    return {
        role: PartReport(
            ProcessReport(
                lateness={"down": {"p99_ms": late_ms}} if role == "emulator" else {},
                pauses={"total_ms": (took := paused_ms.get(role, 0.0)), "longest_ms": took / pauses_of},
            )
        )
        for role in PARTS
    }


@pytest.mark.parametrize(
    ("attempts", "kept", "outcome"),
    [
        ([known(0.1, sender=29.0)], 1, "measured"),
        ([known(0.1, pauses_of=10, receiver=149.0)], 1, "measured"),
        ([known(0.1, pauses_of=10, receiver=151.0), known(0.1)], 2, "measured"),
        ([known(0.1, emulator=31.0), known(0.1)], 2, "measured"),
        ([known(0.1, sender=2000.0), known(0.1)], 2, "measured"),
        ([known(0.1, emulator=400.0), known(0.1, receiver=100.0), known(0.1, sender=300.0)], 2, "measured"),
        ([known(0.1, sender=300.0), known(4.0), known(4.0)], 1, "measured"),
        ([known(4.0), known(0.1, sender=300.0), known(4.0)], 2, "measured"),
        ([known(4.0), known(4.0), known(4.0, sender=300.0)], 3, "failed"),
    ],
)
def test_the_run_that_stood_still_least_is_kept_and_one_with_a_late_link_never(
    monkeypatch: pytest.MonkeyPatch, attempts: list[dict[str, Any]], kept: int, outcome: str
) -> None:
    waiting = iter(attempts)

    def run_parts(*_: Any, number: int, **__: Any) -> Any:
        return arm._Attempt(number, next(waiting), {}, {}, SCENARIO.duration)

    monkeypatch.setattr(arm, "_run_parts", run_parts)
    monkeypatch.setattr(arm, "assemble", lambda *_, outcome, about, **__: ArmResult("udp", outcome, stats=about))
    result = run_arm_live(SCENARIO, SCENARIO.arms[0], None)
    assert (result.outcome, result.stats["live"]["attempt"], next(waiting, None)) == (outcome, kept, None)


def test_each_process_that_stands_still_is_seen_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arm, "MOST_LATE_MS", 1e6)
    monkeypatch.setattr(arm, "LONGEST_PAUSE", 1e6)
    monkeypatch.setattr(arm, "MOST_PAUSED", 1e6)
    pids: list[int] = []
    start = arm.start

    def start_and_note(*of_part: Any) -> Any:
        part = start(*of_part)
        pids.append(part.pid)
        return part

    monkeypatch.setattr(arm, "start", start_and_note)
    stopped: list[int] = []

    def stop_one(share: float) -> None:
        if len(stopped) < len(pids) and share > 0.3 + 0.15 * len(stopped):
            os.kill(pid := pids[len(stopped)], signal.SIGSTOP)
            time.sleep(0.2)
            os.kill(pid, signal.SIGCONT)
            stopped.append(pid)

    result = run_arm_live(SCENARIO, SCENARIO.arms[0], None, Watch(progress=stop_one), emulator="relay")
    assert len(stopped) == len(PARTS)
    for role in PARTS:
        assert result.stats["live"][role]["pauses"]["longest_ms"] > 150, role
    (said,) = [note for note in result.notes if note.startswith("the machine stood still: ")]
    for name in ("the sender", "the link", "the receiver"):
        assert name in said
