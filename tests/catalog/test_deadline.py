"""Checks of deadlines on made-up points: they hold where they should, and fail where they have to."""

from dataclasses import replace

import numpy as np
import pytest

from glassbench.experiments.catalog import EXPERIMENTS, deadline
from glassbench.experiments.catalog.deadline import ARMS, DEADLINES, ENFORCING, IGNORING, SEEDS, DriveWithDeadline

FRAMES = 200


def point(arm: str, at: float, seed: int) -> DriveWithDeadline:
    """An arm that knows the deadline shows more with more time. The others show what comes in time; their frames take
    up to 2 or 3 s."""
    rank = sorted(value or 9.0 for value in DEADLINES).index(at or 9.0) + 1
    delays = np.linspace(0.05, (at or 2.0), FRAMES)
    if arm in ENFORCING and at:
        delays[: 60 - 10 * rank] = np.inf
    elif arm not in ENFORCING:
        delays = np.linspace(0.05, 2.0 if arm != "udp" else 3.0, FRAMES)
        delays[delays > (at or np.inf)] = np.inf
    return DriveWithDeadline(arm, at, seed, delays, np.arange(3.0 * FRAMES).reshape(FRAMES, 3))


@pytest.fixture
def table() -> list[DriveWithDeadline]:
    return [point(arm, at, seed) for seed in SEEDS for at in DEADLINES for arm in ARMS]


def test_a_cell_for_each_arm_deadline_and_drive_and_frames_are_kept() -> None:
    (plan,) = EXPERIMENTS["deadline-v2"].plans()
    assert len(plan.cells) == len(ARMS) * len(DEADLINES) * len(SEEDS)
    assert plan.frames
    assert {cell.scenario.video.deadline for cell in plan.cells} == {*DEADLINES[:-1], None}


def test_shown_and_in_time_are_over_all_drives(table: list[DriveWithDeadline]) -> None:
    assert len(deadline.shown(table, "srt", 0.0)) == len(SEEDS) * FRAMES
    assert deadline.in_time(table, "srt", 0.0, 2.0) == 1.0
    assert deadline.in_time(table, "srt", 0.0, 0.01) == 0.0


def test_what_holds_for_deadlines_that_are_kept(table: list[DriveWithDeadline]) -> None:
    assert deadline._longer_delivers_more(table).holds
    assert deadline._nothing_is_shown_late(table).holds
    assert deadline._who_does_not_know_does_not_care(table).holds
    assert deadline._giving_up_helps_those_behind(table).holds
    assert deadline._no_deadline_loses_nothing(table).holds


@pytest.mark.parametrize("arm", ["quic-datagram", "udp"])
def test_one_frame_shown_after_its_deadline_breaks_its_check(table: list[DriveWithDeadline], arm: str) -> None:
    index = next(i for i, p in enumerate(table) if p.arm == arm and p.deadline == 0.6)
    delays = table[index].delays.copy()
    delays[-1] = 0.6 + 1e-3
    table[index] = replace(table[index], delays=delays)
    assert not deadline._nothing_is_shown_late(table).holds


def test_a_longer_deadline_that_shows_no_more_breaks_its_check(table: list[DriveWithDeadline]) -> None:
    same = [replace(p, delays=point(p.arm, 0.15, p.seed).delays) if p.deadline == 0.3 else p for p in table]
    assert not deadline._longer_delivers_more(same).holds


@pytest.mark.parametrize("arm", IGNORING)
def test_one_frame_sent_at_another_instant_by_who_does_not_know_deadlines_breaks_its_check(
    table: list[DriveWithDeadline], arm: str
) -> None:
    index = next(i for i, p in enumerate(table) if p.arm == arm and p.deadline == 0.6)
    times = table[index].times.copy()
    times[7, 0] += 1e-6
    table[index] = replace(table[index], times=times)
    check = deadline._who_does_not_know_does_not_care(table)
    assert not check.holds
    assert f"{arm} = 1" in check.measured


def test_another_arm_that_has_more_in_time_breaks_the_order(table: list[DriveWithDeadline]) -> None:
    better = [replace(p, delays=np.full(FRAMES, 0.01)) if p.arm == "rtp" else p for p in table]
    assert not deadline._giving_up_helps_those_behind(better).holds


def test_one_frame_lost_without_a_deadline_breaks_its_check(table: list[DriveWithDeadline]) -> None:
    index = next(i for i, p in enumerate(table) if p.arm == "quic-datagram" and not p.deadline)
    delays = table[index].delays.copy()
    delays[3] = np.inf
    table[index] = replace(table[index], delays=delays)
    assert not deadline._no_deadline_loses_nothing(table).holds
