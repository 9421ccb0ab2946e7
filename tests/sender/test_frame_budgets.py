"""Real encoders that are given a size for every frame."""

from dataclasses import replace

import numpy as np
import pytest

from glassbench.sender.encode_cache import CachedEncoder, EncodeCache
from glassbench.sender.encoder import ENCODERS, EncoderSettings, SourceEncoder
from glassbench.sender.size_model import LognormalSizes, SizeEncoder
from glassbench.sender.sources import SourceRequest, open_source

FOLLOWS = EncoderSettings(bitrate_bps=20_000_000, follows=True)
INTERVAL = 0.04
BIKES = SourceRequest(640, 272, None, 1)


def budgets(count, seed=5):
    """Budgets that wander from near-outage to plenty."""
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    walk = np.exp(np.cumsum(rng.normal(0, 0.4, count)))
    return [int(size) for size in np.clip(4000 * walk, 400, 60_000)]


def encode(encoder, sizes, forced=()):
    return [
        encoder.encode(index, 1002.0 + index * INTERVAL, force_keyframe=index in forced, budget_bytes=size)
        for index, size in enumerate(sizes)
    ]


@pytest.mark.parametrize("preset", ["ultrafast", "veryfast"])
def test_x264_keeps_to_the_budget_of_every_frame_and_uses_most_of_it(preset, monkeypatch):
    monkeypatch.setitem(ENCODERS, "h264", replace(ENCODERS["h264"], scales=((1.0, 0.0),)))
    sizes = budgets(100)
    settings = EncoderSettings(bitrate_bps=20_000_000, follows=True, preset=preset)
    encoded = encode(SourceEncoder(open_source("bikes", BIKES), settings), sizes)
    shares = [len(each.payload) / size for each, size in zip(encoded, sizes, strict=True)]
    assert np.percentile(shares, 95) <= 1.0
    assert max(shares) <= 1.08
    assert np.median(shares) > 0.75


def test_a_budget_that_rises_is_used_at_once_where_frames_before_it_leave_room():
    sizes = [3000, 3000, 9000] * 20
    encoded = encode(SourceEncoder(open_source("bikes", BIKES), FOLLOWS), sizes)
    assert max(len(each.payload) / size for each, size in zip(encoded, sizes, strict=True)) <= 1.08
    assert sum(len(each.payload) for each in encoded) > 0.6 * sum(sizes)  # 0.54 if each is told its own budget


def test_a_keyframe_that_is_asked_for_keeps_to_its_budget():
    sizes = [6000] * 40
    encoded = encode(SourceEncoder(open_source("bikes", BIKES), FOLLOWS), sizes, forced={10, 20})
    assert [index for index, each in enumerate(encoded) if each.keyframe] == [0, 10, 20]
    assert max(len(each.payload) for each in encoded) <= 1.08 * 6000


def test_a_budget_of_hardly_anything_makes_the_smallest_frame_and_not_one_of_the_budget_before():
    encoded = encode(SourceEncoder(open_source("bikes", BIKES), FOLLOWS), [20_000, 20_000, 1])
    assert len(encoded[1].payload) > 10_000 and len(encoded[2].payload) < 100


def test_a_cached_stream_is_another_one_as_soon_as_a_budget_differs():
    source, one, two = open_source("bikes", BIKES), [5000] * 6, [5000, 5000, 5000, 3000, 5000, 5000]
    fresh = encode(SourceEncoder(source, FOLLOWS), two)
    with EncodeCache(None) as cache:
        first = encode(CachedEncoder(source, FOLLOWS, cache), one)
        assert encode(CachedEncoder(source, FOLLOWS, cache), two) == fresh
        misses = cache.misses
        assert encode(CachedEncoder(source, FOLLOWS, cache), one) == first
        assert cache.misses == misses
    assert first[:3] == fresh[:3] and first[3] != fresh[3]


def test_the_size_model_uses_the_whole_budget():
    source = LognormalSizes(open_source("bikes", BIKES).fps, seed=1)
    sizes = budgets(30)
    encoded = encode(SizeEncoder(source, FOLLOWS), sizes, forced={4})
    assert [len(each.payload) for each in encoded] == sizes
