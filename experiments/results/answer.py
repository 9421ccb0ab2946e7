"""What one run answers, in a sentence."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from glassbench.experiments.account.metrics import values_needed
from glassbench.experiments.results.ranking import ranking_of

NO_FRAMES = "A bulk transfer has no frames to be shown; compare what its flows get of the network."

# Percentiles of one run this near to the least are not ranked: another seed puts them in another order.
_TOO_CLOSE = 1.05


def answer(arms: Sequence[Mapping[str, Any]]) -> str:
    """The soonest arms by their 95th percentile, of the records of a run's arms.

    It is that of the signal delay, and that of the picture delay beside it, if the encoder of an arm follows the
    network, and of the latency otherwise.
    """
    ended = [arm for arm in arms if arm["outcome"] == "measured"]
    if not ended:
        return "No arm was measured to its end, so there is nothing to compare."
    if all(arm["summary"].get("captured") == 0 for arm in ended):
        return NO_FRAMES
    ranking = ranking_of(arm.get("stats") for arm in arms)
    if not ranking.by_signal:
        no_p95 = "No arm showed 95 % of its frames, so none has a 95th percentile; compare the p95 signal delays."
        return _soonest(ended, ranking.columns, no_p95)
    by = " by the p95 signal delay, since an encoder follows the network"
    nothing = "After more than 5 % of its captures no arm showed anything any more, so none has a p95 signal delay."
    signal = _soonest(ended, ranking.columns, nothing, by)
    if not ranking.picture_delay:
        return signal
    no_picture = f"No arm has a p95 {ranking.picture_delay}, since too few pictures were good enough."
    pictures = _soonest(ended, ("picture_p95_ms", *ranking.columns), no_picture, f" by the p95 {ranking.picture_delay}")
    return f"{signal} {pictures}"


def _soonest(ended: Sequence[Mapping[str, Any]], columns: Sequence[str], nobody: str, by: str = "") -> str:
    """The sentence that names the arms with the least number in the first column, or `nobody` if none is finite. `by`
    says what the number is, if it is not that of latency."""
    ranked = sorted(([_number(arm["summary"].get(column)) for column in columns], str(arm["arm"])) for arm in ended)
    least = ranked[0][0][0]
    if math.isinf(least):
        return nobody
    close = [f"{arm} ({p95:.0f} ms)" for (p95, *_), arm in ranked if p95 <= _TOO_CLOSE * least]
    frames = min(_number(arm["summary"].get("captured")) for arm in ended)
    if frames < (needed := values_needed(0.95)):
        few = f"Too few frames for a verdict ({frames:.0f}; it takes {needed})"
        return f"{few}; soonest of these{by}: {', '.join(close)}."
    soonest = f"Soonest{by or ' for 95 % of all captured frames'}"
    if len(close) == 1:
        return f"{soonest}, in this one run: {close[0]}."
    return f"{soonest}, too close for one run to tell apart: {', '.join(close)}."


def _number(value: object) -> float:
    """A number for ranking: what is no number counts as infinite."""
    return float(value) if isinstance(value, int | float) and not math.isnan(value) else math.inf
