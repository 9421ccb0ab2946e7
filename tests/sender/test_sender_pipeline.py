"""The sender pipeline against a transport that only writes down what it is told."""

from collections import deque
from dataclasses import replace
from fractions import Fraction

import pytest

from glassbench.sender.encoder import Encoded
from glassbench.sender.messages import Messages
from glassbench.sender.pipeline import SenderPipeline, capture_count
from glassbench.transport.contract import (
    Closed,
    Connected,
    FrameDropped,
    FrameSent,
    FrameStarted,
    KeyframeRequested,
    Track,
)

VIDEO = Track(0, "video", "h264", priority=2, deadline=0.3)
CHAT = Track(1, "chat", "data", priority=0)


class Recorder:
    """A transport."""

    def __init__(self):
        self.frames = []
        self.events = deque()

    def connect(self, *, now):
        pass

    def send_frame(self, frame, *, now):
        self.frames.append((now, frame))

    def datagrams_to_send(self, *, now):
        return []

    def receive_datagram(self, data, peer, ecn=0, *, now):
        pass

    def get_timer(self):
        return None

    def handle_timer(self, *, now):
        pass

    def next_event(self):
        return self.events.popleft() if self.events else None

    def close(self, *, now):
        self.events.append(Closed(now, None))

    def stats(self):
        return {"datagrams": 7}


class Counter:
    """An encoder: what it was asked for."""

    def __init__(self):
        self.calls = []

    def encode(self, capture, captured_at, *, force_keyframe, budget_bytes=None):
        self.calls.append((capture, captured_at, force_keyframe))
        return Encoded(bytes(100), force_keyframe or len(self.calls) == 1)


def make(*, cost=0.0, duration=1.0, messages=None, track=VIDEO, **options):
    transport, encoder = Recorder(), Counter()
    pipeline = SenderPipeline(
        transport,
        encoder,
        track=track,
        fps=Fraction(25),
        start_at=1002.0,
        duration=duration,
        encode_cost=lambda sequence, keyframe, size: cost,
        messages=messages,
        **options,
    )
    return pipeline, transport, encoder


def connect(pipeline, transport, at=1000.0):
    pipeline.connect(now=at)
    transport.events.append(Connected(at))
    pipeline.datagrams_to_send(now=at)


def run(pipeline, until=2000.0, late=0.0):
    while (timer := pipeline.get_timer()) is not None and timer <= until:
        pipeline.handle_timer(now=timer + late)


@pytest.mark.parametrize(
    ("duration", "fps", "count"),
    [(1.0, 25, 25), (0.1, 30, 3), (10.0, 30, 300), (0.02, 25, 1), (1.0, Fraction(30000, 1001), 30)],
)
def test_the_number_of_captures_in_a_duration(duration, fps, count):
    assert capture_count(duration, Fraction(fps)) == count


def test_frames_carry_what_the_track_says():
    pipeline, transport, _ = make(cost=0.004)
    connect(pipeline, transport)
    run(pipeline)
    assert len(transport.frames) == 25
    for index, (sent_at, frame) in enumerate(transport.frames):
        assert (frame.track, frame.sequence, frame.group, frame.layer, frame.priority) == (0, index, 0, 0, 2)
        assert frame.captured_at == round(1002 + index / 25, 6)
        assert frame.expires_at == frame.captured_at + 0.3
        assert frame.keyframe == (index == 0)
        assert sent_at == frame.captured_at + 0.004
    assert pipeline.stats() == {"datagrams": 7}


def test_frames_of_layers_are_numbered_by_their_pattern_which_begins_anew_at_a_keyframe():
    pipeline, transport, _ = make(track=replace(VIDEO, layers=3))
    connect(pipeline, transport)
    run(pipeline, until=1002.22)
    transport.events.append(KeyframeRequested(0, 1002.22))
    run(pipeline)
    assert [frame.keyframe for _, frame in transport.frames].index(True, 1) == 6
    assert [frame.layer for _, frame in transport.frames[:12]] == [0, 2, 1, 2, 0, 2, 0, 2, 1, 2, 0, 2]
    assert all(frame.priority == 2 + frame.layer for _, frame in transport.frames)


@pytest.mark.parametrize(("dropped", "keyframes"), [(4, 2), (5, 1), (6, 1)])
def test_only_a_dropped_base_frame_calls_for_a_keyframe(dropped, keyframes):
    pipeline, transport, _ = make(track=replace(VIDEO, layers=3))
    connect(pipeline, transport)
    run(pipeline, until=1002.33)
    transport.events.append(FrameDropped(0, dropped, 1002.33, "dropped"))
    run(pipeline)
    assert sum(frame.keyframe for _, frame in transport.frames) == keyframes


