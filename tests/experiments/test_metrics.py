"""Metrics against examples counted by hand."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassbench.experiments.account.ledger import FATES
from glassbench.experiments.account.metric_table import METRICS, Runs
from glassbench.experiments.account.metrics import (
    freezes,
    glass_to_glass,
    picture_delay,
    sent_mbps,
    signal_delay,
)
from glassbench.experiments.account.percentile import percentile
from glassbench.experiments.account.sharing import Sharing
from glassbench.experiments.account.summary import summarize
from glassbench.experiments.scenario.media_spec import PICTURE_FLOOR

INF = math.inf


def frames(displayed: list[float | None], interval: float = 0.04) -> pd.DataFrame:
    shown = [math.nan if at is None else at for at in displayed]
    return pd.DataFrame(
        {
            "captured_at": [round(index * interval, 6) for index in range(len(shown))],
            **dict.fromkeys(("encode_start_at", "encode_end_at", "queued_at"), 0.0),
            **dict.fromkeys(("first_sent_at", "first_arrival_at", "complete_at", "delivered_at", "released_at"), shown),
            "displayed_at": shown,
            "fate": ["lost" if math.isnan(at) else "displayed" for at in shown],
        }
    )


@pytest.mark.parametrize(
    ("share", "value"), [(0.5, 10.0), (0.95, 19.0), (0.951, 20.0), (0.99, 20.0), (1.0, 20.0), (0.0, 1.0), (0.05, 1.0)]
)
def test_percentile_is_the_nearest_rank(share: float, value: float) -> None:
    assert percentile(np.arange(20.0, 0.0, -1.0), share) == value


@given(st.lists(st.floats(0, 100) | st.just(INF), min_size=1, max_size=60), st.floats(0.01, 1.0))
def test_percentile_is_the_least_value_that_covers_its_share(values: list[float], share: float) -> None:
    least = percentile(np.array(values), share)
    assert sum(value <= least for value in values) >= share * len(values) - 1e-6
    assert sum(value < least for value in values) < share * len(values)


def test_a_frame_never_shown_is_infinite_and_counts_in_percentiles() -> None:
    table = frames([0.02, None, 0.10, 0.15])
    assert glass_to_glass(table) == pytest.approx([0.02, INF, 0.02, 0.03])
    assert percentile(glass_to_glass(table), 0.95) == INF
    assert percentile(glass_to_glass(table), 0.75) == pytest.approx(0.03)


def test_signal_delay_waits_for_the_frame_or_a_later_one() -> None:
    # Frame 1 lost: its sign is seen with frame 2. Frame 3 shown after frame 4 would be late, so 4 carries its sign.
    table = frames([0.02, None, 0.10, 0.30, 0.20, None])
    assert signal_delay(table) == pytest.approx([0.02, 0.06, 0.02, 0.08, 0.04, INF])


def with_ssim(table: pd.DataFrame, own: list[float]) -> pd.DataFrame:
    """The frames, as good as this where they were shown."""
    return table.assign(ssim=0.5, own_ssim=np.where(table["displayed_at"].isna(), math.nan, own))


def test_a_picture_below_the_floor_counts_as_not_shown() -> None:
    good, bad = PICTURE_FLOOR, PICTURE_FLOOR - 1e-6
    table = with_ssim(frames([0.02, 0.06, 0.10, 0.14, None, 0.22]), [bad, bad, good, bad, good, 1.0])
    # Frames 0 and 1 are seen with frame 2, frames 3 and 4 with frame 5.
    assert picture_delay(table, PICTURE_FLOOR) == pytest.approx([0.10, 0.06, 0.02, 0.10, 0.06, 0.02])
    assert signal_delay(table) == pytest.approx([0.02, 0.02, 0.02, 0.02, 0.06, 0.02])


def test_empty_pictures_do_not_win_the_picture_delay() -> None:
    empty = with_ssim(frames([index * 0.04 + 0.001 for index in range(20)]), [0.3] * 20)
    assert summary_of(empty)["signal_p95_ms"] == pytest.approx(1)
    assert summary_of(empty)["picture_p95_ms"] == INF


def test_nothing_shown_has_an_infinite_picture_delay_and_unmeasured_pictures_have_none() -> None:
    table = frames([None] * 3)
    assert summary_of(with_ssim(table, [math.nan] * 3))["picture_p95_ms"] == INF
    assert summary_of(table)["picture_p95_ms"] is None
    assert summary_of(table.assign(ssim=math.nan, own_ssim=math.nan))["picture_p95_ms"] is None
    assert math.isnan(METRICS["picture_p95"].of(Runs([with_ssim(table, [math.nan] * 3), table])))


def summary_of(table: pd.DataFrame) -> dict[str, Any]:
    passed = pd.DataFrame({"at": [0.0], "sent_bytes": [1000]})
    return summarize(table, passed, Sharing(), np.zeros(len(table)), duration=0.04 * len(table))


@given(
    st.lists(st.tuples(st.none() | st.floats(0, 2), st.floats(0, 1)), min_size=1, max_size=40),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_the_picture_delay_is_never_below_the_signal_delay_and_grows_with_the_floor(
    captures: list[tuple[float | None, float]], floor: float, higher: float
) -> None:
    displayed = [None if late is None else index * 0.04 + late for index, (late, _) in enumerate(captures)]
    table = with_ssim(frames(displayed), [ssim for _, ssim in captures])
    delay = picture_delay(table, floor)
    assert (delay >= signal_delay(table)).all()
    assert (picture_delay(table, max(floor, higher)) >= delay).all()
    assert np.array_equal(picture_delay(table, 0.0), signal_delay(table))


def test_a_freeze_is_a_gap_of_three_mean_gaps_that_is_also_150_ms_above_the_mean() -> None:
    interval = 0.04
    steady = [index * interval + 0.02 for index in range(40)]
    assert freezes(frames(list(steady))) == []
    # mean gap 40 ms: the limit is max(120, 190) ms. A gap of 160 ms (three lost) is none, one of 200 ms (four lost) is.
    three_lost = [None if 10 <= index < 13 else at for index, at in enumerate(steady)]
    four_lost = [None if 10 <= index < 14 else at for index, at in enumerate(steady)]
    assert freezes(frames(three_lost)) == []
    [(start, length)] = freezes(frames(four_lost))
    assert (start, length) == (pytest.approx(steady[9]), pytest.approx(0.2))


@pytest.mark.parametrize(
    ("interval", "lost", "count"), [(0.1, 1, 0), (0.1, 2, 1), (0.1, 3, 1), (0.2, 1, 0), (0.2, 2, 1), (0.2, 3, 1)]
)
def test_the_limit_follows_the_mean_gap_and_is_a_freeze_itself(interval: float, lost: int, count: int) -> None:
    shown = [None if 5 <= index < 5 + lost else index * interval + 0.01 for index in range(20)]
    assert len(freezes(frames(shown, interval))) == count


def test_a_picture_that_stands_until_the_end_is_a_freeze_and_so_is_nothing_at_all() -> None:
    ends_early = [index * 0.04 + 0.02 if index < 10 else None for index in range(50)]
    [(start, length)] = freezes(frames(ends_early))
    assert start == pytest.approx(0.38)
    assert length == pytest.approx(49 * 0.04 - 0.38)
    assert freezes(frames([None] * 5)) == [(0.0, pytest.approx(0.16))]


def test_a_burst_that_catches_up_lowers_the_mean_gap_of_what_follows() -> None:
    burst = [1.0 + 0.001 * index for index in range(30)]  # 30 frames in 30 ms: mean gap 1 ms, limit 151 ms
    later = [1.029 + 0.16]
    assert len(freezes(frames([*burst, *later]))) == 1


def test_sent_rate_counts_what_passed_from_the_first_capture_on() -> None:
    passed = pd.DataFrame({"at": [-0.1, 0.0, 0.1], "sent_bytes": [999, 1000, 1500]})
    assert sent_mbps(passed, 0.2) == pytest.approx(2500 * 8 / 0.2 / 1e6)


def test_over_a_bound_of_nothing_there_is_no_ratio() -> None:
    passed = pd.DataFrame({"at": [0.0], "sent_bytes": [1000]})
    row = summarize(frames([0.0, 0.04]), passed, Sharing(), np.zeros(2), duration=0.08)
    assert (row["signal_bound_p95_ms"], row["bound_ratio"]) == (0, None)


def test_latencies_that_never_came_are_infinite_and_what_is_undefined_is_none() -> None:
    passed = pd.DataFrame({"at": [0.0], "sent_bytes": [1000]})
    row = summarize(
        frames([0.02, None, 0.10, 0.15]), passed, Sharing(), np.array([0.01, 0.01, 0.02, 0.02]), duration=0.16
    )
    assert row["captured"] == 4
    assert row["displayed"] == 3
    assert row["g2g_p50_ms"] == pytest.approx(20)
    assert row["g2g_p95_ms"] == row["g2g_max_ms"] == math.inf
    assert (row["signal_bound_p95_ms"], row["bound_ratio"]) == (pytest.approx(20), pytest.approx(60 / 20))
    assert row["fates"] == dict.fromkeys(FATES, 0) | {"displayed": 3, "lost": 1}
    assert row["ssim"] is None
    assert sum(row["stages_ms"].values()) == pytest.approx((20 + 20 + 30) / 3)
