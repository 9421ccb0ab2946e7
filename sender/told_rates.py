"""What x264 is told ahead of each frame, so that the frame keeps to its budget and uses it."""

from fractions import Fraction

_FILL = 1.12  # x264 gives 0.84 of what it is told frame by frame as a rule, and hardly ever more than 0.91
_OPEN = 1.5  # of its budget is told a frame that is kept to it anyway: far more disturbs the choice of the quantizer
_LEAST_BPS = 1000  # x264 counts in kbit/s, and FFmpeg leaves it at the rate before if there is not one
_MEMORY = 20  # frames, for the usual budget: after small frames the next one may be as large as that


class ToldRates:
    """x264 with a rate buffer of one frame.

    Such a buffer holds what the latest frame was told, so a frame can be no larger than what it is told itself, nor
    than what its predecessor was told. A budget that rises would be used a frame late. So a frame that its predecessor
    already keeps to its budget is told more than that: then the next one is free to use all of its own.
    """

    def __init__(self, fps: Fraction, most_bps: int) -> None:
        self._fps = fps
        self._most_bps = most_bps
        self._told_bps = 0.0
        self._usual_bps = 0.0

    def next(self, budget_bytes: int) -> int:
        """Bits per second for a frame that may have `budget_bytes`."""
        exact = float(_FILL * budget_bytes * 8 * self._fps)
        kept = 0 < self._told_bps <= exact
        self._usual_bps += (exact - self._usual_bps) / (_MEMORY if self._usual_bps else 1)
        self._told_bps = min(max(_OPEN * exact, self._usual_bps) if kept else exact, self._most_bps)
        return max(_LEAST_BPS, int(self._told_bps))
