"""What metrics are made of, all from the ledger and the link table, each by a stated rule.

A frame that was never shown has infinite latency. Percentiles are over all captured frames, so no arm gets better by
losing its slow frames. What is undefined is None.
"""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glassbench.experiments.account.ledger import STAGE_NAMES, stages

FloatArray = NDArray[np.float64]

PERCENTILES = (0.5, 0.95, 0.99)  # of latency, in the summary
FREEZE_WINDOW = 30  # gaps between displayed frames whose mean is "the mean gap"
FREEZE_FACTOR = 3.0
FREEZE_MARGIN = 0.150  # seconds


def in_ms(seconds: float) -> float | None:
    """A time as summaries have it; None if it is undefined."""
    return None if math.isnan(seconds) else round(seconds * 1e3, 6)


def values_needed(share: float, *, confidence: float = 0.95) -> int:
    """How many independent values bound a percentile on one side: 59 for the 95th at 95 %.

    The largest of n values (or the smallest, for a share below one half) is beyond the percentile with probability 1 -
    share^n (Wilks 1941; Jacob et al., "TriScale: A Framework Supporting Replicable Performance Evaluations in
    Networking", 2021). Raises ValueError.
    """
    for name, value in (("share", share), ("confidence", confidence)):
        if not 0 < value < 1:
            raise ValueError(f"{name} must be between 0 and 1, found {value}")
    return math.ceil(math.log(1 - confidence) / math.log(max(share, 1 - share)) - 1e-9)


def too_few(count: int, shares: Sequence[float], what: str = "frame") -> str:
    """A sentence about the percentiles for which there are too few frames; empty if there are enough."""
    unbounded = [share for share in shares if count < values_needed(share)]
    if not unbounded:
        return ""
    names = ", ".join(f"p{100 * share:g}" for share in unbounded)
    needed = ", ".join(str(values_needed(share)) for share in unbounded)
    says, them = ("says", "it") if len(unbounded) == 1 else ("say", "them")
    return (
        f"{names} of {count} {what}{'' if count == 1 else 's'} {says} little: it takes {needed} until the slowest "
        f"bounds {them} with 95 % confidence"
    )


def glass_to_glass(frames: pd.DataFrame) -> FloatArray:
    """Seconds from capture to display of each captured frame; infinite if it was never shown."""
    delay: FloatArray = (frames["displayed_at"] - frames["captured_at"]).to_numpy(dtype=np.float64)
    return np.where(np.isnan(delay), np.inf, delay)


def signal_delay(frames: pd.DataFrame) -> FloatArray:
    """Seconds from each capture until that frame or a later one of the track was shown; infinite if none was.

    Somebody who makes a sign at that moment waits so long until it is seen: a lost frame costs one interval, a freeze
    its whole length. `frames` is one track in order of sequence.
    """
    return _until_shown(frames, frames["displayed_at"].to_numpy(dtype=np.float64, na_value=np.nan))


def picture_delay(frames: pd.DataFrame, floor: float) -> FloatArray:
    """Signal delay of pictures that are good enough: one whose SSIM against its own capture is below `floor` counts as
    not shown.

    So nobody wins by sending empty pictures, and it is never below the signal delay. NaN throughout if pictures were
    not measured, or there are none (a size model). `frames` is one track in order of sequence.
    """
    if "ssim" not in frames or frames["ssim"].isna().any():
        return np.full(len(frames), np.nan)
    shown = frames["displayed_at"].to_numpy(dtype=np.float64, na_value=np.nan)
    return _until_shown(frames, np.where(frames["own_ssim"].to_numpy() >= floor, shown, np.nan))


def _until_shown(frames: pd.DataFrame, shown: FloatArray) -> FloatArray:
    """Seconds from each capture until the earliest of the instants (NaN: never) from its frame on."""
    first_from_here = np.minimum.accumulate(np.where(np.isnan(shown), np.inf, shown)[::-1])[::-1]
    return np.asarray(first_from_here - frames["captured_at"].to_numpy(), dtype=np.float64)


def first_frame(frames: pd.DataFrame) -> float:
    """Seconds from the first capture until anything was shown: its signal delay; NaN without a capture."""
    return float(signal_delay(frames)[0]) if len(frames) else math.nan


def freezes(frames: pd.DataFrame) -> list[tuple[float, float]]:
    """Freezes as (start, length) in seconds: gaps between displayed frames of at least max(3 x mean gap, mean gap +
    150 ms).

    W3C webrtc-stats, freezeCount: the mean is over the gaps of the last 30 displayed frames; until there is one, the
    capture interval stands in. A picture that stands still until the last capture is a gap too, although no frame ends
    it; and a track of which nothing was shown is one freeze from first to last capture.
    """
    captured: FloatArray = frames["captured_at"].to_numpy()
    if len(captured) < 2:
        return []
    shown = np.sort(frames["displayed_at"].dropna().to_numpy(dtype=np.float64))
    if len(shown) == 0:
        return [(float(captured[0]), float(captured[-1] - captured[0]))]
    instants = np.append(shown, max(shown[-1], captured[-1]))
    gaps = np.diff(instants)
    interval = float(captured[-1] - captured[0]) / (len(captured) - 1)
    frozen = []
    for index, gap in enumerate(gaps):
        before = gaps[max(0, index - FREEZE_WINDOW) : index]
        mean = float(before.mean()) if len(before) else interval
        if gap >= max(FREEZE_FACTOR * mean, mean + FREEZE_MARGIN) - 1e-9:  # equal in decimals is a freeze
            frozen.append((float(instants[index]), float(gap)))
    return frozen


def sent_mbps(passed: pd.DataFrame, duration: float) -> float:
    """Mbit/s that a sender put on the wire, headers and repair included: all bytes from the first capture to the end
    of the run, over the duration of the media (seconds). `passed` are the rows of its flow for its first link; without
    any, as of a network that is not ours, it is not known."""
    if passed.empty:
        return math.nan
    return float(passed.loc[passed["at"] >= 0, "sent_bytes"].sum()) * 8 / duration / 1e6


def floor_ratio(p95: float | None, floor: float | None) -> float | None:
    """The p95 of an arm over that of the floor, both in ms. It is infinite if only the arm's is, and undefined if the
    floor's is infinite or one of them is not known."""
    if p95 is None or floor is None or not 0 < floor < math.inf:
        return None
    return round(p95 / floor, 6)


def mean_stages(frames: pd.DataFrame) -> dict[str, float | None]:
    """The mean of each stage over the displayed frames, in ms; None if there are none. They add up to the mean latency
    of these frames, so a stage that grew says where latency went."""
    means = stages(frames[frames["fate"] == "displayed"]).mean()
    return {
        name: None if math.isnan(mean := means[f"{name}_ms"]) else round(float(mean), 6) + 0.0 for name in STAGE_NAMES
    }
