"""What a page tells of the frames that it sent is checked, bounded, and put beside what arrived."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassbench.experiments.account.connection import Connection
from glassbench.experiments.account.reports import EndReport
from glassbench.experiments.scenario.session_time import MEDIA_START
from glassbench.experiments.worlds.browser.page_account import account_of_sender
from glassbench.experiments.worlds.browser.page_told import MOST_FRAMES, PageError
from glassbench.experiments.worlds.browser.sent_ledger import SentLedger
from glassbench.receiver.record import ReceivedRecord

AHEAD = 1234.5  # seconds of the server's clock before the page's
CAPTURED = 1300.0
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=30,
)


def captured_us(sequence: int) -> int:
    return round((CAPTURED + sequence / 30) * 1e6)


def row(sequence: int, **more: float) -> list[float]:
    fields = {"us": captured_us(sequence), "begun": 100, "encoded": 3000, "sent": 3100, "bytes": 900}
    fields |= {"keyframe": float(sequence == 0), "bps": 1e6, **more}
    return [sequence, *fields.values()]


def told(*rows: list[float], **more: Any) -> SentLedger:
    ledger = SentLedger(0)
    at = CAPTURED - AHEAD
    exchanges = [[at + n, at + n + AHEAD + 0.001, at + n + AHEAD + 0.001, at + n + 0.002] for n in range(3)]
    ledger.take({"kind": "sent", "rows": list(rows), "exchanges": exchanges, **more})
    return ledger


def received(*sequences: int, after: float = 0.01) -> EndReport:
    records = []
    for n in sequences:
        at = captured_us(n) / 1e6
        records.append(
            ReceivedRecord(0, n, at + after, at + after, at + after, at + after, at + after, at + after, "displayed")
        )
        records[-1].stamp_sequence, records[-1].stamp_captured_at = n + 7, at  # the page counts its captures
    return EndReport("receiver", CAPTURED + 10, Connection(), {}, received=records, pipeline={"stamp_unreadable": 0})


def test_both_halves_begin_with_the_first_capture_and_stamps_are_known_by_their_instant() -> None:
    account = account_of_sender(told(row(0), row(1), row(2)), 0, received(0, 1, 2))
    assert [each.captured_at for each in account.sender.sent] == pytest.approx(
        [MEDIA_START + n / 30 for n in range(3)], abs=2e-6
    )
    sent = account.sender.sent[1]
    assert (sent.encode_start_at, sent.encode_end_at, sent.first_sent_at) == pytest.approx(
        (sent.captured_at + 100e-6, sent.captured_at + 3000e-6, sent.captured_at + 3100e-6)
    )
    assert [each.stamp_sequence for each in account.receiver.received] == [0, 1, 2]
    assert account.receiver.pipeline["stamp_errors"] == 0
    assert [each.displayed_at for each in account.receiver.received] == pytest.approx(
        [MEDIA_START + n / 30 + 0.01 for n in range(3)], abs=2e-6
    )


def test_rows_that_overtake_others_wait_for_them() -> None:
    ledger = SentLedger(0)
    assert ledger.take({"rows": [row(2), row(1)]}) == []
    assert [each.sequence for each in ledger.take({"rows": [row(0)]})] == [0, 1, 2]


def test_captures_that_were_not_sent_stand_in_the_ledger_where_they_belong() -> None:
    between = captured_us(1) - 15_000
    ledger = told(row(0), row(1), held=[between], skipped=[between + 1])
    account = account_of_sender(ledger, 0, received(0, 1))
    assert [(each.sequence, each.given_up) for each in account.sender.sent] == [
        (0, None),
        (-1, "dropped"),
        (-1, "skipped"),
        (1, None),
    ]


def test_a_picture_of_which_the_encoder_made_nothing_was_not_sent() -> None:
    ledger = told(row(0), row(1, bytes=0))
    assert (ledger.records[1].given_up, ledger.records[1].first_sent_at) == ("skipped", None)


def test_frames_that_came_long_before_they_left_are_refused() -> None:
    with pytest.raises(PageError, match="before they were sent"):
        account_of_sender(told(row(0, sent=80_000)), 0, received(0))


def test_a_page_of_which_nothing_arrived_or_whose_clock_is_unknown_has_no_account() -> None:
    with pytest.raises(PageError, match="no frame of the page arrived"):
        account_of_sender(told(row(0)), 0, received())
    ledger = SentLedger(0)
    ledger.take({"rows": [row(0)]})
    with pytest.raises(PageError, match="the clock of the page is not known"):
        account_of_sender(ledger, 0, received(0))


@pytest.mark.parametrize(
    "wrong",
    [
        row(0, keyframe=0),
        row(0, keyframe=2),
        row(0, begun=-1),
        row(0, encoded=50),
        row(0, sent=61e6),
        row(0, bytes=-1),
        row(0, us=-5),
        [0, 1, 2],
        [0, "a", 0, 0, 0, 0, 1, 1],
    ],
)
def test_rows_that_cannot_be_are_refused(wrong: list[Any]) -> None:
    with pytest.raises(PageError):
        SentLedger(0).take({"rows": [wrong]})


def test_of_frames_and_captures_no_more_are_kept_than_the_bound() -> None:
    ledger = SentLedger(0)
    for begin in range(0, MOST_FRAMES + 2000, 500):
        ledger.take({"rows": [row(n, us=1e6 + n) for n in range(begin, begin + 500)], "held": list(range(500))})
    assert (len(ledger.records), len(ledger.unsent)) == (MOST_FRAMES, MOST_FRAMES)
    assert ledger.refused >= 4000
    ahead = SentLedger(0)
    ahead.take({"rows": [row(n) for n in range(5, 3000)]})
    assert len(ahead._ahead) < 1001


@given(told=st.dictionaries(st.sampled_from(["rows", "held", "skipped", "exchanges", "counted", "agent"]), JSON))
def test_whatever_a_page_says_is_taken_or_refused(told: dict[str, Any]) -> None:
    ledger = SentLedger(0)
    try:
        ledger.take(told)
    except PageError:
        return
    assert len(ledger.records) <= 8
