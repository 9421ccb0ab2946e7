"""Simulcast: the same captures in several sizes and rates, and which of them a viewer gets."""

from dataclasses import dataclass

from glassbench.transport.stamp_code import MIN_HEIGHT, MIN_WIDTH

_MOST = 3
_RATE_STEP = 3  # of the rate from one rendition to the next; the side halves
_HEADROOM = 1.2  # of the path over the rate of a rendition that fits it
_UP_HEADROOM, _UP_PATIENCE = 1.5, 3.0  # to go up: more room, for so many seconds


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
    """Which rendition a viewer gets: the best that fits what its path is believed to carry. Down at once, up when
    there was room for some time. A page may ask for one (`fixed`)."""

    def __init__(self, renditions: list[Rendition]) -> None:
        self.fixed: int | None = None
        self.current = 0
        self._renditions = renditions
        self._room_since: float | None = None

    def look(self, rate_bps: float, *, now: float) -> int:
        """The place of the rendition to send from now on."""
        if self.fixed is not None:
            self.current = self.fixed
            return self.current
        fits = next((place for place, _ in self._fitting(rate_bps, _HEADROOM)), len(self._renditions) - 1)
        if fits > self.current:
            self.current, self._room_since = fits, None
        elif any(place < self.current for place, _ in self._fitting(rate_bps, _UP_HEADROOM)):
            self._room_since = now if self._room_since is None else self._room_since
            if now - self._room_since >= _UP_PATIENCE:
                self.current, self._room_since = self.current - 1, None
        else:
            self._room_since = None
        return self.current

    def _fitting(self, rate_bps: float, headroom: float) -> list[tuple[int, Rendition]]:
        return [(place, each) for place, each in enumerate(self._renditions) if each.bitrate_bps * headroom <= rate_bps]
