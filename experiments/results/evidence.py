"""What a dataset says about its arms: their latencies by run, compared by `experiments.results.statistics`."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from glassbench.experiments.account.metrics import glass_to_glass, values_needed
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.files import ResultsError
from glassbench.experiments.results.statistics import Comparison, compare_arms
from glassbench.experiments.results.statistics.blocks import time_blocks
from glassbench.experiments.scenario import dice
from glassbench.experiments.scenario.flow_spec import MEDIA
from glassbench.experiments.scenario.tracks import VIDEO_TRACK

MEASURED = ("measured",)


def evidence(dataset: Dataset, *, share: float = 0.95, track: int = VIDEO_TRACK) -> Comparison:
    """Compare the arms of a dataset over its runs, or, if it has one run, over blocks of ten seconds of it.

    `share` is the percentile of glass-to-glass latency. Arms that were not measured with every seed have no pair and
    are left out. Raises ResultsError if the dataset has axes, keeps no frames, or has no arm that was measured or none
    with frames of that track.
    """
    if dataset.axes:
        raise ResultsError(
            f"{dataset.path} varies {', '.join(dataset.axes)}; arms are compared at one point of a sweep"
        )
    runs = dataset.summary["seed"].nunique()
    latencies = {arm: blocks for arm in dataset.arms if (blocks := _blocks(dataset, arm, track)) is not None}
    if not latencies:
        raise ResultsError(f"{dataset.path} has no arm that was measured with every seed")
    if not any(len(run) for blocks in latencies.values() for run in blocks):
        raise ResultsError(f"{dataset.path} has no frames to be shown, so there are no latencies to compare")
    unit = "run" if runs > 1 else "block"
    rng = dice.generator(0, "evidence", dataset.name)
    return compare_arms(latencies, rng=rng, share=share, unit=unit, dependent=dataset.dependent)


def sizing(runs: int) -> str:
    """What `runs` runs can say of the worst one (Wilks 1941)."""
    share = 0.05 ** (1 / runs)
    return (
        f"The worst of {runs} runs bounds {share:.0%} of all runs with 95 % confidence; "
        f"the 95th percentile of runs needs {values_needed(0.95)}."
    )


def _blocks(dataset: Dataset, arm: str, track: int) -> Sequence[NDArray[np.float64]] | None:
    rows = dataset.where(arm=arm).sort_values("seed")
    if not rows["outcome"].isin(MEASURED).all():
        return None
    cells = rows["cell"].tolist()
    if len(cells) > 1:
        return dataset.latencies(cells, track=track)
    ledger = dataset.ledger(cells)
    frames = ledger[(ledger["flow"] == MEDIA) & (ledger["track"] == track)]
    return time_blocks(frames["captured_at"].to_numpy(), glass_to_glass(frames))
