"""Simulcast: the same captures in several sizes and rates, and which of them a viewer gets."""

from dataclasses import dataclass

from glassbench.transport.stamp_code import MIN_HEIGHT, MIN_WIDTH

_MOST = 3
_RATE_STEP = 3  # of the rate from one rendition to the next; the side halves
_HEADROOM = 1.2  # of the path over the rate of a rendition that fits it
_PATIENCE, _MOST_PATIENCE = 3.0, 48.0  # seconds with room for the present rendition, until the next one is tried
_COUNTED, _MOST_GIVEN_UP = 1.0, 3  # frames of a second that may be given up
_TRIAL = 2.0  # seconds until a controller that had little to send knows whether there is room for more


@dataclass(frozen=True, slots=True)
class Rendition:
    """A size and a rate in bits per second."""

    width: int
    height: int
    bitrate_bps: int


def renditions_of(width: int, height: int, bitrate_bps: int) -> list[Rendition]:
    """The best one first; the side of each is half of that before, as long as its stamp can be read."""
    renditions = [Rendition(width, height, bitrate_bps)]
    while len(renditions) < _MOST:
        last = renditions[-1]
        half = Rendition(last.width // 4 * 2, last.height // 4 * 2, last.bitrate_bps // _RATE_STEP)
        if half.width < MIN_WIDTH or half.height < MIN_HEIGHT or half.bitrate_bps < 50_000:
            break
        renditions.append(half)
    return renditions


class Choice:
    """Which rendition a viewer gets: the best that fits what its path is believed to carry, and down at once; down too
    if frames are given up all the same.

    Of a path that is not used to the full nobody knows what it carries, so the next one up is tried after some seconds
    with room, and judged a little later; if it was too much, the next trial has twice the patience. A page may ask for
    a rendition (`fixed`).
    """

    def __init__(self, renditions: list[Rendition]) -> None:
        self.fixed: int | None = None
        self.current = 0
        self._renditions = renditions
        self._room_since: float | None = None
        self._patience = _PATIENCE
        self._tried_at = self._counted_at = float("-inf")
        self._given_up = 0

    def look(self, rate_bps: float, given_up: int, *, now: float) -> int:
        """The place of the rendition to send from now on. `given_up` counts the frames that could not be sent in
        time."""
        if self.fixed is not None:
            self.current = self.fixed
        elif now >= self._tried_at + _TRIAL:
            self._judge(rate_bps, is_late=self._is_late(given_up, now=now), now=now)
        return self.current

    def _is_late(self, given_up: int, *, now: float) -> bool:
        """Whether too many frames were given up in the last second."""
        if now < self._counted_at + _COUNTED:
            return False
        more = given_up - self._given_up
        self._given_up, self._counted_at = given_up, now
        return more > _MOST_GIVEN_UP

    def _judge(self, rate_bps: float, *, is_late: bool, now: float) -> None:
        last = len(self._renditions) - 1
        fitting = [place for place, each in enumerate(self._renditions) if each.bitrate_bps * _HEADROOM <= rate_bps]
        fits = max(fitting[0] if fitting else last, min(self.current + is_late, last))
        if fits > self.current:
            was_tried = now < self._tried_at + 2 * _TRIAL
            self._patience = min(2 * self._patience, _MOST_PATIENCE) if was_tried else _PATIENCE
            self.current, self._room_since = fits, None
        elif self.current == 0 or self.current not in fitting:
            self._room_since = None
        elif self._room_since is None:
            self._room_since = now
        elif now >= self._room_since + self._patience:
            self.current, self._room_since, self._tried_at = self.current - 1, None, now
