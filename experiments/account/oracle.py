"""The clairvoyant bound of signal delay: how soon could a sign be seen by somebody who knows the future of the link?

A frame is encoded, waits for the link, crosses it, and is decoded. A sender that knows all opportunities may choose
which captures it encodes and sends. `each_alone` says for each capture how soon it or a later one can be on the screen
if all else stands back: no schedule is below it at any capture. `newest_first` is a schedule, and says what it reaches.
Where both are equal, the bound is exact. `docs/oracle.md` has the proofs.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glassbench.netem.supply import Supply

FloatArray = NDArray[np.float64]

_ROUNDING = 9  # digits of seconds: the sum of a capture and a cost is at a whole millisecond if its parts are


@dataclass(frozen=True)
class Costs:
    """What a frame costs at least: seconds of the encoder and of the decoder, which do one frame at a time, seconds of
    propagation `before` and `after` the link, and bytes on it."""

    encode: float
    decode: float
    before: float
    after: float
    size_bytes: float


def each_alone(captures: Sequence[float], supply: Supply, costs: Costs) -> FloatArray:
    """The least signal delay of each capture in seconds, if its frame alone crosses the link. `captures` are instants
    that increase."""
    needed = supply.needed(costs.size_bytes)
    arrivals = [supply.instant(count + needed) for count in counts_when_ready(captures, supply, costs)]
    return np.asarray(np.array(arrivals) + (costs.after + costs.decode) - np.array(captures), dtype=np.float64)


def counts_when_ready(captures: Sequence[float], supply: Supply, costs: Costs) -> list[float]:
    """What the supply counts when the frame of each capture reaches the link, if it is encoded at once."""
    ahead = costs.encode + costs.before
    return [supply.offered(round(at + ahead, _ROUNDING)) for at in captures]


def newest_first(captures: Sequence[float], supply: Supply, costs: Costs) -> FloatArray:
    """The signal delay of each capture in seconds if encoder, link and decoder each take the newest frame that is
    there as soon as they are free, and leave the older ones out."""
    shown = np.full(len(captures), np.inf)
    encoded = served_newest_first(captures, costs.encode)
    counts = [supply.offered(round(at + costs.before, _ROUNDING)) for _, at in encoded]
    crossed = served_newest_first(counts, supply.needed(costs.size_bytes))
    arrivals = [supply.instant(count) + costs.after for _, count in crossed]
    for place, at in served_newest_first(arrivals, costs.decode):
        frame, _ = encoded[crossed[place][0]]
        shown[frame] = at
    return signal_delays(captures, shown)


def signal_delays(captures: Sequence[float], shown: FloatArray) -> FloatArray:
    """Seconds from each capture until it or a later one is shown; `shown` is infinite for one that never is."""
    first_from_here = np.minimum.accumulate(shown[::-1])[::-1]
    return np.asarray(first_from_here - np.array(captures), dtype=np.float64)


def served_newest_first(ready: Sequence[float], size: float) -> list[tuple[int, float]]:
    """Which of those that are `ready` at these points a server takes, each for `size`, and where it ends with each. It
    takes the newest that is there, as soon as it is free."""
    ends = []
    free, place = -np.inf, 0
    while place < len(ready):
        start = max(free, ready[place])
        newest = bisect_right(ready, start, place) - 1
        free = start + size
        ends.append((newest, free))
        place = newest + 1
    return ends
