"""Our srt ends and libsrt itself, each as caller and as listener: every frame comes whole, what was lost too."""

from statistics import median
from typing import Any

import pytest

from glassbench.transport.contract import FrameReceived

LATENCY_MS = 300
COUNT, INTERVAL = 60, 0.008

each_calls = pytest.mark.parametrize("caller", ["ours", "theirs"])


@each_calls
def test_libsrt_gets_every_frame_of_ours_and_what_was_lost_of_them(call: Any, caller: str) -> None:
    pair = call("sender", caller=caller, latency_ms=LATENCY_MS)
    pair.connect()
    pair.ours.lose_first_of(lambda number: number % 10 == 0)
    frames = pair.stream(COUNT, INTERVAL)
    messages = pair.fragments(frames)
    pair.run(lambda: len(pair.theirs.messages) == len(messages))
    assert [message for _, message in pair.theirs.messages] == messages
    stats = pair.ours.end.stats()
    lost = pair.ours.lost[True]
    assert lost == pytest.approx(len(messages) / 10, abs=2)
    assert lost <= stats["retransmissions"] <= 2 * lost  # what comes late is asked for again
    assert stats["packets_dropped_late"] == stats["malformed"] == stats["foreign"] == 0
    per_frame = len(messages) // COUNT
    delays = [at - frame.captured_at for frame, (at, _) in zip(frames, pair.theirs.messages[::per_frame], strict=True)]
    assert min(delays) >= LATENCY_MS / 1e3 - 0.001 and median(delays) < LATENCY_MS / 1e3 + 0.05


@each_calls
def test_we_get_every_frame_of_libsrt_and_what_was_lost_of_them(call: Any, caller: str) -> None:
    pair = call("receiver", caller=caller, latency_ms=LATENCY_MS)
    pair.connect()
    pair.ours.lose_first_of(lambda number: number % 10 == 0)
    frames = pair.stream(COUNT, INTERVAL)
    pair.run(lambda: len(pair.ours.payloads) == COUNT)
    assert pair.ours.payloads == [frame.payload for frame in frames]
    stats = pair.ours.end.stats()
    lost = pair.ours.lost[False]
    assert lost == pytest.approx(stats["packets_received"] / 10, abs=2)
    assert lost <= pair.ours.resent <= 2 * lost  # what comes late is asked for again
    assert stats["packets_skipped"] == stats["malformed"] == stats["foreign"] == 0
    assert stats["packets_duplicate"] <= pair.ours.resent - lost
    delays = [event.at - event.frame.captured_at for event in pair.ours.of(FrameReceived)]
    assert min(delays) >= LATENCY_MS / 1e3 - 0.001 and median(delays) < LATENCY_MS / 1e3 + 0.05
