"""What results are of, for the titles of tables, pages and figures: what the scenarios hold, seeds and world."""

from collections.abc import Mapping, Sequence
from typing import Any

from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.trace_windows import words
from glassbench.experiments.worlds.table import VIRTUAL


def run_subject(manifest: Mapping[str, Any]) -> str:
    """What a run is of."""
    return _line(manifest, manifest["scenario"]["name"], f"seed {manifest['scenario']['seed']}")


def dataset_subject(dataset: Dataset) -> str:
    """What a dataset is of, as far as all its cells share it."""
    seeds = sorted({int(seed) for seed in dataset.summary["seed"]})
    return _line(dataset.manifest, dataset.name, f"{'seed' if len(seeds) == 1 else 'seeds'} {_range(seeds)}")


def _line(manifest: Mapping[str, Any], name: str, seeds: str) -> str:
    """Of results without a title, which an earlier version wrote, the name."""
    parts = (manifest.get("title", name), seeds, words(manifest), f"in {manifest.get('world', VIRTUAL.words)}")
    return ", ".join(str(part) for part in parts if part)


def _range(seeds: Sequence[int]) -> str:
    whole = len(seeds) > 2 and seeds[-1] - seeds[0] == len(seeds) - 1
    return f"{seeds[0]} to {seeds[-1]}" if whole else ", ".join(map(str, seeds))
