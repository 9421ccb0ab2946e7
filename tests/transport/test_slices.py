"""Frames in slices over a transport that takes each slice for a frame."""

from collections import deque
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassbench.transport.contract import (
    Frame,
    FrameDropped,
    FrameLost,
    FrameReceived,
    FrameRepaired,
    FrameSent,
    FrameStarted,
    Track,
    TransportConfig,
)
from glassbench.transport.slices import SlicedReceiver, SlicedSender

VIDEO, CHAT = 1, 2
CONFIG = TransportConfig(
    ("a", 1), ("b", 2), seed=1, tracks=(Track(VIDEO, "video", "h264", 1), Track(CHAT, "chat", "data", 0))
)


class Inner:
    """A transport that keeps what it is given, and tells what a test puts into `events`."""

    def __init__(self):
        self.frames = []
        self.events = deque()

    def send_frame(self, frame, *, now):
        self.frames.append(frame)

    def next_event(self):
        return self.events.popleft() if self.events else None

    def stats(self):
        return {"malformed": 0, "frames_received": 0, "frames_lost": 0}


def frame(sequence, index=0, *, track=VIDEO, keyframe=False, payload=b"x", last=True):
    return Frame(track, 0, sequence, 1.0, keyframe, 0, 1, None, payload, index, last=last)


def told(end, *events):
    end._inner.events.extend(events)
    heard = []
    while (event := end.next_event()) is not None:
        heard.append(event)
    return heard


@pytest.fixture
def sender():
    return SlicedSender(Inner(), 3, CONFIG)


@pytest.fixture
def receiver():
    return SlicedReceiver(Inner(), 3, CONFIG)


def test_each_slice_is_a_frame_of_its_own_and_the_first_of_a_keyframe_is_the_keyframe(sender):
    for index in range(3):
        sender.send_frame(frame(5, index, keyframe=True, last=index == 2), now=0)
    sender.send_frame(frame(7, track=CHAT), now=0)
    seen = [(each.track, each.sequence, each.keyframe, each.payload) for each in sender._inner.frames]
    slices = [(VIDEO, 15, True, b"\0x"), (VIDEO, 16, False, b"\0x"), (VIDEO, 17, False, b"\1x")]
    assert seen == [*slices, (CHAT, 7, False, b"x")]


def test_a_frame_has_started_with_its_first_slice_and_is_sent_with_its_last(sender):
    started = [FrameStarted(VIDEO, 15 + index, index) for index in range(3)]
    sent = [FrameSent(VIDEO, 15 + index, 10 + index) for index in range(3)]
    for index in range(3):
        sender.send_frame(frame(5, index, last=index == 2), now=0)
    heard = told(sender, started[0], sent[0], *started[1:], FrameRepaired(VIDEO, 16, 5, "rtx"), *sent[1:])
    assert heard == [FrameStarted(VIDEO, 5, 0), FrameRepaired(VIDEO, 5, 5, "rtx"), FrameSent(VIDEO, 5, 12)]


def test_a_frame_is_dropped_once_and_its_other_slices_go_no_further(sender):
    sender.send_frame(frame(5, 0), now=0)
    drops = [FrameDropped(VIDEO, sequence, 1, "dropped") for sequence in (15, 16)]
    assert told(sender, *drops) == [FrameDropped(VIDEO, 5, 1, "dropped")]
    sender.send_frame(frame(5, 1), now=0)
    assert [each.sequence for each in sender._inner.frames] == [15]


def test_messages_keep_their_numbers(sender, receiver):
    assert told(sender, FrameSent(CHAT, 7, 1)) == [FrameSent(CHAT, 7, 1)]
    message = FrameReceived(frame(7, track=CHAT), 1, 2, 3)
    assert told(receiver, message, FrameLost(CHAT, 8, 4)) == [message, FrameLost(CHAT, 8, 4)]


def arrivals(sequence, order=(0, 1, 2)):
    return [
        FrameReceived(
            frame(sequence * 3 + index, keyframe=index == 0, payload=bytes([index == 2, index])), at - 1, at, at + 1
        )
        for at, index in enumerate(order, start=10)
    ]


def test_a_frame_is_received_with_the_last_of_its_slices_in_whatever_order(receiver):
    (whole,) = told(receiver, *arrivals(5, (2, 0, 1)))
    assert whole == FrameReceived(frame(5, keyframe=True, payload=b"\0\1\2"), 9, 12, 13)