def test_it_is_finished_when_the_last_frame_was_handed_over():
    pipeline, transport, _ = make(cost=0.01)
    connect(pipeline, transport)
    run(pipeline, until=1002.965)
    assert not pipeline.finished(now=1002.965)
    run(pipeline)
    assert pipeline.finished(now=1003.0)
    assert pipeline.get_timer() is None


def test_what_is_captured_before_the_connection_stands_is_dropped_and_the_first_encoded_frame_is_a_keyframe():
    pipeline, transport, encoder = make(messages=Messages(CHAT, 10, (1002.1, 1002.7)))
    pipeline.connect(now=1000.0)
    run(pipeline, until=1002.5)
    assert encoder.calls == transport.frames == []
    connect(pipeline, transport, at=1002.5)
    run(pipeline)
    assert [record.given_up for record in pipeline.captured if record.track == 0] == ["dropped"] * 13 + [None] * 12
    assert [record.given_up for record in pipeline.captured if record.track == 1] == ["dropped", None]
    assert [call[0] for call in encoder.calls] == list(range(13, 25))
    assert sorted(pipeline.records) == [(0, sequence) for sequence in range(12)] + [(1, 0)]
    assert transport.frames[0][1].keyframe


def keep_newest(at, **options):
    """A pipeline that keeps the newest capture and is connected at an instant; only then the driver comes back."""
    pipeline, transport, encoder = make(keep_newest=True, **options)
    pipeline.connect(now=1002.0)
    run(pipeline, until=at)
    transport.events.append(Connected(at))
    pipeline.datagrams_to_send(now=at)
    return pipeline, transport, encoder


@pytest.mark.parametrize(("at", "newest"), [(1002.0, 0), (1002.05, 1), (1002.5, 12)])
def test_the_newest_capture_is_kept_and_encoded_as_a_keyframe_when_the_connection_stands(at, newest):
    pipeline, transport, encoder = keep_newest(at)
    run(pipeline)
    assert [call[0] for call in encoder.calls] == list(range(newest, 25))
    assert [record.given_up for record in pipeline.captured] == ["dropped"] * newest + [None] * (25 - newest)
    sent_at, first = transport.frames[0]
    assert sent_at == at
    assert (first.sequence, first.keyframe, first.captured_at) == (0, True, round(1002 + newest / 25, 6))
    assert first.expires_at == pytest.approx(first.captured_at + 0.3)
    assert pipeline.records[0, 0].encode_start_at == at


def test_the_kept_capture_and_the_next_ones_take_turns_at_the_encoder():
    pipeline, transport, encoder = keep_newest(1002.07, cost=0.02)
    run(pipeline)
    assert [call[0] for call in encoder.calls] == list(range(1, 25))
    assert [round(now, 6) for now, _ in transport.frames[:3]] == [1002.09, 1002.11, 1002.14]


def test_messages_are_dropped_until_the_connection_stands_though_a_picture_is_kept():
    messages = Messages(CHAT, 10, (1002.1, 1002.7))
    pipeline, _, _ = keep_newest(1002.5, messages=messages)
    run(pipeline)
    assert [record.given_up for record in pipeline.captured if record.track == 1] == ["dropped", None]


def test_a_connection_that_never_stands_keeps_one_capture_and_one_that_is_refused_none():
    pipeline, transport, _ = make(keep_newest=True)
    pipeline.connect(now=1002.0)
    run(pipeline, until=1002.5)
    assert [record.given_up for record in pipeline.captured] == ["dropped"] * 12 + [None]
    transport.events.append(Closed(1002.5, "refused"))
    pipeline.datagrams_to_send(now=1002.5)
    run(pipeline)
    assert [record.given_up for record in pipeline.captured] == ["dropped"] * 25
    assert transport.frames == []


def test_after_the_end_of_the_connection_captures_are_dropped():
    pipeline, transport, _ = make()
    connect(pipeline, transport)
    run(pipeline, until=1002.5)
    pipeline.close(now=1002.5)
    run(pipeline)
    assert pipeline.closed == Closed(1002.5, None)
    assert [record.given_up for record in pipeline.captured] == [None] * 13 + ["dropped"] * 12


