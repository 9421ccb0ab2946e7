"""What results say whether they are one run or many: the same tables under the same names."""

from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from glassbench.experiments.account.ledger import STAGE_NAMES, stages
from glassbench.experiments.account.metric_table import METRICS
from glassbench.experiments.results.drawn import drawn
from glassbench.experiments.results.summary_table import AXIS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FRAME = ["arm", "flow", "track", "sequence"]


class ResultTables(ABC):
    """Tables of results. Times in `summary` are in milliseconds, instants in all others in seconds.

    All tables begin with the columns that say which cell a row is of: the axes, the seed and the arm, as far as they
    vary in it.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """The name of the scenario, or of the plan."""

    @property
    @abstractmethod
    def complete(self) -> bool:
        """Whether it ended by itself: false after an interrupt, a crash or a full disk."""

    @property
    @abstractmethod
    def summary(self) -> pd.DataFrame:
        """A row per arm, seed and point of the axes, and a column per number. What never came is infinite, and what is
        undefined is missing."""

    @property
    @abstractmethod
    def arms(self) -> list[str]:
        """The labels of the arms, in the order of the plan."""

    @abstractmethod
    def _place(self) -> pd.DataFrame:
        """By cell: what says besides its arm which one it is."""

    @abstractmethod
    def _frames(self, name: str) -> pd.DataFrame:
        """A table of all cells with their number, as `Cells.frames` has it."""

    def figures(self, size: str = "screen") -> "dict[str, Figure]":
        """The pictures that a command draws of it, by name, as matplotlib figures for a `screen`, a `column` of a paper
        or a `slide`. Raises ValueError for another size."""
        return drawn(self, size)

    @cached_property
    def ledger(self) -> pd.DataFrame:
        """A row per captured frame of each flow and track, with its fate and an instant per column."""
        return self._placed("ledger")

    @cached_property
    def links(self) -> pd.DataFrame:
        """A row per segment, direction and 100 ms."""
        return self._placed("links")

    @cached_property
    def flows(self) -> pd.DataFrame:
        """A row per flow, segment, direction and 100 ms."""
        return self._placed("flows")

    @cached_property
    def estimates(self) -> pd.DataFrame:
        """What the congestion control of each flow believed: a row per flow and 100 ms in which it sent."""
        return self._placed("estimates")

    @cached_property
    def stages(self) -> pd.DataFrame:
        """The time that each row of the ledger spent in each stage, in ms, and the sum of them, `g2g_ms`."""
        which = self.ledger[[*self._place(), *_FRAME]]
        return pd.concat([which, stages(self.ledger)], axis=1)

    def tidy(self, what: Literal["metrics", "stages"] = "metrics") -> pd.DataFrame:
        """A long table for seaborn, plotnine and their like: one number a row.

        Of "metrics": which cell, `metric`, `unit` and `value`; what is undefined is left out. Of "stages": which cell
        and frame, `stage` and `ms`, for the frames that were shown.
        """
        if what == "stages":
            shown = self.stages[np.isfinite(self.stages["g2g_ms"])].rename(columns={f"{s}_ms": s for s in STAGE_NAMES})
            which = [column for column in shown if column not in (*STAGE_NAMES, "g2g_ms")]
            spent: pd.DataFrame = shown.melt(which, list(STAGE_NAMES), "stage", "ms").dropna(subset="ms")
            return spent.reset_index(drop=True)
        if what != "metrics":
            raise ValueError(f"what to tidy: found {what!r}; accepted: 'metrics', 'stages'")
        units = {metric.column: metric.unit for metric in METRICS.values() if metric.column in self.summary}
        which = [*self._place(), "arm"]
        table = self.summary.rename(columns=lambda column: str(column).removeprefix(AXIS))
        long: pd.DataFrame = table.melt(which, list(units), "metric", "value").dropna(subset="value")
        long.insert(len(which) + 1, "unit", long["metric"].map(units))
        return long.astype({"value": "float64"}).reset_index(drop=True)

    def _placed(self, name: str) -> pd.DataFrame:
        table = self._frames(name)
        of_rows = self._place().reindex(table["cell"]).reset_index(drop=True)
        return pd.concat([of_rows, table.drop(columns="cell").reset_index(drop=True)], axis=1)
