"""Streams against datagrams on mobile and satellite links: many drives, the same for each mapping."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from glassbench.experiments.account.metrics import signal_delay
from glassbench.experiments.account.percentile import percentile
from glassbench.experiments.catalog.cells import make_cell, make_plan, video
from glassbench.experiments.catalog.checks import MS, RATIO, Judgement, bounded, check, order
from glassbench.experiments.catalog.experiment import Check, Datasets, Experiment
from glassbench.experiments.catalog.figures import curve, finish, logarithmic, panels
from glassbench.experiments.catalog.frames import FRAME_INTERVAL, FloatArray, column, frames, select
from glassbench.experiments.engine.plan import Cell, Plan
from glassbench.experiments.results.arm_style import arm_style
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.plots.style import FAINT, INK
from glassbench.experiments.results.statistics import Comparison, compare_arms
from glassbench.experiments.scenario import dice

TRACES = ("lte-driving", "satellite")
DEADLINES = ("none", "400ms")
MAPPINGS = ("quic-stream", "quic-stream-per-frame", "quic-datagram")
DRIVES = range(1, 9)
SECONDS = 12  # of a drive: a block of at least 10 s


@dataclass(frozen=True)
class Drives:
    """One mapping on one trace: per drive, the signal delay of each frame in seconds, and the mean time in seconds that
    frames were held in the transport behind others."""

    trace: str
    deadline: str
    mapping: str
    delays: list[FloatArray]
    hold: FloatArray

    @property
    def p95(self) -> FloatArray:
        """The 95th percentile of each drive, in seconds."""
        return np.array([percentile(delays, 0.95) for delays in self.delays])


def _plans() -> tuple[Plan, ...]:
    cells = [
        _cell(trace, deadline, drive, mapping)
        for trace in TRACES
        for deadline in DEADLINES
        for drive in DRIVES
        for mapping in MAPPINGS
    ]
    return (make_plan("drives", cells),)


def _cell(trace: str, deadline: str, drive: int, mapping: str) -> Cell:
    fields: dict[str, Any] = {} if deadline == "none" else {"deadline": deadline}
    return make_cell(
        {"trace": trace, "deadline": deadline},
        "drives",
        seed=drive,
        seconds=SECONDS,
        arm=mapping,
        media=video("2Mbit/s", keyframe_interval=60, **fields),
        network={"trace": trace, "queue": "600kB", "loss": "1%"},
    )


def drives(data: Dataset) -> list[Drives]:
    """Every mapping on every trace, with and without a deadline."""
    every = []
    for trace in TRACES:
        for deadline in DEADLINES:
            for mapping in MAPPINGS:
                cells = data.where(arm=mapping, trace=trace, deadline=deadline)["cell"].tolist()
                tables = [frames(data, int(cell)) for cell in cells]
                hold = [np.nanmean(column(t, "delivered_at") - column(t, "complete_at")) for t in tables]
                delays = [signal_delay(table) for table in tables]
                every.append(Drives(trace, deadline, mapping, delays, np.array(hold, dtype=np.float64)))
    return every


def compared(table: Sequence[Drives], trace: str, deadline: str) -> Comparison:
    """The mappings by the 95th percentile of the signal delay, paired by drive."""
    delays = {d.mapping: d.delays for d in table if (d.trace, d.deadline) == (trace, deadline)}
    return compare_arms(delays, rng=dice.generator(0, "drives", trace, deadline), unit="drive")


def _checks(data: Datasets) -> list[Check]:
    table = drives(data["drives"])
    return [
        _one_stream_holds_in_every_drive(table),
        _without_a_deadline_no_difference(table),
        _unreliable_is_sooner(table),
        _the_link_decides(table),
    ]


def _one_stream_holds_in_every_drive(table: Sequence[Drives]) -> Check:
    stream = np.concatenate([d.hold for d in table if d.mapping == "quic-stream"])
    others = np.concatenate([d.hold for d in table if d.mapping != "quic-stream"])
    return check(
        "On links with loss one stream holds frames behind others in every drive, the other mappings in none",
        "RFC 9000, 13 (only streams with data in a lost packet wait)",
        "sign",
        bounded(MS, stream, above=0, of=f"mean hold in {len(stream)} runs of one stream"),
        bounded(MS, others, at_most=1e-6, of=f"in {len(others)} of the others"),
    )


def _without_a_deadline_no_difference(table: Sequence[Drives]) -> Check:
    rows = {trace: compared(table, trace, "none") for trace in TRACES}
    typical = {trace: [arm.typical for arm in row.arms] for trace, row in rows.items()}
    return check(
        "Without a deadline the mapping makes no difference to the picture: frames wait for their references",
        "closed form, head-of-line-v1: shown at the latest completion so far",
        "value",
        bounded(
            MS,
            {trace: max(values) - min(values) for trace, values in typical.items()},
            at_most=FRAME_INTERVAL,
            of="between the mappings' p95 of the signal delay in a typical drive",
            at="(a frame interval)",
        ),
        Judgement(
            expected="not distinguishable",
            measured="; ".join(f"{_verdicts(row)} on {trace}" for trace, row in rows.items()),
            holds=not any(_told(row) for row in rows.values()),
        ),
        note="paired by drive, exact test with Holm's adjustment at 5 %",
    )


def _unreliable_is_sooner(table: Sequence[Drives]) -> Check:
    rows = {trace: compared(table, trace, "400ms") for trace in TRACES}
    return check(
        "With a deadline datagrams, or a stream per frame, are sooner than one stream",
        "order only: RFC 9221, 1 (real-time applications prefer to send unreliably); "
        "draft-ietf-avtcore-rtp-over-quic-14 takes no position",
        "order",
        Judgement(
            expected="one stream told to be later than the soonest, on each trace, deadline 400 ms",
            measured="; ".join(f"{trace}: {row.answer}" for trace, row in rows.items()),
            holds=all("quic-stream" in _told(row) for row in rows.values()),
        ),
        note="p95 of the signal delay, paired by drive, exact test with Holm's adjustment at 5 %",
    )


def _the_link_decides(table: Sequence[Drives]) -> Check:
    logs = [np.log([d.p95 for d in select(table, trace=trace, deadline="none")]) for trace in TRACES]
    spread = {
        "between mappings of a drive": [float(np.mean(np.std(log, axis=0))) for log in logs],
        "between drives": [float(np.std(log.mean(axis=0))) for log in logs],
    }
    return check(
        "The drive decides far more than the mapping, so mappings have to be compared within a drive",
        "common random numbers: pairing takes out what the pairs share",
        "order",
        order(RATIO, spread, times=3, of=f"spread of p95 on {' and '.join(TRACES)}"),
        note="standard deviations of the logarithm",
    )


def _told(comparison: Comparison) -> list[str]:
    return [arm.arm for arm in comparison.arms if arm.verdict == "later"]


def _verdicts(comparison: Comparison) -> str:
    told = _told(comparison)
    return f"later: {', '.join(told)}" if told else "not distinguishable"


def _figure(data: Datasets) -> Figure:
    table = drives(data["drives"])
    places = [(trace, deadline) for trace in TRACES for deadline in DEADLINES]
    title = "p95 of the signal delay of each drive, ms (log scale): a line is one drive, black is the median"
    figure, axes = panels(title, len(places), sharey=True)
    for panel, (trace, deadline) in zip(axes, places, strict=True):
        _draw(panel, select(table, trace=trace, deadline=deadline))
        named = "no deadline" if deadline == "none" else f"deadline {deadline}"
        finish(panel, f"{trace}, {named}", legend=panel is axes[0], loc="lower left")
    return figure


def _draw(axes: Axes, rows: Sequence[Drives]) -> None:
    p95 = 1e3 * np.array([row.p95 for row in rows])
    axes.plot(range(len(rows)), p95, color=FAINT, linewidth=0.8, zorder=1)
    for place, row in enumerate(rows):
        curve(axes, arm_style(row.mapping), [place] * len(DRIVES), p95[place], linestyle="", label=row.mapping)
        axes.plot((place - 0.2, place + 0.2), (np.median(p95[place]),) * 2, color=INK, linewidth=1.5)
    logarithmic(axes, y=[20, 50, 100, 200, 500, 1000, 2000])
    axes.set_xticks(range(len(rows)), ["stream", "per frame", "datagram"])
    axes.set_xlim(-0.5, len(rows) - 0.5)


EXPERIMENT = Experiment(
    name="stream-vs-datagram-cellular-v1",
    question="On a mobile or a satellite link, are frames sooner in one stream, in a stream each, or in datagrams?",
    expectation="Without a deadline it makes no difference to the picture; with one, what is late in a stream should "
    "delay what follows. The drive decides more than the mapping.",
    source="RFC 9000, 13; RFC 9221, 1; draft-ietf-avtcore-rtp-over-quic-14, 3.2",
    plans=_plans,
    checks=_checks,
    figure=_figure,
)
