"""H.264 as cameras send it: marks, timestamps, payload types, padding and restarts make no frame and lose none."""

from itertools import chain, pairwise

import pytest

from glassbench.transport.contract import FrameLost, FrameReceived, Track, TransportConfig
from glassbench.transport.rtp import RtpReceiver
from glassbench.transport.rtp.annex_b import START_CODE
from glassbench.transport.rtp.packet import HEADER

CAMERA, RECEIVER = ("10.0.0.1", 5000), ("10.0.0.2", 5000)
VIDEO = Track(1, "video", "h264", 1)
GROUP = 10
SPS, PPS = b"\x67\x42\xc0\x1f\x8c", b"\x68\xce\x3c\x80"
SEI, DELIMITER = b"\x06\x05\x04abcd\x80", b"\x09\x10"


def slices(number, count):
    """The slices of a picture: only the first begins with macroblock 0."""
    head = b"\x65" if number % GROUP == 0 else b"\x41"
    return [head + (b"\x88" if i == 0 else b"\x44") + bytes([number + 1, i + 1]) * 600 for i in range(count)]


def fragments(unit):
    """FU-A of a NAL unit, in three."""
    third = len(unit) // 3 + 1
    cuts = [unit[1:third], unit[third : 2 * third], unit[2 * third :]]
    flags = [0x80, 0, 0x40]
    return [bytes((unit[0] & 0xE0 | 28, flag | unit[0] & 0x1F)) + cut for flag, cut in zip(flags, cuts, strict=True)]


def aggregated(*units):
    return b"\x18" + b"".join(len(unit).to_bytes(2, "big") + unit for unit in units)


class Camera:
    """Sends pictures 1/30 s apart. The keywords of `packets` make it a bad one."""

    def __init__(self, *, sequence=100, timestamp=9000, ssrc=7, payload_type=96, first=0, at=1002.0):
        self.sequence, self.timestamp, self.ssrc, self.payload_type = sequence, timestamp, ssrc, payload_type
        self.first, self.at = first, at

    def packet(self, payload, *, marker=False, timestamp=None, padding=0):
        head = HEADER.pack(
            0xA0 if padding else 0x80,
            self.payload_type | (0x80 if marker else 0),
            self.sequence & 0xFFFF,
            (self.timestamp if timestamp is None else timestamp) & 0xFFFF_FFFF,
            self.ssrc,
        )
        self.sequence += 1
        return head + payload + (bytes(padding - 1) + bytes((padding,)) if padding else b"")

    def packets(
        self,
        count,
        *,
        sets="plain",
        set_shift=0,
        marks_sets=False,
        marks_pictures=True,
        slice_count=1,
        marks_slices=False,
        fragmented=True,
        padded=False,
    ):
        """(instant, datagram) of so many pictures. `set_shift`: ticks by which the timestamp of the sets differs."""
        for number in range(self.first, self.first + count):
            parts = []
            if sets == "delimited":
                parts.append((DELIMITER, marks_sets, 0))
            if number % GROUP == 0:
                units = [aggregated(SPS, PPS, SEI)] if sets == "aggregated" else [SPS, PPS]
                parts += [(unit, marks_sets, set_shift) for unit in units]
            if sets == "delimited":
                parts.append((SEI, marks_sets, 0))
            units = slices(number, slice_count)
            for index, unit in enumerate(units):
                payloads = fragments(unit) if fragmented else [unit]
                marked = marks_slices or (marks_pictures and index == len(units) - 1)
                parts += [(payload, marked and payload is payloads[-1], 0) for payload in payloads]
            for payload, marker, shift in parts:
                yield self.at, self.packet(payload, marker=marker, timestamp=self.timestamp + shift)
                if padded:
                    yield self.at, self.packet(b"", padding=200)
            self.timestamp += 3000
            self.at += 1 / 30


def watch(datagrams, **options):
    """What a receiver of the video alone tells: its frames, and how many it lost."""
    receiver = RtpReceiver(TransportConfig(RECEIVER, CAMERA, 1, (VIDEO,), options=options))
    receiver.connect(now=1000.0)
    now = 1000.0
    for now, data in datagrams:
        while (timer := receiver.get_timer()) is not None and timer <= now:
            receiver.handle_timer(now=timer)
        receiver.receive_datagram(data, CAMERA, now=now)
        receiver.datagrams_to_send(now=now)
    for _ in range(40):
        now += 0.1
        receiver.handle_timer(now=now)
    told = list(iter(receiver.next_event, None))
    frames = [event.frame for event in told if isinstance(event, FrameReceived)]
    return frames, sum(isinstance(event, FrameLost) for event in told), receiver.stats()


def units(frame):
    return frame.payload.split(START_CODE)[1:]


def assert_pictures(frames, numbers, slice_count=1):
    """Those pictures, each whole, once and in order; the sets with the keyframe that they are for."""
    for frame, number in zip(frames, numbers, strict=True):
        nal_units = units(frame)
        assert [unit for unit in nal_units if unit[0] & 0x1F in (1, 5)] == slices(number, slice_count)
        assert (SPS in nal_units and PPS in nal_units) is (number % GROUP == 0)
        assert frame.keyframe is (number % GROUP == 0)
    assert [frame.sequence for frame in frames] == sorted({frame.sequence for frame in frames})


