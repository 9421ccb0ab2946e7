"""Which stage ate a budget, or what became of the frames that were never shown.

Against a baseline it is what grew most since. Without one nothing is known to have grown, so it is what takes most, and
is called that. Late frames are explained by the stages of the frames around the percentile that broke, missing frames
by their fates, and freezes by either.

Frames that are sent a little later meet other losses, so the tails of two runs differ by chance in the stages of
repair. So of the stages that grew, the one is named first whose growth is surest: the growth less twice its standard
error, from how much the frames differ among themselves.
"""

import math
from dataclasses import dataclass

from glassbench.experiments.account.metric_table import Metric
from glassbench.experiments.budgets.measure import TargetNumbers
from glassbench.experiments.budgets.profile import Profile
from glassbench.experiments.budgets.value import HELD

_NOTICEABLE = 0.25  # of the largest: what grew less than this beside it is not named
_LEAST_MS = 0.001  # a change below is rounding
_ERRORS = 2.0  # standard errors that growth has to stand out by
_FROM_THE_TOP = ("max", "p99", "p95", "p50")
_NO_FRAMES = Profile({})
_NO_BASELINE = "no baseline to say what grew"
_NONE_GREW = "none grew since the baseline"


@dataclass(frozen=True)
class Blame:
    """The stage or fate that broke a budget. `sentence` says it, and names `stage` or `fate` first.

    If it was `compared` with a baseline, the numbers are what grew (ms by stage, share of captured frames by fate), and
    the surest comes first. Otherwise they are what there is, and the largest comes first.
    """

    sentence: str
    compared: bool
    stage: str | None
    fate: str | None
    stages_ms: dict[str, float]
    fates: dict[str, float]


def blame(metric: Metric, now: TargetNumbers, before: TargetNumbers | None) -> Blame:
    """Explain a broken budget of `metric`; `before` are the numbers of the baseline, if there is one."""
    around = metric.name if metric.share is not None else _highest(now, before)
    fates, fates_unlike = _growth(_missing(now), None if before is None else _missing(before), least=0.0)
    more_missing = bool(fates) and fates_unlike != _NONE_GREW
    profile = now.profiles.get(around, _NO_FRAMES)
    if not profile.mean or metric.name == "shown" or (metric.share is None and more_missing):
        sentence = _fates_sentence(fates, now, before, unlike=fates_unlike)
        return Blame(sentence, not fates_unlike, None, next(iter(fates), None), {}, fates)
    old_profile = _NO_FRAMES if before is None else before.profiles.get(around, _NO_FRAMES)
    stages, unlike = _growth(profile.mean, old_profile.mean or None, least=_LEAST_MS)
    if not unlike:
        stages = _surest_first(stages, profile, old_profile)
    sentences = [_stages_sentence(stages, profile, _place(HELD[around]), unlike=unlike)]
    if before is not None and not unlike:
        sentences.append(_elsewhere(stages, now.shown, before.shown))
    if before is not None and more_missing:
        sentences.append(_fates_sentence(fates, now, before, unlike=""))
    return Blame("; ".join(filter(None, sentences)), not unlike, next(iter(stages), None), None, stages, fates)


def _place(metric: Metric) -> str:
    return "the slowest frame" if metric.share == 1 else f"the frames around p{100 * (metric.share or 0):g}"


def _highest(now: TargetNumbers, before: TargetNumbers | None) -> str:
    """The highest percentile that is finite, now and before: for metrics that are not made of a percentile."""
    for name in _FROM_THE_TOP:
        profiles = [numbers.profiles.get(name, _NO_FRAMES) for numbers in (now, before) if numbers is not None]
        if all(profile.mean for profile in profiles):
            return name
    return _FROM_THE_TOP[0]


def _growth(now: dict[str, float], before: dict[str, float] | None, *, least: float) -> tuple[dict[str, float], str]:
    """What grew by more than `least`, largest first; or what there is, and why that is not what grew."""
    if before is None:
        return _largest(now, least), _NO_BASELINE
    grown = _largest({name: value - before.get(name, 0.0) for name, value in now.items()}, least)
    return (grown, "") if grown else (_largest(now, least), _NONE_GREW)


def _largest(numbers: dict[str, float], least: float) -> dict[str, float]:
    chosen = [(name, round(number, 6)) for name, number in numbers.items() if number > least]
    return dict(sorted(chosen, key=lambda item: -item[1]))


def _surest_first(grown: dict[str, float], now: Profile, before: Profile) -> dict[str, float]:
    def sure(item: tuple[str, float]) -> float:
        name, growth = item
        return growth - _ERRORS * math.hypot(now.error.get(name, 0.0), before.error.get(name, 0.0))

    ordered = sorted(grown.items(), key=sure, reverse=True)
    return dict(ordered) if ordered and sure(ordered[0]) > 0 else grown  # by size, if none stands out


def _missing(numbers: TargetNumbers) -> dict[str, float]:
    """The share of captured frames that had a fate other than to be shown."""
    captured = max(1, numbers.captured)
    return {fate: count / captured for fate, count in numbers.fates.items() if fate != "displayed"}


def _stages_sentence(stages: dict[str, float], profile: Profile, place: str, *, unlike: str) -> str:
    if not stages:
        return f"{place} spent no time in any stage"
    first, most = next(iter(stages.items()))
    if unlike:
        total = sum(profile.mean.values())
        return f"largest stage of {place}: {first}, {most:.1f} of {total:.1f} ms ({unlike})"
    named = [f"{name} +{grown:.1f} ms" for name, grown in stages.items() if grown >= _NOTICEABLE * most]
    is_ms = profile.mean[first]
    return f"{', '.join(named)} in {place} ({first} was {is_ms - most:.1f}, is {is_ms:.1f} ms)"


def _elsewhere(stages: dict[str, float], now: Profile, before: Profile) -> str:
    """What grew most over all shown frames, if that is another stage. Repair makes a longer path cost twice."""
    overall = _largest({name: value - before.mean.get(name, 0.0) for name, value in now.mean.items()}, _LEAST_MS)
    first = next(iter(_surest_first(overall, now, before)), None)
    if first is None or first == next(iter(stages), None):
        return ""
    return f"over all shown frames {first} +{overall[first]:.1f} ms"


def _fates_sentence(fates: dict[str, float], now: TargetNumbers, before: TargetNumbers | None, *, unlike: str) -> str:
    if unlike or before is None:
        parts = [f"{fate} {now.fates[fate]}" for fate in fates]
        return f"of {now.captured} captured frames were {', '.join(parts)} ({unlike})"
    parts = [
        f"{fate} +{grown:.1%} of the frames (was {before.fates[fate]} of {before.captured}, "
        f"is {now.fates[fate]} of {now.captured})"
        for fate, grown in fates.items()
    ]
    return ", ".join(parts)
