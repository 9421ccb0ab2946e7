"""Temporal layers under our scheduler: what goes first, and what is given up for what."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassbench.transport.contract import Connected, Frame, FrameDropped, FrameLost, FrameReceived, FrameStarted, Track
from glassbench.transport.framing import dropped_record, record, split_frame
from glassbench.transport.layers import layer_of

MEDIA_AT = 1002.0
CHAT = Track(2, "chat", "data", 0)


def tracks(deadline: float | None) -> tuple[Track, ...]:
    return Track(1, "video", "vp9", 2, deadline, layers=3), CHAT


def layered(frames: list[Frame]) -> list[Frame]:
    """The same frames in three layers; each group is of whole patterns."""
    layers = [layer_of(frame.sequence, 3) for frame in frames]
    return [
        replace(frame, layer=layer, priority=frame.priority + layer)
        for frame, layer in zip(frames, layers, strict=True)
    ]


@pytest.mark.parametrize("arm", ["quic-datagram", "quic-stream-per-frame", "quic-stream", "quic-stream-per-gop"])
def test_over_a_slow_link_all_base_frames_arrive_and_what_is_dropped_is_told(call, video, arm):
    frames = layered(video(120, 8_000, gop=400))
    session = call(arm, tracks=tracks(None), rate_bps=1.1e6, queue_bytes=100_000)
    session.run(frames, until=MEDIA_AT + 8)
    received = session.received()
    assert {frame.sequence for frame in frames if frame.layer == 0} <= received.keys()
    dropped = {event.sequence: frames[event.sequence].layer for event in session.of(FrameDropped)}
    assert set(dropped.values()) == {1, 2}
    assert session.sender.transport.stats()["dropped_overtaken"] == len(dropped)
    assert {event.sequence for event in session.of(FrameLost)} == dropped.keys()
    assert received.keys() | dropped.keys() == set(range(120))
    assert list(received) == sorted(received)


@pytest.mark.parametrize("arm", ["quic-datagram", "quic-stream-per-frame"])
def test_a_frame_of_a_higher_layer_that_has_begun_makes_way_if_the_base_would_be_late(call, video, arm):
    frames = layered(video(12, lambda n: 40_000 if n == 3 else 3_000, deadline=0.3, gop=400))
    session = call(arm, tracks=tracks(0.3), rate_bps=1e6, queue_bytes=100_000)
    session.run(frames, until=MEDIA_AT + 3)
    assert session.of(FrameDropped)[0].sequence == 3
    assert 3 in {event.sequence for event in session.of(FrameStarted)}
    assert {0, 4, 8} <= session.received().keys()


def test_one_that_has_begun_is_finished_before_a_base_frame_that_can_wait(call, video):
    frames = layered(video(12, lambda n: 20_000 if n == 3 else 1_000, deadline=1.0, gop=400))
    session = call("quic-datagram", tracks=tracks(1.0), rate_bps=2e6, queue_bytes=100_000)
    session.run(frames, until=MEDIA_AT + 3)
    received = session.received()
    assert received[3].at < received[4].at


LAYERED = st.builds(
    lambda sequence, layer, group, keyframe: Frame(1, group, sequence, 1000.0, keyframe, layer, layer, None, b"x" * 50),
    st.integers(0, 2**32 - 1) | st.integers(0, 40),
    st.integers(0, 255),
    st.integers(0, 3),
    st.booleans(),
)


@settings(max_examples=20)
@given(st.lists(st.tuples(LAYERED, st.sampled_from(["record", "dropped", "fragment"])), max_size=30))
def test_layers_that_follow_no_pattern_crash_nothing(hostile, events, told):
    hostile = hostile()
    for frame, kind in told:
        if kind == "fragment":
            hostile.quic.send_datagram_frame(split_frame(frame, 1000)[0])
        else:
            hostile.stream(record(frame) if kind == "record" else dropped_record(frame))
    hostile.pair.step(30)
    assert {type(event) for event in events(hostile.listener)} <= {Connected, FrameReceived, FrameLost}