def test_transport_events_end_up_in_the_records():
    pipeline, transport, _ = make()
    connect(pipeline, transport)
    run(pipeline)
    transport.events += [
        FrameStarted(0, 3, 1002.2),
        FrameSent(0, 3, 1002.25),
        FrameDropped(0, 4, 1002.3, "dropped"),
        FrameDropped(0, 5, 1002.4, "expired"),
    ]
    pipeline.datagrams_to_send(now=1003.0)
    assert pipeline.records[0, 3].first_sent_at == 1002.2
    assert pipeline.records[0, 3].last_sent_at == 1002.25
    assert [pipeline.records[0, sequence].given_up for sequence in (3, 4, 5)] == [None, "dropped", "expired"]


def request(pipeline, transport, at, track=0):
    run(pipeline, until=at)
    transport.events.append(KeyframeRequested(track, at))
    pipeline.datagrams_to_send(now=at)


def forced(encoder):
    return [capture for capture, _, force in encoder.calls if force]


def test_a_keyframe_request_is_honoured_at_the_next_capture():
    pipeline, transport, encoder = make()
    connect(pipeline, transport)
    request(pipeline, transport, 1002.41)
    run(pipeline)
    assert forced(encoder) == [11]
    assert [frame.group for _, frame in transport.frames] == [0] * 11 + [1] * 14


def test_requests_close_together_give_one_keyframe_and_a_later_one_waits_for_the_spacing():
    pipeline, transport, encoder = make(keyframe_spacing=0.2)
    connect(pipeline, transport)
    for at in (1002.41, 1002.42, 1002.43):
        request(pipeline, transport, at)
    request(pipeline, transport, 1002.50)
    run(pipeline)
    assert forced(encoder) == [11, 16]
    assert pipeline.keyframe_requests == 4


def test_a_request_for_another_track_is_ignored():
    pipeline, transport, encoder = make()
    connect(pipeline, transport)
    request(pipeline, transport, 1002.41, track=1)
    run(pipeline)
    assert forced(encoder) == []


@pytest.mark.parametrize("max_waiting", [0, 1, 3])
def test_of_the_frames_that_wait_for_the_encoder_the_oldest_are_dropped(max_waiting):
    pipeline, transport, encoder = make(cost=0.5, max_waiting=max_waiting)
    connect(pipeline, transport)
    run(pipeline)
    second = 12 - max_waiting  # at 0.5 s, captures 1 to 12 have come (13 comes at 0.52 s)
    assert encoder.calls[0][0] == 0
    assert encoder.calls[1][0] == (13 if max_waiting == 0 else second + 1)
    assert len(transport.frames) + sum(record.given_up == "dropped" for record in pipeline.captured) == 25


@pytest.mark.parametrize("late", [0.0, 0.0007, 0.015])
def test_a_late_wake_up_delays_the_hand_over_but_not_the_capture(late):
    pipeline, transport, encoder = make(cost=0.002)
    connect(pipeline, transport)
    run(pipeline, late=late)
    assert [captured_at for _, captured_at, _ in encoder.calls] == [round(1002 + index / 25, 6) for index in range(25)]
    for sent_at, frame in transport.frames:
        assert frame.captured_at + 0.002 <= sent_at <= frame.captured_at + 0.002 + late + 1e-9


def test_messages_and_video_interleave_in_order_of_capture():
    instants = (1002.0, 1002.09, 1002.5)
    pipeline, transport, _ = make(messages=Messages(CHAT, 10, instants))
    connect(pipeline, transport)
    run(pipeline)
    sent = [(now, frame) for now, frame in transport.frames if frame.track == 1]
    assert [now for now, _ in sent] == list(instants)
    assert [(f.sequence, f.group, f.keyframe, f.priority, f.expires_at) for _, f in sent] == [
        (number, number, True, 0, None) for number in range(3)
    ]
    captured = [record.captured_at for record in pipeline.captured]
    assert captured == sorted(captured)


def give_up(pipeline, transport, at, track=0, sequence=0):
    run(pipeline, until=at)
    transport.events.append(FrameDropped(track, sequence, at, "expired"))
    pipeline.datagrams_to_send(now=at)


def test_after_a_dropped_frame_the_next_capture_starts_a_new_group_unasked():
    pipeline, transport, encoder = make()
    connect(pipeline, transport)
    give_up(pipeline, transport, 1002.41, sequence=7)
    run(pipeline)
    assert forced(encoder) == [11]
    assert pipeline.keyframe_requests == 0


def test_a_dropped_frame_of_an_earlier_group_needs_no_new_one():
    pipeline, transport, encoder = make()
    connect(pipeline, transport)
    request(pipeline, transport, 1002.21)
    give_up(pipeline, transport, 1002.61, sequence=2)
    run(pipeline)
    assert forced(encoder) == [6]
