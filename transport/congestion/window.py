"""What NewReno and CUBIC share: slow start, recovery periods, and a window that grows only if it is used (RFC 9002)."""

import math
from collections import deque
from typing import NamedTuple

from glassbench.transport.congestion.controller import Allowance, Feedback, SentPacket

_INITIAL_PACKETS = 10  # section 7.2
_INITIAL_BYTES = 14720
_MIN_PACKETS = 2
_MOST_REDUCTIONS = 8
_INITIAL_RTT = 0.333  # section 6.2.2
_SLOW_START_GAIN = 2.0  # section 7.7: the rate of leaving, over window per round trip
_AVOIDANCE_GAIN = 1.25


class _Reduction(NamedTuple):
    """When the window was reduced, and what was ahead of it."""

    at: float
    window: float
    threshold: float
    recovery_at: float
    saved: object


class WindowController:
    """A loss-based controller. A subclass adds `_grow`, `_reduced_window`, `_save` and `_restore`.

    Packets are paced with bursts of up to ten (section 7.7). With smaller bursts the smaller of two flows that share a
    full queue would starve. Packets then arrive one by one, each takes the place of one that has just left, and the
    first packet beyond that finds no room. So a flow that grows loses that packet, and CUBIC grows fastest when it has
    least.
    """

    def __init__(self, *, max_datagram_bytes: int) -> None:
        self._packet = max_datagram_bytes
        self._window: float = initial_window(max_datagram_bytes)  # bytes
        self._threshold = math.inf  # the window at which slow start ends
        self._recovery_at = -1.0  # when the latest recovery period began: what was sent before is no new congestion
        self._smoothed_rtt: float | None = None
        self._base_rtt = math.inf
        self._reductions: deque[_Reduction] = deque(maxlen=_MOST_REDUCTIONS)  # which may have to be undone

    @property
    def threshold(self) -> float:
        """The window in bytes at which slow start ends (ssthresh), infinite at first."""
        return self._threshold

    @property
    def in_slow_start(self) -> bool:
        """Whether the window grows by all that is acknowledged."""
        return self._window < self._threshold

    @property
    def allowance(self) -> Allowance:
        rtt = self._rtt
        gain = _SLOW_START_GAIN if self.in_slow_start else _AVOIDANCE_GAIN
        return Allowance(
            window_bytes=int(self._window),
            # Nobody knows yet at which rate the initial window should leave.
            unpaced_bytes=int(self._window) if self._smoothed_rtt is None else 0,
            pacing_bps=gain * self._window / rtt * 8,
            burst_bytes=_INITIAL_PACKETS * self._packet,
            target_bps=self._window / rtt * 8,
            base_rtt=min(self._base_rtt, rtt),
            probe=self.in_slow_start,
        )

    def on_sent(self, packet: SentPacket) -> None:
        pass

    def on_feedback(self, feedback: Feedback) -> None:
        if feedback.rtt is not None:
            self._base_rtt = min(self._base_rtt, feedback.rtt)
            smoothed = self._smoothed_rtt
            self._smoothed_rtt = feedback.rtt if smoothed is None else smoothed + (feedback.rtt - smoothed) / 8
        congested = [result.packet.at for result in feedback.results if result.lost or feedback.ce_packets]
        if congested and max(congested) > self._recovery_at:
            self._reduce(now=feedback.at)
        if feedback.persistent:
            self._collapse()
        used_bytes = sum(
            result.packet.size_bytes
            for result in feedback.results
            if not (result.lost or result.app_limited) and result.packet.at > self._recovery_at
        )
        self._grow_by(used_bytes, now=feedback.at)

    def undo_losses(self, *, since: float, now: float) -> None:
        undone: _Reduction | None = None
        while self._reductions and self._reductions[-1].at >= since:
            undone = self._reductions.pop()
        if undone is not None:
            self._window = max(self._window, undone.window)
            self._threshold = max(self._threshold, undone.threshold)
            self._recovery_at = undone.recovery_at
            self._restore(undone.saved)

    def resize(self, max_datagram_bytes: int) -> None:
        """A window that is still the initial one is of packets (section 7.2)."""
        if self._window == initial_window(self._packet):
            self._window = initial_window(max_datagram_bytes)
        self._packet = max_datagram_bytes

    def get_timer(self) -> float | None:
        return None

    def handle_timer(self, *, now: float) -> None:
        pass

    @property
    def _rtt(self) -> float:
        return self._smoothed_rtt if self._smoothed_rtt is not None else _INITIAL_RTT

    @property
    def _least(self) -> int:
        return _MIN_PACKETS * self._packet

    def _grow_by(self, used_bytes: int, *, now: float) -> None:
        """Slow start grows to its threshold; what was acknowledged beyond is congestion avoidance's."""
        in_slow_start = min(float(used_bytes), max(0.0, self._threshold - self._window))
        self._window += in_slow_start
        if not self.in_slow_start:
            self._grow(used_bytes - in_slow_start, now=now)

    def _reduce(self, *, now: float) -> None:
        """A recovery period begins (section 7.3.2)."""
        self._reductions.append(_Reduction(now, self._window, self._threshold, self._recovery_at, self._save()))
        self._recovery_at = now
        self._window = self._threshold = max(self._reduced_window(), float(self._least))

    def _collapse(self) -> None:
        """Persistent congestion (section 7.6.2)."""
        self._reductions.clear()
        self._recovery_at = -1.0
        self._window = float(self._least)

    def _grow(self, used_bytes: float, *, now: float) -> None:
        """Congestion avoidance: so many bytes of full windows were acknowledged, perhaps none."""
        raise NotImplementedError

    def _reduced_window(self) -> float:
        """The window after congestion, in bytes."""
        raise NotImplementedError

    def _save(self) -> object:
        """What `_restore` needs; called ahead of a reduction."""
        return None

    def _restore(self, saved: object) -> None:
        """The reduction was wrong."""


def initial_window(max_datagram_bytes: int) -> int:
    """Bytes (section 7.2): ten packets, but not more than 14720 bytes or two packets."""
    return min(_INITIAL_PACKETS * max_datagram_bytes, max(_INITIAL_BYTES, _MIN_PACKETS * max_datagram_bytes))
