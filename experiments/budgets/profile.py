"""Where the frames around a percentile spent their time.

A regression of the tail may leave the mean as it is, and one that moves the mean may not reach the tail. So a broken
p95 is explained by the frames whose latency is about the p95, compared with the frames about the p95 of the baseline.
"""

import math
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from glassbench.experiments.account.ledger import INSIDE, STAGE_NAMES, stages
from glassbench.experiments.account.metrics import glass_to_glass
from glassbench.experiments.account.percentile import percentile, rank


@dataclass(frozen=True)
class Profile:
    """Where some shown frames spent their time, in ms by stage.

    `mean` adds up to their mean latency; it is empty without frames. Of a black box it has the stages that are known,
    and what is inside of it. `error` is the standard error of each mean, from
    how much the frames differ among themselves; a stage that is missing in it has none.
    """

    mean: dict[str, float]
    error: dict[str, float] = field(default_factory=dict)


def percentile_profile(frames: pd.DataFrame, share: float) -> Profile:
    """The stages of the frames around a percentile of all captured frames: those whose rank is at most half as far from
    it as the nearest end is. Around the p95 they are from 92.5 % to 97.5 %. With `share` 1 it is the slowest frame.

    Frames that were never shown rank last and have no stages, so the profile of an infinite percentile is empty.
    """
    latencies = glass_to_glass(frames)
    if not math.isfinite(percentile(latencies, share)):
        return Profile({})
    half = min(share, 1 - share) / 2
    first, last = rank(share - half, len(latencies)), rank(share + half, len(latencies))
    order = np.argsort(latencies, kind="stable")[first : last + 1]
    return shown_profile(frames.iloc[order])


def shown_profile(frames: pd.DataFrame) -> Profile:
    """The stages of all shown frames."""
    shown = frames[frames["fate"] == "displayed"]
    if shown.empty:
        return Profile({})
    table = stages(shown)
    spent = {name: float(table[f"{name}_ms"].mean()) for name in STAGE_NAMES}
    mean = {name: _ms(ms) for name, ms in spent.items() if not math.isnan(ms) and (ms or name != INSIDE)}
    if len(shown) == 1:
        return Profile(mean)
    errors = {name: _ms(table[f"{name}_ms"].std() / math.sqrt(len(shown))) for name in mean}
    return Profile(mean, {name: error for name, error in errors.items() if error})


def _ms(value: float) -> float:
    """The number rounded as in a baseline, and never -0."""
    return max(0.0, round(float(value), 6))
