"""What a sweep says point by point: which arm is soonest where, and whether that may be chance."""

import math
from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from glassbench.experiments.account.metric_table import METRICS, Metric
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.paired_metrics import LEVEL, values_of
from glassbench.experiments.results.ranking import ranking_of
from glassbench.experiments.results.statistics.holm import holm
from glassbench.experiments.results.statistics.paired import differences
from glassbench.experiments.results.statistics.signed_rank import sign_flip_p
from glassbench.experiments.results.summary_table import AXIS

Point = tuple[Any, ...]
"""A value per axis that varies."""


class SweepPoints:
    """The points of a sweep by the `metric` that decides, which sentences call `name`. `axes` are those that vary,
    `rows` those of `Dataset.intervals` of that metric."""

    def __init__(self, dataset: Dataset) -> None:
        metric, self.name = next(iter(ranking_of(dataset.counters()).judged_by.items()))
        self.metric: Metric = METRICS[metric]
        table = dataset.intervals()
        self.rows: pd.DataFrame = table[table["metric"] == metric]
        self.axes = [axis for axis in dataset.axes if self.rows[axis].nunique() > 1]
        self.arms = dataset.arms
        self.seeds = len(dataset.seeds)
        self._summary = dataset.summary
        self._dependent = dataset.dependent

    @cached_property
    def soonest(self) -> Mapping[Point, tuple[str, ...]]:
        """The arms with the least median at each point: more than one if they have the same, none if it is infinite."""
        best = {}
        for point, rows in self.rows.groupby(self.axes, sort=False) if self.axes else [((), self.rows)]:
            least = rows["median"].min()
            best[point] = tuple(rows["arm"][(rows["median"] == least) & (least < math.inf)])
        return best

    @cached_property
    def told_apart(self) -> frozenset[Point]:
        """The points at which one arm is sooner than every other beyond chance: by the exact sign-flip test over pairs
        of runs, with Holm's adjustment over all pairs of arms at all points. None if the runs are not independent."""
        if self._dependent:
            return frozenset()
        tests = self._tests()
        adjusted = dict(zip(tests, holm(list(tests.values())), strict=True))
        by_point: dict[Point, list[float]] = {}
        for (point, *pair), p in adjusted.items():
            if (best := self.soonest.get(point)) and len(best) == 1 and best[0] in pair:
                by_point.setdefault(point, []).append(p)
        others = len(self.arms) - 1
        return frozenset(point for point, values in by_point.items() if len(values) == others and max(values) <= LEVEL)

    def _tests(self) -> dict[tuple[Point, str, str], float]:
        """The p value of each pair of arms at each point, where both were measured with every seed."""
        table = self._summary.sort_values("seed", kind="stable")
        columns = [f"{AXIS}{axis}" for axis in self.axes]
        tests = {}
        for point, rows in table.groupby(columns, sort=False) if columns else [((), table)]:
            runs = {arm: values_of(rows[rows["arm"] == arm], self.metric) for arm in self.arms}
            for one, other in combinations(runs, 2):
                a, b = runs[one], runs[other]
                if len(a) == len(b) == self.seeds and not (np.isnan(a) | np.isnan(b)).any():
                    tests[point, one, other] = sign_flip_p(differences(a, b))
        return tests

    @property
    def verdict(self) -> str:
        """Who is soonest at how many points, in a sentence."""
        if self.rows.empty:
            return "No arm was measured with frames to be shown at any point, so there is nothing to compare."
        total = f"{len(self.soonest)} point{'' if len(self.soonest) == 1 else 's'}"
        if len(self.arms) == 1:
            return f"{self.arms[0]} at {total}: how its {self.name} goes along them is below."
        counts = Counter(" and ".join(best) or "no arm" for best in self.soonest.values())
        (most, at), *others = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        said = [f"{most} at {at} of {total}", *(f"{who} at {count}" for who, count in others)]
        return f"Soonest at {self.name} in a typical run: {', '.join(said)}."

    @property
    def basis(self) -> str:
        """What the verdict rests on."""
        runs = f"There {'is' if self.seeds == 1 else 'are'} {self.seeds} run{'' if self.seeds == 1 else 's'} at a point"
        if self._dependent:
            return f"{runs}, and no intervals: {self._dependent}."
        if not self.bounded:
            return f"{runs}, too few for intervals and tests: the pictures have the range of all runs."
        return (
            f"{runs}. At {len(self.told_apart)} of {len(self.soonest)} points the soonest arm is told apart from every "
            "other one, by an exact sign-flip test over pairs of runs, with Holm's adjustment over all pairs of arms "
            "at all points."
        )

    @property
    def bounded(self) -> bool:
        """Whether the runs are enough for a 95 % interval of each median."""
        return bool(np.isfinite(self.rows["low"]).all())
