"""Opening a run: `load(path)` gives its tables as pandas frames. `results/README.md` documents the columns."""

import math
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from glassbench.experiments.account.arm_result import LEDGER_TYPES, LINK_TYPES, ArmResult
from glassbench.experiments.account.ledger import stages
from glassbench.experiments.results.files import ResultsError, read_json, read_table
from glassbench.experiments.results.json_form import numbers_of
from glassbench.experiments.results.notes import NO_FLOOR, notes_of_run
from glassbench.experiments.results.run_folder import collect
from glassbench.experiments.results.schema import check_schema
from glassbench.experiments.results.summary_table import NUMBERS
from glassbench.experiments.scenario.tracks import VIDEO_TRACK
from glassbench.experiments.worlds.links import LINK_WINDOW


@dataclass(frozen=True, eq=False)
class Run:
    """One run. `summary` has a row per arm, `ledger` a row per arm and captured frame, `links` a row per arm, direction
    and 100 ms. `arms` are the records of the arms: outcome, reason, summary, notes, stats, impairments."""

    path: Path
    manifest: dict[str, Any]
    arms: list[dict[str, Any]]
    ledger: pd.DataFrame
    links: pd.DataFrame

    @property
    def name(self) -> str:
        """The name of the scenario."""
        return str(self.manifest["scenario"]["name"])

    @property
    def complete(self) -> bool:
        """Whether the run ended by itself: false after an interrupt, a crash or a full disk."""
        return bool(self.manifest["complete"])

    @cached_property
    def summary(self) -> pd.DataFrame:
        """A row per arm: `arm, outcome, reason`, the numbers of the table, and the tables `fates`, `stages_ms` and
        `chat`. What never came is infinite, what is undefined is missing. Raises ResultsError."""
        rows = [
            {"arm": arm["arm"], "outcome": arm["outcome"], "reason": arm.get("reason"), **arm["summary"]}
            for arm in self.arms
        ]
        table = pd.DataFrame(rows)
        kinds = {"floor_ratio": "Float64", **NUMBERS}
        try:
            return table.astype({name: kind for name, kind in kinds.items() if name in table})
        except (TypeError, ValueError) as error:
            raise ResultsError(f"{self.path / 'summary.json'} has a number that is none: {error}") from None

    @property
    def notes(self) -> list[str]:
        """What has to be said of the arms beside their numbers."""
        notes = notes_of_run(self.arms)
        if self.floor.get("g2g_p95_ms") == math.inf:
            notes.append(f"{NO_FLOOR}, so p95 / floor is undefined")
        return notes

    @property
    def floor(self) -> dict[str, Any]:
        """Outcome and numbers of plain udp without loss on the same path; empty if there is none."""
        floor = self.manifest.get("floor")
        return floor if isinstance(floor, dict) else {}

    @cached_property
    def stages(self) -> pd.DataFrame:
        """`arm, track, sequence` and the time spent in each stage in ms, for all rows of the ledger."""
        return pd.concat([self.ledger[["arm", "track", "sequence"]], stages(self.ledger)], axis=1)

    def video_by_arm(self) -> dict[str, pd.DataFrame]:
        """The video frames of each arm that ran: its ledger beside its stages (`wait_ms` ... `decode_ms`, `g2g_ms`)."""
        frames = pd.concat([self.ledger, stages(self.ledger)], axis=1)
        frames = frames[frames["track"] == VIDEO_TRACK]
        by_arm = {arm["arm"]: frames[frames["arm"] == arm["arm"]].reset_index(drop=True) for arm in self.arms}
        return {arm: rows for arm, rows in by_arm.items() if len(rows)}

    def capacity(self) -> pd.DataFrame | None:
        """Capacity of the downlink: `at` in seconds from the first capture and `mbps`; None without a bottleneck."""
        down = self.links[(self.links["direction"] == "down") & self.links["capacity_bytes"].notna()]
        if down.empty:
            return None
        one = down[down["arm"] == down["arm"].iloc[0]]  # the same for all arms
        mbps = one["capacity_bytes"].to_numpy() * 8 / LINK_WINDOW / 1e6
        return pd.DataFrame({"at": one["at"].to_numpy(), "mbps": mbps})

    def offered_mbps(self) -> float:
        """Mean rate of the encoded video over all arms, without any header."""
        rates = [
            frames["size_bytes"].sum() * 8 / (len(frames) * _interval(frames)) / 1e6
            for frames in self.video_by_arm().values()
            if len(frames) > 1
        ]
        return float(sum(rates) / len(rates)) if rates else 0.0


def load(path: str | Path) -> Run:
    """Open the folder of a run, also of one that broke off. Raises ResultsError: one sentence with the file."""
    path = Path(path)
    if not path.is_dir():
        raise ResultsError(f"{path} is not the folder of a run; expected a folder with manifest.json in it")
    manifest = read_json(path / "manifest.json")
    check_schema(path / "manifest.json", manifest)
    _check(path / "manifest.json", "", manifest, {"scenario": dict, "complete": bool, "arms": dict})
    _check(path / "manifest.json", "scenario.", manifest["scenario"], {"name": str, "duration": str, "seed": int})
    _check(path / "manifest.json", "scenario.", manifest["scenario"], {"video": dict, "network": dict})
    if isinstance(manifest.get("floor"), dict):
        manifest["floor"] = numbers_of(manifest["floor"])
    if not (path / "summary.json").exists() and (path / "arms").is_dir():  # it broke off before the tables were merged
        found = collect(path)
        return Run(path, manifest, _with_missing(found.arms, manifest), found.ledger, found.links)
    arms = read_json(path / "summary.json").get("arms")
    if not isinstance(arms, list):
        raise ResultsError(f"{path / 'summary.json'} has no list of arms")
    for number, arm in enumerate(arms):
        record = arm if isinstance(arm, dict) else {}
        fields: dict[str, type] = {"arm": str, "outcome": str, "summary": dict}
        fields |= {name: dict for name in ("stats", "impairments") if name in record}
        _check(path / "summary.json", f"arms[{number}].", record, fields)
        arm["summary"] = numbers_of(arm["summary"])
    ledger = read_table(path / "ledger.parquet", LEDGER_TYPES)
    return Run(path, manifest, arms, ledger, read_table(path / "links.parquet", LINK_TYPES))


def _check(file: Path, place: str, content: dict[str, Any], fields: dict[str, type]) -> None:
    """What readers rely on. Raises ResultsError."""
    for name, kind in fields.items():
        if name not in content:
            raise ResultsError(f"{file} has no field {place + name!r}")
        if not isinstance(content[name], kind):
            found = type(content[name]).__name__
            raise ResultsError(f"{file}: field {place + name!r} must be of type {kind.__name__}, found {found}")


def _with_missing(found: list[dict[str, Any]], manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """Arms that the manifest names and the folder does not hold have a record too, in the order of the scenario."""
    records = {record["arm"]: record for record in found}
    for label in manifest["arms"]:
        if label not in records:
            records[label] = asdict(ArmResult(label, "not run", "the run broke off before this arm was kept"))
    planned = [records.pop(label) for label in manifest["arms"]]
    return planned + list(records.values())


def _interval(frames: pd.DataFrame) -> float:
    return float(frames["captured_at"].iloc[-1] - frames["captured_at"].iloc[0]) / (len(frames) - 1)
