"""Salsify's replay: natural video of 60 frames a second over a drive with LTE, 640 seconds, and the delays that were
published for it.

The published delays belong to one recording, AT&T's of the mahimahi project, which does not ship here. It is known by
its bytes. Over another trace the arms are compared with each other only.
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from glassbench.experiments.catalog.cells import make_cell, make_plan, replay
from glassbench.experiments.catalog.checks import MBPS, MS, RATIO, Judgement, bounded, check, order
from glassbench.experiments.catalog.experiment import Check, Datasets, Experiment
from glassbench.experiments.catalog.figures import finish, panels
from glassbench.experiments.engine.plan import Cell, Plan
from glassbench.experiments.results.arm_style import arm_style
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.plots.style import FAINT, INK, log_scale, mark_look

OURS = "quic-adaptive"
ARMS = (
    OURS,
    "rtp:control=gcc",
    "rtp:control=scream",
    "srt:encoder=follow",
    "quic-stream:control=bbr,encoder=follow",
    "quic-stream:control=cubic,encoder=follow",
    "quic-datagram",
)
TRACE, SOURCE = "lte-driving", "bigbuckbunny"  # in the place of a recorded drive and a clip of one's own
SECONDS = 640.0
MOST = "12Mbit/s"  # so that the pictures of a drive fit into memory
FPS = 60

RECORDING = "73c58f41bf7a3f0fac82810ca61307521be1cf6b77a0e98093fd340bddfd161f"
PUBLISHED = {
    "Salsify-2c": 0.362,
    "Salsify-1c": 0.449,
    "Skype": 0.473,
    "FaceTime": 1.026,
    "WebRTC": 4.730,
}
"""The 95th percentile of the video delay over the recording, in seconds (Fouladi et al., NSDI 2018, section 5). Their
systems played another video of 720p60, and their delay has a camera and a screen in it."""


@dataclass(frozen=True)
class Drive:
    """One arm over the drive: 95th percentiles in seconds, what was sent in Mbit/s. `bound` is the least signal delay
    that a sender could reach who knew the future. `recorded`: it is the drive of the published figures."""

    arm: str
    signal: float
    picture: float
    bound: float
    sent: float
    ssim: float
    recorded: bool


def plans(trace: str = TRACE, source: str = SOURCE) -> tuple[Plan, ...]:
    """The arms over a trace by its name or file, with a source by its name or file."""
    name = "-".join(Path(each).stem.lower() for each in (trace, source))
    return (make_plan(name, [_cell(trace, source, arm) for arm in ARMS], quality=True),)


def _cell(trace: str, source: str, arm: str) -> Cell:
    return make_cell(
        {"recorded": _is_recording(trace)},
        "salsify-replay",
        seconds=SECONDS,
        arm=arm,
        media={
            "source": source,
            "width": 1280,
            "height": 720,
            "fps": FPS,
            "bitrate": "4.5Mbit/s",
            "max_bitrate": MOST,
            "encode_cost": "fixed:8ms",
        },
        network=replay(trace, start=0.0),
    )


def _is_recording(trace: str) -> bool:
    path = Path(trace)
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == RECORDING


def drives(data: Dataset) -> list[Drive]:
    """What each arm reached, in the order of the plan."""
    columns = ["arm", "signal_p95_ms", "picture_p95_ms", "signal_bound_p95_ms", "sent_mbps", "ssim", "axis.recorded"]
    return [
        Drive(str(arm), signal / 1e3, picture / 1e3, bound / 1e3, float(sent), float(ssim), bool(recorded))
        for arm, signal, picture, bound, sent, ssim, recorded in data.summary[columns].itertuples(index=False)
    ]


def _checks(data: Datasets) -> list[Check]:
    (dataset,) = data.values()
    table = drives(dataset)
    own = [_sooner_than_the_others(table), _also_by_pictures(table), _as_good_pictures(table), _near_the_bound(table)]
    return [*own, _sooner_than_published(table)] if table[0].recorded else own


def _sooner_than_published(table: Sequence[Drive]) -> Check:
    ours = _ours(table)
    return check(
        "... and sooner than every published system on the drive that they were measured on",
        "Fouladi et al., NSDI 2018, section 5: p95 of the video delay on AT&T LTE",
        "order",
        order(MS, {OURS: ours.signal, **PUBLISHED}),
        bounded(MBPS, ours.sent, at_least=4.0, of="sent"),
        note="p95; another clip, and their delay has a camera and a screen in it",
    )


def _sooner_than_the_others(table: Sequence[Drive]) -> Check:
    return check(
        "A sender that plans each frame is sooner than every other arm",
        "order only: a frame that fits the link waits for no other (Sprout, NSDI 2013; Salsify, NSDI 2018)",
        "order",
        _before_the_next(table, lambda each: each.signal),
        note="p95 of the signal delay",
    )


def _also_by_pictures(table: Sequence[Drive]) -> Check:
    return check(
        "... also if only pictures count that are worth looking at",
        "a claim of this project: signal delay can be won with empty pictures",
        "order",
        _before_the_next(table, lambda each: each.picture),
        note="p95 of the picture delay, SSIM of at least 0.85",
    )


def _before_the_next(table: Sequence[Drive], delay: Callable[[Drive], float]) -> Judgement:
    soonest = min(_others(table), key=delay)
    return order(MS, {OURS: delay(_ours(table)), f"the next, {soonest.arm}": delay(soonest)})


def _as_good_pictures(table: Sequence[Drive]) -> Check:
    ours = _ours(table)
    soon = [each for each in _others(table) if each.signal < 0.5]
    return check(
        "... with pictures as good as those of the arms that are soon, too",
        "a claim of this project",
        "order",
        bounded(
            RATIO,
            ours.ssim,
            at_least=max((each.ssim for each in soon), default=0.0) - 0.01,
            of="SSIM as displayed; the best of the arms below 500 ms, less 0.01",
        ),
    )


def _near_the_bound(table: Sequence[Drive]) -> Check:
    return check(
        "... and no more than two and a half times what a sender could reach who knew the future",
        "closed form: docs/oracle.md",
        "value",
        bounded(RATIO, _ours(table).signal / _ours(table).bound, at_most=2.5, of="p95 over its bound"),
    )


def _ours(table: Sequence[Drive]) -> Drive:
    return next(each for each in table if each.arm == OURS)


def _others(table: Sequence[Drive]) -> list[Drive]:
    return [each for each in table if each.arm != OURS]


def _figure(data: Datasets) -> Figure:
    (dataset,) = data.values()
    table = sorted(drives(dataset), key=lambda each: each.signal)
    figure, (left, right) = panels(f"{FPS} frames a second over a drive of {SECONDS:g} s", size=(12.5, 5.2))
    _draw_delays(left, table)
    _draw_quality(right, table)
    return figure


def _draw_delays(axes: Axes, table: Sequence[Drive]) -> None:
    """A line per arm and published system, the soonest on top."""
    published = PUBLISHED if table[0].recorded else {}
    names = sorted([each.arm for each in table] + list(published), key=lambda name: -_delay_of(name, table))
    for place, name in enumerate(names):
        if name in published:
            axes.plot(published[name] * 1e3, place, marker="|", color=INK, markersize=12, linestyle="")
            continue
        drive = next(each for each in table if each.arm == name)
        axes.plot([drive.signal * 1e3, drive.picture * 1e3], [place, place], color=FAINT, zorder=1)
        look = mark_look(arm_style(name))
        axes.plot(drive.signal * 1e3, place, **(look | {"markerfacecolor": look["color"]}))
        axes.plot(drive.picture * 1e3, place, **(look | {"markerfacecolor": "white"}))
    finite = [value for each in table for value in (each.signal, each.picture) if math.isfinite(value)]
    bound = table[0].bound * 1e3
    axes.axvline(bound, color=INK, linewidth=0.8, linestyle=":")
    beside: dict[str, Any] = {"fontsize": "small", "color": INK, "textcoords": "offset points", "va": "top"}
    axes.annotate("bound", (bound, len(names) - 0.5), xytext=(3, -2), **beside)
    axes.set_yticks(range(len(names)), [f"{name} (published)" if name in published else name for name in names])
    log_scale(axes, axes.xaxis, 0.8 * bound, 1.3e3 * max([*finite, *published.values()]), 5)
    finish(axes, "p95 of the delay", "ms (log scale); filled: signal delay, hollow: picture delay", legend=False)


def _delay_of(name: str, table: Sequence[Drive]) -> float:
    return PUBLISHED[name] if name in PUBLISHED else next(each.signal for each in table if each.arm == name)


def _draw_quality(axes: Axes, table: Sequence[Drive]) -> None:
    for number, drive in enumerate(table, 1):
        label = f"{number}  {drive.arm}, {drive.sent:.2f} Mbit/s"
        point = drive.signal * 1e3, drive.ssim
        axes.plot(*point, **mark_look(arm_style(drive.arm)), label=label)
        if all(map(math.isfinite, point)):
            axes.annotate(str(number), point, xytext=(5, 4), textcoords="offset points", fontsize="small", color=INK)
    most = max(each.signal for each in table if math.isfinite(each.signal))
    log_scale(axes, axes.xaxis, 800 * table[0].bound, 1.3e3 * most, 5)
    finish(
        axes,
        "SSIM as displayed, and the sent rate",
        "p95 of the signal delay, ms (log scale)",
        loc="upper left",
        bbox_to_anchor=(1.0, 1.0),
    )


EXPERIMENT = Experiment(
    name="salsify-replay-v1",
    question="How soon is each sender over a drive with LTE, beside the systems that were measured on it?",
    expectation="quic-adaptive is sooner than every other arm, and on the recorded drive than every published system.",
    source="Fouladi et al., NSDI 2018",
    plans=plans,
    checks=_checks,
    figure=_figure,
    replays=plans,
    long=True,
)
