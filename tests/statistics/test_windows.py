"""Windows of one trace: which overlap, and how many are apart."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassbench.experiments.results.statistics.windows import overlap


@pytest.mark.parametrize(
    ("starts", "overlapping"),
    [
        ([0.0, 10.0, 20.0], 0),
        ([0.0, 9.999, 20.0], 2),
        ([0.0, 50.0, 95.0], 2),  # the last goes on at the start of the trace
        ([0.0, 5.0, 10.0], 3),
        ([30.0, 30.0], 2),
        ([30.0], 0),
    ],
)
def test_windows_overlap_that_share_a_part_of_the_trace(starts, overlapping):
    assert overlap(starts, length=10.0, period=100.0).overlapping == overlapping


@given(
    starts=st.lists(st.integers(0, 59), min_size=1, max_size=12),
    length=st.integers(1, 70),
    period=st.integers(10, 60),
)
def test_overlaps_are_those_of_the_seconds_that_windows_hold(starts, length, period):
    seconds = [{(start + second) % period for second in range(length)} for start in starts]
    expected = sum(
        any(own & other for place, other in enumerate(seconds) if place != index) for index, own in enumerate(seconds)
    )
    assert overlap([float(start) for start in starts], length=length, period=period).overlapping == expected


def test_a_trace_holds_as_many_independent_windows_as_fit_side_by_side():
    rng = np.random.default_rng(1)
    apart = overlap(rng.uniform(0, 760, 20).tolist(), length=10.0, period=760.0)
    assert (apart.room, apart.dependent) == (76, "")
    short = overlap(rng.uniform(0, 120, 20).tolist(), length=10.0, period=120.0)
    assert short.dependent == (
        "the recorded trace of 120 s is too short for 20 independent windows of 10 s: it holds 12"
    )
    assert overlap([0.0] * 3, length=1.0, period=100.0).dependent == (
        "the 3 runs replay one window of the recorded trace, so they are one drive"
    )
    assert overlap([7.0], length=200.0, period=100.0).dependent == ""
