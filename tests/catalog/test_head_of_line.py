"""Head-of-line blocking as a closed form, and checks on made-up frames that have to fail."""

from dataclasses import replace

import numpy as np
import pytest

from glassbench.experiments.catalog import EXPERIMENTS, head_of_line
from glassbench.experiments.catalog.frames import FRAME_INTERVAL
from glassbench.experiments.catalog.head_of_line import (
    GROUP,
    LOSSES,
    MAPPINGS,
    RTTS,
    MappingOnPath,
    blocking_of_one,
    repair_delay,
)

FRAMES = 300


def point(mapping: str, rtt: float, loss: float) -> MappingOnPath:
    """At even distances one frame is lost and repaired, and all frames are delivered, as the closed forms say."""
    captured = np.arange(FRAMES) * FRAME_INTERVAL
    arrival = captured + rtt / 2
    arrival[10 :: 60 if loss == LOSSES[0] else 20] += repair_delay(rtt)
    group = (np.arange(FRAMES) // GROUP).astype(float)
    made = MappingOnPath(mapping, rtt, loss, group, captured, arrival, arrival, arrival, np.maximum.accumulate(arrival))
    return replace(made, delivered=made.in_order())


@pytest.fixture
def table() -> list[MappingOnPath]:
    return [point(mapping, rtt, loss) for rtt in RTTS for loss in LOSSES for mapping in MAPPINGS]


def test_a_repair_takes_the_next_frame_and_a_round_trip_or_nine_eighths_of_it() -> None:
    assert repair_delay(0.1, 0.03) == pytest.approx(0.13)
    assert repair_delay(1.0, 0.03) == pytest.approx(1.125)


def test_the_frames_behind_a_lost_one_wait_less_and_less() -> None:
    assert blocking_of_one(0.07, 0.03) == pytest.approx((0.1 - 0.03) + (0.1 - 0.06) + (0.1 - 0.09))
    assert blocking_of_one(0.0, 0.03) == pytest.approx(0.0)


def test_order_is_by_stream() -> None:
    late = point("stream per group", 0.16, LOSSES[1])
    complete = late.complete.copy()
    complete[GROUP - 1] += 10
    late = replace(late, complete=complete)
    assert late.in_order()[GROUP - 1] == complete[GROUP - 1]
    assert late.in_order()[GROUP] == complete[GROUP]  # of the next group
    assert replace(late, mapping="one stream").in_order()[GROUP] == complete[GROUP - 1]


def test_a_cell_for_each_mapping_and_path_and_frames_are_kept() -> None:
    (plan,) = EXPERIMENTS["head-of-line-v1"].plans()
    assert len(plan.cells) == len(MAPPINGS) * len(RTTS) * len(LOSSES)
    assert plan.frames


def held(p: MappingOnPath) -> MappingOnPath:
    return replace(p, delivered=p.delivered + 1e-3, displayed=p.displayed + 1e-3)


def slow(p: MappingOnPath) -> MappingOnPath:
    lost = p.first_arrival > p.captured + p.rtt / 2 + 1e-3
    return replace(p, first_arrival=np.where(lost, p.first_arrival + 0.01, p.first_arrival))


def blocked(p: MappingOnPath) -> MappingOnPath:
    return replace(p, delivered=p.complete + 1.0)


def skipped(p: MappingOnPath) -> MappingOnPath:
    return replace(p, displayed=p.complete)


CHECKS = {
    head_of_line._in_order_and_no_longer: ("stream per group", held),
    head_of_line._nobody_waits_without_a_common_stream: ("datagrams", held),
    head_of_line._blocking_of_one_stream: ("one stream", blocked),
    head_of_line._blocking_grows: ("one stream", blocked),
    head_of_line._a_group_ends_the_wait: ("stream per group", blocked),
    head_of_line._references_wait_anyway: ("stream per frame", skipped),
}


@pytest.mark.parametrize("check", CHECKS)
def test_frames_by_the_closed_forms_hold(check, table) -> None:
    assert check(table).holds


@pytest.mark.parametrize("check", CHECKS)
def test_a_mapping_that_does_otherwise_breaks_its_check(check, table) -> None:
    mapping, change = CHECKS[check]
    assert not check([change(p) if p.mapping == mapping else p for p in table]).holds


def test_repairs_ten_milliseconds_too_late_break_their_check(table) -> None:
    assert head_of_line._repair_takes_a_round_trip_and_detection(table).holds
    assert not head_of_line._repair_takes_a_round_trip_and_detection([slow(p) for p in table]).holds
