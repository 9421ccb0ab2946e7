"""Pipelines whose codec works in a thread do the same as with a cost model, but the time is what the work took."""

import os
import select
import threading
import time
from collections import deque
from fractions import Fraction

import pytest

from glassbench.experiments.worlds.live.codec_thread import CodecThread
from glassbench.netem.live.clock import LiveClock, monotonic_ns
from glassbench.receiver.decoder import DecodeError
from glassbench.receiver.pipeline import ReceiverPipeline
from glassbench.receiver.playout import parse_playout
from glassbench.sender.encoder import Encoded
from glassbench.sender.pipeline import SenderPipeline
from glassbench.transport.contract import Connected, Frame, FrameReceived, Track
from glassbench.transport.worker import Done

VIDEO = Track(0, "video", "h264", priority=1, deadline=None)


class Transport:
    def __init__(self):
        self.frames, self.events, self.requests = [], deque(), []

    def connect(self, *, now):
        self.events.append(Connected(now))

    def send_frame(self, frame, *, now):
        self.frames.append((now, frame))

    def request_keyframe(self, track, *, now):
        self.requests.append(now)

    def receive_datagram(self, data, peer, ecn=0, *, now): ...

    def datagrams_to_send(self, *, now):
        return []

    def get_timer(self):
        return None

    def handle_timer(self, *, now): ...

    def next_event(self):
        return self.events.popleft() if self.events else None

    def stats(self):
        return {}


class ByHand:
    """A worker whose work is done when the test says so."""

    def __init__(self):
        self.work, self.done = None, deque()

    def start(self, work):
        assert self.work is None and not self.done
        self.work = work

    def give(self, part, began_at, ended_at):
        self.done.append(Done(part, None, began_at, ended_at, last=False))

    def finish(self, began_at, ended_at):
        work, self.work = self.work, None
        try:
            self.done.append(Done(work(), None, began_at, ended_at))
        except Exception as error:
            self.done.append(Done(None, error, began_at, ended_at))

    def take(self):
        return self.done.popleft() if self.done else None


class Encoder:
    def __init__(self):
        self.asked = []

    def encode(self, capture, captured_at, *, force_keyframe, budget_bytes=None):
        self.asked.append(capture)
        return Encoded(b"frame", len(self.asked) == 1 or force_keyframe)


def make_sender(**options):
    transport, worker, encoder = Transport(), ByHand(), Encoder()
    pipeline = SenderPipeline(
        transport,
        encoder,
        track=VIDEO,
        fps=Fraction(25),
        start_at=1000.0,
        duration=1.0,
        encode_cost=lambda sequence, keyframe, size: 0.0,
        worker=worker,
        **options,
    )
    pipeline.connect(now=999.0)
    return pipeline, transport, worker, encoder


def test_a_frame_is_sent_when_its_encoding_is_done_and_the_network_is_not_kept_waiting():
    pipeline, transport, worker, _ = make_sender()
    pipeline.handle_timer(now=1000.0)
    assert worker.work is not None and transport.frames == []
    assert pipeline.get_timer() == 1000.04  # the next capture: nothing says when the encoding is done
    pipeline.receive_datagram(b"", ("peer", 1), now=1000.01)
    worker.finish(1000.001, 1000.015)
    pipeline.handle_timer(now=1000.0151)
    ((sent_at, frame),) = transport.frames
    assert (sent_at, frame.sequence, frame.keyframe) == (1000.0151, 0, True)
    record = pipeline.records[0, 0]
    assert (record.encode_start_at, record.encode_end_at) == (1000.001, 1000.015)


def test_an_encoder_that_is_busy_for_long_drops_the_oldest_captures():
    pipeline, transport, worker, encoder = make_sender()
    for index in range(6):
        pipeline.handle_timer(now=1000.0 + index * 0.04)
    worker.finish(1000.0, 1000.2)
    pipeline.handle_timer(now=1000.2)
    worker.finish(1000.2, 1000.21)
    pipeline.handle_timer(now=1000.21)
    assert encoder.asked == [0, 4]  # of those that waited, two were kept
    assert [frame.sequence for _, frame in transport.frames] == [0, 1]
    assert [record.given_up for record in pipeline.captured[:4]] == [None, "dropped", "dropped", "dropped"]
    assert not pipeline.finished(now=1000.21)


def test_a_defect_of_the_encoder_is_not_swallowed():
    pipeline, _, worker, encoder = make_sender()
    encoder.encode = lambda *_, **__: 1 // 0
    pipeline.handle_timer(now=1000.0)
    worker.finish(1000.0, 1000.01)
    with pytest.raises(ZeroDivisionError):
        pipeline.handle_timer(now=1000.01)


