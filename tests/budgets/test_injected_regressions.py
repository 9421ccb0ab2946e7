"""Regressions, each put into the code: each breaks the check, and the report names the stage or the fate where it
is."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from glassbench.experiments.budgets.text import sentence
from glassbench.experiments.worlds import virtual
from glassbench.netem.elements.delay import Delay
from glassbench.receiver.playout import FixedPlayout
from glassbench.transport.contract import Frame, Transport
from glassbench.transport.registry import TRANSPORTS, TransportEntry
from glassbench.transport.rtp.receiver import RtpReceiver
from glassbench.transport.srt.receiving import ReceiveBuffer

EXTRA = 0.010  # seconds

Patch = pytest.MonkeyPatch


class LateSender:
    """A sending end that gets every frame EXTRA seconds late, as if it had waited in a queue."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self._waiting: list[tuple[float, Frame]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def send_frame(self, frame: Frame, *, now: float) -> None:
        self._waiting.append((now + EXTRA, frame))

    def get_timer(self) -> float | None:
        timers = [self._inner.get_timer(), self._waiting[0][0] if self._waiting else None]
        return min((timer for timer in timers if timer is not None), default=None)

    def handle_timer(self, *, now: float) -> None:
        while self._waiting and self._waiting[0][0] <= now:
            self._inner.send_frame(self._waiting.pop(0)[1], now=now)
        self._inner.handle_timer(now=now)


def slower(make_cost: Callable[..., Any]) -> Callable[..., Any]:
    """A cost model that takes EXTRA seconds more for each frame."""

    def make(spec: str, **size: int) -> Any:
        cost = make_cost(spec, **size)
        return lambda sequence, keyframe, size: cost(sequence, keyframe, size) + EXTRA

    return make


def slow_encoder(patch: Patch) -> None:
    patch.setattr(virtual, "encode_cost", slower(virtual.encode_cost))


def slow_decoder(patch: Patch) -> None:
    patch.setattr(virtual, "decode_cost", slower(virtual.decode_cost))


def long_path(patch: Patch) -> None:
    inner = Delay.__init__
    patch.setattr(Delay, "__init__", lambda self, delay: inner(self, delay + EXTRA))


def waiting_sender(patch: Patch) -> None:
    def late(entry: TransportEntry) -> TransportEntry:
        return replace(entry, make_sender=lambda config: LateSender(entry.make_sender(config)))

    for name in ALL:
        patch.setitem(TRANSPORTS.own, name, late(TRANSPORTS[name]))


def doubled_srt_latency(patch: Patch) -> None:
    inner = ReceiveBuffer.__init__
    patch.setattr(
        ReceiveBuffer, "__init__", lambda self, *, latency, **others: inner(self, latency=2 * latency, **others)
    )


def doubled_jitter_buffer(patch: Patch) -> None:
    inner = FixedPlayout.__init__
    patch.setattr(FixedPlayout, "__init__", lambda self, target: inner(self, 2 * target))


def mute_nack(patch: Patch) -> None:
    """The receiver sees what is missing, and its requests are never sent."""
    inner = RtpReceiver._repair

    def repair(self: RtpReceiver, state: Any, *, now: float) -> list[bytes]:
        inner(self, state, now=now)
        return []

    patch.setattr(RtpReceiver, "_repair", repair)


ALL = ("rtp", "srt", "quic-datagram")


