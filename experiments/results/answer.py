"""What one run answers, in a sentence."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from glassbench.experiments.account.metrics import values_needed
from glassbench.experiments.results.ranking import ranking_of

NO_FRAMES = "A bulk transfer has no frames to be shown; compare what its flows get of the network."

# Percentiles of one run this near to the least are not ranked: another seed puts them in another order.
_TOO_CLOSE = 1.05
_NAMED = 3  # arms that are too close are named, the others counted: the table has them all


def answer(arms: Sequence[Mapping[str, Any]], network: str = "") -> str:
    """The soonest arms by their 95th percentile, of the records of a run's arms, over a `network` in words.

    It is that of the signal delay, and that of the picture delay beside it, if the encoder of an arm follows the
    network, and of the latency otherwise.
    """
    return " ".join(sentences(arms, network))


def sentences(arms: Sequence[Mapping[str, Any]], network: str = "") -> list[str]:
    """The answer by each number that decides, a sentence each."""
    ended = [arm for arm in arms if arm["outcome"] == "measured"]
    if not ended:
        return ["No arm was measured to its end, so there is nothing to compare."]
    if all(arm["summary"].get("captured") == 0 for arm in ended):
        return [NO_FRAMES]
    ranking = ranking_of(arm.get("stats") for arm in arms)
    compared = f" of {len(ended)} arms {network}," if network and len(ended) > 1 else ""
    if not ranking.by_signal:
        no_p95 = "No arm showed 95 % of its frames, so none has a 95th percentile; compare the p95 signal delays."
        return [_soonest(ended, ranking.columns, no_p95, compared=compared)]
    nothing = "After more than 5 % of its captures no arm showed anything any more, so none has a p95 signal delay."
    signal = _soonest(ended, ranking.columns, nothing, " by p95 signal delay", compared)
    if not ranking.picture_delay:
        return [signal]
    no_picture = f"No arm has a p95 {ranking.picture_delay}, since too few pictures were good enough."
    columns = ("picture_p95_ms", *ranking.columns)
    return [signal, _soonest(ended, columns, no_picture, f" by p95 {ranking.picture_delay}")]


def _soonest(
    ended: Sequence[Mapping[str, Any]], columns: Sequence[str], nobody: str, by: str = "", compared: str = ""
) -> str:
    """The sentence that names the arms with the least number in the first column, or `nobody` if none is finite. `by`
    says what the number is, if it is not that of latency, and `compared` of which arms it is the least."""
    ranked = sorted(([_number(arm["summary"].get(column)) for column in columns], str(arm["arm"])) for arm in ended)
    least = ranked[0][0][0]
    if math.isinf(least):
        return nobody
    close = [(p95, arm) for (p95, *_), arm in ranked if p95 <= _TOO_CLOSE * least]
    named = ", ".join(f"{arm} ({p95:.0f} ms)" for p95, arm in close[:_NAMED])
    if (more := len(close) - _NAMED) > 0:
        named += f" and {more} more, up to {close[-1][0]:.0f} ms"
    frames = min(_number(arm["summary"].get("captured")) for arm in ended)
    if frames < (needed := values_needed(0.95)):
        return f"Too few frames for a verdict ({frames:.0f}; it takes {needed}); soonest of these{by}: {named}."
    how = "in this one run" if len(close) == 1 else "too close for one run to tell apart"
    return f"Soonest{compared}{by or ' for 95 % of all captured frames'}, {how}: {named}."


def _number(value: object) -> float:
    """A number for ranking: what is no number counts as infinite."""
    return float(value) if isinstance(value, int | float) and not math.isnan(value) else math.inf
