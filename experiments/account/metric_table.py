"""The table of metrics: what an arm is judged by, each in one place.

To add one, add a line to METRICS. Tables, JSON, pages, budgets, paired statistics and the agreement of worlds take what
its `views` name from here; the summary on disk and `--json` have all metrics.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd

from glassbench.experiments.account import metrics
from glassbench.experiments.account.number_text import number_text
from glassbench.experiments.account.percentile import percentile
from glassbench.experiments.account.sharing import Sharing
from glassbench.experiments.scenario.media_spec import PICTURE_FLOOR

Unit = Literal["ms", "s", "count", "share", "ratio", "Mbit/s", "dB", "points", ""]

_FORMS: dict[Unit, str] = {
    "ms": ".1f",
    "s": ".2f",
    "count": ".0f",
    "share": ".1f",
    "ratio": ".2f",
    "Mbit/s": ".2f",
    "dB": ".1f",
    "points": ".1f",
    "": ".3f",
}
_UNITS_IN_WORDS = {"share": "%", "count": "", "ratio": "", "points": ""}

View = Literal["table", "following", "medians", "sweep", "report", "paired", "agreement", "budget"]
"""Where a metric is shown: of one run, of one in which an encoder follows the network, of many, of a sweep in the
terminal, on a page; compared pair by pair of runs, or of worlds; held by a budget."""


class Runs(NamedTuple):
    """What a metric is made of: the ledger of one track, run by run.

    Some metrics need more: what the flow put on its first link, the duration of the media of a run in seconds, how the
    flow shared the network with others, the ledgers of the floor, the least signal delay of each frame in seconds, and
    the SSIM from which on a picture counts as shown.
    """

    frames: Sequence[pd.DataFrame]
    passed: Sequence[pd.DataFrame] = ()
    duration: float = math.nan
    sharing: Sequence[Sharing] = ()
    floor: Sequence[pd.DataFrame] | None = None
    bounds: Sequence[metrics.FloatArray] = ()
    picture_floor: float = PICTURE_FLOOR


class Tolerance(NamedTuple):
    """By how much real time may differ from virtual time: an absolute part, in the unit, and a share of the value."""

    absolute: float
    relative: float = 0.0

    def of(self, value: float) -> float:
        return self.absolute + self.relative * value


@dataclass(frozen=True)
class Metric:
    """One line of the table.

    `name` is what budgets and people call it, `column` its name in summaries and JSON, `heading` stands above its
    column. `of` gives it over all runs together: infinite where it never came, NaN where it is undefined. `share` is
    the percentile of glass-to-glass latency that it is made of, None without one. `less` and `more` say what a setting
    does in which it is lower or higher. `video_only`: a track of messages has none. `of_pictures`: it is known only
    where the quality of pictures is measured, `against_floor`: only where the floor is. `headline`: where not all
    columns fit, it stands beside what decides, since it says whether to read the rest, or what a low latency was paid
    with.
    """

    name: str
    column: str
    heading: str
    unit: Unit
    of: Callable[[Runs], float]
    views: tuple[View, ...]
    share: float | None = None
    lower_is_better: bool = True
    less: str = ""
    more: str = ""
    video_only: bool = False
    of_pictures: bool = False
    against_floor: bool = False
    headline: bool = False
    tolerance: Tolerance | None = None

    @property
    def kind(self) -> str:
        """The pandas type of its column."""
        return "Int64" if self.unit == "count" else "Float64"

    @property
    def title(self) -> str:
        """Its name with its unit, where there is a line for it."""
        return ", ".join(filter(None, (self.name, self._unit)))

    def text(self, value: object) -> str:
        """A value as it stands in a column: without its unit, and a share in percent."""
        if self.unit == "share" and isinstance(value, int | float):
            value = 100 * float(value)
        return number_text(value, _FORMS[self.unit])

    def with_unit(self, value: object) -> str:
        """A value as it stands in a sentence."""
        return self.text(value) + (f" {self._unit}" if self._unit and value != math.inf else "")

    @property
    def _unit(self) -> str:
        return _UNITS_IN_WORDS.get(self.unit, self.unit)


def in_view(view: View) -> list[Metric]:
    """The metrics of a view, in the order of the table."""
    return [metric for metric in METRICS.values() if view in metric.views]


def known(metrics: Iterable[Metric], rows: Iterable[Mapping[Any, object]]) -> list[Metric]:
    """The metrics without those of pictures that none of these rows has, by its column."""
    summaries = list(rows)
    return [metric for metric in metrics if not metric.of_pictures or any(_has(row, metric) for row in summaries)]


def _has(row: Mapping[Any, object], metric: Metric) -> bool:
    value = row.get(metric.column)
    return isinstance(value, int | float) and not math.isnan(value)


def values(runs: Runs) -> dict[str, float | int | None]:
    """Every metric but those against the floor by its column, as the summary of an arm has it: None is undefined."""
    return {metric.column: _value(metric, runs) for metric in METRICS.values() if not metric.against_floor}


def _value(metric: Metric, runs: Runs) -> float | int | None:
    value = metric.of(runs)
    if math.isnan(value):
        return None
    return int(value) if metric.unit == "count" else round(value, 6)


def _latency(share: float) -> Callable[[Runs], float]:
    def of(runs: Runs) -> float:
        latencies = np.concatenate([metrics.glass_to_glass(frames) for frames in runs.frames])
        return round(1e3 * percentile(latencies, share), 6)

    return of


def _signal(runs: Runs) -> float:
    return 1e3 * percentile(np.concatenate([metrics.signal_delay(frames) for frames in runs.frames]), 0.95)


def _picture(runs: Runs) -> float:
    delays = np.concatenate([metrics.picture_delay(frames, runs.picture_floor) for frames in runs.frames])
    return math.nan if np.isnan(delays).any() else 1e3 * percentile(delays, 0.95)


def _bound(runs: Runs) -> float:
    return 1e3 * percentile(np.concatenate(runs.bounds), 0.95) if runs.bounds else math.nan


def _bound_ratio(runs: Runs) -> float:
    bound = _bound(runs)
    return _signal(runs) / bound if bound > 0 else math.nan


def _first_frame(runs: Runs) -> float:
    return 1e3 * float(np.median([metrics.first_frame(frames) for frames in runs.frames]))


def _shown(runs: Runs) -> float:
    captured = sum(len(frames) for frames in runs.frames)
    shown = sum(int((frames["fate"] == "displayed").sum()) for frames in runs.frames)
    return shown / captured if captured else math.nan


def _freezes(runs: Runs) -> float:
    return float(sum(len(metrics.freezes(frames)) for frames in runs.frames))


def _frozen(runs: Runs) -> float:
    return sum(length for frames in runs.frames for _, length in metrics.freezes(frames))


def _mean(column: str) -> Callable[[Runs], float]:
    """The mean over all source instants; undefined if the arm has no pictures (a size model)."""

    def of(runs: Runs) -> float:
        parts = [frames[column] for frames in runs.frames if column in frames]
        return float(pd.concat(parts).mean()) if parts else math.nan

    return of


def _sent(runs: Runs) -> float:
    if not runs.passed:
        return math.nan
    return sum(metrics.sent_mbps(passed, runs.duration) for passed in runs.passed) / len(runs.passed)


def _shared(part: str, scale: float = 1.0) -> Callable[[Runs], float]:
    """The median of one of the numbers of `Sharing`, over the runs."""

    def of(runs: Runs) -> float:
        return scale * float(np.median([getattr(each, part) for each in runs.sharing])) if runs.sharing else math.nan

    return of


def _floor_ratio(runs: Runs) -> float:
    if runs.floor is None:
        return math.nan
    p95 = _latency(0.95)
    ratio = metrics.floor_ratio(p95(runs), p95(Runs(runs.floor)))
    return math.nan if ratio is None else ratio


def _glass_to_glass(name: str, share: float, views: tuple[View, ...], tolerance: Tolerance | None = None) -> Metric:
    """A percentile of glass-to-glass latency."""
    return Metric(
        name=name,
        column=f"g2g_{name}_ms",
        heading=f"{name}\nms",
        unit="ms",
        of=_latency(share),
        views=views,
        share=share,
        less="sooner",
        more="later",
        tolerance=tolerance,
    )


_EVERYWHERE: tuple[View, ...] = get_args(View)

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        _glass_to_glass("p50", 0.50, _EVERYWHERE, Tolerance(3.0)),
        _glass_to_glass("p95", 0.95, _EVERYWHERE, Tolerance(5.0, 0.1)),
        _glass_to_glass("p99", 0.99, ("table", "following", "medians", "report", "paired", "budget")),
        _glass_to_glass("max", 1.0, ("budget",)),
        Metric(
            name="first_frame",
            column="first_frame_ms",
            heading="first\nframe ms",
            unit="ms",
            of=_first_frame,
            views=(),
        ),
        Metric(
            name="signal_p95",
            column="signal_p95_ms",
            heading="signal\np95 ms",
            unit="ms",
            of=_signal,
            views=("table", "following", "report", "paired"),
            less="sooner",
            more="later",
            tolerance=Tolerance(5.0, 0.1),
        ),
        Metric(
            name="picture_p95",
            column="picture_p95_ms",
            heading="picture\np95 ms",
            unit="ms",
            of=_picture,
            views=("following", "report", "budget"),
            less="sooner",
            more="later",
            video_only=True,
            of_pictures=True,
            tolerance=Tolerance(5.0, 0.1),
        ),
        Metric(
            name="shown",
            column="shown",
            heading="shown\n%",
            unit="share",
            of=_shown,
            views=_EVERYWHERE,
            lower_is_better=False,
            less="shows less",
            more="shows more",
            headline=True,
            tolerance=Tolerance(0.02),
        ),
        Metric(
            name="freezes",
            column="freezes",
            heading="freezes",
            unit="count",
            of=_freezes,
            views=("table", "following", "report", "paired", "budget"),
            less="freezes less",
            more="freezes more",
            video_only=True,
        ),
        Metric(
            name="freeze_s",
            column="freeze_s",
            heading="freeze\ns",
            unit="s",
            of=_frozen,
            views=(),
            video_only=True,
        ),
        Metric(
            name="ssim",
            column="ssim",
            heading="SSIM",
            unit="",
            of=_mean("ssim"),
            views=("table", "following", "report"),
            lower_is_better=False,
            video_only=True,
            of_pictures=True,
            headline=True,
        ),
        Metric(
            name="psnr",
            column="psnr_db",
            heading="PSNR\ndB",
            unit="dB",
            of=_mean("psnr_db"),
            views=(),
            lower_is_better=False,
            video_only=True,
            of_pictures=True,
        ),
        Metric(
            name="vmaf",
            column="vmaf",
            heading="VMAF",
            unit="points",
            of=_mean("vmaf"),
            views=("table", "following", "report", "budget"),
            lower_is_better=False,
            video_only=True,
            of_pictures=True,
            headline=True,
        ),
        Metric(
            name="sent",
            column="sent_mbps",
            heading="sent\nMbit/s",
            unit="Mbit/s",
            of=_sent,
            views=("table", "following", "medians", "report", "paired", "agreement"),
            less="sends less",
            more="sends more",
            headline=True,
            tolerance=Tolerance(0.0, 0.05),
        ),
        Metric(
            name="jain",
            column="jain",
            heading="Jain's\nindex",
            unit="",
            of=_shared("jain"),
            views=("agreement",),
            lower_is_better=False,
            tolerance=Tolerance(0.05),
        ),
        Metric(
            name="utilisation",
            column="utilisation",
            heading="link\nused %",
            unit="share",
            of=_shared("utilisation"),
            views=("agreement",),
            lower_is_better=False,
            tolerance=Tolerance(0.05),
        ),
        Metric(
            name="queue_p50",
            column="queue_p50_ms",
            heading="queue\np50 ms",
            unit="ms",
            of=_shared("queue_p50", 1e3),
            views=("agreement",),
            tolerance=Tolerance(10.0),
        ),
        Metric(
            name="signal_bound",
            column="signal_bound_p95_ms",
            heading="bound of\nsignal p95 ms",
            unit="ms",
            of=_bound,
            views=(),
            video_only=True,
        ),
        Metric(
            name="bound_ratio",
            column="bound_ratio",
            heading="signal p95 /\nbound",
            unit="ratio",
            of=_bound_ratio,
            views=("report",),
            less="nearer to the bound",
            more="farther from the bound",
            video_only=True,
        ),
        Metric(
            name="floor_ratio",
            column="floor_ratio",
            heading="p95 /\nfloor",
            unit="ratio",
            of=_floor_ratio,
            views=("table", "medians", "sweep", "report", "budget"),
            share=0.95,
            video_only=True,
            against_floor=True,
        ),
    )
}
