"""Scalable TCP (Kelly, 2003): a large window grows by a share of what is acknowledged, and yields an eighth."""

from glassbench.transport.congestion.window import WindowController

_GROWTH = 0.01  # of what is acknowledged, or as in Reno where that is more
_KEPT = 0.875  # of the window after congestion


class ScalableController(WindowController):
    """Multiplicative increase, multiplicative decrease."""

    def _grow(self, used_bytes: float, *, now: float) -> None:
        a_packet_per_round_trip = self._packet * used_bytes / self._window
        self._window += max(_GROWTH * used_bytes, a_packet_per_round_trip)

    def _reduced_window(self) -> float:
        return self._window * _KEPT
