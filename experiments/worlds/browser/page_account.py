"""The account of what a page watched or sent: what it told, put on our clock, beside what our end wrote down."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from glassbench.experiments.account.connection import Connection
from glassbench.experiments.account.instants import SENT_INSTANTS
from glassbench.experiments.account.reports import EndReport
from glassbench.experiments.scenario.session_time import MEDIA_START
from glassbench.experiments.worlds.another_clock import change_instants, not_before_sent
from glassbench.experiments.worlds.browser.page_ledger import PageLedger
from glassbench.experiments.worlds.browser.page_told import PageError
from glassbench.experiments.worlds.browser.sent_ledger import SentLedger
from glassbench.netem.live.alignment import Alignment
from glassbench.receiver.record import ReceivedRecord
from glassbench.sender.record import SentRecord

_TOLERANCE = 0.001  # seconds beyond the bound of the clocks: browsers round the time that they tell
_SAME = 1e-6  # seconds: captures are at whole microseconds


class PageAccount(NamedTuple):
    """Both halves of the ledger of a page, up to the last frame of which it told, as the reports of two ends; and what
    is to be known of its clock. The first capture is at MEDIA_START."""

    sender: EndReport
    receiver: EndReport
    clock: dict[str, Any]


def account_of(ledger: PageLedger, track: int, sender: EndReport, *, from_first_capture: bool = True) -> PageAccount:
    """The account of a page, `sender` is the report of who sent to it. Unless the session begins with the first
    capture, times are moved (`from_first_capture`).

    Raises PageError if what the page told cannot be: a frame that nobody sent, or one that came before it left.
    """
    alignment = ledger.alignment()
    records = ledger.records(track, alignment)
    if not records:
        raise PageError("the page told of no frame")
    sent = [each for each in sender.sent if each.track == track and each.sequence <= records[-1].sequence]
    wrong = _check_stamps(records, {each.sequence: each for each in sent if each.first_sent_at is not None})
    bound = alignment.bound(*ledger.span())
    shift = not_before_sent(sent, records)
    if shift > bound + _TOLERANCE:
        raise PageError(
            f"frames came to the page {shift * 1e3:.3f} ms before they were sent, and its clock is known to "
            f"{bound * 1e3:.3f} ms"
        )
    later = MEDIA_START - sent[0].captured_at if from_first_capture else 0.0
    change_instants(records, lambda at: at + shift + later)
    _move_stamps(records, later)
    ended_at = max(each.displayed_at or 0.0 for each in records)
    counters = ledger.counted
    told = {"stamp_unreadable": counters.get("unread", 0), "stamp_errors": wrong}
    return PageAccount(
        replace(
            sender,
            connection=Connection(connected_at=0.0),
            ended_at=ended_at,
            sent=[_moved(each, later) for each in sent],
            estimates=[replace(each, at=each.at + later) for each in sender.estimates],
        ),
        EndReport("receiver", ended_at, Connection(), counters, received=records, pipeline=told),
        _clock(alignment, bound, shift),
    )


def account_of_sender(ledger: SentLedger, track: int, receiver: EndReport) -> PageAccount:
    """The account of a page that sent to us, `receiver` is the report of ours. The captures are on our clock as far as
    the page knew it, and they are moved so that the session begins with the first one.

    Raises PageError if what the page told cannot be.
    """
    alignment = ledger.alignment()
    last = ledger.records[-1]
    unsent = [each for each in ledger.unsent if each.captured_at <= last.captured_at]
    sent = sorted([*ledger.records, *unsent], key=lambda each: each.captured_at)
    records = [replace(each) for each in receiver.received if each.track == track and each.sequence <= last.sequence]
    if not records:
        raise PageError("no frame of the page arrived")
    wrong = _check_stamps(records, {each.sequence: each for each in sent if each.first_sent_at is not None})
    begin, end = sent[0].captured_at, max(each.first_sent_at or 0.0 for each in sent)
    bound = alignment.bound(alignment.to_local(begin), alignment.to_local(end))
    shift = not_before_sent(sent, records)
    if shift > bound + _TOLERANCE:
        raise PageError(
            f"frames of the page came {shift * 1e3:.3f} ms before they were sent, and its clock is known to "
            f"{bound * 1e3:.3f} ms"
        )
    later = MEDIA_START - begin
    change_instants(records, lambda at: at + shift + later)
    _move_stamps(records, later)
    ended_at = max(receiver.ended_at, *(each.displayed_at or 0.0 for each in records)) + shift + later
    return PageAccount(
        EndReport(
            "sender",
            ended_at,
            Connection(connected_at=0.0),
            ledger.counted,
            sent=[_moved(each, later) for each in sent],
        ),
        replace(
            receiver,
            ended_at=ended_at,
            connection=Connection(),
            received=records,
            pipeline={**receiver.pipeline, "stamp_errors": wrong},
        ),
        _clock(alignment, bound, shift),
    )


def _clock(alignment: Alignment, bound: float, shift: float) -> dict[str, Any]:
    return {
        "clock_bound_ms": round(bound * 1e3, 6),
        "clock_drift_ppm": round(alignment.drift * 1e6, 3),
        "clocks_linear": alignment.linear,
        "moved_ms": round(shift * 1e3, 6),
    }


def _move_stamps(records: Sequence[ReceivedRecord], later: float) -> None:
    for record in records:
        if record.stamp_captured_at is not None:
            record.stamp_captured_at += later


def _check_stamps(records: Sequence[ReceivedRecord], sent: dict[int, SentRecord]) -> int:
    """How many stamps are of another capture than the frame in which they were read. Those that are right get the
    number of their frame: the server counts captures, of which a viewer has seen none before it came. Raises
    PageError."""
    wrong = 0
    for record in records:
        own = sent.get(record.sequence)
        if own is None:
            raise PageError(f"the page told of frame {record.sequence}, which was not sent to it")
        if record.stamp_captured_at is not None:
            if abs(record.stamp_captured_at - own.captured_at) < _SAME:
                record.stamp_sequence = record.sequence
            else:
                wrong += 1
    return wrong


def _moved(sent: SentRecord, later: float) -> SentRecord:
    moved = replace(sent, captured_at=round(sent.captured_at + later, 6))
    for name in SENT_INSTANTS:
        if (at := getattr(sent, name)) is not None:
            setattr(moved, name, max(at + later, moved.captured_at))
    return moved
