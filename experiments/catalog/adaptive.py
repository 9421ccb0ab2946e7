"""Encoders that follow the network, with six senders: is the one that plans each frame sooner, on every network?

Each trace is met ten times: a generator with ten seeds, a recording in ten windows spread evenly over it. The senders
meet the same windows, so they are compared in pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from glassbench.experiments.catalog.cells import make_cell, make_plan, replay
from glassbench.experiments.catalog.checks import RATIO, Judgement, bounded, check
from glassbench.experiments.catalog.experiment import Check, Datasets, Experiment
from glassbench.experiments.catalog.figures import curve, finish, logarithmic, panels
from glassbench.experiments.catalog.frames import FloatArray
from glassbench.experiments.engine.plan import Cell, Plan
from glassbench.experiments.results.arm_style import arm_style
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.plots.style import FAINT, INK
from glassbench.experiments.results.statistics import Paired, compare_paired
from glassbench.experiments.results.statistics.holm import holm
from glassbench.experiments.scenario import dice
from glassbench.netem.traces.files import load
from glassbench.netem.traces.generators import GENERATORS

OURS = "quic-adaptive"
OTHERS = (
    "rtp:control=gcc",
    "rtp:control=scream",
    "srt:encoder=follow",
    "quic-stream:control=bbr,encoder=follow",
    "quic-stream:control=cubic,encoder=follow",
)
WINDOWS = 10
SECONDS = 12.0
CERTAIN = ("steps",)  # no chance is in it: one run says all
LEVEL = 0.05
LIKE_QUALITY = 0.01  # a difference of SSIM that nobody sees
WITH_PICTURES = ("lte-driving",)
NEAR = {"lte-driving": 2.5}  # what may lie between a sender and its bound


@dataclass(frozen=True)
class Windows:
    """One sender over the windows of a trace: per window the 95th percentiles of signal and picture delay and the bound
    of the former, in seconds, the rate that was sent in Mbit/s, and SSIM as displayed; NaN without pictures."""

    trace: str
    arm: str
    signal: FloatArray
    picture: FloatArray
    bound: FloatArray
    sent: FloatArray
    ssim: FloatArray

    @property
    def has_pictures(self) -> bool:
        return not np.isnan(self.picture).any()


def _plans() -> tuple[Plan, ...]:
    return tuple(plan for trace in GENERATORS for plan in _replays(trace))


def _replays(trace: str, source: str | None = None) -> tuple[Plan, ...]:
    """The senders over one trace, by its name or file; with a source by its name or file, and the usual one without."""
    windows: list[tuple[int, float | None]]
    if trace in GENERATORS:
        windows = [(seed, None) for seed in range(1, 2 if trace in CERTAIN else WINDOWS + 1)]
    else:
        room = max(load(trace).duration - SECONDS, 0.0)
        windows = [(1, round(index * room / (WINDOWS - 1), 3)) for index in range(WINDOWS)]
    return (_plan(trace, windows, source or _usual_source(trace)),)


def _usual_source(trace: str) -> str:
    return "bigbuckbunny" if trace in WITH_PICTURES else "lognormal"


def _plan(trace: str, windows: Sequence[tuple[int, float | None]], source: str) -> Plan:
    cells = [_cell(trace, seed, start, source, arm) for seed, start in windows for arm in (OURS, *OTHERS)]
    name = "-".join(Path(each).stem.lower() for each in (trace, source))
    return make_plan(name, cells, frames=False, quality=source != "lognormal")


def _cell(trace: str, seed: int, start: float | None, source: str, arm: str) -> Cell:
    return make_cell(
        {"trace": Path(trace).stem, "window": seed if start is None else start},
        "adaptive",
        seed=seed,
        seconds=SECONDS,
        arm=arm,
        media={"source": source, "fps": 60, "bitrate": "4.5Mbit/s", "encode_cost": "fixed:8ms"},
        network=replay(trace, start=start or 0.0),
    )


def windows_of(data: Dataset) -> list[Windows]:
    """Every sender over the trace of a plan."""
    every = []
    for arm in (OURS, *OTHERS):
        rows = data.where(arm=arm)

        def numbers(name: str, rows: Any = rows) -> FloatArray:
            values: FloatArray = rows[name].to_numpy(dtype=np.float64, na_value=np.nan)
            return values

        every.append(
            Windows(
                trace=str(rows["axis.trace"].iloc[0]),
                arm=arm,
                signal=numbers("signal_p95_ms") / 1e3,
                picture=numbers("picture_p95_ms") / 1e3,
                bound=numbers("signal_bound_p95_ms") / 1e3,
                sent=numbers("sent_mbps"),
                ssim=numbers("ssim"),
            )
        )
    return every


def against(table: Sequence[Windows], measure: str) -> dict[str, tuple[Paired, float]]:
    """Ours against each of the others by a measure, window by window, and the p value that Holm's adjustment over the
    five gives."""
    ours, *others = table
    pairs = {
        each.arm: compare_paired(
            getattr(ours, measure),
            getattr(each, measure),
            rng=dice.generator(0, "adaptive", ours.trace, measure, each.arm),
        )
        for each in others
    }
    adjusted = holm([pair.p_value for pair in pairs.values()])
    return {arm: (pair, p) for (arm, pair), p in zip(pairs.items(), adjusted, strict=True)}


def _checks(data: Datasets) -> list[Check]:
    checks = []
    for dataset in data.values():
        table = windows_of(dataset)
        checks.append(_sooner(table, "signal"))
        if table[0].has_pictures:
            checks += [_sooner(table, "picture"), _as_good(table)]
        if table[0].trace in NEAR:
            checks.append(_near_the_bound(table))
    return checks


def _sooner(table: Sequence[Windows], measure: str) -> Check:
    ours, *others = table
    typical = {each.arm: float(np.median(getattr(each, measure))) for each in table}
    if len(ours.signal) > 1:
        told = {arm for arm, (pair, p) in against(table, measure).items() if pair.direction < 0 and p <= LEVEL}
        windows, expected = f"in a typical window of {len(ours.signal)}", ", paired, exact test at 5 %, Holm over five"
    else:
        told = {each.arm for each in others if typical[OURS] < typical[each.arm]}
        windows, expected = "in its one run", ""
    written = ", ".join(f"{arm} {value * 1e3:.0f}" for arm, value in typical.items())
    alike = ", ".join(each.arm for each in others if each.arm not in told)
    return check(
        f"On {ours.trace} the {measure} delay is less than that of every other sender",
        "order only: a frame that fits the link waits for no other (Sprout, NSDI 2013; Salsify, NSDI 2018)",
        "order",
        Judgement(
            expected=f"less than each of five{expected}",
            measured=f"p95 {windows}: {written} ms{alike and f'; not told from {alike}'}",
            holds=not alike,
        ),
    )


def _as_good(table: Sequence[Windows]) -> Check:
    ours, *others = table
    return check(
        f"On {ours.trace} its pictures are as good as those of every other sender",
        "a claim of this project",
        "order",
        bounded(
            RATIO,
            float(np.median(ours.ssim)),
            at_least=max(float(np.median(each.ssim)) for each in others) - LIKE_QUALITY,
            of="SSIM as displayed, in a typical window; the best of the others less 0.01",
        ),
    )


def _near_the_bound(table: Sequence[Windows]) -> Check:
    ours = table[0]
    ratio = float(np.median(ours.signal / ours.bound))
    return check(
        f"On {ours.trace} it is not far from what a sender could reach who knew the future",
        "closed form: docs/oracle.md",
        "value",
        bounded(
            RATIO, ratio, at_most=NEAR[ours.trace], of="p95 of the signal delay over its bound, in a typical window"
        ),
    )


def _figure(data: Datasets) -> Figure:
    tables = [windows_of(dataset) for dataset in data.values()]
    title = (
        "p95 of the signal delay of each window, ms (log scale): a line is one window over the six senders; "
        "bar: median of windows, dotted: of the bound"
    )
    figure, axes = panels(title, len(tables), size=(max(6.5, 3.4 * len(tables)), 5.4), sharey=True)
    for panel, table in zip(axes, tables, strict=True):
        _draw(panel, table)
        finish(panel, table[0].trace, legend=False)
    return figure


def _draw(axes: Axes, table: Sequence[Windows]) -> None:
    delays = 1e3 * np.array([each.signal for each in table])
    axes.plot(range(len(table)), delays, color=FAINT, linewidth=0.8, zorder=1)
    for place, each in enumerate(table):
        curve(axes, arm_style(each.arm), [place] * delays.shape[1], delays[place], linestyle="", label=each.arm)
        axes.plot((place - 0.25, place + 0.25), (np.median(delays[place]),) * 2, color=INK, linewidth=1.5)
    axes.plot((-0.4, len(table) - 0.6), (1e3 * np.median(table[0].bound),) * 2, color=INK, linewidth=0.8, linestyle=":")
    logarithmic(axes, y=[20, 50, 100, 200, 500, 1000, 2000, 5000, 10000])
    axes.set_xticks(
        range(len(table)), [one.arm.replace(",encoder=follow", "").replace(":encoder=follow", "") for one in table]
    )
    axes.tick_params(axis="x", labelrotation=90)
    axes.set_xlim(-0.5, len(table) - 0.5)


EXPERIMENT = Experiment(
    name="adaptive-v1",
    question="Which sender whose encoder follows the network is soonest, network by network?",
    expectation="quic-adaptive by signal and by picture delay, with pictures that are as good.",
    source="Sprout, NSDI 2013; Salsify, NSDI 2018; docs/oracle.md for the bound",
    plans=_plans,
    checks=_checks,
    figure=_figure,
    replays=_replays,
    long=True,
)
