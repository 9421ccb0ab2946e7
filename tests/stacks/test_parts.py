"""What is around a stack, with a stack of the test's own: bounded, never confused by what it gives, and alone."""

import socket
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassbench.experiments.worlds.live.arm import _Attempt
from glassbench.experiments.worlds.peers import outlet as outlet_module
from glassbench.experiments.worlds.peers.outlet import Outlet
from glassbench.experiments.worlds.peers.peer import PeerContext, PeerEnd, PeerVideo
from glassbench.experiments.worlds.peers.peer_transport import PeerTransport
from glassbench.experiments.worlds.peers.program import Program
from glassbench.experiments.worlds.peers.raw_pictures import Lossless, RawPictures, picture_of
from glassbench.experiments.worlds.peers.stamped_receiver import StampedReceiver
from glassbench.receiver.decoder import VideoDecoder
from glassbench.sender.stamp import write_stamp
from glassbench.transport.contract import Frame, FrameDropped, FrameReceived, Track
from glassbench.transport.framing import split_frame
from glassbench.transport.stamp_code import Stamp
from glassbench.transport.worker import Done

TRACK = Track(1, "video", "h264", 1, deadline=1.0)
WIDTH, HEIGHT = 320, 180
VIDEO = PeerVideo(WIDTH, HEIGHT, Fraction(30), "h264", 1_000_000, None)


class Idle:
    """A worker that nobody gives anything."""

    def start(self, work: object) -> None:
        raise AssertionError

    def take(self) -> Done[av.VideoFrame | None] | None:
        return None


class FullStack(PeerEnd):
    """It has room for so many pieces."""

    room = 0

    def send(self, data: bytes, frame: Frame) -> bool:
        self.room -= 1
        return self.room >= 0

    def close(self) -> None:
        pass


@pytest.fixture
def context(tmp_path: Path) -> Iterator[PeerContext]:
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with here, there:
        yield PeerContext("sender", ("a", 1), ("b", 2), {}, VIDEO, 1, 1.0, tmp_path, here)


def receiver(context: PeerContext, *, keep: bool = False) -> StampedReceiver:
    transport = PeerTransport(FullStack(context), "receiver", (TRACK,), framed=False)
    return StampedReceiver(
        transport, track=TRACK, frames=10, size=(WIDTH, HEIGHT), codec=None, worker=Idle(), keep_decoded=keep
    )