BAD_CAMERAS = {
    "plain": {},
    "aggregated sets": {"sets": "aggregated"},
    "delimiters and SEI": {"sets": "delimited"},
    "marks on sets": {"marks_sets": True},
    "marks on delimiters": {"sets": "delimited", "marks_sets": True},
    "marks on aggregated sets": {"sets": "aggregated", "marks_sets": True},
    "sets a tick before": {"set_shift": -1},
    "sets at the picture before": {"set_shift": -3000},
    "marked sets at the picture before": {"set_shift": -3000, "marks_sets": True},
    "sets after": {"set_shift": 1500},
    "slices": {"slice_count": 3, "fragmented": False},
    "fragmented slices": {"slice_count": 3},
    "padding between packets": {"padded": True},
    "padding, and sets a tick before": {"padded": True, "set_shift": -1, "marks_sets": True},
}


@pytest.mark.parametrize("marks_pictures", [True, False], ids=["marks", "no marks"])
@pytest.mark.parametrize("camera", BAD_CAMERAS)
def test_every_picture_is_one_frame(camera, marks_pictures):
    habits = BAD_CAMERAS[camera]
    frames, lost, stats = watch(Camera().packets(25, marks_pictures=marks_pictures, **habits))
    # Without marks a picture ends when the next one begins.
    assert_pictures(frames, range(25 if marks_pictures else 24), habits.get("slice_count", 1))
    assert (lost, stats["malformed"]) == (0, 0)
    for one, other in pairwise(frames):
        assert other.captured_at - one.captured_at == pytest.approx(1 / 30, abs=2e-5)


@pytest.mark.parametrize("fragmented", [True, False])
def test_a_camera_that_marks_every_slice_is_found_out_at_the_second_one(fragmented):
    camera = Camera()
    frames, lost, _ = watch(camera.packets(25, slice_count=3, marks_slices=True, fragmented=fragmented))
    assert lost == 0
    assert len(units(frames[0])) == 3  # the sets and one slice: it was believed to be all
    assert_pictures(frames[1:], range(1, 24), 3)


@pytest.mark.parametrize("payload_type", [35, 63, 97, 99, 102, 127])
def test_video_of_another_payload_type_is_taken(payload_type):
    frames, lost, _ = watch(Camera(payload_type=payload_type).packets(25))
    assert_pictures(frames, range(25))
    assert lost == 0


def test_sound_beside_the_video_is_not_taken_for_it():
    video, sound = Camera(payload_type=102), Camera(payload_type=104, ssrc=8, sequence=0)
    mixed = []
    for at, data in video.packets(25):
        mixed += [(at, data), (at, sound.packet(b"\x00\x10\x0c\x80" + bytes(300)))]
    frames, lost, _ = watch(mixed)
    assert_pictures(frames, range(25))
    assert lost == 0


RESTARTS = {
    "near below its first number": {"sequence": 40, "timestamp": 5},
    "at its first number": {"sequence": 100, "timestamp": 5},
    "a few packets back": {"sequence": 190, "timestamp": 77},
    "far back": {"sequence": 20_000, "timestamp": 2**31},
    "far ahead": {"sequence": 5000, "timestamp": 2**31 + 5},
    "another source": {"sequence": 5000, "timestamp": 77, "ssrc": 9},
    "another source and payload type": {"sequence": 160, "timestamp": 77, "ssrc": 9, "payload_type": 96},
    "another payload type": {"sequence": 2000, "timestamp": 2**30, "payload_type": 110},
}


@pytest.mark.parametrize("restart", RESTARTS)
def test_a_restart_loses_no_picture(restart):
    start = 60_000 if restart == "far back" else 100
    before = Camera(sequence=start, payload_type=102 if "and payload" in restart else 96)
    after = Camera(**RESTARTS[restart], at=1003.5)
    frames, lost, _ = watch(chain(before.packets(30), after.packets(30)))
    assert_pictures(frames, [*range(30), *range(30)])
    assert lost == 0


@pytest.mark.parametrize("nack", [True, False])
def test_late_and_repeated_packets_are_no_restart(nack):
    datagrams = list(Camera().packets(40))
    again = [(1003.4 + i * 1e-3, data) for i, (_, data) in enumerate(datagrams[20:60])]
    late = [(1003.5 + i * 1e-3, data) for i, (_, data) in enumerate(datagrams[3:10])]  # given up long ago
    frames, lost, stats = watch([*datagrams[:3], *datagrams[10:], *again, *late], nack=nack, max_retries=1)
    assert_pictures(frames, range(3, 40))
    assert lost == 0  # nothing had been shown before
    assert stats["duplicates"] == len(again) + len(late)


@pytest.mark.parametrize("hole", [range(35, 36), range(38, 39), range(36, 40), range(32, 41)])
def test_a_hole_costs_the_pictures_that_it_touches(hole):
    """Three packets a picture, five with sets: packets 35 to 37 are sets and the beginning of picture 10."""
    camera = Camera()
    kept, number, touched = [], 0, set()
    for picture in range(20):
        for one in Camera.packets(camera, 1):
            if number in hole:
                touched.add(picture)
            else:
                kept.append(one)
            number += 1
        camera.first += 1
    frames, lost, _ = watch(kept, nack=False)
    assert_pictures(frames, [n for n in range(20) if n not in touched])
    assert lost == 1
