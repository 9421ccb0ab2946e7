"""Framing and reassembly: what goes in comes out, bad bytes are refused, memory is bounded."""

import contextlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassbench.transport import framing
from glassbench.transport.contract import Frame, Track
from glassbench.transport.reassembly import Reassembler

TRACK = Track(1, "video", "h264", 2, deadline=0.5)


def make_frame(payload=b"x" * 5000, sequence=3, captured_at=1002.033333):
    return Frame(1, 7, sequence, captured_at, True, 1, 3, captured_at + 0.5, payload)


frames = st.builds(
    make_frame,
    payload=st.binary(max_size=6000),
    sequence=st.integers(0, 2**32 - 1),
    captured_at=st.integers(0, 2**53).map(lambda us: us / 1e6),
)


@given(frames, st.integers(framing.FRAGMENT_HEADER_BYTES + 1, 1500), st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_a_frame_survives_fragments_in_any_order_with_duplicates(frame, room, random):
    fragments = framing.split_frame(frame, room)
    assert all(len(fragment) <= room for fragment in fragments)
    sizes = [len(fragment) for fragment in fragments]
    assert max(sizes) - min(sizes) <= 1
    shuffled = fragments + fragments[: len(fragments) // 2]
    random.shuffle(shuffled)
    reassembler = Reassembler((TRACK,))
    whole = [assembled for data in shuffled if (assembled := reassembler.add(data, now=1.0)[1]) is not None]
    assert [assembled.frame for assembled in whole] == [
        Frame(1, 7, frame.sequence, frame.captured_at, True, 1, 3, frame.captured_at + 0.5, frame.payload)
    ]
    assert reassembler.held_bytes == 0


@given(frames)
@settings(max_examples=30)
def test_a_record_survives(frame):
    data = framing.record(frame)
    header, length = framing.parse_record_header(data)
    assert header.frame(data[framing.RECORD_HEADER_BYTES :], {1: TRACK}) == frame
    assert length == len(frame.payload)


@given(st.one_of(st.binary(max_size=60), st.binary(max_size=60).map(lambda data: b"\x01\x01" + data)))
@settings(max_examples=200)
def test_random_bytes_are_refused_or_parsed_but_never_anything_else(data):
    for parse in (framing.parse_fragment, framing.parse_record_header, framing.parse_keyframe_request):
        with contextlib.suppress(framing.Malformed):
            parse(data)
    with contextlib.suppress(framing.Malformed):
        Reassembler((TRACK,)).add(data, now=1.0)


def test_fragments_that_disagree_are_refused():
    reassembler = Reassembler((TRACK,))
    first = framing.split_frame(make_frame(b"x" * 5000), 1400)
    other = framing.split_frame(replace(make_frame(b"x" * 9000), group=8), 1400)
    reassembler.add(first[0], now=1.0)
    with pytest.raises(framing.Malformed, match="disagree"):
        reassembler.add(other[1], now=1.0)


def test_a_frame_that_is_cut_anew_is_put_together_from_the_smaller_fragments_alone():
    reassembler = Reassembler((TRACK,))
    frame = make_frame(bytes(range(250)) * 20)
    larger, smaller = framing.split_frame(frame, 1400), framing.split_frame(frame, 1200)
    assert len(larger) < len(smaller)
    for fragment in larger[:-1]:
        reassembler.add(fragment, now=1.0)
    whole = [reassembler.add(fragment, now=2.0)[1] for fragment in [smaller[0], larger[-1], *smaller[1:]]]
    assert whole[:-1] == [None] * len(smaller)
    assert whole[-1].frame.payload == frame.payload
    assert (whole[-1].first_arrival_at, whole[-1].complete_at) == (1.0, 2.0)
    assert reassembler.held_bytes == 0


def test_open_frames_are_bounded_in_number():
    reassembler = Reassembler((TRACK,), max_partial=10)
    for sequence in range(50):
        reassembler.add(framing.split_frame(make_frame(sequence=sequence), 1400)[0], now=1.0)
    assert reassembler.evicted == 40
    assert len(reassembler._partial) == 10


@pytest.mark.parametrize("size", [0, 1, 1000])
def test_open_frames_are_bounded_in_bytes_even_if_their_fragments_are_empty(size):
    limit = 100_000
    reassembler = Reassembler((TRACK,), max_held_bytes=limit)
    for sequence in range(20):
        for index in range(500):
            common = framing._pack_common(framing.FRAGMENT, make_frame(sequence=sequence))
            tail = framing._FRAGMENT_TAIL.pack(index, 60_000)
            reassembler.add(common + tail + bytes(size), now=1.0)
            assert reassembler.held_bytes <= limit
    assert reassembler.evicted > 0


def test_a_fragment_of_a_forgotten_frame_changes_nothing():
    reassembler = Reassembler((TRACK,))
    fragments = framing.split_frame(make_frame(), 1400)
    reassembler.add(fragments[0], now=1.0)
    reassembler.forget(1, 3)
    assert [reassembler.add(fragment, now=1.0)[1] for fragment in fragments] == [None] * len(fragments)
    assert reassembler.held_bytes == 0
