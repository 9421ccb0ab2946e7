"""All results below a folder as the dashboard shows them: what each is, how far it is, and what came out.

Looking is cheap: a file is read again only when it has changed, and of what is complete a few are opened at each look.
Whatever stands in a folder, it becomes a sentence.
"""

import os
import shlex
import stat
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from glassbench.experiments.dash.finished import Findings, findings_of, slices_of
from glassbench.experiments.dash.inside import below
from glassbench.experiments.dash.running import CellsUnderWay
from glassbench.experiments.results.arm_style import PALETTE, arm_style
from glassbench.experiments.results.files import ResultsError, first_line, read_json
from glassbench.experiments.results.ownership import is_ours, is_written
from glassbench.experiments.results.schema import check_schema
from glassbench.experiments.results.store import MAX_DEPTH

MOST_SHOWN = 300
"""How many folders are shown: those that were written last."""

SHOWN_FILES = {".html": "text/html; charset=utf-8", ".png": "image/png", ".svg": "image/svg+xml"}
"""Which files of results have a link, by their endings."""

_MOST_FOLDERS = 20_000  # that are looked into
_MOST_LINKS = 40
_OPENED_AT_A_LOOK = 2  # complete results, each of which takes some 10 ms
_MOST_TEXT = 300  # characters of what a manifest says
_RATE_WINDOW = 60.0  # seconds from which the rate is taken
_LEAST_WINDOW = 3.0

_KEPT = ("name", "title", "world", "cells", "command", "complete")  # of a manifest

_NO_MANIFEST = "There is no manifest.json in it, so it is no folder of results."


@dataclass
class _Folder:
    """What is known of a folder, as of the `stamp` of its manifest."""

    path: Path
    stamp: tuple[int, int, int]
    manifest: dict[str, Any]
    damage: str | None = None
    running: CellsUnderWay | None = None
    findings: Findings | None = None
    arms: list[dict[str, Any]] | None = None
    shares: deque[tuple[float, float]] = field(default_factory=deque)

    @property
    def complete(self) -> bool:
        return bool(self.manifest.get("complete"))

    def text(self, name: str) -> str:
        """A text of the manifest; empty if there is none of that name."""
        value = self.manifest.get(name)
        return value[:_MOST_TEXT] if isinstance(value, str) else ""


class Seen(NamedTuple):
    """A record of each folder, those that run first, then by when they were written; how many older ones are not among
    them; and what kept us from looking."""

    records: list[dict[str, Any]]
    left_out: int
    trouble: str = ""


