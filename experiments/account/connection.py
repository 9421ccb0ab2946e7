"""The connection as one end knows it: when it stood, when it was over, and why."""

from dataclasses import dataclass

from glassbench.experiments.scenario.session_time import MEDIA_START
from glassbench.receiver.end import ReceiverEnd
from glassbench.sender.end import SenderEnd


@dataclass(frozen=True)
class Connection:
    """Instants in seconds after the first capture, None where it never came to that. `error` is a sentence; None for a
    connection that is not over, or was ended in an orderly way."""

    connected_at: float | None = None
    closed_at: float | None = None
    error: str | None = None

    @classmethod
    def of(cls, end: SenderEnd | ReceiverEnd) -> "Connection":
        """What an end knows of its connection."""
        closed = end.closed
        return cls(
            _from_first_capture(end.connected_at),
            _from_first_capture(None if closed is None else closed.at),
            None if closed is None else closed.error,
        )


def _from_first_capture(at: float | None) -> float | None:
    return None if at is None else round(at - MEDIA_START, 6)
