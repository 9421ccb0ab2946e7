"""Ladders of encoders: which rung serves a budget, when it is changed, and what comes out of real encoders."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from glassbench.receiver.decoder import VideoDecoder
from glassbench.receiver.stamp import read_stamp
from glassbench.sender.encode_cache import CachedEncoder, EncodeCache
from glassbench.sender.encoder import ENCODERS, EncoderError, EncoderSettings, SourceEncoder
from glassbench.sender.sources import SourceRequest, open_source
from glassbench.transport.stamp_code import MIN_HEIGHT, MIN_WIDTH

FPS = 25
CLIMBING = [codec for codec, entry in ENCODERS.items() if not entry.keeps_budgets]
BIKES = open_source("bikes", SourceRequest(320, 180, Fraction(FPS)))


def ladder(codec, **settings):
    most = {"bitrate_bps": 20_000_000, "follows": True, **settings}
    return EncoderSettings(codec=codec, **most).ladder(width=1280, height=720, fps=Fraction(FPS))


def places(steps, sizes, forced=()):
    return [steps.next(int(size), force_keyframe=index in forced) for index, size in enumerate(sizes)]


def opened(placed):
    return [index for index, each in enumerate(placed) if each.opens]


def frame_bytes(each):
    return each.rung.bitrate_bps / 8 / FPS


@pytest.mark.parametrize("codec", ENCODERS)
@pytest.mark.parametrize("budget", [100, 700, 3000, 9000, 30_000, 500_000])
def test_a_constant_budget_changes_nothing_after_the_first_frame(codec, budget):
    assert set(opened(places(ladder(codec), [budget] * 500))) <= {0}


@pytest.mark.parametrize("codec", ENCODERS)
@pytest.mark.parametrize("seed", range(3))
def test_budgets_that_vary_by_a_third_seldom_change_the_rung(codec, seed):
    varied = np.random.default_rng(seed).uniform(6000, 12_000, 40 * FPS)
    assert len(opened(places(ladder(codec), varied))) <= 12


@pytest.mark.parametrize("codec", CLIMBING)
def test_smaller_budgets_lead_down_within_half_a_second_and_larger_ones_up_after_another(codec):
    placed = places(ladder(codec), [20_000] * 50 + [2000] * 50 + [20_000] * 100)
    assert frame_bytes(placed[49]) == pytest.approx(20_000 / 1.25, rel=0.25)
    assert all(frame_bytes(each) <= 2000 for each in placed[50 + FPS // 2 : 100])
    back = [index for index in opened(placed) if index >= 100]
    assert back[0] >= 100 + FPS // 3
    assert frame_bytes(placed[-1]) == frame_bytes(placed[49])
    assert len(opened(placed)) <= 8


@pytest.mark.parametrize("codec", CLIMBING)
def test_no_frame_is_planned_larger_than_budgets_have_room_for(codec):
    for budget in (300, 1000, 5000, 50_000):
        assert frame_bytes(places(ladder(codec), [budget] * 3)[-1]) <= max(250, budget / 1.25) + 1


def test_a_higher_rung_that_does_not_last_is_tried_less_and_less_often():
    """A backlog behind frames that are too large takes the budgets away, and idleness gives more than the link has."""
    steps, placed, backlog = ladder("vp8"), [], 0.0
    for _ in range(60 * FPS):
        placed.append(steps.next(int(max(250, 8000 - backlog)), force_keyframe=False))
        backlog = max(0.0, backlog + frame_bytes(placed[-1]) - 4000)
    changes = opened(placed)
    assert len([index for index in changes if index > 30 * FPS]) < len([index for index in changes if index < 30 * FPS])
    assert len(changes) < 40


def test_x264_makes_the_picture_smaller_where_budgets_stay_small_and_larger_again_later():
    placed = places(ladder("h264"), [30_000] * 50 + [4000] * 100 + [30_000] * 100)
    widths = [each.rung.width for each in placed]
    assert set(widths[:50]) == {1280}
    assert set(widths[50:60]) == {1280}
    assert widths[149] == 640
    assert widths[-1] == 1280
    assert all(each.rung.bitrate_bps == 20_000_000 for each in placed)
    assert len(opened(placed)) <= 4


def test_a_short_fade_and_the_small_frames_of_an_outage_leave_the_picture_of_x264_as_it_is():
    fade = [30_000] * 50 + [3000] * 8 + [30_000] * 50 + [250] * 60 + [30_000] * 50
    assert opened(places(ladder("h264"), fade)) == []


@pytest.mark.parametrize("codec", ENCODERS)
def test_every_rung_has_an_even_size_in_which_a_stamp_can_be_read(codec):
    for width, height in ((1280, 720), (640, 272), (320, 180), (162, 92)):
        settings = EncoderSettings(codec=codec, bitrate_bps=20_000_000, follows=True)
        steps = settings.ladder(width=width, height=height, fps=Fraction(FPS))
        rungs = {each.rung for budget in range(100, 60_000, 500) for each in places(steps, [budget] * FPS)}
        assert all(rung.width % 2 == rung.height % 2 == 0 for rung in rungs)
        assert all(rung.width >= MIN_WIDTH and rung.height >= MIN_HEIGHT for rung in rungs)
        assert max(rung.width for rung in rungs) == width


def test_a_picture_in_slices_keeps_a_row_of_macroblocks_for_each():
    settings = EncoderSettings(bitrate_bps=20_000_000, follows=True, slices=8)
    steps = settings.ladder(width=640, height=360, fps=Fraction(FPS))
    assert min(each.rung.height for each in places(steps, [600] * 200)) >= 8 * 16


def test_an_encoder_that_follows_has_no_temporal_layers():
    with pytest.raises(EncoderError, match="temporal_layers must be 1 for an encoder that follows the network, got 3"):
        EncoderSettings(codec="vp8", follows=True, layers=3)


@pytest.mark.parametrize("codec", CLIMBING)
@pytest.mark.parametrize("fps", [1, 240])
def test_every_rung_is_a_rate_that_encoders_accept(codec, fps):
    settings = EncoderSettings(codec=codec, bitrate_bps=1_000_000, follows=True)
    steps = settings.ladder(width=640, height=360, fps=Fraction(fps))
    rates = {each.rung.bitrate_bps for budget in (0, 100, 5000, 10**6) for each in places(steps, [budget] * 300)}
    assert min(rates) >= 10_000 and max(rates) <= 1_000_000


@pytest.mark.parametrize("codec", CLIMBING)
def test_a_keyframe_that_is_asked_for_or_due_comes_from_another_encoder(codec):
    placed = places(ladder(codec, keyframe_interval=20), [5000] * 60, forced={5})
    assert opened(placed) == [0, 5, 25, 45]


def encode(encoder, sizes, forced=()):
    return [
        encoder.encode(index, 1002.0 + index / FPS, force_keyframe=index in forced, budget_bytes=size)
        for index, size in enumerate(sizes)
    ]


STEPS = [4000] * 30 + [300] * 15 + [4000] * 30


@pytest.fixture(scope="module")
def encoded():
    """The frames of each codec, over budgets that fall and come back."""
    return {
        codec: encode(
            SourceEncoder(BIKES, EncoderSettings(codec=codec, bitrate_bps=20_000_000, follows=True)), STEPS, forced={55}
        )
        for codec in ENCODERS
    }


@pytest.mark.parametrize("codec", ENCODERS)
def test_every_codec_follows_budgets_down_and_up(encoded, codec):
    sizes = np.array([len(each.payload) for each in encoded[codec]])
    before, small, after = sizes[15:30].mean(), sizes[37:45].mean(), sizes[60:].mean()
    assert small < 0.7 * min(before, after)
    assert before < 1.2 * 4000 and after < 1.2 * 4000


@pytest.mark.parametrize("codec", CLIMBING)
def test_a_keyframe_of_another_encoder_is_no_spike(encoded, codec):
    first = [len(each.payload) for each in encoded[codec] if each.keyframe]
    assert len(first) >= 3
    assert max(first) <= 1.5 * 4000


@pytest.mark.parametrize("codec", ENCODERS)
def test_one_decoder_reads_the_stamp_of_every_frame_at_every_size(codec, monkeypatch):
    sizes = ((1.0, 0.5), (0.75, 0.22), (0.5, 0.1), (0.25, 0.0))
    monkeypatch.setitem(ENCODERS, codec, replace(ENCODERS[codec], scales=sizes))
    settings = EncoderSettings(codec=codec, bitrate_bps=20_000_000, follows=True)
    source = open_source("bikes", SourceRequest(640, 360, Fraction(FPS)))
    decoder, widths = VideoDecoder(codec, (640, 360)), set()
    for budget in (40_000, 9_000, 4_500, 2_000, 40_000):
        for index, each in enumerate(encode(SourceEncoder(source, settings), [budget] * 4)):
            picture = decoder.decode(each.payload)
            assert (picture.width, picture.height) == each.size
            assert read_stamp(picture) == (index, 1002.0 + index / FPS)
            widths.add(picture.width)
    assert widths == {640, 480, 320, 160}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("codec", ENCODERS)
def test_cached_frames_are_those_of_the_encoder_and_another_rung_is_another_frame(encoded, codec):
    settings = EncoderSettings(codec=codec, bitrate_bps=20_000_000, follows=True)
    other = [*STEPS[:50], *[900] * 10]
    with EncodeCache(None) as cache:
        assert encode(CachedEncoder(BIKES, settings, cache), STEPS, forced={55}) == encoded[codec]
        assert cache.hits == 0
        assert encode(CachedEncoder(BIKES, settings, cache), STEPS, forced={55}) == encoded[codec]
        assert cache.hits == len(STEPS)
        assert encode(CachedEncoder(BIKES, settings, cache), other) == encode(SourceEncoder(BIKES, settings), other)


def test_budgets_that_lead_to_the_same_rung_share_frames_where_the_encoder_hears_of_the_rung_alone():
    settings = EncoderSettings(codec="vp8", bitrate_bps=20_000_000, follows=True)
    with EncodeCache(None) as cache:
        encode(CachedEncoder(BIKES, settings, cache), [4000] * 5)
        encode(CachedEncoder(BIKES, settings, cache), [4000, 4010, 4020, 4030, 4040])
        assert cache.hits == 5
