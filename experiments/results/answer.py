"""What one run answers, in a sentence."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from glassbench.experiments.account.metrics import values_needed

NO_FRAMES = "A bulk transfer has no frames to be shown; compare what its flows get of the network."

# Percentiles of one run this near to the least are not ranked: another seed puts them in another order.
_TOO_CLOSE = 1.05


def answer(arms: Sequence[Mapping[str, Any]]) -> str:
    """The soonest arms by their 95th percentile, of the records of a run's arms."""
    ended = [arm for arm in arms if arm["outcome"] == "measured"]
    if not ended:
        return "No arm was measured to its end, so there is nothing to compare."
    if all(arm["summary"].get("captured") == 0 for arm in ended):
        return NO_FRAMES
    ranked = sorted(
        (_number(arm["summary"].get("g2g_p95_ms")), _number(arm["summary"].get("g2g_p50_ms")), str(arm["arm"]))
        for arm in ended
    )
    least = ranked[0][0]
    if math.isinf(least):
        return "No arm showed 95 % of its frames, so none has a 95th percentile; compare the p95 signal delays."
    close = [f"{arm} ({p95:.0f} ms)" for p95, _, arm in ranked if p95 <= _TOO_CLOSE * least]
    frames = min(_number(arm["summary"].get("captured")) for arm in ended)
    if frames < (needed := values_needed(0.95)):
        return f"Too few frames for a verdict ({frames:.0f}; it takes {needed}); soonest of these: {', '.join(close)}."
    if len(close) == 1:
        return f"Soonest for 95 % of all captured frames, in this one run: {close[0]}."
    return f"Soonest for 95 % of all captured frames, too close for one run to tell apart: {', '.join(close)}."


def _number(value: object) -> float:
    """A number for ranking: what is no number counts as infinite."""
    return float(value) if isinstance(value, int | float) and not math.isnan(value) else math.inf