class Overview:
    """The results below `root`. It is used by one thread at a time."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folders: dict[str, _Folder] = {}

    def look(self, *, now: float) -> Seen:
        """What is there now. `now` is the clock in seconds."""
        folders = {}
        for path in _folders(self._root):
            name = below(self._root, path)
            folders[name] = self._folder(name, path)
        self._folders = folders
        records = [self._record(name, folder, now) for name, folder in folders.items()]
        records.sort(key=lambda record: (record["state"] != "running", -record["written_at"], record["path"]))
        self._open_some(records[:MOST_SHOWN])
        return Seen(records[:MOST_SHOWN], max(0, len(records) - MOST_SHOWN))

    def detail(self, name: str) -> dict[str, Any] | None:
        """What is shown of a folder that is chosen: its arms over time, and its numbers. None for one that is not
        there. Frames are read when it is asked for the first time."""
        folder = self._folders.get(name)
        if folder is None:
            return None
        findings = folder.findings or Findings("")
        note = ""
        if folder.running is not None:
            arms = folder.running.told(several_seeds=len({arm.seed for arm in folder.running.arms.values()}) > 1)
            note = (
                ""
                if arms
                else "No arm has told how it goes. Plans of more than 64 cells do not, and count their cells."
            )
        else:
            if folder.arms is None:
                folder.arms = _arms(folder)
            arms = folder.arms
            note = (
                ""
                if arms or folder.damage
                else "There is no curve of many runs, nor of very long ones; their report has the pictures."
            )
        styled = [{**arm, "style": _style(arm["arm"])} for arm in arms]
        return {"path": name, "note": note, "arms": styled, "columns": findings.columns, "rows": findings.rows}

    def _folder(self, name: str, path: Path) -> _Folder:
        stamp = _stamp(path / "manifest.json")
        before = self._folders.get(name)
        if before is not None and before.stamp == stamp:
            return before
        manifest: dict[str, Any] = {}
        damage: str | None = None
        try:
            manifest, damage = _manifest(path)
        except ResultsError as error:
            damage = str(error)
        folder = _Folder(path, stamp, manifest, damage)
        if damage is None and not folder.complete:
            folder.running = CellsUnderWay(path, manifest["cells"])
        return folder

    def _record(self, name: str, folder: _Folder, now: float) -> dict[str, Any]:
        record = {
            "path": name,
            "name": folder.text("name") or folder.path.name,
            "title": folder.text("title"),
            "world": folder.text("world"),
            "state": "damaged" if folder.damage else "complete",
            "sentence": folder.damage or "",
            "cells": folder.manifest.get("cells", 0) if folder.damage is None else 0,
            "finished": 0,
            "share": 1.0,
            "seconds_left": None,
            "written_at": folder.stamp[0] // 10**9,
            "links": _links(self._root, folder.path),
            "report_with": f"glass report {shlex.quote(str(folder.path))}",
        }
        running = folder.running
        if running is None:
            record["finished"] = record["cells"]
            if folder.findings is not None:
                record["sentence"] = folder.findings.sentence
            return record
        running.look()
        record |= {"finished": running.finished, "share": round(running.share, 4)}
        if is_written(folder.path):
            return record | {"state": "running", "seconds_left": _seconds_left(folder.shares, now, running.share)}
        command = folder.manifest.get("command")
        typed = " ".join(map(str, command))[:_MOST_TEXT] if isinstance(command, list) and command else "unknown"
        return record | {
            "state": "broke off",
            "sentence": f"It broke off with {running.finished} of {record['cells']} cells. Its command was: {typed}",
        }

    def _open_some(self, records: list[dict[str, Any]]) -> None:
        """Say what came out of some folders of which nobody knows yet."""
        unopened = [
            (record, folder)
            for record in records
            if record["state"] == "complete" and (folder := self._folders[record["path"]]).findings is None
        ]
        for record, folder in unopened[:_OPENED_AT_A_LOOK]:
            folder.findings = _findings(folder)
            record["sentence"] = folder.findings.sentence


def _folders(root: Path) -> Iterator[Path]:
    """Folders with a manifest, and those in `root` without one in or below them. Links are not followed."""
    if _is_there(root / "manifest.json"):
        yield root
        return
    left = _MOST_FOLDERS

    def walk(folder: Path, depth: int) -> Iterator[Path]:
        nonlocal left
        try:
            with os.scandir(folder) as items:
                inside = sorted(
                    item.name for item in items if item.is_dir(follow_symlinks=False) and not item.name.startswith(".")
                )
        except OSError:
            return
        for name in inside:
            left -= 1
            if left < 0:
                return
            path = folder / name
            if _is_there(path / "manifest.json"):
                yield path
            elif depth > 1:
                below_it = list(walk(path, depth - 1))
                yield from below_it or ([path] if depth == MAX_DEPTH else [])

    yield from walk(root, MAX_DEPTH)


def _is_there(path: Path) -> bool:
    try:
        path.lstat()
    except OSError:
        return False
    return True


def _stamp(manifest: Path) -> tuple[int, int, int]:
    try:
        status = manifest.lstat()
    except OSError:
        return 0, 0, 0
    return status.st_mtime_ns, status.st_size, status.st_ino


def _manifest(path: Path) -> tuple[dict[str, Any], str | None]:
    """The manifest of a folder, and what is wrong with it. Raises ResultsError."""
    file = path / "manifest.json"
    if not _is_there(file):
        return {}, _NO_MANIFEST
    if not stat.S_ISREG(file.lstat().st_mode):
        return {}, "Its manifest.json is a link or no file, so it is not opened."
    manifest = read_json(file)
    if not is_ours(manifest):
        return {}, "Its manifest.json is of another program."
    check_schema(file, manifest)
    cells = manifest.get("cells")
    if not isinstance(manifest.get("name"), str) or isinstance(cells, bool) or not isinstance(cells, int) or cells < 1:
        return {}, "Its manifest.json does not say what was run."
    return {key: manifest[key] for key in _KEPT if key in manifest}, None


def _findings(folder: _Folder) -> Findings:
    """What came out, or why nobody can say."""
    try:
        if link := _link_in(folder.path):
            return Findings(f"It has a link to elsewhere ({link}), so it is not opened.")
        return findings_of(folder.path)
    except ResultsError as error:
        return Findings(f"It cannot be read: {error}")
    except Exception as error:  # tables of strangers can be wrong in ways that no list has
        return Findings(f"It cannot be read: {first_line(error)}")


def _arms(folder: _Folder) -> list[dict[str, Any]]:
    try:
        return [] if folder.damage or _link_in(folder.path) else slices_of(folder.path)
    except Exception:  # its sentence says that it cannot be read
        return []


def _link_in(path: Path) -> str:
    """The name of a file of the folder that leads elsewhere; empty if there is none."""
    with os.scandir(path) as items:
        return next((item.name for item in items if item.is_symlink()), "")


def _links(root: Path, path: Path) -> list[str]:
    """The names of files that a browser can show, the report first."""
    try:
        with os.scandir(path) as items:
            names = [item.name for item in items if item.is_file(follow_symlinks=False)]
    except OSError:
        return []
    names = sorted((name for name in names if Path(name).suffix in SHOWN_FILES), key=_page_first)
    return [below(root, path / name) for name in names[:_MOST_LINKS]]


def _page_first(name: str) -> tuple[bool, str]:
    return not name.endswith(".html"), name


def _seconds_left(shares: deque[tuple[float, float]], now: float, share: float) -> float | None:
    """When the rest is done at the rate of the last minute; None while nobody can tell. `shares` is what was seen."""
    shares.append((now, share))
    while now - shares[0][0] > _RATE_WINDOW:
        shares.popleft()
    since, before = shares[0]
    if now - since < _LEAST_WINDOW or share <= before:
        return None
    return round((1 - share) * (now - since) / (share - before), 1)


def _style(arm: str) -> dict[str, Any]:
    style = arm_style(arm)
    return {"color": PALETTE.index(style.color), "dashes": style.dashes[1]}
