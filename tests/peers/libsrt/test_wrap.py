"""Numbers of SRT that wrap in the middle of a stream between our ends and libsrt, and what is lost where they do."""

from statistics import median
from typing import Any

import pytest

from glassbench.netem.live.clock import LiveClock, monotonic_ns
from glassbench.transport.srt.wire import HEADER, MESSAGE_NUMBER_MASK, SEQUENCE_MASK

LATENCY_MS = 200
COUNT, INTERVAL = 50, 0.008
BEFORE = 60  # packets before the wrap; about 150 are sent
TIMESTAMPS = 2**32 / 1e6  # seconds after which they wrap


def check(pair: Any, role: str, frames: list[Any]) -> None:
    """All frames came once, in order."""
    if role == "sender":
        messages = pair.fragments(frames)
        pair.run(lambda: len(pair.theirs.messages) == len(messages))
        assert [message for _, message in pair.theirs.messages] == messages
    else:
        pair.run(lambda: len(pair.ours.payloads) == len(frames))
        assert pair.ours.payloads == [frame.payload for frame in frames]
        assert pair.ours.end.stats()["packets_skipped"] == 0
    assert pair.ours.end.stats()["malformed"] == 0


@pytest.mark.parametrize("role", ["sender", "receiver"])
def test_sequence_numbers_wrap_in_the_middle_of_a_loss(call: Any, role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both directions begin at the number of the caller, which is we: then libsrt sends such numbers too."""
    first = SEQUENCE_MASK - BEFORE
    monkeypatch.setattr("glassbench.transport.srt.ends.draw_sequence", lambda rng: first)
    pair = call(role, latency_ms=LATENCY_MS)
    pair.connect()
    assert pair.ours.agreed.receive_sequence == pair.ours.agreed.send_sequence == pair.theirs.read("ISN") == first
    pair.ours.lose_first_of(lambda number: number > SEQUENCE_MASK - 4 or number < 4 or number % 20 == 0)
    check(pair, role, pair.stream(COUNT, INTERVAL))
    assert pair.ours.lost[role == "sender"] >= 8


@pytest.mark.parametrize("role", ["sender", "receiver"])
def test_message_numbers_wrap(call: Any, role: str) -> None:
    pair = call(role, latency_ms=LATENCY_MS)
    pair.connect()
    if role == "sender":
        pair.ours.end._connection._send_buffer._message_number = MESSAGE_NUMBER_MASK - BEFORE
    numbers: list[int] = []

    def loses(data: bytes, outgoing: bool) -> bool:
        first, second, _, _ = HEADER.unpack_from(data)
        if first > SEQUENCE_MASK or (number := second & MESSAGE_NUMBER_MASK) in numbers:
            return False
        numbers.append(number)
        return number > MESSAGE_NUMBER_MASK - 3 or number < 4

    pair.ours.loses = loses
    check(pair, role, pair.stream(COUNT, INTERVAL, number=MESSAGE_NUMBER_MASK + 1 - BEFORE))
    numbers.sort()
    assert numbers[0] == 1 and numbers[-1] == MESSAGE_NUMBER_MASK, "message 0 is none"
    assert sum(pair.ours.lost.values()) == 6


@pytest.mark.parametrize("role", ["sender", "receiver"])
def test_timestamps_wrap_after_our_end_has_listened_for_more_than_an_hour(call: Any, role: str) -> None:
    clock = LiveClock(monotonic_ns())
    pair = call(role, caller="theirs", latency_ms=LATENCY_MS, clock=clock)
    left = COUNT * INTERVAL / 2
    pair.ours.end.connect(now=clock.now() - TIMESTAMPS + left)
    pair.connect()
    stamps: list[int] = []
    pair.ours.loses = lambda data, outgoing: outgoing and stamps.append(HEADER.unpack_from(data)[2])
    frames = pair.stream(COUNT, INTERVAL)
    check(pair, role, frames)
    assert stamps[0] > 2**32 - 1_000_000 and stamps[-1] < 1_000_000
    if role == "sender":
        per_frame = len(pair.theirs.messages) // COUNT
        delays = [
            at - frame.captured_at for frame, (at, _) in zip(frames, pair.theirs.messages[::per_frame], strict=True)
        ]
        assert min(delays) >= LATENCY_MS / 1e3 - 0.001 and median(delays) < LATENCY_MS / 1e3 + 0.1
