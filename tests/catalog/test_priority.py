"""Checks of priority on made-up points: they hold where they should, and fail where they have to."""

from dataclasses import replace

import numpy as np
import pytest

from glassbench.experiments.catalog import EXPERIMENTS, priority
from glassbench.experiments.catalog.priority import BITRATE, FIRST, LANES, LOADS, QUEUE_BYTES, RTT, LaneAtLoad
from glassbench.experiments.scenario.tracks import CHAT_TRACK
from glassbench.experiments.worlds.reuse import Reuse
from glassbench.experiments.worlds.virtual import run_arm
from glassbench.receiver.quality import QualityMemo
from glassbench.sender.encode_cache import EncodeCache

MESSAGES = 400


def point(lane: str, load: float) -> LaneAtLoad:
    delays = {"equal": 0.4, "stock reno": 0.4, "chat last": 0.5 if load < 0.95 else 10.0}
    whole_queue = QUEUE_BYTES * 8 * load / BITRATE + RTT / 2
    late = 0.04 if lane in FIRST else delays.get(lane, whole_queue)
    return LaneAtLoad(lane, load, np.full(MESSAGES, late), np.full(MESSAGES, 1e-3), np.full(600, 0.05))


@pytest.fixture
def table() -> list[LaneAtLoad]:
    return [point(lane, load) for load in LOADS for lane in LANES]


def test_a_cell_for_each_way_of_sending_and_load_and_frames_are_kept() -> None:
    (plan,) = EXPERIMENTS["priority-v1"].plans()
    assert len(plan.cells) == len(LANES) * len(LOADS)
    assert plan.frames


def test_the_rate_of_the_link_follows_from_the_load() -> None:
    assert point("udp", 0.5).rate == 2 * BITRATE


def changed(table: list[LaneAtLoad], lane: str, **fields: np.ndarray) -> list[LaneAtLoad]:
    return [replace(p, **fields) if p.lane == lane else p for p in table]


SLOW, FAST = np.full(MESSAGES, 2.0), np.full(MESSAGES, 0.041)
CHECKS = {
    priority._one_packet_ahead: ("chat first", {"waited": SLOW}),
    priority._whole_delay: ("chat first", {"message": SLOW}),
    priority._fifo_ends_at_the_queue: ("udp", {"message": SLOW}),
    priority._priority_is_what_helps: ("equal", {"message": FAST}),
    priority._stock_puts_chat_into_the_queue: ("stock reno", {"message": FAST}),
    priority._video_pays_for_the_messages_only: ("chat first", {"frame": np.full(600, 1.0)}),
    priority._the_last_one_starves: ("chat last", {"message": FAST}),
}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("lane", FIRST)
def test_beside_more_video_than_the_link_takes_an_urgent_message_waits_for_one_packet(lane: str) -> None:
    cell = priority._cell(lane, 1.1)
    result = run_arm(cell.scenario, cell.scenario.arms[0], Reuse(EncodeCache(None), QualityMemo()), quality=False)
    assert result.ledger is not None
    messages = result.ledger[
        (result.ledger["track"] == CHAT_TRACK) & (result.ledger["captured_at"] >= priority._WARM_UP)
    ]
    waited = messages["first_sent_at"] - messages["captured_at"]
    assert waited.quantile(0.95) <= point(lane, 1.1).packet + priority.ACK_DELAY


@pytest.mark.parametrize("check", CHECKS)
def test_what_follows_from_strict_priority_holds(check, table) -> None:
    assert check(table).holds


@pytest.mark.parametrize("check", CHECKS)
def test_a_way_of_sending_that_does_otherwise_breaks_its_check(check, table) -> None:
    lane, fields = CHECKS[check]
    assert not check(changed(table, lane, **fields)).holds
