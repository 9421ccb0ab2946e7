"""One run: the cells of a dataset with one seed."""

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from glassbench.experiments.account.ledger import stages
from glassbench.experiments.account.reports import LINK_WINDOW
from glassbench.experiments.results.cells import Cells
from glassbench.experiments.results.notes import NO_FLOOR, Tell, headlines, told
from glassbench.experiments.results.ranking import ranking_of
from glassbench.experiments.results.result_tables import ResultTables
from glassbench.experiments.results.short_form import html_table
from glassbench.experiments.results.subject import subject
from glassbench.experiments.results.summary_table import nested_numbers
from glassbench.experiments.scenario.flow_spec import MEDIA
from glassbench.experiments.scenario.spec import FLOOR
from glassbench.experiments.scenario.tracks import VIDEO_TRACK


@dataclass(frozen=True, eq=False, repr=False)
class Run(ResultTables):
    """One run: the cells of a dataset with one seed. It is a view, and holds nothing of its own.

    `summary` has a row per arm, `ledger` a row per arm and captured frame, and so on. `records` has of each arm:
    outcome, reason, summary, flow_numbers, notes, stats, impairments. The floor is not among them; it is `floor`.
    """

    dataset: Cells
    cells: tuple[int, ...]

    def __repr__(self) -> str:
        state = "" if self.complete else ", incomplete"
        return f"<Run of {str(self.path)!r}: {self.name}, {len(self.arms)} arms{state}>"

    def _repr_html_(self) -> str:
        ranking = ranking_of(record["stats"] for record in self.records)
        title = ranking.title(subject(self)) + ("" if self.complete else " (incomplete)")
        return html_table(self.summary, (), ranking, title=title, place=str(self.path))

    @property
    def path(self) -> Path:
        """The folder of results."""
        return self.dataset.path

    @property
    def manifest(self) -> dict[str, Any]:
        """What was run, by which versions and by which command."""
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

    @property
    def arms(self) -> list[str]:
        """The labels of the arms, in the order of the plan."""
        return list(self.summary["arm"])

    @cached_property
    def records(self) -> list[dict[str, Any]]:
        """A record per arm, in the order of the plan."""
        records = {name: self.dataset.records(name) for name in ("notes", "stats", "impairments")}
        return [
            {
                "arm": row["arm"],
                "outcome": row["outcome"],
                "reason": None if pd.isna(row["reason"]) else row["reason"],
                "summary": nested_numbers(row),
                "flow_numbers": self.dataset.flow_records[row["cell"]],
                **{name: by_cell[row["cell"]] for name, by_cell in records.items()},
            }
            for row in self.summary.to_dict("records")
        ]

    @property
    def floor(self) -> dict[str, Any]:
        """Outcome and numbers of plain udp without loss on the same path; empty if there is none."""
        rows = self._rows[self._rows["arm"] == FLOOR].to_dict("records")
        return {"outcome": rows[0]["outcome"], **nested_numbers(rows[0])} if rows else {}

    @property
    def notes(self) -> list[str]:
        """What has to be said of the arms, beside their numbers."""
        return self._notes(told)

    @property
    def headlines(self) -> list[str]:
        """The first clause of each of the notes."""
        return self._notes(headlines)

    def _notes(self, tell: Tell) -> list[str]:
        notes = tell((arm["arm"], arm["notes"]) for arm in self.records)
        if self.floor.get("g2g_p95_ms") == math.inf:
            notes.append(f"{NO_FLOOR}, so p95 / floor is undefined")
        return notes

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
        """Mean rate of the encoded video over the arms of our encoder if it takes no notice of the network, without any
        header; 0 without such an arm."""
        rates = [
            frames["size_bytes"].sum() * 8 / (len(frames) * _interval(frames)) / 1e6
            for arm, frames in self.video_by_arm().items()
            if len(frames) > 1 and arm not in self.following() and frames["size_bytes"].any()
        ]
        return float(sum(rates) / len(rates)) if rates else 0.0

    def following(self) -> set[str]:
        """The arms whose encoder follows the network."""
        return {record["arm"] for record in self.records if record["stats"].get("follows") is True}

    @cached_property
    def _rows(self) -> pd.DataFrame:
        rows = self.dataset.rows
        return rows[rows["cell"].isin(self.cells)]

    def _place(self) -> pd.DataFrame:
        return self._rows.set_index("cell")[[]]

    def _frames(self, name: str) -> pd.DataFrame:
        return self.dataset.frames(name, self.summary["cell"].tolist())


def _interval(frames: pd.DataFrame) -> float:
    return float(frames["captured_at"].iloc[-1] - frames["captured_at"].iloc[0]) / (len(frames) - 1)
