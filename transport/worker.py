"""Work that takes real time, such as encoding, is done beside the pipeline that needs it. Whoever drives a pipeline
gives it a worker that keeps this contract."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """The result of a piece of work, or the exception that it raised, and when it began and ended (session time). One
    that is not the `last` is a part of a result, and the work goes on."""

    value: T | None
    error: Exception | None
    began_at: float
    ended_at: float
    last: bool = True


class Worker(Protocol[T]):
    """Does one piece of work at a time. Whoever drives the pipeline calls its `handle_timer` when one is done, or a
    part of it."""

    def start(self, work: Callable[[], T]) -> None:
        """Begin this work. The piece before it has been taken."""

    def take(self) -> Done[T] | None:
        """The next part of the result, or the rest of it, once; None while there is none."""
