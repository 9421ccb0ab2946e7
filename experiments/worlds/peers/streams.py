"""What a protocol does for a stream of video between us and a server, or a host, that is somewhere else."""

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol


class TimedUnit(NamedTuple):
    """An access unit, with its presentation time in seconds and its codec by the name that FFmpeg has for that."""

    data: bytes
    at: float
    codec: str


class Publisher(Protocol):
    """It sends access units of H.264. Its methods raise PeerError."""

    def connect(self) -> None:
        """Connect; it may block for some seconds."""

    def publish(self, unit: bytes, at: float, *, keyframe: bool) -> None:
        """Send an access unit with its presentation time in seconds. The first one is a keyframe."""

    def close(self) -> None:
        """Say that the stream is over. It may be called twice."""

    def settings(self) -> Mapping[str, object]:
        """What was agreed, as far as it is known."""

    def counters(self) -> Mapping[str, int]:
        """What was counted."""


class Player(Protocol):
    """It joins a stream, once. Its methods raise PeerError."""

    def listen(self) -> None:
        """What has to listen listens when it returns."""

    def play(self, joined: Callable[[], None], give: Callable[[TimedUnit], None]) -> None:
        """Connect, say when it has `joined`, and give what comes, until the stream ends or it is stopped."""

    def stop(self) -> None:
        """Let `play` end soon."""

    def settings(self) -> Mapping[str, object]:
        """What was agreed, as far as it is known."""

    def counters(self) -> Mapping[str, int]:
        """What was counted."""
