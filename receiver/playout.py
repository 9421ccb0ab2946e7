"""When a frame is shown: an axis of its own, the same for all transports.

A playout policy names the instant at which a frame should be on the screen. The jitter buffer holds the frame back
until that instant less its decode cost; a frame that comes too late for it is shown as soon as it can be.
"""

import bisect
import math
import re
from collections import deque
from typing import Protocol

_SPEC = re.compile(r"fixed:(\d+(?:\.\d+)?)(ms|s)")
_MAX_TARGET = 10.0


class Playout(Protocol):
    """A policy. `observe` is called once per frame as it is delivered, in order of delivery; `display_at` as often as
    needed while the frame is next in sequence."""

    @property
    def target(self) -> float:
        """The delay from capture to display that the policy aims at now, in seconds; 0 if it aims at none."""

    def observe(self, delay: float) -> None:
        """A frame could have been displayed `delay` seconds after its capture."""

    def display_at(self, captured_at: float) -> float:
        """The instant before which a frame must not be shown."""


class ImmediatePlayout:
    """Shown as soon as it can be: the default, and the least delay. Jitter is shown as it is."""

    target = 0.0

    def observe(self, delay: float) -> None:
        pass

    def display_at(self, captured_at: float) -> float:
        return -math.inf


class FixedPlayout:
    """Every frame `target` seconds after its capture."""

    def __init__(self, target: float) -> None:
        if not 0 <= target <= _MAX_TARGET:
            raise ValueError(f"the playout target must be 0 to {_MAX_TARGET:g} s, got {target:g} s")
        self.target = target

    def observe(self, delay: float) -> None:
        pass

    def display_at(self, captured_at: float) -> float:
        return captured_at + self.target


class AdaptivePlayout:
    """A target that follows the delays of the last frames: a high percentile and a margin.

    It is in the spirit of NetEQ (WebRTC's audio jitter buffer, whose target level is a high quantile of a histogram of
    relative delays) and of libwebrtc's video jitter estimator, in the simplest form: the `quantile` (nearest rank) of
    the last `window` delays, plus `margin` seconds. The target rises at once when that percentile does. One late frame
    among the first 20 raises it; later it takes more than 1 - `quantile` of the window. It falls by at most `fall`
    seconds a frame, so that one quiet moment does not make playback run fast. It stays `margin` below the `deadline`
    (seconds), since whatever is held longer is not shown at all.
    """

    def __init__(
        self,
        *,
        quantile: float = 0.95,
        window: int = 300,
        margin: float = 0.01,
        fall: float = 0.001,
        deadline: float | None = None,
    ) -> None:
        self._quantile = quantile
        self._margin = margin
        self._largest = _MAX_TARGET if deadline is None else min(_MAX_TARGET, max(0.0, deadline - margin))
        self._fall = fall
        self._delays: deque[float] = deque(maxlen=window)
        self._sorted: list[float] = []
        self.target = 0.0

    def observe(self, delay: float) -> None:
        if len(self._delays) == self._delays.maxlen:
            del self._sorted[bisect.bisect_left(self._sorted, self._delays[0])]
        self._delays.append(delay)
        bisect.insort(self._sorted, delay)
        rank = max(0, math.ceil(self._quantile * len(self._sorted)) - 1)
        wanted = min(self._sorted[rank] + self._margin, self._largest)
        self.target = max(wanted, self.target - self._fall)

    def display_at(self, captured_at: float) -> float:
        return captured_at + self.target


def parse_playout(spec: str, *, deadline: float | None = None) -> Playout:
    """The policy that `spec` names: "immediate", "fixed:150ms" or "adaptive". Raises ValueError, also for a target
    after the `deadline` (seconds), with which no frame would be shown."""
    if spec == "immediate":
        return ImmediatePlayout()
    if spec == "adaptive":
        return AdaptivePlayout(deadline=deadline)
    if match := _SPEC.fullmatch(spec):
        playout = FixedPlayout(float(match[1]) / (1000 if match[2] == "ms" else 1))
        if deadline is not None and playout.target > deadline:
            raise ValueError(
                f"playout {spec!r} shows every frame after its deadline of {1e3 * deadline:g} ms, so none is shown; "
                "accepted are a target up to the deadline, or a later deadline"
            )
        return playout
    raise ValueError(f"unknown playout {spec!r}; accepted are immediate, fixed:150ms, adaptive")
