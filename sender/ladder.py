"""Which encoder serves the budgets of an encoder that follows: rungs of rate and picture size, and when to change.

An encoder is opened with a rate and a picture size. Of FFmpeg's encoders x264 alone takes a budget for every frame, so
its ladder has a rung for each picture size, and changes are rare. For the others it has rungs of rates, one step apart,
and each has the picture size that looks best at that rate. On another rung another encoder is opened, which begins with
a keyframe. Its buffer holds less than a frame, so that this keyframe is hardly larger than the frames that follow;
where one is forced in a running encoder it is several times as large. So these codecs get a new encoder for each
keyframe.

The ladder looks at budgets alone, so the same budgets always give the same rungs.
"""

import math
from collections import deque
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from glassbench.transport.codecs import EncoderEntry
from glassbench.transport.stamp_code import MIN_HEIGHT, MIN_WIDTH

_STEP = 1.25  # from one rung of rates to the next
_LEAST_BYTES, _LEAST_BPS = 250, 10_000  # of a frame on the lowest rung, and of an encoder
_ROOM = 1.25  # times the mean frame of a rung: its frames are not of one size
_SLACK = 0.8  # of what a rung needs: budgets below that are too small for it
_SOON = 0.3  # seconds of budgets that lead down where frames exceed what is too small, and it costs delay
_STAYS = 1.0  # seconds of budgets that lead down where frames keep to them, and it costs quality
_DOWN, _UP = 0.3, 2.5  # times what a rung needs: a backlog makes budgets smaller than the network, idleness larger
_DWELL = 0.5  # seconds of budgets that lead up: a keyframe costs quality, too
_MOST_DWELLS = 16  # times that, where one rung higher was too high again and again
_SURE = 0.25  # the share of those budgets that may be too small for the higher rung
_SIGN_BYTES = 500  # a smaller frame is a sign of life in an outage: it says nothing of the size that pictures need


class Rung(NamedTuple):
    """What an encoder is opened with, and the bytes that a frame needs for it: with less, a lower rung is better."""

    least_bytes: float
    bitrate_bps: int
    width: int
    height: int


class Placed(NamedTuple):
    """Where the next frame is encoded. `opens`: by a new encoder, whose first frame is a keyframe."""

    rung: Rung
    opens: bool


class EncoderLadder:
    """Chooses a rung for each frame: down as soon as budgets are too small, up when they have been large enough for
    some time. Up to a rung that lasted it is one climb; a rung that did not is tried again after twice the time.

    `rungs` are in the order of what they need. With `one_keyframe`, an encoder gives no keyframe but its first, so each
    keyframe that is forced, or due after `keyframe_interval` frames, opens another one.
    """

    def __init__(
        self, rungs: Sequence[Rung], *, fps: Fraction, one_keyframe: bool = False, keyframe_interval: int | None = None
    ) -> None:
        self._rungs = rungs
        self._place = len(rungs) - 1
        self._one_keyframe = one_keyframe
        self._interval = keyframe_interval
        self._soon = max(1, round((_SOON if one_keyframe else _STAYS) * fps))
        self._least_dwell = self._dwell = max(self._soon, round(_DWELL * fps))
        self._budgets: deque[int] = deque(maxlen=self._least_dwell)
        self._age = 0  # frames on this rung
        self._known = 0  # the rung that lasted last
        self._since_climb = math.inf  # frames
        self._since_keyframe = 0

    @property
    def rung(self) -> Rung:
        """That of the latest frame; at first the highest."""
        return self._rungs[self._place]

    def next(self, budget_bytes: int, *, force_keyframe: bool) -> Placed:
        """The rung of a frame that may have `budget_bytes`."""
        first = not self._budgets
        if not first and not self._one_keyframe and budget_bytes < _SIGN_BYTES:
            return Placed(self.rung, False)
        self._budgets.append(budget_bytes)
        keyframe = first or force_keyframe or self._since_keyframe == self._interval
        place = self._highest(budget_bytes) if first else self._fitting(keyframe)
        opens = place != self._place or (self._one_keyframe and keyframe)
        self._since_keyframe = 1 if opens or keyframe else self._since_keyframe + 1
        self._age += 1
        self._since_climb += 1
        if place != self._place:
            self._move(place)
        return Placed(self.rung, opens)

    def _fitting(self, keyframe: bool) -> int:
        latest = list(self._budgets)[-self._soon :]
        typical = _quantile(latest, 0.5)
        needed = self.rung.least_bytes
        lowest = min(self._place - 1, self._highest(_DOWN * needed))
        highest = max(self._place + 1, self._highest(_UP * needed), self._known)
        if self._budgets[-1] < typical and not keyframe:  # no frame to begin anew with
            return self._place
        if typical < _SLACK * needed and self._age > self._soon // 2:
            return max(0, lowest, self._highest(typical))
        if keyframe or self._age >= self._dwell:
            return max(self._place, min(highest, self._highest(_quantile(self._budgets, _SURE))))
        return self._place

    def _move(self, place: int) -> None:
        """What lasted is found again at once, and what did not is tried again later."""
        if place > self._place:
            self._since_climb = 0
        elif self._since_climb <= 2 * self._dwell:
            self._known = place
            self._dwell = min(2 * self._dwell, _MOST_DWELLS * self._least_dwell)
            self._since_climb = math.inf
        elif self._age > 2 * self._dwell:
            self._known = self._place
            self._dwell = self._least_dwell
        self._place = place
        self._age = 0

    def _highest(self, frame_bytes: float) -> int:
        """The highest rung that such frames are enough for, or else the lowest."""
        return max((place for place, rung in enumerate(self._rungs) if rung.least_bytes <= frame_bytes), default=0)


def rungs_of_sizes(entry: EncoderEntry, most_bps: int, *, width: int, height: int, least_height: int) -> list[Rung]:
    """A rung for each picture size of a codec that keeps to budgets by itself."""
    return [
        Rung(bits_per_pixel * width * height / 8, most_bps, *size)
        for bits_per_pixel, size in _sizes(entry, width, height, least_height)
    ]


def rungs_of_rates(entry: EncoderEntry, most_bps: int, *, width: int, height: int, fps: Fraction) -> list[Rung]:
    """Rungs of rates up to `most_bps`, each with the picture size that is best at its rate."""
    sizes = _sizes(entry, width, height, MIN_HEIGHT)
    most_bytes = float(most_bps / 8 / fps)
    frame_bytes, rungs = min(max(_LEAST_BYTES, float(_LEAST_BPS / 8 / fps)), most_bytes), []
    while True:
        bits_per_pixel = frame_bytes * 8 / (width * height)
        size = next((size for least, size in reversed(sizes) if least <= bits_per_pixel), sizes[0][1])
        rungs.append(Rung(_ROOM * frame_bytes, round(frame_bytes * 8 * fps), *size))
        if frame_bytes >= most_bytes:
            return rungs
        frame_bytes = min(_STEP * frame_bytes, most_bytes)


def _sizes(entry: EncoderEntry, width: int, height: int, least_height: int) -> list[tuple[float, tuple[int, int]]]:
    """The sizes of a source's pictures with a readable stamp, from small to large, and the bits per pixel of the source
    from which on each is best."""
    return [
        (bits_per_pixel, size)
        for share, bits_per_pixel in reversed(entry.scales)
        for size in [(int(width * share) & ~1, int(height * share) & ~1)]
        if share == 1 or (size[0] >= MIN_WIDTH and size[1] >= max(MIN_HEIGHT, least_height))
    ]


def _quantile(numbers: Sequence[int] | deque[int], share: float) -> int:
    return sorted(numbers)[int(share * len(numbers))]
