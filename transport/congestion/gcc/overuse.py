"""Whether a queue grows: the slope of the delay, against a threshold that adapts.

The draft filters the delay of groups by Kalman's method (draft-ietf-rmcat-gcc-02 section 5.3); libwebrtc has replaced
that by a line through the last 20 groups (`trendline_estimator.cc`), and so it is here. The slope, say 0.05 seconds of
delay per second, is multiplied by the groups so far, 60 at most, and by 4, and compared with a threshold that begins at
12.5. Gains are libwebrtc's (0.0087 up, 0.039 down, per millisecond); those of the draft (0.01 and 0.00018, section 5.4)
belong to its filter.
"""

from collections import deque
from enum import Enum

from glassbench.transport.congestion.gcc.arrival import ArrivalGroups, GroupDelta

_WINDOW = 20  # groups
_SMOOTHING = 0.9
_GAIN = 4.0
_MOST_GROUPS = 60
_FIRST_THRESHOLD = 12.5
_LEAST_THRESHOLD = 6.0
_MOST_THRESHOLD = 600.0
_GAIN_UP = 8.7  # per second
_GAIN_DOWN = 39.0
_SPIKE = 15.0  # a trend so far over the threshold does not move it
_LONGEST_STEP = 0.1  # seconds
_OVERUSE_TIME = 0.01  # seconds above the threshold before it counts
_STREAM_TIMEOUT = 2.0  # after so long without news the delay is measured anew


class Usage(Enum):
    """What the delay says of the queue: it stands, it grows, it drains."""

    NORMAL = "normal"
    OVERUSE = "overuse"
    UNDERUSE = "underuse"


class Trendline:
    """The slope of the smoothed delay over arrival time, by least squares. 0 until there are 20 groups."""

    def __init__(self) -> None:
        self.slope = 0.0
        self.groups = 0
        self._delay = 0.0
        self._smoothed = 0.0
        self._points: deque[tuple[float, float]] = deque(maxlen=_WINDOW)

    @property
    def trend(self) -> float:
        """What is compared with the threshold."""
        return self.slope * min(self.groups, _MOST_GROUPS) * _GAIN

    def add(self, delta: GroupDelta) -> None:
        """Another group arrived."""
        self.groups += 1
        self._delay += delta.received_in - delta.sent_in
        self._smoothed = _SMOOTHING * self._smoothed + (1 - _SMOOTHING) * self._delay
        self._points.append((delta.received_at, self._smoothed))
        if len(self._points) == _WINDOW:
            self._fit()

    def _fit(self) -> None:
        mean_at = sum(at for at, _ in self._points) / _WINDOW
        mean_delay = sum(delay for _, delay in self._points) / _WINDOW
        variance = sum((at - mean_at) ** 2 for at, _ in self._points)
        if variance > 0:
            self.slope = sum((at - mean_at) * (delay - mean_delay) for at, delay in self._points) / variance


class OveruseDetector:
    """Compares trends with an adaptive threshold."""

    def __init__(self) -> None:
        self.usage = Usage.NORMAL
        self.threshold = _FIRST_THRESHOLD
        self._slope = 0.0  # of the group before
        self._over_for: float | None = None
        self._over_groups = 0
        self._adapted_at: float | None = None

    def update(self, trendline: Trendline, delta: GroupDelta) -> None:
        """Judge after a group that `trendline` has, too."""
        if trendline.groups < 2:  # one difference is no trend
            return
        trend = trendline.trend
        if trend > self.threshold:
            self._exceed(trendline.slope, delta)
        else:
            self.usage = Usage.UNDERUSE if trend < -self.threshold else Usage.NORMAL
            self._over_for = None
            self._over_groups = 0
        self._slope = trendline.slope
        self._adapt(abs(trend), delta.received_at)

    def _exceed(self, slope: float, delta: GroupDelta) -> None:
        """Overuse takes 10 ms over the threshold, in two groups or more, and a slope that does not fall."""
        self._over_for = delta.sent_in / 2 if self._over_for is None else self._over_for + delta.sent_in
        self._over_groups += 1
        if self._over_for > _OVERUSE_TIME and self._over_groups > 1 and slope >= self._slope:
            self.usage = Usage.OVERUSE
            self._over_for = 0.0
            self._over_groups = 0

    def _adapt(self, trend: float, at: float) -> None:
        """The threshold follows the trend, so that neither jitter nor a competitor's queue is overuse for ever."""
        step = 0.0 if self._adapted_at is None else min(max(at - self._adapted_at, 0.0), _LONGEST_STEP)
        self._adapted_at = at
        if trend > self.threshold + _SPIKE:
            return
        gain = _GAIN_DOWN if trend < self.threshold else _GAIN_UP
        threshold = self.threshold + gain * (trend - self.threshold) * step
        self.threshold = min(max(threshold, _LEAST_THRESHOLD), _MOST_THRESHOLD)


class DelayDetector:
    """Groups, trendline and detector in a row."""

    def __init__(self) -> None:
        self._heard_at = 0.0
        self._reset()

    @property
    def usage(self) -> Usage:
        """What the delay says now."""
        return self._detector.usage

    def add(self, *, sent_at: float, received_at: float, now: float) -> None:
        """A packet arrived, by the peer's clock at `received_at`."""
        if now - self._heard_at > _STREAM_TIMEOUT:
            self._reset()
        self._heard_at = now
        delta = self._groups.add(sent_at=sent_at, received_at=received_at, now=now)
        if delta is not None:
            self._trendline.add(delta)
            self._detector.update(self._trendline, delta)

    def _reset(self) -> None:
        self._groups = ArrivalGroups()
        self._trendline = Trendline()
        self._detector = OveruseDetector()
