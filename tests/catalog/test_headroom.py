"""The closed forms of the headroom experiment."""

import math

import numpy as np
import pytest

from glassbench.experiments.catalog.headroom import (
    EXPERIMENT,
    LinkAtLoad,
    _frames_follow_lindley,
    departures,
    frames_that_wait,
    keyframe_knee,
    knee,
    wire_bytes,
)


def test_a_frame_on_the_wire_has_a_header_for_each_fragment():
    assert wire_bytes(np.array([1428.0, 1429.0]), max_datagram_bytes=1452).tolist() == [1428 + 52, 1429 + 2 * 52]


def test_jobs_wait_for_those_before_them_and_only_for_these():
    left = departures(np.array([0.0, 1.0, 2.0, 10.0]), np.array([1.5, 1.0, 0.5, 2.0]))
    assert left.tolist() == [1.5, 2.5, 3.0, 12.0]


def test_the_headroom_drains_a_keyframe():
    # 4 units of work every 1; each frame leaves 0.5 of its interval free: 6 frames until 3 are drained.
    assert frames_that_wait(4.0, 0.5, 1.0) == pytest.approx(6.0)
    arrivals = np.arange(20.0)
    service = np.where(arrivals == 0, 4.0, 0.5)
    waits = departures(arrivals, service) - arrivals - service
    assert np.count_nonzero(waits > 1e-9) == 6


def test_keyframe_knee_is_where_the_third_frame_after_a_keyframe_is_twice_the_p95_of_frames():
    knee = keyframe_knee(ratio=4.0, interval=60, sigma=0.25)
    service = knee * 60 / 63  # of a delta frame, in frame intervals
    third = 4 * service + 3 * service - 3
    assert third == pytest.approx(2 * service * math.exp(1.645 * 0.25 - 0.25**2 / 2))
    assert 0.7 < knee < 0.8


def test_cells_keep_their_frames_and_nothing_comes_back():
    (plan,) = EXPERIMENT.plans()
    assert plan.frames
    assert {cell.scenario.network.paths()[1][0].kind for cell in plan.cells} == {"random-loss"}


def test_a_frame_that_comes_too_early_or_too_late_breaks_the_check():
    assert _frames_follow_lindley([_point(0.8)]).holds
    assert not _frames_follow_lindley([_point(0.8, off=1e-3)]).holds
    assert not _frames_follow_lindley([_point(0.8, off=-1e-3)]).holds


def test_the_knee_is_between_the_loads_where_the_p95_doubles():
    row = [_point(load) for load in (0.5, 0.9, 1.2)]
    assert 0.9 < knee(row) < 1.2


def _point(load: float, *, off: float = 0.0) -> LinkAtLoad:
    captured = np.arange(200) / 30
    service = np.full(200, load / 30)
    sojourn = departures(captured, service) - captured + off
    return LinkAtLoad(load, "none", 1e6, load, captured, service, sojourn, sojourn, np.zeros(200, dtype=bool))