def test_a_frame_is_lost_with_the_first_slice_that_is_and_told_once(receiver):
    one, _, three = arrivals(5)
    assert told(receiver, one, FrameLost(VIDEO, 16, 20), FrameLost(VIDEO, 17, 21), three) == [FrameLost(VIDEO, 5, 20)]
    assert not receiver._arrived


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2**32 - 1) | st.integers(0, 40), st.sampled_from([None, b"", b"\0", b"\1x", b"\0x", b"\2"])
        ),
        max_size=60,
    ),
    st.integers(1, 8),
)
@pytest.mark.parametrize("remembered", [4, 1024])
def test_whatever_a_peer_numbers_is_told_at_most_once_a_frame(remembered, numbers, slices):
    receiver = SlicedReceiver(Inner(), slices, CONFIG)
    events = [
        FrameLost(VIDEO, n, 1) if payload is None else FrameReceived(frame(n, payload=payload), 1, 1, 1)
        for n, payload in numbers
    ]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("glassbench.transport.slices._MOST_FRAMES", remembered)
        events = told(receiver, *events)
    heard = [each.sequence if isinstance(each, FrameLost) else each.frame.sequence for each in events]
    assert len(heard) == len(set(heard))


def test_a_frame_may_have_fewer_slices_and_the_numbers_in_between_are_no_losses(sender, receiver):
    sender.send_frame(frame(5, payload=b"small"), now=0)
    (slice_,) = sender._inner.frames
    assert told(sender, FrameStarted(VIDEO, 15, 1), FrameSent(VIDEO, 15, 2))[-1] == FrameSent(VIDEO, 5, 2)
    whole, *rest = told(receiver, FrameReceived(slice_, 1, 2, 3), FrameLost(VIDEO, 16, 4), FrameLost(VIDEO, 17, 4))
    assert (whole.frame.sequence, whole.frame.payload, rest) == (5, b"small", [])
    assert (receiver.stats()["frames_received"], receiver.stats()["frames_lost"]) == (1, 0)


@pytest.mark.parametrize("payload", [b"", b"\2x", b"\xff"])
def test_a_slice_that_says_neither_that_it_is_the_last_nor_that_it_is_not_is_malformed(receiver, payload):
    assert told(receiver, FrameReceived(frame(3, payload=payload), 1, 1, 1)) == []
    assert receiver.stats()["malformed"] == 1 and not receiver._arrived


def test_numbers_that_a_transport_gives_up_long_after_their_frame_are_no_losses(receiver):
    for sequence in range(2000):
        told(receiver, FrameReceived(frame(3 * sequence, payload=b"\1x"), 1, 1, 1))
    assert told(receiver, FrameLost(VIDEO, 1, 9), FrameLost(VIDEO, 2, 9)) == []
    assert receiver.stats()["frames_received"] == 2000


def test_messages_are_counted_and_a_transport_may_count_nothing(receiver):
    told(receiver, FrameReceived(frame(7, track=CHAT), 1, 2, 3))
    assert receiver.stats()["frames_received"] == 1
    receiver._inner.stats = dict
    assert receiver.stats() == {"malformed": 0, "sliced_frames_given_up": 0}


def test_what_waits_for_slices_is_bounded_and_what_is_given_up_is_counted(receiver):
    first = arrivals(0)[0]
    told(receiver, *(replace(first, frame=replace(first.frame, sequence=3 * n)) for n in range(3000)))
    assert len(receiver._arrived) <= 1024
    assert receiver.stats()["sliced_frames_given_up"] == 3000 - 1024


def test_large_slices_that_wait_for_others_are_bounded_in_bytes(receiver, monkeypatch):
    monkeypatch.setattr("glassbench.transport.slices._MOST_BYTES", 1000)
    for sequence in range(50):
        told(receiver, FrameReceived(frame(3 * sequence, payload=bytes(101)), 1, 1, 1))
        told(receiver, FrameReceived(frame(3 * sequence, payload=bytes(101)), 1, 1, 1))  # again: counted once
        assert receiver._held_bytes == 100 * len(receiver._arrived) <= 1000
    assert receiver.stats()["sliced_frames_given_up"] == 40
    assert [each.frame.sequence for each in told(receiver, *arrivals(49)[1:])] == [49]
    assert receiver._held_bytes == 800  # the next slice had no room before one more frame was given up