@pytest.mark.parametrize(
    ("inject", "stage", "loss", "duration"),
    [
        pytest.param(slow_encoder, "encode", "2%", "4s", marks=pytest.mark.lengthy),
        pytest.param(slow_decoder, "decode", "2%", "4s", marks=pytest.mark.lengthy),
        (waiting_sender, "queue", "2%", "4s"),
        pytest.param(long_path, "transit", "0%", "2s", marks=pytest.mark.long),
    ],
)
def test_ten_milliseconds_more_in_one_stage_break_every_budget_and_that_stage_is_named(
    budgets, call, record, check_file, monkeypatch, inject, stage, loss, duration
):
    call(loss=loss, duration=duration)
    # Frames that are sent later meet other losses: the p95 of this lossy path moves by 2 to 20 ms, not by 10.
    limits = 'p50 = { max_increase = "9ms" }\np95 = { max_increase = "1ms" }'
    path = budgets("\n".join(f'[[budget]]\narm = "{arm}"\n{limits}' for arm in ALL))
    baseline = record(path)
    inject(monkeypatch)
    for verdict in check_file(path, baseline).verdicts:
        print(sentence(verdict))
        assert not verdict.kept
        assert verdict.blame.stage == stage
        assert verdict.blame.compared
        assert verdict.blame.stages_ms[stage] > 9.5  # and more, where frames wait for each other
        assert f"{stage} +" in sentence(verdict)


def test_a_longer_path_costs_repaired_frames_a_round_trip_and_the_report_says_both(
    budgets, call, record, check_file, monkeypatch
):
    call(duration="4s")
    path = budgets('[[budget]]\narm = "rtp"\np95 = { max_increase = "5%" }')
    baseline = record(path)
    long_path(monkeypatch)
    (verdict,) = check_file(path, baseline).verdicts
    assert not verdict.kept
    print(sentence(verdict))
    assert "transit +" in sentence(verdict) and "spread +" in sentence(verdict)
    assert verdict.blame.stage == "transit" or "over all shown frames transit +10.0 ms" in sentence(verdict)


def test_a_doubled_srt_latency_is_hold(budgets, record, check_file, monkeypatch):
    path = budgets('[[budget]]\narm = "srt"\np95 = { max_increase = "5%" }\np50 = { max = "150ms" }')
    baseline = record(path)
    assert check_file(path, baseline).kept
    doubled_srt_latency(monkeypatch)
    report = check_file(path, baseline)
    assert [verdict.blame.stage for verdict in report.broken] == ["hold", "hold"]
    assert all("hold +120.0 ms" in sentence(verdict) for verdict in report.broken)


def test_a_doubled_jitter_buffer_is_buffer(budgets, call, record, check_file, monkeypatch):
    call(playout="fixed:80ms")
    path = budgets('[[budget]]\narm = "rtp"\np50 = { max_increase = "5%" }\np95 = { max_increase = "5%" }')
    baseline = record(path)
    doubled_jitter_buffer(monkeypatch)
    report = check_file(path, baseline)
    assert [verdict.blame.stage for verdict in report.verdicts] == ["buffer", "buffer"]
    assert not report.kept


def test_a_broken_nack_is_frames_that_were_lost_and_those_that_refer_to_them(budgets, record, check_file, monkeypatch):
    path = budgets(
        '[[budget]]\narm = "rtp"\nshown = { max_decrease = "0.5%" }\np95 = { max_increase = "5%" }\n'
        "freezes = { max_increase = 0 }"
    )
    baseline = record(path)
    assert check_file(path, baseline).kept
    mute_nack(monkeypatch)
    report = check_file(path, baseline)
    assert [verdict.budget.metric.name for verdict in report.broken] == ["p95", "shown", "freezes"]
    for verdict in report.broken:
        print(sentence(verdict))
        assert verdict.blame.fate in ("lost", "undecodable")
        assert "lost +" in sentence(verdict) and "undecodable +" in sentence(verdict)
        assert "(was 0 of 120, is " in sentence(verdict)


def test_without_a_baseline_the_largest_stage_is_named_and_called_that(budgets, check_file, monkeypatch):
    path = budgets('[[budget]]\narm = "srt"\np95 = { max = "150ms" }\n[[budget]]\narm = "rtp"\nshown = { min = "99%" }')
    assert check_file(path).kept
    doubled_srt_latency(monkeypatch)
    mute_nack(monkeypatch)
    srt, rtp = check_file(path).broken
    assert (srt.blame.stage, srt.blame.compared) == ("hold", False)
    assert "largest stage of the frames around p95: hold, " in sentence(srt)
    assert "(no baseline to say what grew)" in sentence(srt)
    assert "of 120 captured frames were undecodable " in sentence(rtp)
