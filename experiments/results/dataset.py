"""Opening results: `load(path)` gives the summary of all cells at once, and their frames on demand.

A dataset has many cells: arms over seeds and axes. A run is a dataset of one seed, and `Dataset.run` a view of it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glassbench.experiments.account.ledger import stages
from glassbench.experiments.account.metrics import floor_ratio, glass_to_glass
from glassbench.experiments.account.reports import LINK_WINDOW
from glassbench.experiments.results.files import ResultsError, read_json
from glassbench.experiments.results.json_form import numbers_of
from glassbench.experiments.results.notes import NO_FLOOR, told
from glassbench.experiments.results.schema import check_schema
from glassbench.experiments.results.statistics.windows import Overlap
from glassbench.experiments.results.summary_table import AXIS, NUMBERS, nested_numbers
from glassbench.experiments.results.tables import Loose, Merged, Tables, parsed
from glassbench.experiments.results.trace_windows import overlap_of
from glassbench.experiments.scenario.flow_spec import MEDIA
from glassbench.experiments.scenario.spec import FLOOR
from glassbench.experiments.scenario.tracks import VIDEO_TRACK


@dataclass(frozen=True, eq=False)
class Dataset:
    """Many cells: arms over seeds and axes. Times in the summary are in ms; a time that never came is infinite."""

    path: Path
    manifest: dict[str, Any]
    tables: Tables

    @property
    def name(self) -> str:
        """The name of the plan."""
        return str(self.manifest["name"])

    @property
    def complete(self) -> bool:
        """Whether all cells are there: false for one run that broke off."""
        return bool(self.manifest.get("complete"))

    @cached_property
    def summary(self) -> pd.DataFrame:
        """A row per cell: `cell, arm, seed, outcome, reason`, a column `axis.NAME` per axis, the numbers, and
        `floor_ratio`, the p95 over that of the floor if the plan has one. The floor's own rows are in it."""
        return _with_floor_ratio(self.tables.summary())

    @cached_property
    def seeds(self) -> list[int]:
        """Each seed once, in ascending order."""
        return sorted({int(seed) for seed in self.summary["seed"]})

    @property
    def is_one_run(self) -> bool:
        """Whether it has one seed and no axes, so that nothing is said of chance."""
        return len(self.seeds) == 1 and not self.axes

    def run(self, seed: int | None = None, **axes: Any) -> "Run":
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
        return [name.removeprefix(AXIS) for name in map(str, self.summary) if name.startswith(AXIS)]

    @cached_property
    def arms(self) -> list[str]:
        """The labels of the arms, without the floor."""
        return [arm for arm in dict.fromkeys(self.summary["arm"].tolist()) if arm != FLOOR]

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
        """The rows of the summary in which these columns, or axes by their name, have these values.

        `where(arm="rtp", **{"network.delay": "10ms"})`. Raises KeyError for an unknown name.
        """
        table = self.summary
        for name, value in fields.items():
            table = table[(table[f"{AXIS}{name}"] if name in self.axes else table[name]) == value]
        return table

    def medians(self) -> pd.DataFrame:
        """A row per point of the axes and arm (the floor's too), in the order of the plan.

        Columns: each axis by its name, `arm`, `runs` (measured ones), and the median over seeds of each number. It is
        pandas' own: the mean of the middle two of an even number of runs, infinite if one of them is; runs in which a
        number is undefined are left out.
        """
        table = self.summary[self.summary["outcome"] == "measured"]
        table = table.rename(columns={f"{AXIS}{axis}": axis for axis in self.axes})
        groups = table.groupby([*self.axes, "arm"], sort=False, dropna=False)
        medians = groups[[*NUMBERS, "floor_ratio"]].median()
        medians.insert(0, "runs", groups.size())
        return medians.reset_index()

    def ledger(self, cells: Sequence[int] | None = None) -> pd.DataFrame:
        """The ledgers of these cells (all by default): `cell, arm` and an instant per column."""
        return self.frames("ledger", cells)

    def links(self, cells: Sequence[int] | None = None) -> pd.DataFrame:
        """The link tables of these cells (all by default)."""
        return self.frames("links", cells)

    def frames(self, name: str, cells: Sequence[int] | None = None, columns: list[str] | None = None) -> pd.DataFrame:
        """The "ledger", "links", "flows" or "estimates" of these cells, or some columns of it."""
        return self.tables.frames(name, cells, columns)

    def flow_numbers(self) -> pd.DataFrame:
        """A row per cell and flow: `cell, arm, seed, flow, transport, source, from, to` and the numbers of the flow."""
        rows = [
            {"cell": int(row["cell"]), "arm": row["arm"], "seed": int(row["seed"]), **record}
            for row in _records(self.summary)
            for record in self.flow_records[int(row["cell"])]
        ]
        return pd.DataFrame(rows)

    @cached_property
    def flow_records(self) -> dict[int, list[dict[str, Any]]]:
        """The records of `flow_numbers` by cell."""
        return {
            cell: [numbers_of(record) for record in parsed(text, list) if isinstance(record, dict)]
            for cell, text in self.texts("flow_numbers").items()
        }

    @property
    def is_bulk(self) -> bool:
        """Whether all that was measured are bulk transfers, which have no video frames."""
        captured = self.where(outcome="measured")["captured"]
        return bool(len(captured) and (captured == 0).all())

    def texts(self, name: str) -> dict[int, str]:
        """The `flow_numbers`, `notes`, `stats`, `impairments` or the `scenario` of each cell, as JSON."""
        return self.tables.texts(name)

    def latencies(self, cells: Sequence[int], *, track: int = VIDEO_TRACK) -> list[NDArray[np.float64]]:
        """Per cell, in the order given: glass-to-glass latency of each captured frame in seconds, infinite if it was
        never shown."""
        columns = ["cell", "flow", "track", "captured_at", "displayed_at"]
        ledger = self.frames("ledger", cells, columns)
        frames = ledger[(ledger["flow"] == MEDIA) & (ledger["track"] == track)]
        return [glass_to_glass(frames[frames["cell"] == cell]) for cell in cells]

    def scenario(self, cell: int) -> str:
        """The scenario of a cell with its axes, as JSON."""
        return self.texts("scenario")[cell]

    def counters(self) -> list[dict[str, Any]]:
        """Per cell, in the order of the plan: what both ends counted, in tables `sender` and `receiver`, and what the
        run noted besides. Empty for a cell that was not measured."""
        return [parsed(text, dict) for _, text in sorted(self.texts("stats").items())]

    @cached_property
    def notes(self) -> list[str]:
        """What has to be said beside the numbers: about runs that overlap, and about the arms, over all measured cells.
        The floor has no notes here."""
        cells = self.summary[(self.summary["arm"] != FLOOR) & (self.summary["outcome"] == "measured")]
        of_arms = told((arm, self.notes_by_cell[cell]) for arm, cell in zip(cells["arm"], cells["cell"], strict=True))
        return [*self.overlap_notes, *of_arms, *self._floor_notes()]

    @cached_property
    def notes_by_cell(self) -> dict[int, list[str]]:
        """The notes of each cell."""
        return {cell: parsed(text, list) for cell, text in self.texts("notes").items()}

    def impairments(self) -> dict[int, dict[str, Any]]:
        """By cell: what each direction of the network was told to do and what it did, in packets. Empty for a cell that
        was not measured."""
        return {cell: parsed(text, dict) for cell, text in self.texts("impairments").items()}

    def scenario_of_all(self) -> dict[str, Any]:
        """The scenario that was repeated over the seeds: the one in the manifest, or that of the first cell."""
        kept = self.manifest.get("scenario")
        if isinstance(kept, dict):
            return kept
        if not len(self.summary):
            return {}
        scenario: dict[str, Any] = parsed(self.scenario(int(self.summary["cell"].iloc[0])), dict)
        return scenario

    def _floor_notes(self) -> list[str]:
        floors = self.summary.loc[self.summary["arm"] == FLOOR, "g2g_p95_ms"]
        without = int((floors == np.inf).sum())
        if not without:
            return []
        return [f"in {without} of {len(floors)} runs {NO_FLOOR}; p95 / floor is the median over the others"]


