"""LL-HLS and LL-DASH: fragments that others read, a channel on its grid of segments, and what chunks cost."""

import asyncio
import io
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassbench.experiments.account.ledger import stages
from glassbench.experiments.scenario import build
from glassbench.experiments.worlds.live.arm import run_arm
from glassbench.experiments.worlds.live.wiring import check_emulator
from glassbench.experiments.worlds.peers.cmaf import (
    ChunkReader,
    CmafError,
    Sample,
    chunk,
    codec_string,
    init_segment,
    parameter_sets,
)
from glassbench.experiments.worlds.peers.http_origin import Channel
from glassbench.experiments.worlds.peers.ll_hls import answer
from glassbench.receiver.quality import QualityMemo
from glassbench.sender.encoder import EncoderSettings, PictureEncoder
from glassbench.transport.contract import Unsupported
from glassbench.transport.rtp import annex_b

WIDTH, HEIGHT, FRAMES = 320, 180, 24
INTERVAL_US = 40_000


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    """A keyframe every eight frames, from 10 s of media time on."""
    encoder = PictureEncoder(EncoderSettings("h264", 500_000), width=WIDTH, height=HEIGHT, fps=Fraction(25))
    made = []
    for index in range(FRAMES):
        planes = np.full((HEIGHT * 3 // 2, WIDTH), index * 8, np.uint8)
        picture = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        encoded = encoder.encode(picture, force_keyframe=index % 8 == 0)
        made.append(Sample(encoded.payload, 10_000_000 + index * INTERVAL_US, encoded.keyframe))
    return made


def channel(samples: list[Sample], **more: int) -> Channel:
    one = Channel(width=WIDTH, height=HEIGHT, interval=0.04, segment=0.32, **{"chunk_frames": 1, **more})
    for sample in samples:
        one.add(sample)
    return one


def test_fragments_are_read_by_ffmpeg_and_by_our_client(samples: list[Sample]) -> None:
    sets = parameter_sets(samples[0].data)
    assert sets is not None
    assert codec_string(sets[0]).startswith("avc3.")
    made = [chunk(at, samples[at : at + 4], end_us=samples[at].time_us + 4 * INTERVAL_US) for at in range(0, FRAMES, 4)]
    file = init_segment(*sets, width=WIDTH, height=HEIGHT) + b"".join(made)
    with av.open(io.BytesIO(file)) as container:
        (stream,) = container.streams.video
        times = [round(packet.pts * packet.time_base * 10**6) for packet in container.demux(stream) if packet.size]
        assert (stream.codec_context.width, stream.codec_context.height) == (WIDTH, HEIGHT)
    assert times == [sample.time_us for sample in samples]
    reader = ChunkReader()
    read = [sample for at in range(0, len(file), 777) for sample in reader.feed(file[at : at + 777])]
    assert read == [Sample(annex_b.normalise(one.data), one.time_us, one.keyframe) for one in samples]


@given(data=st.binary(max_size=200), cut=st.integers(0, 400), change=st.integers(0, 255))
def test_no_bytes_of_an_origin_crash_the_client(data: bytes, cut: int, change: int) -> None:
    made = bytearray(chunk(1, [Sample(b"\0\0\0\1\x65" + bytes(100), 5, keyframe=True)], end_us=14))
    made[cut % len(made)] = change
    for content in (data, bytes(made) + data):
        try:
            list(ChunkReader().feed(content))
        except CmafError as error:
            assert str(error)


def test_segments_begin_with_keyframes_on_a_grid_and_old_ones_go(samples: list[Sample]) -> None:
    one = channel(samples)
    assert sorted(one.segments) == [31, 32, 33]  # 10 s is in the middle of segment 31
    assert [len(one.segments[number].chunks) for number in (31, 32, 33)] == [8, 8, 8]
    assert all(segment.chunks[0].independent for segment in one.segments.values())
    assert one.wants_keyframe(samples[-1].time_us + INTERVAL_US)
    late = Sample(samples[0].data, samples[-1].time_us + 60 * INTERVAL_US, keyframe=True)
    one.add(late)
    assert len(one.segments) <= 6
    assert one.segments[one.newest - 1].complete  # no keyframe came in its time: it is empty
    one.add(samples[3])  # older than what is there
    assert one.newest == one.number_at(late.time_us)


def test_a_playlist_is_held_until_it_has_the_part_that_is_asked_for(samples: list[Sample]) -> None:
    async def ask() -> tuple[bool, str]:
        one = channel(samples[:10])
        held = asyncio.ensure_future(answer(one, {"_HLS_msn": "32", "_HLS_part": "2"}))
        await asyncio.sleep(0)
        was_held = not held.done()
        one.add(samples[10])
        return was_held, (await held)[0]

    was_held, text = asyncio.run(ask())
    assert was_held
    assert 'PRELOAD-HINT:TYPE=PART,URI="32.3.m4s"' in text
    assert text.count("INDEPENDENT=YES") == 2
    assert "#EXTINF:0.320000,\n31.m4s" in text


def test_parts_and_segments_of_any_rate_add_up_without_a_gap(samples: list[Sample]) -> None:
    one = Channel(width=WIDTH, height=HEIGHT, interval=1 / 30, segment=1.0, chunk_frames=6)
    for index in range(75):
        unit = samples[0 if index % 30 == 0 else 1].data
        one.add(Sample(unit, 8_000_000 + round(index / 30 * 1e6), keyframe=index % 30 == 0))
    chunks = [each for _, segment in sorted(one.segments.items()) for each in segment.chunks]
    assert len(chunks) == 12
    assert all(before.end_us == after.start_us for before, after in pairwise(chunks))
    text = asyncio.run(answer(one, {}))[0]
    assert "PART-TARGET=0.200000" in text
    assert text.count("EXTINF:1.000000") == 2


def test_captures_that_are_missing_leave_no_gap_in_the_media(samples: list[Sample]) -> None:
    one = channel([*samples[:3], *samples[5:8]])
    chunks = one.segments[31].chunks
    assert [(each.start_us - 10_000_000, each.end_us - 10_000_000) for each in chunks[2:4]] == [
        (80_000, 120_000),
        (120_000, 240_000),  # the picture after the two that are missing is shown in their time, too
    ]


@pytest.mark.quiet  # it measures delays
@pytest.mark.long
@pytest.mark.parametrize("stack", ["ll-hls", "ll-dash"])
def test_segments_grow_slower_than_chunks_of_one_frame(stack: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames of a whole segment wait for its last one: half of a segment, on average."""
    for name in ("MOST_LATE_MS", "LONGEST_PAUSE", "MOST_PAUSED"):
        monkeypatch.setattr(f"glassbench.experiments.worlds.live.arm.{name}", 1e6)
    content = {
        "name": "chunks",
        "seed": 20,
        "duration": "2s",
        "network": {"down": [{"element": "delay", "delay": "10ms"}], "up": [{"element": "delay", "delay": "10ms"}]},
        "video": {"source": "synthetic", "width": 320, "height": 180, "fps": 30, "bitrate": "2Mbit/s"},
        "arms": [f"{stack}:segment_ms=500", f"{stack}:segment_ms=500,chunk_frames=0"],
    }
    plan = build(content)
    try:
        check_emulator("netns", plan)
        chunks, segments = (run_arm(plan, arm, QualityMemo()).ledger for arm in plan.arms)
    except (Unsupported, OSError) as error:
        pytest.skip(str(error))
    assert chunks is not None
    assert segments is not None
    median = [stages(one[one["fate"] == "displayed"])["g2g_ms"].median() for one in (chunks, segments)]
    assert 100.0 < median[1] - median[0] < 500.0
