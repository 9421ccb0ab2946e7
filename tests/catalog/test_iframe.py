"""Slow start as a closed form, and checks of keyframes on made-up frames that have to fail."""

import math
from dataclasses import replace

import pytest

from glassbench.experiments.catalog import EXPERIMENTS, iframe
from glassbench.experiments.catalog.iframe import (
    BITRATES,
    SIZES,
    UNLIMITED,
    WINDOW_BYTES,
    WINDOWED,
    First,
    Running,
    rounds,
)


def first(arm: str, size: float) -> First:
    """As the closed form says, halfway through the last round trip; at once for an arm that has no window."""
    return First(arm, size, 0.0 if arm in UNLIMITED else max(0.05, math.log2(size / WINDOW_BYTES + 1) - 0.1))


@pytest.fixture
def frames() -> list[First]:
    return [first(arm, size) for arm in (*WINDOWED, *UNLIMITED) for size in SIZES]


@pytest.fixture
def running() -> list[Running]:
    sizes = [20_000.0 * rate for rate in BITRATES]
    took = {"stock reno": 1.0, "ours": 0.0, "rtp": 0.0}
    return [Running(arm, rate, size, took[arm]) for arm in took for rate, size in zip(BITRATES, sizes, strict=True)]


def test_windows_that_double_carry_one_three_and_seven_windows() -> None:
    assert [rounds(windows * WINDOW_BYTES) for windows in (0.5, 1, 1.01, 3, 3.01, 7, 7.01)] == [1, 1, 2, 2, 3, 3, 4]


def test_a_cell_for_each_size_and_bitrate_and_frames_are_kept() -> None:
    start, video = EXPERIMENTS["iframe-v1"].plans()
    assert len(start.cells) == len(SIZES) * len(WINDOWED | UNLIMITED)
    assert len(video.cells) == len(BITRATES) * 3
    assert start.frames and video.frames


CHECKS = (
    iframe._slow_start,
    iframe._our_start_is_no_slower,
    iframe._larger_takes_longer,
    iframe._one_window_takes_no_round_trip,
    iframe._without_a_window,
)


@pytest.mark.parametrize("check", CHECKS)
def test_frames_by_the_closed_form_hold(check, frames) -> None:
    assert check(frames).holds


@pytest.mark.parametrize(
    ("check", "arm"),
    [
        (iframe._slow_start, "stock reno"),
        (iframe._our_start_is_no_slower, "ours"),
        (iframe._without_a_window, "udp"),
        (iframe._one_window_takes_no_round_trip, "ours, stream"),
    ],
)
def test_frames_of_an_arm_that_take_a_round_trip_and_a_half_more_break_its_check(check, arm, frames) -> None:
    late = [replace(frame, took=frame.took + 1.5) if frame.arm == arm else frame for frame in frames]
    assert not check(late).holds


def test_two_round_trips_for_each_doubling_break_the_slope(frames) -> None:
    assert not iframe._larger_takes_longer([replace(frame, took=2 * frame.took) for frame in frames]).holds


def test_a_window_that_grew_unused_breaks_the_check_of_stock_reno(running) -> None:
    assert iframe._a_window_that_was_not_used(running).holds
    grown = [replace(row, took=0.0) for row in running]
    assert not iframe._a_window_that_was_not_used(grown).holds


def test_a_running_video_that_starts_anew_at_each_keyframe_breaks_the_check_of_ours(running) -> None:
    assert iframe._ours_is_bounded(running).holds
    anew = [replace(row, took=math.log2(row.size_bytes / WINDOW_BYTES + 1)) for row in running]
    assert not iframe._ours_is_bounded(anew).holds
