"""What is checked, and how a check says that a demand is not met."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from glassbench.experiments.worlds.testing.session import CHAT, VIDEO, RecordedSession
from glassbench.netem.element import Element
from glassbench.transport.contract import Track
from glassbench.transport.registry import TransportEntry

SETTLE = 1.0  # seconds after the last frame in which all that will arrive has arrived, a hold on purpose included


@dataclass(frozen=True)
class Subject:
    """A transport with complete options, in one of the two timer modes."""

    entry: TransportEntry
    options: Mapping[str, object]
    timer_resolution: float

    def session(
        self,
        *,
        seed: int = 7,
        forward: Sequence[Element] | None = None,
        backward: Sequence[Element] | None = None,
        tracks: tuple[Track, ...] = (VIDEO, CHAT),
    ) -> RecordedSession:
        """Two new ends, before anything has happened."""
        return RecordedSession(
            self.entry,
            self.options,
            timer_resolution=self.timer_resolution,
            seed=seed,
            forward=forward,
            backward=backward,
            tracks=tracks,
        )

    @cached_property
    def over_a_clean_path(self) -> RecordedSession:
        """Both tracks over a path without loss, at its end. Several demands look at it, so it runs once."""
        session = self.session()
        session.offer_chat()
        return session.run(until=session.offer_video() + SETTLE)


def demand(condition: bool, reason: str) -> None:
    """Raises AssertionError with the reason unless the condition holds."""
    if not condition:
        raise AssertionError(reason)