def test_slices_are_handed_over_as_the_encoder_gives_them_and_the_frame_is_encoded_with_the_last():
    pipeline, transport, worker, _ = make_sender(slices=3)
    pipeline.handle_timer(now=1000.0)
    worker.give(Encoded(b"first", True), 1000.001, 1000.004)
    pipeline.handle_timer(now=1000.005)
    record = pipeline.records[0, 0]
    assert (record.encode_start_at, record.encode_end_at, record.queued_at) == (1000.001, None, 1000.005)
    assert not pipeline.finished(now=1000.005)
    worker.give(Encoded(b"second", True), 1000.001, 1000.008)
    worker.finish(1000.001, 1000.012)  # both are there when the driver comes
    pipeline.handle_timer(now=1000.0125)
    assert [(at, frame.slice, frame.slices, frame.payload) for at, frame in transport.frames] == [
        (1000.005, 0, 3, b"first"),
        (1000.0125, 1, 3, b"second"),
        (1000.0125, 2, 3, b"frame"),
    ]
    assert {frame.sequence for _, frame in transport.frames} == {0} and record.keyframe
    assert (record.encode_end_at, record.size_bytes) == (1000.012, len(b"firstsecondframe"))
    pipeline.handle_timer(now=1000.04)  # the next capture is encoded
    assert worker.work is not None


def test_a_picture_that_fits_into_a_packet_is_one_slice():
    pipeline, transport, worker, _ = make_sender(slices=5)
    pipeline.handle_timer(now=1000.0)
    worker.finish(1000.0, 1000.01)
    pipeline.handle_timer(now=1000.01)
    seen = [(frame.slice, frame.slices, frame.last, frame.payload) for _, frame in transport.frames]
    assert seen == [(0, 5, True, b"frame")]


def test_a_whole_picture_of_a_worker_is_cut_into_slices(monkeypatch):
    monkeypatch.setattr("glassbench.sender.pipeline._ONE_PACKET", 4)
    pipeline, transport, worker, _ = make_sender(slices=5)
    pipeline.handle_timer(now=1000.0)
    worker.finish(1000.0, 1000.01)
    pipeline.handle_timer(now=1000.01)
    assert [(frame.slice, frame.payload) for _, frame in transport.frames] == [
        (index, bytes([letter])) for index, letter in enumerate(b"frame")
    ]
    assert pipeline.records[0, 0].encode_end_at == 1000.01


def test_a_defect_in_the_middle_of_a_picture_is_not_swallowed():
    pipeline, _, worker, encoder = make_sender(slices=2)
    encoder.encode = lambda *_, **__: 1 // 0
    pipeline.handle_timer(now=1000.0)
    worker.give(Encoded(b"first", True), 1000.0, 1000.004)
    worker.finish(1000.0, 1000.01)
    with pytest.raises(ZeroDivisionError):
        pipeline.handle_timer(now=1000.01)


class Decoder:
    def __init__(self):
        self.bad = set()

    def decode(self, payload):
        if payload in self.bad:
            raise DecodeError("broken")


def make_receiver():
    transport, worker, decoder = Transport(), ByHand(), Decoder()
    pipeline = ReceiverPipeline(
        transport,
        decoder,
        video=VIDEO,
        playout=parse_playout("immediate"),
        decode_cost=lambda sequence, keyframe, size: 0.0,
        worker=worker,
    )
    pipeline.connect(now=999.0)

    def arrive(sequence, at):
        frame = Frame(
            track=0,
            group=0,
            sequence=sequence,
            captured_at=at - 0.02,
            keyframe=sequence in (0, 4),
            layer=0,
            priority=1,
            expires_at=None,
            payload=bytes([sequence]),
        )
        transport.events.append(FrameReceived(frame, at, at, at))
        pipeline.handle_timer(now=at)

    return pipeline, transport, worker, decoder, arrive


def test_a_picture_is_on_the_screen_when_the_decoder_is_done_and_frames_wait_in_order():
    pipeline, _, worker, _, arrive = make_receiver()
    for sequence in range(3):
        arrive(sequence, 1000.0 + sequence * 0.001)
    for sequence in range(3):
        worker.finish(1000.01 * 1, 1000.01 + sequence * 0.005)
        pipeline.handle_timer(now=1000.03)
    records = [pipeline.records[0, sequence] for sequence in range(3)]
    assert [record.outcome for record in records] == ["displayed"] * 3
    assert [record.displayed_at for record in records] == [1000.01, 1000.015, 1000.02]
    assert [record.released_at for record in records] == [1000.0, 1000.001, 1000.002]


