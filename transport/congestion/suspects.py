"""Packets that were declared lost and may still arrive. They tell which losses were spurious, and since when all
were."""

from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple

_MOST = 4096


class Suspect(NamedTuple):
    """A packet that was declared lost: when it was sent, and when it was declared lost."""

    number: int
    sent_at: float
    declared_at: float


class Suspects:
    """An *episode* of losses begins with the first suspect, and ends well if every one of it arrives after all."""

    def __init__(self) -> None:
        self._by_number: dict[int, Suspect] = {}  # in the order of their declaration
        self._episode_at = 0.0  # when the first loss of the episode was declared

    def __bool__(self) -> bool:
        return bool(self._by_number)

    def __contains__(self, number: int) -> bool:
        return number in self._by_number

    def add(self, number: int, sent_at: float, *, now: float) -> None:
        """A packet was declared lost."""
        if not self._by_number:
            self._episode_at = now
        self._by_number[number] = Suspect(number, sent_at, now)
        if len(self._by_number) > _MOST:
            self._give_up(next(iter(self._by_number)))

    def forget(self, *, until: float) -> None:
        """Give up those that were declared lost up to this instant: they are really lost."""
        for suspect in list(self._by_number.values()):
            if suspect.declared_at > until:
                break
            self._give_up(suspect.number)

    def take(self, ranges: Iterable[range]) -> list[Suspect]:
        """Take out those in the acknowledged ranges: they were not lost."""
        numbers = sorted(self._by_number)  # the peer chooses how many ranges there are
        arrived = [numbers[bisect_left(numbers, each.start) : bisect_left(numbers, each.stop)] for each in ranges]
        return [self._by_number.pop(number) for part in arrived for number in part]

    @property
    def episode_at(self) -> float:
        """When the first loss of the episode was declared. It means nothing while there are no suspects."""
        return self._episode_at

    def _give_up(self, number: int) -> None:
        """This packet is really lost. What was concluded before the next suspect was declared follows from a real loss
        and stands, so the episode begins with that suspect."""
        del self._by_number[number]
        if self._by_number:
            self._episode_at = next(iter(self._by_number.values())).declared_at
