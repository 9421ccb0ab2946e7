"""What manifests say of the windows of recorded traces: `trace_windows`, one per seed and point of the axes.

Manifests come from files, so a window that we would not write is left out.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from glassbench.experiments.results.statistics.windows import Overlap, overlap

_FIELDS = ("start_s", "length_s", "period_s")


def words(manifest: Mapping[str, Any]) -> str:
    """The window in a title; empty without recorded traces."""
    starts = {window["start_s"] for window in _windows(manifest)}
    if len(starts) == 1:
        return f"trace from {starts.pop():.10g} s"
    return "another window of the trace each seed" if starts else ""


def overlap_of(manifest: Mapping[str, Any]) -> Overlap | None:
    """How far the windows of a dataset overlap, at the point of its axes at which they do most; None without any."""
    points: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for window in _windows(manifest):
        points[json.dumps([window.get("axes"), window["length_s"], window["period_s"]])].append(window)
    of_points = [
        overlap([one["start_s"] for one in windows], length=windows[0]["length_s"], period=windows[0]["period_s"])
        for windows in points.values()
    ]
    return max(of_points, key=lambda there: (bool(there.dependent), there.overlapping, there.runs), default=None)


def _windows(manifest: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    windows = manifest.get("trace_windows")
    for window in windows if isinstance(windows, list) else []:
        if isinstance(window, dict) and all(_is_time(window.get(name)) for name in _FIELDS) and window["period_s"]:
            yield window


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and 0 <= value < 1e9