def stamped(sequence: int, captured_at: float) -> bytes:
    picture = picture_of(np.full(WIDTH * HEIGHT * 3 // 2, 128, np.uint8).tobytes(), WIDTH, HEIGHT)
    write_stamp(picture, Stamp(sequence, captured_at))
    return RawPictures().encode(picture, force_keyframe=False).payload


def frame(sequence: int, payload: bytes) -> Frame:
    return Frame(TRACK.id, 0, sequence, 1.0, True, 0, 1, None, payload)


def test_what_a_stack_gives_is_bounded_and_what_is_too_much_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlet_module, "_MOST_BYTES", 10)
    outlet = Outlet()
    for size in (6, 6, 4):
        outlet.give(bytes(size))
    assert [len(each.data) for each in outlet.take()] == [6, 4]
    assert outlet.dropped == 1
    outlet.give(bytes(10))  # there is room again
    assert len(outlet.take()) == 1


def test_a_message_that_comes_after_the_driver_looked_does_not_come_before_it(context: PeerContext) -> None:
    transport = PeerTransport(FullStack(context), "receiver", (TRACK,), framed=True)
    context.outlet.now = lambda: 7.5
    for message in split_frame(frame(0, b"whole"), 100):
        context.outlet.give(message)
    transport.handle_timer(now=7.4)
    event = transport.next_event()
    assert isinstance(event, FrameReceived)
    assert (event.at, event.frame.payload) == (7.4, b"whole")


def test_a_frame_that_a_stack_has_no_room_for_is_dropped_as_a_whole(context: PeerContext) -> None:
    end = FullStack(context)
    end.message_bytes, end.room = 100, 1
    transport = PeerTransport(end, "sender", (TRACK,), framed=True)
    transport.send_frame(frame(0, bytes(300)), now=1.0)
    assert transport.next_event() == FrameDropped(1, 0, 1.0, "dropped")
    assert transport.next_event() is None


def test_a_picture_is_shown_when_the_stack_gives_it_and_counts_once(context: PeerContext) -> None:
    end = receiver(context, keep=True)
    for at, sequence in ((5.02, 3), (5.05, 3), (5.06, 4)):
        context.outlet.now = lambda at=at: at  # type: ignore[misc]
        context.outlet.give(stamped(sequence, 5.0))
    end.handle_timer(now=5.1)
    shown = {record.sequence: (record.displayed_at, record.stamp_captured_at) for record in end.records.values()}
    assert shown == {3: (5.02, 5.0), 4: (5.06, 5.0)}
    assert end.repeated == 1
    end.finish(now=6.0)
    decoder = VideoDecoder(Lossless.MEDIA)
    again = [decoder.decode(each.payload).to_ndarray().tobytes() for each in end.decoded]
    assert again == [stamped(3, 5.0), stamped(4, 5.0)]  # without any loss


def test_a_picture_past_its_deadline_is_late_and_not_shown(context: PeerContext) -> None:
    end = receiver(context)
    context.outlet.now = lambda: 6.5
    context.outlet.give(stamped(0, 5.0))
    end.handle_timer(now=6.5)
    (record,) = end.records.values()
    assert (record.outcome, record.displayed_at) == ("late", None)


@given(data=st.one_of(st.binary(max_size=64), st.binary(min_size=64, max_size=64).map(lambda part: part * 1350)))
def test_no_bytes_of_a_stack_end_a_receiver_or_count_as_shown(data: bytes) -> None:
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with here, there:
        context = PeerContext("receiver", ("a", 1), ("b", 2), {}, VIDEO, 1, 1.0, Path(), here)
        end = receiver(context)
        context.outlet.give(data)
        context.outlet.give(stamped(10, 0.0))  # of no frame that there is
        context.outlet.give(stamped(2, 9.0))  # of the future
        end.handle_timer(now=1.0)
        end.finish(now=2.0)
        assert end.records == {}
        assert end.undecodable + end.stamp_unreadable + end.unannounced + end.stamp_errors == 3


def test_a_program_that_ends_by_itself_is_a_failure_with_its_last_words(context: PeerContext) -> None:
    program = Program(["sh", "-c", "echo first >&2; echo 'no such camera' >&2; exit 5"], context)
    assert program.exit_code(10.0) == 5
    assert context.outlet.failed == "sh ended with code 5: no such camera"


def test_a_program_that_is_stopped_is_no_failure_even_if_it_has_to_be_killed(context: PeerContext) -> None:
    program = Program(["sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"], context, feeds=True)
    program.stop()
    assert program.exit_code(1.0) == -9
    assert context.outlet.failed is None


def test_a_program_that_takes_nothing_has_no_room_and_nothing_waits_for_it(context: PeerContext) -> None:
    program = Program(["sleep", "30"], context, feeds=True)
    taken = [program.feed(bytes(2**20)) for _ in range(20)]
    assert not all(taken)
    program.stop()


def test_an_arm_fails_for_the_reason_of_the_end_that_has_one() -> None:
    failures = ["the receiver of a failed: it did not connect", None, "the sender of a failed: no such port"]
    parts = {str(index): SimpleNamespace(failed=failed) for index, failed in enumerate(failures)}
    attempt = _Attempt(number=1, parts=parts, addresses={}, machine={}, duration=1.0)  # type: ignore[arg-type]
    assert attempt.failure == failures[2]
    del parts["2"]
    assert attempt.failure == failures[0]
