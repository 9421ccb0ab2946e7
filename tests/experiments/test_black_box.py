"""An end that is a black box: its account has what it can know, and the instants of the other end stay."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from glassbench.experiments.account.arm_result import ArmResult
from glassbench.experiments.account.assemble import assemble
from glassbench.experiments.account.connection import Connection
from glassbench.experiments.account.instants import INSTANTS, RECEIVED_INSTANTS, SENT_INSTANTS
from glassbench.experiments.account.ledger import INSIDE, stages
from glassbench.experiments.account.reports import EndReport, Role
from glassbench.experiments.scenario import build
from glassbench.experiments.scenario.session_time import MEDIA_START
from glassbench.receiver.record import ReceivedRecord
from glassbench.sender.record import SentRecord

BLACK_BOX = frozenset({"captured_at", "displayed_at"})
FRAMES = 60


def sent(sequence: int, size_bytes: int = 4000) -> SentRecord:
    at = round(MEDIA_START + sequence / 30, 6)
    record = SentRecord(0, sequence, at, size_bytes=size_bytes, encode_start_at=at, encode_end_at=at + 0.003)
    return replace(record, queued_at=at + 0.003, first_sent_at=at + 0.005, last_sent_at=at + 0.008)


def received(sequence: int) -> ReceivedRecord:
    at = round(MEDIA_START + sequence / 30, 6)
    record = ReceivedRecord(0, sequence, first_arrival_at=at + 0.02, complete_at=at + 0.03, delivered_at=at + 0.03)
    return replace(record, released_at=at + 0.04, decoded_at=at + 0.045, displayed_at=at + 0.05, outcome="displayed")


def end(role: Role, **fields: Any) -> EndReport:
    counters = {"keyframe_requests": 0, "stamp_errors": 0, "stamp_unreadable": 0, "unannounced": 0}
    return EndReport(role, MEDIA_START + 3.0, Connection(-1.0), {}, pipeline=counters, **fields)


def account(sender: frozenset[str], receiver: frozenset[str], size_bytes: int = 4000) -> ArmResult:
    """Of two seconds of video, of which the last six frames are never shown."""
    video = {"source": "lognormal", "bitrate": "1Mbit/s"}
    plan = build({"name": "box", "duration": "2s", "arms": ["udp"], "video": video, "network": {"delay": "10ms"}})
    ends = [
        end("sender", knows=sender, sent=[sent(sequence, size_bytes) for sequence in range(FRAMES)]),
        end("receiver", knows=receiver, received=[received(sequence) for sequence in range(FRAMES - 6)]),
    ]
    return assemble(plan, plan.arms[0], plan.video.open(1), ends, [])


def test_of_a_receiver_that_is_a_black_box_the_instants_of_the_sender_stay() -> None:
    result = account(INSTANTS, BLACK_BOX)
    ledger = result.ledger
    assert ledger is not None
    assert ledger[list(SENT_INSTANTS)].notna().all(axis=None)
    assert ledger[[name for name in RECEIVED_INSTANTS if name != "displayed_at"]].isna().all(axis=None)
    assert ledger["fate"].tolist() == ["displayed"] * (FRAMES - 6) + ["missing"] * 6
    table = stages(ledger)[: FRAMES - 6]
    assert table["queue_ms"].to_numpy() == pytest.approx(2.0, abs=1e-6)
    assert table[f"{INSIDE}_ms"].to_numpy() == pytest.approx(45.0, abs=1e-6)
    assert np.nansum(table.drop(columns="g2g_ms"), axis=1) == pytest.approx(table["g2g_ms"], abs=1e-3)


def test_its_summary_and_the_numbers_of_its_flow_are_of_what_was_displayed() -> None:
    result = account(INSTANTS, BLACK_BOX)
    assert (result.summary["captured"], result.summary["displayed"]) == (FRAMES, FRAMES - 6)
    assert result.summary["fates"]["missing"] == 6 and result.summary["g2g_p50_ms"] == pytest.approx(50, abs=1e-3)
    together = sum(value for value in result.summary["stages_ms"].values() if value is not None)
    assert together == pytest.approx(50, abs=1e-3)
    (flow,) = result.flow_numbers
    assert flow["goodput_mbps"] == pytest.approx((FRAMES - 6) * 4000 * 8 / 2 / 1e6)


def test_of_a_stack_that_encodes_by_itself_nobody_knows_the_payload() -> None:
    (flow,) = account(BLACK_BOX, BLACK_BOX, size_bytes=0).flow_numbers
    assert flow["displayed"] == FRAMES - 6 and flow["goodput_mbps"] is None


def test_of_a_sender_that_is_a_black_box_the_instants_of_the_receiver_stay() -> None:
    result = account(BLACK_BOX, INSTANTS)
    ledger = result.ledger
    assert ledger is not None
    assert ledger[list(SENT_INSTANTS)].isna().all(axis=None)
    assert ledger.loc[: FRAMES - 7, list(RECEIVED_INSTANTS)].notna().all(axis=None)
    assert stages(ledger).loc[0, f"{INSIDE}_ms"] == pytest.approx(20.0, abs=1e-6)  # until the first arrival


def test_of_two_black_boxes_all_is_inside() -> None:
    ledger = account(BLACK_BOX, BLACK_BOX).ledger
    assert ledger is not None
    assert stages(ledger).loc[0, f"{INSIDE}_ms"] == pytest.approx(50.0, abs=1e-6)
