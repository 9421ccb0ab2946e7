"""NewReno as RFC 9002 section 7 has it: a packet more per round trip, half of the window after congestion."""

from glassbench.transport.congestion.window import WindowController

_LOSS_REDUCTION = 0.5  # kLossReductionFactor, appendix B.1


class RenoController(WindowController):
    """Additive increase, multiplicative decrease."""

    def _grow(self, used_bytes: float, *, now: float) -> None:
        self._window += self._packet * used_bytes / self._window

    def _reduced_window(self) -> float:
        return self._window * _LOSS_REDUCTION
