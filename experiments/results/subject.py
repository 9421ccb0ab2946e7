"""What results are about, for the titles of tables, pages and figures: what the scenarios say, seeds and world."""

from collections.abc import Sequence
from typing import Any, Protocol

import pandas as pd

from glassbench.experiments.results.trace_windows import words
from glassbench.experiments.worlds.table import VIRTUAL


class _Titled(Protocol):
    """Results, as far as a title needs them."""

    @property
    def name(self) -> str: ...

    @property
    def manifest(self) -> dict[str, Any]: ...

    @property
    def summary(self) -> pd.DataFrame: ...


def subject(results: _Titled) -> str:
    """What results are about, as far as all their cells share it."""
    seeds = sorted({int(seed) for seed in results.summary["seed"]})
    manifest = results.manifest
    of_seeds = f"{'seed' if len(seeds) == 1 else 'seeds'} {_range(seeds)}"
    world = manifest.get("world", VIRTUAL.words)
    parts = (manifest.get("title", results.name), of_seeds, words(manifest), f"in {world}")
    return ", ".join(str(part) for part in parts if part)


def network(results: _Titled) -> str:
    """What the arms were compared over, for sentences; empty where no scenario says it, or not all say the same."""
    return str(results.manifest.get("network") or "")


def _range(seeds: Sequence[int]) -> str:
    whole = len(seeds) > 2 and seeds[-1] - seeds[0] == len(seeds) - 1
    return f"{seeds[0]} to {seeds[-1]}" if whole else ", ".join(map(str, seeds))
