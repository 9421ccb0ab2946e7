"""Where the frames around a percentile spent their time.

A regression of the tail need not move the mean, and what moves the mean need not reach the tail: so a broken p95 is
explained by the frames whose latency is about the p95, compared with the frames about the p95 of the baseline.
"""

import math

import numpy as np
import pandas as pd

from experiments.measure.ledger import STAGES, stages
from experiments.measure.metrics import glass_to_glass

Profile = dict[str, float]
"""ms by stage: means over some shown frames, which add up to their mean latency. Empty without any."""


def percentile_profile(frames: pd.DataFrame, share: float) -> Profile:
    """The mean stages of the frames around a percentile of all captured frames: of those whose rank is nearer to it
    than halfway to the nearest end, p95 from 92.5 % to 97.5 %. The slowest frame for `share` 1.

    Frames that were never shown rank last and have no stages, so that the profile of an infinite percentile is empty.
    """
    latencies = glass_to_glass(frames)
    rank = _rank(share, len(latencies))
    if len(latencies) == 0 or not math.isfinite(np.sort(latencies)[rank]):
        return {}
    half = min(share, 1 - share) / 2
    first, last = _rank(share - half, len(latencies)), _rank(share + half, len(latencies))
    order = np.argsort(latencies, kind="stable")[first : last + 1]
    return mean_profile(frames.iloc[order])


def mean_profile(frames: pd.DataFrame) -> Profile:
    """The mean stages of all shown frames."""
    shown = frames[frames["fate"] == "displayed"]
    if shown.empty:
        return {}
    means = stages(shown).mean()
    return {name: round(float(means[f"{name}_ms"]), 6) + 0.0 for name in STAGES}


def _rank(share: float, count: int) -> int:
    """The index of a nearest-rank percentile among `count` sorted values."""
    return max(0, math.ceil(share * count - 1e-9) - 1)