def test_what_refers_to_a_frame_that_failed_is_undecodable_up_to_the_next_keyframe():
    pipeline, _, worker, decoder, arrive = make_receiver()
    decoder.bad = {bytes([1])}
    for sequence in range(6):
        arrive(sequence, 1000.0 + sequence * 0.001)
    for _ in range(4):
        worker.finish(1000.01, 1000.02)
        pipeline.handle_timer(now=1000.03)
    outcomes = [pipeline.records[0, sequence].outcome for sequence in range(6)]
    assert outcomes == ["displayed", "undecodable", "undecodable", "undecodable", "displayed", "displayed"]


def test_what_the_decoder_has_not_done_when_the_run_is_over_is_late_and_what_it_has_done_is_shown():
    pipeline, _, worker, _, arrive = make_receiver()
    for sequence in (0, 1, 3):  # and the one after the next waits for a frame that never comes
        arrive(sequence, 1000.0 + sequence * 0.001)
    worker.finish(1000.0, 1003.1)
    pipeline.finish(now=1003.0)
    assert [pipeline.records[0, sequence].outcome for sequence in (0, 1, 3)] == ["displayed", "late", "undecodable"]


def test_the_result_of_work_that_the_end_of_the_run_met_is_not_lost():
    thread = CodecThread(LiveClock(monotonic_ns()))
    begun, go_on = threading.Event(), threading.Event()
    thread.start(lambda: begun.set() or (go_on.wait(10) and 1))
    assert begun.wait(10)
    threading.Timer(0.05, go_on.set).start()
    thread.close()
    assert thread.take().value == 1
    assert thread.take() is None


def test_the_thread_does_one_thing_after_the_other_says_so_and_keeps_its_defects_for_the_owner():
    clock, prepared = LiveClock(monotonic_ns()), threading.Event()
    thread = CodecThread(clock, prepared.set)
    try:
        for work in (lambda: 7, lambda: 1 // 0, lambda: time.sleep(0.02) or 8):
            assert thread.take() is None
            thread.start(work)
            assert select.select([thread], [], [], 10)[0]
            end = time.monotonic() + 10
            while (done := thread.take()) is None and time.monotonic() < end:
                pass
            assert done.ended_at >= done.began_at
            if done.error is not None:
                assert isinstance(done.error, ZeroDivisionError)
        assert (done.value, done.error) == (8, None)
        assert thread.took(0, False, None) >= 0.02
        assert prepared.wait(10)
    finally:
        thread.close()


def test_the_thread_wakes_for_each_part_of_a_result_and_tells_them_in_order():
    thread = CodecThread(LiveClock(monotonic_ns()))
    go_on = threading.Event()

    def work():
        thread.give(1)
        assert go_on.wait(10)
        thread.give(2)
        return 3

    try:
        thread.start(work)
        assert select.select([thread], [], [], 10)[0]
        first = thread.take()
        assert (first.value, first.last) == (1, False) and first.ended_at >= first.began_at
        assert thread.take() is None and thread.took(0, False, None) == 0.0
        go_on.set()
        rest = []
        while len(rest) < 2 and select.select([thread], [], [], 10)[0]:
            if (done := thread.take()) is not None:
                rest.append(done)
        assert [(done.value, done.last) for done in rest] == [(2, False), (3, True)]
        assert {done.began_at for done in rest} == {first.began_at} and thread.took(0, False, None) > 0
    finally:
        thread.close()


def test_a_result_that_is_taken_before_the_thread_has_said_so_keeps_nobody_awake(monkeypatch):
    thread = CodecThread(LiveClock(monotonic_ns()))
    write, go_on, said = os.eventfd_write, threading.Event(), threading.Event()

    def say_later(number, value):
        go_on.wait(10)
        write(number, value)
        said.set()

    monkeypatch.setattr(os, "eventfd_write", say_later)
    try:
        thread.start(lambda: 1)
        end = time.monotonic() + 10
        while thread.take() is None and time.monotonic() < end:
            pass  # as a driver that is awake for something else
        go_on.set()
        assert said.wait(10) and select.select([thread], [], [], 10)[0]
        assert thread.take() is None  # it wakes once for nothing
        assert not select.select([thread], [], [], 0)[0]
    finally:
        thread.close()
