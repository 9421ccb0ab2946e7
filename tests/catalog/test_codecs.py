"""Equal quality: interpolation between the points of a ladder, and Bjontegaard's mean difference."""

import math

import pytest

from glassbench.experiments.catalog.codecs import (
    BITRATES,
    EXPERIMENT,
    LADDERS,
    Ladder,
    _all_need_less_than_h264,
    _av1_needs_least,
    bd_rate,
    cost_ms,
)

PSNR = (30.0, 34.0, 38.0, 41.0)


def ladder(*, bitrates: float = 1.0, psnr: float = 0.0) -> Ladder:
    bps = tuple(bitrates * bps for bps in BITRATES)
    return Ladder(bps, tuple(psnr + db for db in PSNR), (10.0,) * 4, tuple(bps_ / 1e5 for bps_ in bps), 0.0)


def test_equal_curves_differ_by_nothing():
    assert bd_rate(ladder(), ladder()) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.3])
def test_the_same_quality_at_a_share_of_the_bits_differs_by_this_share(factor):
    assert bd_rate(ladder(), ladder(bitrates=factor)) == pytest.approx(factor - 1, abs=1e-9)


def test_better_quality_at_the_same_bits_is_fewer_bits():
    assert bd_rate(ladder(), ladder(psnr=1.0)) < -0.05


def test_the_bitrate_between_two_points_is_their_geometric_mean_half_way():
    assert ladder().bps_at(36.0) == pytest.approx(math.sqrt(0.2e6 * 0.4e6))


def test_there_is_no_bitrate_for_a_quality_outside_the_ladder():
    assert math.isnan(ladder().bps_at(29.0))
    assert math.isnan(ladder().bps_at(44.0))


def test_the_latency_of_a_quality_is_that_of_its_bitrate():
    row = ladder()
    assert row.ms_at(38.0, row.slow_ms) == pytest.approx(4.0)


def test_newer_codecs_cost_more():
    assert min(LADDERS, key=cost_ms) == "h264"


def test_both_links_carry_the_same_codecs_and_bitrates():
    fast, slow = EXPERIMENT.plans()
    assert [cell.axes for cell in fast.cells] == [cell.axes for cell in slow.cells]
    assert fast.quality
    assert not slow.quality


def test_the_order_of_bitrates_breaks_when_one_codec_needs_more():
    table = {codec: ladder(bitrates=share) for codec, share in zip(LADDERS, (1.0, 0.7, 0.9, 0.6, 0.4), strict=True)}
    assert _all_need_less_than_h264(table).holds
    assert _av1_needs_least(table).holds
    assert not _all_need_less_than_h264({**table, "vp9": ladder(bitrates=1.1)}).holds
    assert not _av1_needs_least({**table, "av1": ladder(bitrates=0.65)}).holds
