"""Opening results: `load(path)` gives the summary of all cells at once, and their frames on demand.

A dataset has many cells: arms over seeds and axes. A run is a dataset of one seed, and `Dataset.run` a view of it.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glassbench.experiments.account.metrics import glass_to_glass
from glassbench.experiments.results.axis_numbers import with_numbers
from glassbench.experiments.results.cells import Cells
from glassbench.experiments.results.files import ResultsError, read_json
from glassbench.experiments.results.notes import NO_FLOOR, Tell, headlines, told
from glassbench.experiments.results.ranking import ranking_of
from glassbench.experiments.results.result_tables import ResultTables
from glassbench.experiments.results.run import Run
from glassbench.experiments.results.schema import check_schema
from glassbench.experiments.results.short_form import html_table
from glassbench.experiments.results.statistics.windows import Overlap
from glassbench.experiments.results.subject import subject
from glassbench.experiments.results.summary_table import AXIS, NUMBERS
from glassbench.experiments.results.tables import Loose, Merged
from glassbench.experiments.results.trace_windows import overlap_of
from glassbench.experiments.scenario.flow_spec import MEDIA
from glassbench.experiments.scenario.spec import FLOOR
from glassbench.experiments.scenario.tracks import VIDEO_TRACK

Delay = Callable[[pd.DataFrame], NDArray[np.float64]]
"""A delay of each captured frame of one track in seconds."""


@dataclass(frozen=True, eq=False, repr=False)
class Dataset(Cells, ResultTables):
    """Many cells: arms over seeds and axes.

    `summary` has a row per arm, seed and point of the axes; `ledger`, `links`, `flows`, `estimates` and `stages` have
    the frames and intervals of all of them. `run` is a view of one run.
    """

    @cached_property
    def summary(self) -> pd.DataFrame:
        """A row per arm, seed and point of the axes: `cell, arm, seed, outcome, reason`, a column `axis.NAME` per axis,
        and the numbers. Behind an axis of texts with units there is a column of numbers in SI units: `network.delay_s`,
        `network.rate_bps`, `network.queue_bytes`, `network.loss_share`. What never came is infinite, and what is
        undefined is missing."""
        return self.rows[self.rows["arm"] != FLOOR].reset_index(drop=True)

    def __repr__(self) -> str:
        seeds = "1 seed" if len(self.seeds) == 1 else f"{len(self.seeds)} seeds"
        axes = f", varies {', '.join(self.axes)}" if self.axes else ""
        state = "" if self.complete else ", incomplete"
        return f"<Dataset {str(self.path)!r}: {self.name}, {len(self.arms)} arms, {seeds}{axes}{state}>"

    def _repr_html_(self) -> str:
        if self.is_one_run:
            return self.run()._repr_html_()
        medians = self.medians()
        of_arms = medians[medians["arm"].isin(self.arms)]
        ranking = ranking_of(self.counters())
        title = f"{ranking.title(subject(self))}, medians over seeds"
        return html_table(of_arms, self.axes, ranking, title=title, place=str(self.path))

    @cached_property
    def seeds(self) -> list[int]:
        """Each seed once, in ascending order."""
        return sorted({int(seed) for seed in self.rows["seed"]})

    @property
    def is_one_run(self) -> bool:
        """Whether it has one seed and no axes, so that nothing is said of chance."""
        return len(self.seeds) == 1 and not self.axes

    def run(self, seed: int | None = None, **axes: Any) -> Run:
        """A view of the run with a seed (the only one by default), at a point of the axes. Raises ResultsError."""
        rows = self.where(**axes)
        seeds = sorted({int(each) for each in rows["seed"]})
        if seed is None and len(seeds) > 1:
            raise ResultsError(f"{self.path} has the seeds {', '.join(map(str, seeds))}; name one of them")
        if seed is not None and seed not in seeds:
            raise ResultsError(f"{self.path} has no seed {seed}; it has {', '.join(map(str, seeds)) or 'none'}")
        if open_axes := [axis for axis in self.axes if axis not in axes]:
            raise ResultsError(f"{self.path} varies {', '.join(open_axes)}; a run is at one point: name a value")
        chosen = rows if seed is None else rows[rows["seed"] == seed]
        return Run(self, tuple(chosen["cell"].tolist()))

    @cached_property
    def axes(self) -> list[str]:
        """The names of the axes, without `axis.` in front."""
        return [name.removeprefix(AXIS) for name in map(str, self.rows) if name.startswith(AXIS)]

    @cached_property
    def arms(self) -> list[str]:
        """The labels of the arms, without the floor."""
        return list(dict.fromkeys(self.summary["arm"].tolist()))

    @cached_property
    def overlap(self) -> Overlap | None:
        """How far its runs replay the same parts of recorded traces; None without recorded traces."""
        return overlap_of(self.manifest)

    @property
    def overlap_notes(self) -> list[str]:
        """How many runs share a part of a recorded trace, if any do."""
        return [self.overlap.sentence] if self.overlap is not None and self.overlap.sentence else []

    @property
    def dependent(self) -> str:
        """Why its runs are not independent of each other, so that they give no interval; empty if they are."""
        return "" if self.overlap is None else self.overlap.dependent

    def where(self, **fields: Any) -> pd.DataFrame:
        """The rows in which these columns, or axes by their name, have these values; those of the floor, too.

        `where(arm="rtp", **{"network.delay": "10ms"})`. Raises KeyError for an unknown name.
        """
        table = self.rows
        for name, value in fields.items():
            table = table[(table[f"{AXIS}{name}"] if name in self.axes else table[name]) == value]
        return table

    def intervals(self) -> pd.DataFrame:
        """What is known of each metric: a row per point of the axes, arm and metric, for seaborn, plotnine and others
        that take long form.

        Columns: each axis by its name, and as a number as in `summary`; `arm`, `metric`, `unit`, `runs` in which it is
        defined, their `median`, `least` and `most`, and `low` and `high`, the 95 % interval of the median by order
        statistics: infinite on a side that so few runs do not bound, missing if the runs are not independent. Times
        are in ms.
        """
        return self._intervals.copy()

    @cached_property
    def _intervals(self) -> pd.DataFrame:
        from glassbench.experiments.results.intervals import intervals_of

        columns = {axis: f"{AXIS}{axis}" for axis in self.axes}
        table = intervals_of(self.summary, columns, independent=not self.dependent)
        return with_numbers(table, {axis: axis for axis in self.axes})

    def medians(self) -> pd.DataFrame:
        """A row per point of the axes and arm (the floor's too), in the order of the plan.

        Columns: each axis by its name, and as a number as in `summary`; `arm`, `runs` (measured ones), and the median
        over seeds of each number. It is pandas' own: the mean of the middle two of an even number of runs, infinite if
        one of them is; runs in which a number is undefined are left out.
        """
        table = self.rows[self.rows["outcome"] == "measured"]
        table = table.rename(columns={f"{AXIS}{axis}": axis for axis in self.axes})
        groups = table.groupby([*self.axes, "arm"], sort=False, dropna=False)
        medians = groups[[*NUMBERS, "floor_ratio"]].median()
        medians.insert(0, "runs", groups.size())
        return with_numbers(medians.reset_index(), {axis: axis for axis in self.axes})

    def flow_numbers(self) -> pd.DataFrame:
        """A row per cell and flow: `cell, arm, seed, flow, transport, source, from, to` and the numbers of the flow."""
        rows = [
            {"cell": row["cell"], "arm": row["arm"], "seed": row["seed"], **record}
            for row in self.rows.to_dict("records")
            for record in self.flow_records[row["cell"]]
        ]
        return pd.DataFrame(rows)

    @property
    def is_bulk(self) -> bool:
        """Whether all that was measured are bulk transfers, which have no video frames."""
        captured = self.where(outcome="measured")["captured"]
        return bool(len(captured) and (captured == 0).all())

    def latencies(
        self,
        cells: Sequence[int],
        *,
        track: int = VIDEO_TRACK,
        delay: Delay = glass_to_glass,
        pictures: bool = False,
    ) -> list[NDArray[np.float64]]:
        """Per cell, in the order given: glass-to-glass latency of each captured frame in seconds, infinite if it was
        never shown; or another delay, which may need the quality of `pictures`."""
        columns = ["cell", "flow", "track", "captured_at", "displayed_at", *(["ssim", "own_ssim"] if pictures else [])]
        ledger = self.frames("ledger", cells, columns)
        frames = ledger[(ledger["flow"] == MEDIA) & (ledger["track"] == track)]
        return [delay(frames[frames["cell"] == cell]) for cell in cells]

    def scenario(self, cell: int) -> str:
        """The scenario of a cell with its axes, as JSON."""
        return self.tables.texts("scenario")[cell]

    def not_measured(self) -> dict[tuple[str, str, str], int]:
        """How many cells of an arm have this outcome for this reason, by `(arm, outcome, reason)` in their order. The
        floor's are not among them."""
        rows = self.summary[self.summary["outcome"] != "measured"]
        return dict(sorted(Counter(zip(rows["arm"], rows["outcome"], rows["reason"].map(str), strict=True)).items()))

    @cached_property
    def notes(self) -> list[str]:
        """What has to be said beside the numbers: about runs that overlap, and about the arms, over all measured cells.
        The floor has no notes here."""
        return self._notes(told)

    @property
    def headlines(self) -> list[str]:
        """The first clause of each of the notes."""
        return self._notes(headlines)

    def _notes(self, tell: Tell) -> list[str]:
        cells = self.summary[self.summary["outcome"] == "measured"]
        of_arms = tell((arm, self.notes_by_cell[cell]) for arm, cell in zip(cells["arm"], cells["cell"], strict=True))
        return [*self.overlap_notes, *of_arms, *self._floor_notes()]

    @cached_property
    def notes_by_cell(self) -> dict[int, list[str]]:
        """The notes of each cell."""
        return self.records("notes")

    def impairments(self) -> dict[int, dict[str, Any]]:
        """By cell: what each direction of the network was told to do and what it did, in packets. Empty for a cell that
        was not measured."""
        return self.records("impairments")

    def _place(self) -> pd.DataFrame:
        axes = {f"{AXIS}{axis}": axis for axis in self.axes}
        return self.rows.set_index("cell")[[*axes, "seed"]].rename(columns=axes)

    def _frames(self, name: str) -> pd.DataFrame:
        return self.frames(name, self.summary["cell"].tolist())

    def _floor_notes(self) -> list[str]:
        floors = self.rows.loc[self.rows["arm"] == FLOOR, "g2g_p95_ms"]
        without = int((floors == np.inf).sum())
        if not without:
            return []
        if self.is_one_run:
            return [f"{NO_FLOOR}, so p95 / floor is undefined"]
        return [f"in {without} of {len(floors)} runs {NO_FLOOR}; p95 / floor is the median over the others"]


def load(path: str | Path) -> Dataset:
    """Open a folder of results, also one run that broke off. Raises ResultsError: one sentence with the file."""
    path = Path(path)
    if not path.is_dir():
        raise ResultsError(f"{path} is not a folder of results; expected a folder with manifest.json in it")
    manifest = read_json(path / "manifest.json")
    check_schema(path / "manifest.json", manifest)
    if not isinstance(manifest.get("name"), str):
        raise ResultsError(f"{path / 'manifest.json'} has no field 'name' with a text")
    if manifest.get("complete"):
        return Dataset(path, manifest, Merged(path, frames=bool(manifest.get("frames"))))
    arms, seeds = _arms(manifest), manifest.get("seeds")
    if not arms or not isinstance(seeds, list) or len({*map(str, seeds)}) != 1 or not isinstance(seeds[0], int):
        raise ResultsError(f"{path} is not complete; it goes on where it stopped by: {_command(manifest)}")
    return Dataset(path, manifest, Loose(path, arms, seeds[0], manifest["scenario"]))


def _arms(manifest: dict[str, Any]) -> list[str]:
    """The labels of the cells of one run, in the order of its plan; none if the manifest does not name them."""
    scenario, cells = manifest.get("scenario"), manifest.get("cells")
    tables = scenario.get("arms") if isinstance(scenario, dict) else None
    if not isinstance(tables, list) or not isinstance(cells, int) or not len(tables) <= cells <= len(tables) + 1:
        return []
    labels = [table.get("label") if isinstance(table, dict) else table for table in tables]
    if not all(isinstance(label, str) for label in labels):
        return []
    return [*map(str, labels), *([FLOOR] if cells > len(labels) else [])]


def _command(manifest: dict[str, Any]) -> str:
    command = manifest.get("command")
    return " ".join(map(str, command)) if isinstance(command, list) and command else "run it again"
