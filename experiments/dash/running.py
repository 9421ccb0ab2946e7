"""How far results are that are not complete: by the files that their arms write, and the cells that are kept."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from glassbench.experiments.dash.inside import read_inside
from glassbench.experiments.results.live_file import LIVE_FILE, MOST_BYTES, LiveArm, read_live

MOST_LIVE = 128  # cells whose files are read: plans of more have none, as `engine/plan_run.py` says

_KEPT = "arm.json"


@dataclass
class _File:
    stamp: tuple[int, int] = (0, 0)
    arm: LiveArm = field(default_factory=LiveArm)


class CellsUnderWay:
    """The cells of one folder. `arms` has what those say that tell how far they are, by the number of the cell."""

    def __init__(self, path: Path, cells: int) -> None:
        self._path = path
        self._cells = max(1, cells)
        self._files: dict[str, _File] = {}
        self._kept = 0
        self.arms: dict[str, LiveArm] = {}

    def look(self) -> None:
        """Look again at what has changed."""
        try:
            with os.scandir(self._path / "cells") as items:
                names = sorted(item.name for item in items if item.is_dir(follow_symlinks=False))
        except OSError:
            names = []
        live = {name: file for name in names[:MOST_LIVE] if (file := self._file(name)) is not None}
        self._files = live
        self.arms = {name: file.arm for name, file in live.items()}
        # Of a cell without such a file there is a folder only once it is kept.
        ended = sum(arm.outcome is not None for arm in self.arms.values())
        kept = sum(
            1 for name in names[:MOST_LIVE] if name not in live and (self._path / "cells" / name / _KEPT).exists()
        )
        self._kept = ended + kept + max(0, len(names) - MOST_LIVE)

    @property
    def finished(self) -> int:
        """How many cells have ended."""
        return min(self._cells, self._kept)

    @property
    def share(self) -> float:
        """How much of all cells is done."""
        under_way = sum(arm.share for arm in self.arms.values() if arm.outcome is None)
        return min(1.0, (self._kept + under_way) / self._cells)

    def told(self, *, several_seeds: bool) -> list[dict[str, Any]]:
        """A record of each arm that tells how far it is."""
        return [
            {
                "key": name,
                "label": f"{arm.arm}, seed {arm.seed}" if several_seeds else arm.arm,
                "arm": arm.arm,
                "share": arm.share,
                "outcome": arm.outcome,
                "reason": arm.reason,
                "left_out": arm.left_out,
                "attempt": arm.attempt,
                "slices": arm.slices,
            }
            for name, arm in self.arms.items()
        ]

    def _file(self, name: str) -> _File | None:
        before = self._files.get(name, _File())
        place = f"cells/{name}/{LIVE_FILE}"
        try:
            status = (self._path / place).lstat()
            stamp = status.st_mtime_ns, status.st_size
            if stamp == before.stamp:
                return before
            return _File(stamp, read_live(read_inside(self._path, place, most_bytes=MOST_BYTES)))
        except OSError:
            return None
