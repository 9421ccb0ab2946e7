"""Work that takes real time, such as encoding, done beside the pipeline that needs it: what ends ask of a thread."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """What a piece of work gave, or the exception that it raised; when it began and ended (session time)."""

    value: T | None
    error: Exception | None
    began_at: float
    ended_at: float


class Worker(Protocol[T]):
    """Does one piece of work at a time. Whoever drives the pipeline calls its `handle_timer` when one is done."""

    def start(self, work: Callable[[], T]) -> None:
        """Begin; the one before is done."""

    def take(self) -> Done[T] | None:
        """The result, once; None while there is none."""
