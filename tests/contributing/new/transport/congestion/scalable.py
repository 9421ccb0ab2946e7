"""Scalable TCP (Kelly, 2003): the window grows by a share of what is acknowledged, and yields an eighth."""

from glassbench.transport.congestion.window import WindowController

_GROWTH = 0.01  # of what is acknowledged
_KEPT = 0.875  # of the window after congestion


class ScalableController(WindowController):
    """Multiplicative increase, multiplicative decrease."""

    def _grow(self, used_bytes: float, *, now: float) -> None:
        self._window += _GROWTH * used_bytes

    def _reduced_window(self) -> float:
        return self._window * _KEPT
