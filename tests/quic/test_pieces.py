"""The pieces on their own: arrivals, records, missing frames, the queue."""

import math
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassbench.transport.contract import Frame, Track
from glassbench.transport.frame_queue import FrameQueue
from glassbench.transport.framing import FrameHeader, Malformed, record
from glassbench.transport.quic.arrivals import ArrivedRanges
from glassbench.transport.quic.missing import MissingFrames
from glassbench.transport.quic.records import RecordReader

moderate = settings(max_examples=150, deadline=None)


def frame(sequence, *, priority=0, size=10, expires_at=None):
    return Frame(1, 0, sequence, 1000.0, False, 0, priority, expires_at, bytes(size))


def header(sequence, captured_at=1000.0):
    return FrameHeader(1, 0, sequence, captured_at, False, 0)


@moderate
@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=30), st.lists(st.integers(1, 15), max_size=8)
)
def test_arrivals_keep_the_first_time_of_every_byte(ranges, takes):
    arrivals = ArrivedRanges()
    model = {}
    for at, (start, length) in enumerate(ranges):
        arrivals.add(start, start + length, float(at))
        for byte in range(start, start + length):
            model.setdefault(byte, float(at))
    start = 0
    for length in takes:
        times = [model[byte] for byte in range(start, start + length) if byte in model]
        assert arrivals.take(start, start + length, -1.0) == ((min(times), max(times)) if times else (-1.0, -1.0))
        start += length


def test_arrivals_of_single_bytes_are_not_collected_without_end():
    arrivals = ArrivedRanges()
    for offset in range(0, 100_000, 2):
        arrivals.add(offset, offset + 1, 1.0)
    assert len(arrivals._ranges) <= 2**14


@moderate
@given(st.lists(st.integers(0, 300), min_size=1, max_size=6), st.data())
def test_records_are_found_however_the_stream_is_cut(sizes, data):
    frames = [frame(n, size=size) for n, size in enumerate(sizes)]
    stream = b"".join(map(record, frames))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    reader = RecordReader(3)
    records = []
    for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        records += reader.feed(stream[a:b])
    assert [(each.header.sequence, each.payload) for each in records] == [(f.sequence, f.payload) for f in frames]
    assert records[0].start == 3
    assert records[-1].stop == 3 + len(stream)
    assert all(a.stop == b.start for a, b in pairwise(records))
    assert len(reader) == 0


@given(st.binary(max_size=200))
def test_random_bytes_are_malformed_or_wait_for_more(data):
    with suppress(Malformed):
        list(RecordReader(0).feed(data))


def test_with_repair_no_wait_ends_whatever_the_deadline():
    missing = MissingFrames((Track(1, "v", "h264", 0, 0.2),), reorder_window=None)
    missing.seen(header(0, 1000.0), now=1000.05)
    missing.seen(header(4, 1000.4), now=1000.21)
    assert missing.due(now=2000.0) == []
    assert missing.due_at() == math.inf
    assert all(missing.settle(1, sequence) for sequence in range(5))
    assert not missing.settle(1, 2), "a copy"


def test_without_repair_a_later_frame_starts_the_wait():
    missing = MissingFrames((Track(1, "v", "h264", 0, None),), reorder_window=0.02)
    missing.seen(header(0), now=1.0)
    assert missing.due_at() == math.inf
    missing.seen(header(2), now=1.1)
    assert missing.due_at() == pytest.approx(1.12)
    assert missing.due(now=1.12) == [(1, 0), (1, 1)]


def test_the_word_that_a_frame_was_dropped_may_overtake_those_before_it() -> None:
    missing = MissingFrames((Track(1, "v", "h264", 0, None),), reorder_window=0.02)
    assert missing.dropped(1, 2)
    assert not missing.dropped(1, 2)
    for sequence in (0, 1, 3):
        assert missing.seen(header(sequence), now=1.0) == []
        assert missing.settle(1, sequence)
    assert missing.due(now=9.0) == []
    assert not missing.dropped(1, 5000), "nothing is kept of what no sender can have reached"


def test_a_jump_of_the_sequence_is_not_remembered_frame_by_frame():
    missing = MissingFrames((Track(1, "v", "h264", 0, None),), reorder_window=None)
    missing.seen(header(2**32 - 1), now=1.0)
    assert len(missing.between(1, 0, 2**32)) <= 3001
    assert missing.settle(1, 2**32 - 1)


@moderate
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 400)), max_size=40))
def test_the_queue_serves_by_priority_and_drops_the_least_important(frames):
    queue = FrameQueue(1000)
    kept, gone = [], []
    for n, (priority, size) in enumerate(frames):
        victims = queue.push(frame(n, priority=priority, size=size))
        gone += victims
        for victim in victims:
            assert all(
                (each.priority, each.sequence) <= (victim.priority, victim.sequence)
                for (each,) in ((entry[2],) for entry in queue._entries)
            )
        assert queue.bytes <= 1000 or len(queue) == 1
    while queue:
        kept.append(queue.first())
        assert queue.pop() is kept[-1]
    assert [(f.priority, f.sequence) for f in kept] == sorted((f.priority, f.sequence) for f in kept)
    assert sorted(f.sequence for f in kept + gone) == list(range(len(frames)))
    assert queue.bytes == 0


def test_the_queue_gives_up_what_expired():
    queue = FrameQueue(10_000)
    for n, expires_at in enumerate([5.0, None, 3.0, 4.0]):
        queue.push(frame(n, expires_at=expires_at))
    assert queue.expires_at() == 3.0
    assert [f.sequence for f in queue.expire(now=4.0)] == [2, 3]
    assert queue.expires_at() == 5.0
    assert [f.sequence for f in queue.expire(now=9.0)] == [0]
    assert queue.expires_at() == math.inf
    assert (len(queue), queue.bytes) == (1, 10)


def test_many_tiny_messages_are_bounded_in_number():
    queue = FrameQueue(10**9)
    for n in range(5000):
        queue.push(frame(n, size=1))
    assert len(queue) <= 1024
