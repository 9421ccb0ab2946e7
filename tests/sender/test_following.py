"""An encoder that follows the network, against a transport that says what each frame may have."""

import math
from collections import deque
from fractions import Fraction

import pytest

from glassbench.sender.encoder import Encoded
from glassbench.sender.pipeline import Following, SenderPipeline
from glassbench.transport.contract import Connected, Track

VIDEO = Track(0, "video", "h264", priority=1)
START = 1002.0
INTERVAL = 0.04


class Told:
    """A transport that answers with the budgets it is given, the last one again and again."""

    def __init__(self, *budgets):
        self.budgets = deque(budgets)
        self.asked = []
        self.frames = []
        self.events = deque()

    def connect(self, *, now):
        self.events.append(Connected(now))

    def frame_budget(self, *, ready_at, interval, now):
        self.asked.append((round(ready_at - START, 6), interval, round(now - START, 6)))
        return self.budgets.popleft() if len(self.budgets) > 1 else self.budgets[0]

    def send_frame(self, frame, *, now):
        self.frames.append(frame)

    def receive_datagram(self, data, peer, ecn=0, *, now):
        pass

    def datagrams_to_send(self, *, now):
        return []

    def get_timer(self):
        return None

    def handle_timer(self, *, now):
        pass

    def next_event(self):
        return self.events.popleft() if self.events else None


class Sizes:
    """An encoder that uses its whole budget."""

    def __init__(self):
        self.budgets = []

    def encode(self, capture, captured_at, *, force_keyframe, budget_bytes=None):
        self.budgets.append(budget_bytes)
        return Encoded(bytes(budget_bytes or 1), len(self.budgets) == 1)


def run(*budgets, duration=0.2, cost=0.008, news=()):
    """The pipeline after its media, its transport and its encoder. At the instants of `news` something arrives."""
    transport, encoder = Told(*budgets), Sizes()
    pipeline = SenderPipeline(
        transport,
        encoder,
        track=VIDEO,
        fps=Fraction(25),
        start_at=START,
        duration=duration,
        encode_cost=lambda sequence, keyframe, size: cost,
        following=Following(start_bps=1e6, most_bps=8e6),
    )
    pipeline.connect(now=1000.0)
    waiting = deque(START + at for at in news)
    while (timer := pipeline.get_timer()) is not None or waiting:
        if waiting and (timer is None or waiting[0] < timer):
            at = waiting.popleft()
            pipeline.receive_datagram(b"", ("", 0), now=at)
        else:
            pipeline.handle_timer(now=timer)
    return pipeline, transport, encoder


def test_each_frame_has_what_the_transport_says_and_the_ledger_knows_the_rate():
    pipeline, transport, encoder = run(3000, 5000, 700)
    assert encoder.budgets == [3000, 5000, 700, 700, 700]
    assert [len(frame.payload) for frame in transport.frames] == encoder.budgets
    assert [record.target_bps for record in pipeline.captured] == [size * 8 * 25 for size in encoder.budgets]


def test_the_transport_is_asked_before_the_encoding_when_it_will_be_done():
    _, transport, _ = run(1000, cost=0.008)
    assert transport.asked[0] == (0.008, INTERVAL, 0.0)


def test_a_budget_of_nothing_skips_the_capture_and_later_frames_count_on_without_a_gap():
    pipeline, _, encoder = run(1000, 0, 1000)
    assert [record.given_up for record in pipeline.captured] == [None, "skipped", None, None, None]
    assert [record.sequence for record in pipeline.captured] == [0, -1, 1, 2, 3]
    assert len(encoder.budgets) == 4


def test_a_capture_that_was_refused_is_encoded_after_all_if_the_network_says_something_before_the_next_one():
    pipeline, _, _ = run(1000, 0, 2000, news=[0.05])
    second = pipeline.captured[1]
    assert (second.given_up, second.sequence, second.size_bytes) == (None, 1, 2000)
    assert second.encode_start_at == pytest.approx(START + 0.05)


def test_of_captures_that_find_the_encoder_busy_only_the_newest_waits():
    pipeline, _, _ = run(1000, cost=0.1, duration=0.4)
    fates = [record.given_up for record in pipeline.captured]
    assert fates[0] is None and "skipped" in fates and "dropped" not in fates
    encoded = [record for record in pipeline.captured if record.sequence >= 0]
    assert all(record.encode_start_at - record.captured_at < INTERVAL + 1e-9 for record in encoded)


def test_without_an_opinion_of_the_transport_the_encoder_begins_with_its_rate():
    _, _, encoder = run(None)
    assert encoder.budgets == [1e6 * INTERVAL / 8] * 5


def test_no_budget_exceeds_the_most():
    _, _, encoder = run(10**9)
    assert encoder.budgets == [8e6 * INTERVAL / 8] * 5


def test_a_last_capture_that_is_refused_does_not_keep_the_sender():
    pipeline, _, _ = run(1000, 1000, 1000, 1000, 0)
    assert pipeline.captured[-1].given_up == "skipped"
    assert pipeline.finished(now=START + 1)
    assert pipeline.get_timer() is None and math.isfinite(pipeline.captured[-1].captured_at)