@dataclass(frozen=True, eq=False)
class Run:
    """One run: the cells of a dataset with one seed. It is a view, and holds nothing of its own.

    `summary` has a row per arm, `ledger` a row per arm and captured frame, `links` a row per arm, link and 100 ms,
    `flows` a row per arm, flow, link and 100 ms, `estimates` a row per arm, flow and 100 ms. `arms` are the records of
    the arms: outcome, reason, summary, flow_numbers, notes, stats, impairments. The floor is not among them; it is
    `floor`.
    """

    dataset: Dataset
    cells: tuple[int, ...]

    @property
    def path(self) -> Path:
        return self.dataset.path

    @property
    def manifest(self) -> dict[str, Any]:
        return self.dataset.manifest

    @property
    def name(self) -> str:
        """The name of the scenario."""
        return self.dataset.name

    @property
    def complete(self) -> bool:
        """Whether the run ended by itself: false after an interrupt, a crash or a full disk."""
        return self.dataset.complete

    @cached_property
    def summary(self) -> pd.DataFrame:
        """The rows of the dataset's summary. What never came is infinite, and what is undefined is missing."""
        rows = self._rows
        return rows[rows["arm"] != FLOOR].reset_index(drop=True)

    @cached_property
    def arms(self) -> list[dict[str, Any]]:
        """A record per arm, in the order of the plan."""
        kinds: dict[str, type[Any]] = {"notes": list, "stats": dict, "impairments": dict}
        columns = {name: self.dataset.texts(name) for name in kinds}
        return [
            {
                "arm": str(row["arm"]),
                "outcome": str(row["outcome"]),
                "reason": None if pd.isna(row["reason"]) else str(row["reason"]),
                "summary": nested_numbers(row),
                "flow_numbers": self.dataset.flow_records[int(row["cell"])],
                **{name: parsed(texts[int(row["cell"])], kinds[name]) for name, texts in columns.items()},
            }
            for row in _records(self.summary)
        ]

    @property
    def floor(self) -> dict[str, Any]:
        """Outcome and numbers of plain udp without loss on the same path; empty if there is none."""
        rows = _records(self._rows[self._rows["arm"] == FLOOR])
        return {"outcome": str(rows[0]["outcome"]), **nested_numbers(rows[0])} if rows else {}

    @property
    def notes(self) -> list[str]:
        """What has to be said of the arms, beside their numbers."""
        notes = told((arm["arm"], arm["notes"]) for arm in self.arms)
        if self.floor.get("g2g_p95_ms") == math.inf:
            notes.append(f"{NO_FLOOR}, so p95 / floor is undefined")
        return notes

    @cached_property
    def ledger(self) -> pd.DataFrame:
        """A row per arm and captured frame."""
        return self._frames("ledger")

    @cached_property
    def links(self) -> pd.DataFrame:
        """A row per arm, link and 100 ms."""
        return self._frames("links")

    @cached_property
    def flows(self) -> pd.DataFrame:
        """A row per arm, flow, link and 100 ms."""
        return self._frames("flows")

    @cached_property
    def estimates(self) -> pd.DataFrame:
        """What the congestion control of each flow believed: a row per arm, flow and 100 ms in which it sent."""
        return self._frames("estimates")

    @cached_property
    def stages(self) -> pd.DataFrame:
        """`arm, flow, track, sequence` and the time spent in each stage in ms, for all rows of the ledger."""
        return pd.concat([self.ledger[["arm", "flow", "track", "sequence"]], stages(self.ledger)], axis=1)

    def video_by_arm(self) -> dict[str, pd.DataFrame]:
        """The video frames of the flow "media" in each arm that ran: its ledger beside its stages (`wait_ms` ...
        `decode_ms`, `g2g_ms`)."""
        frames = pd.concat([self.ledger, stages(self.ledger)], axis=1)
        frames = frames[(frames["flow"] == MEDIA) & (frames["track"] == VIDEO_TRACK)]
        labels = dict.fromkeys(self.summary["arm"].tolist())
        by_arm = {arm: frames[frames["arm"] == arm].reset_index(drop=True) for arm in labels}
        return {arm: rows for arm, rows in by_arm.items() if len(rows)}

    def capacity(self) -> pd.DataFrame | None:
        """Capacity of the downlink: `at` in seconds from the first capture and `mbps`; None without a bottleneck."""
        down = self.downlink[self.downlink["capacity_bytes"].notna()]
        if down.empty:
            return None
        one = down[down["arm"] == down["arm"].iloc[0]]  # the same for all arms
        mbps = one["capacity_bytes"].to_numpy() * 8 / LINK_WINDOW / 1e6
        return pd.DataFrame({"at": one["at"].to_numpy(), "mbps": mbps})

    @cached_property
    def downlink(self) -> pd.DataFrame:
        """The rows of `links` down, of the segment that carries least of those that the flow "media" passes."""
        down = self.links[self.links["direction"] == "down"]
        if down["segment"].nunique() < 2:
            return down
        passing = self.flows[(self.flows["flow"] == MEDIA) & (self.flows["sent_bytes"] > 0)]["segment"].unique()
        carried = down.groupby("segment", sort=False)["capacity_bytes"].sum(min_count=1).fillna(math.inf)
        carried = carried[[segment in passing for segment in carried.index]] if len(passing) else carried
        return down[down["segment"] == carried.idxmin()]

    def offered_mbps(self) -> float:
        """Mean rate of the encoded video over all arms, without any header."""
        rates = [
            frames["size_bytes"].sum() * 8 / (len(frames) * _interval(frames)) / 1e6
            for frames in self.video_by_arm().values()
            if len(frames) > 1
        ]
        return float(sum(rates) / len(rates)) if rates else 0.0

    @cached_property
    def _rows(self) -> pd.DataFrame:
        summary = self.dataset.summary
        return summary[summary["cell"].isin(self.cells)]

    def _frames(self, name: str) -> pd.DataFrame:
        cells = self.summary["cell"].tolist()
        table = self.dataset.frames(name, cells)
        return table.drop(columns="cell").reset_index(drop=True)


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


def _with_floor_ratio(table: pd.DataFrame) -> pd.DataFrame:
    keys = [name for name in map(str, table) if name.startswith(AXIS)] + ["seed"]
    floors = table.loc[table["arm"] == FLOOR, [*keys, "g2g_p95_ms"]].rename(columns={"g2g_p95_ms": "_floor"})
    if floors.empty:
        return table.assign(floor_ratio=pd.Series([None] * len(table), dtype="Float64"))
    merged = table.merge(floors, on=keys, how="left", sort=False)
    pairs = zip(_nullable(merged["g2g_p95_ms"]), _nullable(merged["_floor"]), strict=True)
    ratios = pd.Series([floor_ratio(p95, floor) for p95, floor in pairs], index=merged.index, dtype="Float64")
    return merged.drop(columns="_floor").assign(floor_ratio=ratios)


def _nullable(column: pd.Series) -> list[float | None]:
    return [None if pd.isna(value) else float(value) for value in column]


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _interval(frames: pd.DataFrame) -> float:
    return float(frames["captured_at"].iloc[-1] - frames["captured_at"].iloc[0]) / (len(frames) - 1)
