"""What a page tells is checked, bounded, and put on the clock of the server."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassbench.experiments.account.connection import Connection
from glassbench.experiments.account.reports import EndReport
from glassbench.experiments.scenario.session_time import MEDIA_START
from glassbench.experiments.worlds.browser.page_account import account_of
from glassbench.experiments.worlds.browser.page_ledger import PageLedger
from glassbench.experiments.worlds.browser.page_told import MOST_FRAMES, PageError
from glassbench.sender.record import SentRecord

AHEAD = 1234.5  # seconds of the server's clock before the page's
CAPTURED = 1300.0
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=30,
)


def row(sequence: int, *, late: float = 0.0, stamp: int | None = None) -> list[float]:
    at = CAPTURED + sequence / 30 - AHEAD + late
    us = round((CAPTURED + sequence / 30) * 1e6) if stamp is None else stamp
    return [sequence, at + 0.004, at + 0.005, at + 0.005, at + 0.006, at + 0.007, sequence + 40, us]


def exchange(at: float) -> list[float]:
    return [at, at + AHEAD + 0.001, at + AHEAD + 0.001, at + 0.002]


def told(rows: list[list[float]], **more: Any) -> PageLedger:
    ledger = PageLedger()
    ledger.take({"rows": rows, "exchanges": [exchange(CAPTURED - AHEAD + n) for n in (0, 1, 2)], **more})
    return ledger


def sender(count: int = 5) -> EndReport:
    sent = []
    for n in range(count):
        at = round((CAPTURED + n / 30) * 1e6) / 1e6
        sent.append(
            SentRecord(
                0, n, at, 0, n == 0, size_bytes=9, encode_start_at=at, encode_end_at=at, queued_at=at + 0.001,
                first_sent_at=at + 0.002, last_sent_at=at + 0.003,
            )
        )  # fmt: skip
    return EndReport("sender", 1400.0, Connection(0.0), {}, sent=sent)


def test_instants_are_put_on_the_clock_of_the_server_and_begin_with_the_first_capture() -> None:
    account = account_of(told([row(0), row(1), row(2)]), 0, sender())
    assert [each.captured_at for each in account.sender.sent] == pytest.approx(
        [MEDIA_START + n / 30 for n in range(3)], abs=2e-6
    )
    assert [each.displayed_at for each in account.receiver.received] == pytest.approx(
        [MEDIA_START + n / 30 + 0.007 for n in range(3)], abs=1e-3
    )
    assert account.receiver.pipeline["stamp_errors"] == 0
    assert [each.stamp_sequence for each in account.receiver.received] == [0, 1, 2]
    assert account.clock["clock_bound_ms"] < 1.5


def test_frames_after_the_last_one_of_which_the_page_told_are_left_out() -> None:
    assert len(account_of(told([row(0), row(1)]), 0, sender()).sender.sent) == 2


def test_a_stamp_of_another_frame_is_counted() -> None:
    assert account_of(told([row(0), row(1, stamp=1)]), 0, sender()).receiver.pipeline["stamp_errors"] == 1


def test_a_frame_that_was_not_sent_is_refused() -> None:
    with pytest.raises(PageError, match="frame 7, which was not sent"):
        account_of(told([row(0), row(7)]), 0, sender())


def test_a_frame_that_came_before_it_was_sent_is_refused() -> None:
    with pytest.raises(PageError, match="before they were sent, and its clock is known to"):
        account_of(told([row(0, late=-0.1)]), 0, sender())


def test_a_page_that_told_no_time_has_no_clock() -> None:
    ledger = PageLedger()
    ledger.take({"rows": [row(0)]})
    with pytest.raises(PageError, match="the clock of the page is not known"):
        account_of(ledger, 0, sender())


def test_what_a_page_tells_of_more_frames_than_are_kept_is_counted() -> None:
    ledger = PageLedger()
    ledger.take({"rows": [[n, 1, 1, 1, 1, 1, -1, -1] for n in range(MOST_FRAMES + 10)]})
    assert (len(ledger), ledger.refused) == (MOST_FRAMES, 10)


def test_what_was_told_of_a_frame_first_holds() -> None:
    ledger = told([row(0), row(0, late=5.0)])
    assert ledger.span()[1] < CAPTURED - AHEAD + 1


@pytest.mark.parametrize(
    "said",
    [
        {"rows": 3},
        {"rows": [[0]]},
        {"rows": [["0", 1, 1, 1, 1, 1, 1, 1]]},
        {"rows": [[True, 1, 1, 1, 1, 1, 1, 1]]},
        {"rows": [[0, float("nan"), 1, 1, 1, 1, 1, 1]]},
        {"rows": [[0, 1, 1, 1, 1, float("inf"), 1, 1]]},
        {"rows": [[0, 10**400, 1, 1, 1, 1, 1, 1]]},
        {"exchanges": [[1, 2, 3]]},
        {"counted": []},
    ],
)
def test_rows_that_are_none_are_refused(said: dict[str, Any]) -> None:
    with pytest.raises(PageError):
        PageLedger().take(said)


@given(st.dictionaries(st.sampled_from(["rows", "exchanges", "counted"]), JSON))
def test_whatever_a_page_tells_is_taken_or_refused(said: dict[str, Any]) -> None:
    ledger = PageLedger()
    try:
        ledger.take(said)
        account_of(ledger, 0, sender())
    except PageError:
        pass
