"""The connection as one end knows it: when it stood, when it was over, and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from experiments.measure.ends import MEDIA_START
from receiver.pipeline import ReceiverPipeline
from sender.pipeline import SenderPipeline

_LONGEST_SESSION = 1e6  # seconds
_LONGEST_ERROR = 300  # characters; the error of an end elsewhere is not ours


@dataclass(frozen=True)
class Connection:
    """Instants in seconds after the first capture, None where it never came to that. `error` is a sentence; None for a
    connection that is not over, or was ended in an orderly way."""

    connected_at: float | None = None
    closed_at: float | None = None
    error: str | None = None

    @classmethod
    def of(cls, end: SenderPipeline | ReceiverPipeline) -> "Connection":
        """What an end knows."""
        closed = end.closed
        return cls(
            _from_first_capture(end.connected_at),
            _from_first_capture(None if closed is None else closed.at),
            None if closed is None else closed.error,
        )

    @classmethod
    def parse(cls, content: Any) -> "Connection":
        """What another host says of its end: what cannot be is left out."""
        said = content if isinstance(content, Mapping) else {}
        error = said.get("error")
        return cls(
            _instant(said.get("connected_at")),
            _instant(said.get("closed_at")),
            "".join(filter(str.isprintable, error))[:_LONGEST_ERROR] if isinstance(error, str) else None,
        )


def _from_first_capture(at: float | None) -> float | None:
    return None if at is None else round(at - MEDIA_START, 6)


def _instant(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and abs(value) < _LONGEST_SESSION else None
