"""The ledger: fates, stages that telescope, and contradictions that are refused."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassbench.experiments.account.instants import INSTANTS, RECEIVED_INSTANTS
from glassbench.experiments.account.ledger import FATES, INSIDE, STAGES, check, join, stages
from glassbench.experiments.account.ledger_error import LedgerError
from glassbench.receiver.record import ReceivedRecord
from glassbench.sender.record import SentRecord

START = 1002.0


def sent(sequence: int = 0, **changes: object) -> SentRecord:
    at = START + 0.04 * sequence
    record = SentRecord(
        track=0,
        sequence=sequence,
        captured_at=round(at, 6),
        size_bytes=5000,
        encode_start_at=at + 0.001,
        encode_end_at=at + 0.004,
        queued_at=at + 0.004,
        first_sent_at=at + 0.006,
        last_sent_at=at + 0.010,
    )
    return replace(record, **changes)  # type: ignore[arg-type]


def received(sequence: int = 0, **changes: object) -> ReceivedRecord:
    at = START + 0.04 * sequence
    record = ReceivedRecord(
        track=0,
        sequence=sequence,
        first_arrival_at=at + 0.026,
        complete_at=at + 0.030,
        delivered_at=at + 0.031,
        released_at=at + 0.040,
        decoded_at=at + 0.042,
        displayed_at=at + 0.050,
        outcome="displayed",
    )
    return replace(record, **changes)  # type: ignore[arg-type]


NOTHING = {
    "complete_at": None,
    "delivered_at": None,
    "released_at": None,
    "decoded_at": None,
    "displayed_at": None,
    "outcome": None,
}


@pytest.mark.parametrize(
    ("own", "other", "fate"),
    [
        ({}, {}, "displayed"),
        ({"given_up": "expired"}, {}, "displayed"),
        ({}, {"displayed_at": None, "outcome": "late"}, "late"),
        ({}, {"displayed_at": None, "outcome": None}, "late"),
        ({"given_up": "expired"}, {"displayed_at": None, "outcome": "late"}, "late"),
        ({}, {"displayed_at": None, "decoded_at": None, "outcome": "undecodable"}, "undecodable"),
        ({}, NOTHING, "lost"),
        ({}, {**NOTHING, "outcome": "undecodable"}, "lost"),
        ({"given_up": "expired"}, NOTHING, "expired"),
        ({"given_up": "dropped", "first_sent_at": None, "last_sent_at": None}, None, "dropped"),
        ({"first_sent_at": None, "last_sent_at": None}, None, "late"),
        ({"last_sent_at": None}, NOTHING, "late"),
        ({}, None, "lost"),
    ],
)
def test_each_frame_has_the_fate_of_the_first_rule_that_holds(
    own: dict[str, object], other: dict[str, object] | None, fate: str
) -> None:
    ledger = join([sent(**own)], [] if other is None else [received(**other)], media_start=START)
    assert ledger["fate"].tolist() == [fate]


BLACK_BOX = frozenset({"captured_at", "displayed_at"})


@pytest.mark.parametrize(
    ("own", "other", "fate"),
    [
        ({}, {}, "displayed"),
        ({}, {"displayed_at": None, "outcome": None}, "missing"),
        ({}, None, "missing"),
        ({"last_sent_at": None}, None, "missing"),
        ({"given_up": "skipped", "first_sent_at": None, "last_sent_at": None}, None, "skipped"),
        ({"given_up": "expired"}, NOTHING, "expired"),
    ],
)
def test_a_black_box_says_only_whether_a_frame_was_displayed(
    own: dict[str, object], other: dict[str, object] | None, fate: str
) -> None:
    halves = [] if other is None else [received(**other)]
    ledger = join([sent(**own)], halves, media_start=START, knows=BLACK_BOX)
    assert ledger["fate"].tolist() == [fate]
    assert ledger[sorted(INSTANTS - BLACK_BOX)].isna().all(axis=None)


def test_all_time_between_the_instants_of_a_black_box_is_inside() -> None:
    table = stages(join([sent(0), sent(1)], [received(0)], media_start=START, knows=BLACK_BOX))
    assert table.loc[0, f"{INSIDE}_ms"] == pytest.approx(50, abs=1e-6) == table.loc[0, "g2g_ms"]
    assert table[[f"{name}_ms" for name in STAGES]].isna().all(axis=None)
    assert np.isnan(table.loc[1, f"{INSIDE}_ms"]) and table.loc[1, "g2g_ms"] == np.inf


@pytest.mark.parametrize(
    ("hidden", "inside"),
    [
        (RECEIVED_INSTANTS[:-1], 44),  # a receiver that is a black box: what ours sent is known
        (("first_sent_at", "last_sent_at"), 22),  # encode end to first arrival
        (("released_at",), 19),
        (("decoded_at", "encode_end_at", "last_sent_at"), 0),  # no stage begins or ends there
    ],
)
def test_what_is_known_stays_a_stage_and_the_rest_is_inside(hidden: tuple[str, ...], inside: float) -> None:
    table = stages(join([sent()], [received()], media_start=START, knows=INSTANTS - set(hidden)))
    assert table.loc[0, f"{INSIDE}_ms"] == pytest.approx(inside, abs=1e-6)
    assert np.nansum(table.drop(columns="g2g_ms").to_numpy()) == pytest.approx(50, abs=1e-6)


def test_a_displayed_frame_of_ours_whose_instant_is_missing_is_refused() -> None:
    for name in ("first_arrival_at", "complete_at", "delivered_at", "released_at"):
        with pytest.raises(LedgerError, match="was displayed, and an instant before that is missing"):
            join([sent()], [received(**{name: None})], media_start=START)
    black_box = join([sent()], [received(released_at=None)], media_start=START, knows=INSTANTS - {"released_at"})
    assert black_box["fate"].tolist() == ["displayed"]
    with pytest.raises(LedgerError, match="an instant before that is missing"):
        join([sent()], [received(complete_at=None)], media_start=START, knows=INSTANTS - {"released_at"})


def test_stages_are_the_differences_in_ms_and_add_up() -> None:
    row = stages(join([sent()], [received()], media_start=START)).iloc[0]
    expected = {"wait": 1, "encode": 3, "queue": 2, "transit": 20, "spread": 4, "hold": 1, "buffer": 9, "decode": 10}
    assert {name: row[f"{name}_ms"] for name in STAGES} == pytest.approx(expected, abs=1e-6)
    assert row["g2g_ms"] == pytest.approx(50, abs=1e-6)


@settings(max_examples=60)
@given(
    st.lists(st.lists(st.floats(0, 0.5), min_size=8, max_size=8), min_size=1, max_size=10), st.integers(10**9, 10**12)
)
def test_stages_of_any_instants_telescope_to_a_microsecond(steps: list[list[float]], start_us: int) -> None:
    start = start_us / 1e6
    own, other = [], []
    for sequence, durations in enumerate(steps):
        at = round(start + sequence * 0.04, 6)
        t = at + np.cumsum(durations)
        own.append(sent(sequence, captured_at=at, encode_start_at=t[0], encode_end_at=t[1], queued_at=t[1],
                        first_sent_at=t[2], last_sent_at=t[3]))  # fmt: skip
        other.append(received(sequence, first_arrival_at=t[3], complete_at=t[4], delivered_at=t[5], released_at=t[6],
                              decoded_at=t[7], displayed_at=t[7]))  # fmt: skip
    table = stages(join(own, other, media_start=start))
    total = table.drop(columns="g2g_ms").sum(axis=1)
    assert np.abs(total - table["g2g_ms"]).max() <= 1e-3


def test_captured_frames_come_by_track_and_sequence_with_whole_microseconds() -> None:
    mixed = [sent(0), replace(sent(0), track=1), sent(1)]
    ledger = join(mixed, [received(1)], media_start=START)
    assert list(zip(ledger["track"], ledger["sequence"], strict=True)) == [(0, 0), (0, 1), (1, 0)]
    assert ledger["captured_at"].tolist() == [0.0, 0.04, 0.0]
    assert ledger["fate"].value_counts().sum() == 3
    assert set(ledger["fate"]) <= set(FATES)


def test_a_frame_dropped_before_it_was_encoded_has_a_row_but_no_number() -> None:
    unborn = SentRecord(0, -1, START + 0.02, given_up="dropped")
    ledger = join([sent(0), unborn, sent(1)], [received(0), received(1)], media_start=START)
    assert ledger["sequence"].tolist() == [0, -1, 1]
    assert ledger["fate"].tolist() == ["displayed", "dropped", "displayed"]


@pytest.mark.parametrize(
    ("own", "other", "sentence"),
    [
        ([sent(0)], [received(1)], "frame 1 of track 0 was received but never captured"),
        ([sent(0), sent(0)], [], "each once"),
        ([sent(1), sent(0)], [], "order of capture"),
        ([sent(1)], [], "without gaps"),
        ([sent(0, encode_end_at=START)], [], "encode_end_at is before"),
        ([sent(0)], [received(0, delivered_at=START + 0.02)], "delivered_at is before"),
        ([sent(0)], [received(0, delivered_at=None)], "instant before that is missing"),
        ([sent(0, encode_start_at=None)], [received(0)], "instant before that is missing"),
        ([sent(0, given_up="bored")], [], "fate"),
    ],
)
def test_a_contradiction_is_a_defect_and_raises(
    own: list[SentRecord], other: list[ReceivedRecord], sentence: str
) -> None:
    with pytest.raises(LedgerError, match=sentence):
        join(own, other, media_start=START)


def test_check_finds_a_ledger_changed_afterwards() -> None:
    ledger = join([sent()], [received()], media_start=START)
    ledger["released_at"] = 1.0
    with pytest.raises(LedgerError, match="decoded_at is before"):
        check(ledger)
