"""What a dataset says about its arms: their latencies by run, compared by `experiments.results.statistics`."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from glassbench.experiments.account.metrics import glass_to_glass, picture_delay, signal_delay, values_needed
from glassbench.experiments.results.dataset import Dataset, Delay
from glassbench.experiments.results.files import ResultsError
from glassbench.experiments.results.ranking import ranking_of
from glassbench.experiments.results.statistics import Comparison, compare_arms
from glassbench.experiments.results.statistics.blocks import time_blocks
from glassbench.experiments.results.statistics.comparison import LATENCY
from glassbench.experiments.results.subject import network as network_of
from glassbench.experiments.scenario import dice
from glassbench.experiments.scenario.flow_spec import MEDIA
from glassbench.experiments.scenario.tracks import VIDEO_TRACK

MEASURED = ("measured",)


def evidence(dataset: Dataset, *, share: float = 0.95, track: int = VIDEO_TRACK) -> Comparison:
    """Compare the arms of a dataset over its runs, or, if it has one run, over blocks of ten seconds of it.

    `share` is the percentile of glass-to-glass latency, or of the signal delay if an encoder follows the network. Arms
    that were not measured with every seed have no pair and are left out. Raises ResultsError if the dataset has axes,
    keeps no frames, or has no arm that was measured or none with frames of that track.
    """
    latencies = _of_all_arms(dataset, track, glass_to_glass)
    if not ranking_of(dataset.counters()).by_signal:
        return _compared(dataset, latencies, share, network=network_of(dataset))
    signals = _of_all_arms(dataset, track, signal_delay)
    return _compared(
        dataset, signals, share, delay="signal delay", shown=_shown(latencies), network=network_of(dataset)
    )


def picture_evidence(dataset: Dataset, *, share: float = 0.95) -> Comparison | None:
    """Compare the arms by their picture delays; None if no encoder follows the network, or the quality of pictures was
    not measured. Raises ResultsError as `evidence` does."""
    ranking = ranking_of(dataset.counters())
    floor = ranking.picture_floor
    if floor is None:
        return None
    delays = _of_all_arms(dataset, VIDEO_TRACK, lambda frames: picture_delay(frames, floor), pictures=True)
    if any(np.isnan(block).any() for blocks in delays.values() for block in blocks):
        return None
    shown = _shown(_of_all_arms(dataset, VIDEO_TRACK, glass_to_glass))
    return _compared(dataset, delays, share, delay=ranking.picture_delay, shown=shown)


def sizing(runs: int) -> str:
    """What `runs` runs can say of the worst one (Wilks 1941)."""
    share = 0.05 ** (1 / runs)
    return (
        f"The worst of {runs} runs bounds {share:.0%} of all runs with 95 % confidence; "
        f"the 95th percentile of runs needs {values_needed(0.95)}."
    )


_Delays = Mapping[str, Sequence[NDArray[np.float64]]]


def _compared(
    dataset: Dataset,
    delays: _Delays,
    share: float,
    *,
    delay: str = LATENCY,
    shown: Mapping[str, float] | None = None,
    network: str = "",
) -> Comparison:
    unit = "run" if len(dataset.seeds) > 1 else "block"
    rng = dice.generator(0, "evidence", dataset.name)
    return compare_arms(
        delays,
        rng=rng,
        share=share,
        unit=unit,
        dependent=dataset.dependent,
        delay=delay,
        shown=shown,
        network=network,
    )


def _shown(latencies: _Delays) -> Mapping[str, float]:
    """The share of frames of each arm that were shown."""
    return {arm: float(np.isfinite(np.concatenate(blocks)).mean()) for arm, blocks in latencies.items()}


def _of_all_arms(dataset: Dataset, track: int, delay: Delay, *, pictures: bool = False) -> _Delays:
    """A delay of each frame, by arm and run or block. Raises ResultsError."""
    if dataset.axes:
        raise ResultsError(
            f"{dataset.path} varies {', '.join(dataset.axes)}; arms are compared at one point of a sweep"
        )
    by_arm = {arm: _blocks(dataset, arm, track, delay, pictures=pictures) for arm in dataset.arms}
    delays = {arm: blocks for arm, blocks in by_arm.items() if blocks is not None}
    if not delays:
        raise ResultsError(f"{dataset.path} has no arm that was measured with every seed")
    if not any(len(run) for blocks in delays.values() for run in blocks):
        raise ResultsError(f"{dataset.path} has no frames to be shown, so there are no latencies to compare")
    return delays


def _blocks(
    dataset: Dataset, arm: str, track: int, delay: Delay, *, pictures: bool
) -> Sequence[NDArray[np.float64]] | None:
    rows = dataset.where(arm=arm).sort_values("seed")
    if not rows["outcome"].isin(MEASURED).all():
        return None
    cells = rows["cell"].tolist()
    if len(cells) > 1:
        return dataset.latencies(cells, track=track, delay=delay, pictures=pictures)
    ledger = dataset.frames("ledger", cells)
    frames = ledger[(ledger["flow"] == MEDIA) & (ledger["track"] == track)]
    return time_blocks(frames["captured_at"].to_numpy(), delay(frames))
