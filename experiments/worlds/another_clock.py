"""What somebody wrote down by a clock of their own, put on ours."""

from collections.abc import Callable, Iterable, Sequence

from glassbench.experiments.account.instants import RECEIVED_INSTANTS
from glassbench.receiver.record import ReceivedRecord
from glassbench.sender.record import SentRecord


def change_instants(records: Iterable[ReceivedRecord], change: Callable[[float], float]) -> None:
    """Put all instants of a receiver onto another clock."""
    for record in records:
        for name in RECEIVED_INSTANTS:
            if (at := getattr(record, name)) is not None:
                setattr(record, name, change(at))


def not_before_sent(sent: Sequence[SentRecord], records: Iterable[ReceivedRecord]) -> float:
    """By how many seconds an arrival is before its departure, at most. The clocks are known to be off by so much."""
    departures = {(each.track, each.sequence): each.first_sent_at for each in sent}
    early = [
        departure - each.first_arrival_at
        for each in records
        if each.first_arrival_at is not None and (departure := departures.get((each.track, each.sequence))) is not None
    ]
    return max([0.0, *early])
