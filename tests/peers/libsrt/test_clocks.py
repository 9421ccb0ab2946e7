"""The clock of one end runs faster than that of the other: both libsrt and we follow it, as far from the right time as
the other does."""

from statistics import median
from typing import Any

import pytest

from glassbench.transport.contract import FrameReceived

LATENCY = 0.12
SKEW = 1e-3  # what a clock of 50 ppm parts in 20 times as long, and a bad one of 200 ppm in five times as long
SECONDS, INTERVAL = 24.0, 0.01  # two times 1000 acknowledgements, after each of which the base follows


@pytest.mark.quiet
@pytest.mark.long  # a receiver looks at its clock after 1000 acknowledgements, which are at least 10 s
@pytest.mark.parametrize("role", ["sender", "receiver"])
def test_the_clock_of_a_fast_sender_is_followed(call: Any, skewed_clock: Any, role: str) -> None:
    pair = call(role, latency_ms=round(LATENCY * 1e3), clock=skewed_clock(SKEW if role == "sender" else -SKEW))
    pair.connect()
    frames = pair.stream(round(SECONDS / INTERVAL), INTERVAL, size=400)
    pair.run(lambda: len(pair.theirs.messages if role == "sender" else pair.ours.payloads) == len(frames))
    if role == "sender":
        instants = [at for at, _ in pair.theirs.messages]
    else:
        instants = [event.at for event in pair.ours.of(FrameReceived)]
    late = [at - frame.captured_at - LATENCY for at, frame in zip(instants, frames, strict=True)]
    every_two = [round(each * 1e3, 1) for each in late[:: round(2 / INTERVAL)]]
    print(f"our {role}: late by {every_two} ms, every two seconds")
    # The mean of 1000 acknowledgements, 10 s, is followed: 5 ms, or more where there were fewer in a second.
    assert median(late[: round(1 / INTERVAL)]) < 0.005
    assert median(late[-round(1 / INTERVAL) :]) < SKEW * SECONDS - 0.004
