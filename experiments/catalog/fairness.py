"""Fairness: two bulk transfers of one controller share a bottleneck, and the second one comes later."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from glassbench.experiments.account.reports import LINK_WINDOW
from glassbench.experiments.catalog.cells import make_cell, make_plan, video
from glassbench.experiments.catalog.checks import MS, PACKETS, PERCENT, RATIO, bounded, check, value
from glassbench.experiments.catalog.experiment import Check, Datasets, Experiment
from glassbench.experiments.catalog.figures import finish, panels
from glassbench.experiments.catalog.frames import FloatArray, only, select
from glassbench.experiments.engine.plan import Cell, Plan
from glassbench.experiments.results.arm_style import arm_style, series_styles
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.plots.style import mark_look
from glassbench.experiments.scenario import dice
from glassbench.experiments.scenario.flow_spec import MEDIA

CONTROLS = ("cubic", "reno")
SEEDS = range(1, 11)
RATE = 20e6  # bit/s
RTT = 0.04  # seconds
BDP = RATE / 8 * RTT  # bytes, and the queue
SECONDS = 60.0
STARTS = (1.0, 5.0)  # seconds: between these the second flow starts, by the seed

_LATER = "later"
_END = 20.0  # seconds: the last of the run, when both flows have long been there


@dataclass(frozen=True)
class SharedLink:
    """Two flows of one controller with one seed. Rates by window of 100 ms are in bit/s, the queue is in seconds.
    `unaccounted` counts packets of both that came to the link and were neither delivered nor missing at the end."""

    control: str
    seed: int
    start: float
    jain: float
    utilisation: float
    queue: float
    rates: dict[str, FloatArray]
    unaccounted: int

    def share(self, flow: str) -> float:
        """The part of a flow in what both got at the end of the run."""
        ends = {name: float(rates[-round(_END / LINK_WINDOW) :].sum()) for name, rates in self.rates.items()}
        return ends[flow] / sum(ends.values())


def second_start(seed: int) -> float:
    """When the second flow of a seed starts, in seconds after the first one; whole milliseconds."""
    return round(float(dice.generator(seed, "fairness", "start").uniform(*STARTS)), 3)


def _plans() -> tuple[Plan, ...]:
    return (make_plan("fairness", [_cell(control, seed) for control in CONTROLS for seed in SEEDS]),)


def _cell(control: str, seed: int) -> Cell:
    arm = f"quic-stream:control={control}"
    later = {"name": _LATER, "transport": arm, "source": "greedy", "start": f"{second_start(seed):g}s"}
    return make_cell(
        {"control": control},
        "fairness",
        arm=arm,
        seconds=SECONDS,
        media=video("1Mbit/s"),
        network={"rate": f"{RATE:.0f}bit/s", "queue": f"{BDP:.0f}B", "delay": f"{RTT / 2 * 1e3:g}ms"},
        flow=[{"name": MEDIA, "source": "greedy"}, later],
        seed=seed,
    )


def points(data: Dataset) -> list[SharedLink]:
    """All points, in the order of the plan."""
    every = []
    columns = ["cell", "axis.control", "seed", "jain", "utilisation", "queue_p50_ms"]
    for cell, control, seed, jain, utilisation, queue_ms in data.summary[columns].itertuples(index=False):
        table = data.frames("flows", [cell])
        table = table[table["direction"] == "down"]
        media = table[(table["at"] >= 0) & (table["at"] < SECONDS - LINK_WINDOW / 2)]
        gone = table["sent_packets"] - table["delivered_packets"] - table["missing_packets"]
        every.append(
            SharedLink(
                control=str(control),
                seed=int(seed),
                start=second_start(int(seed)),
                jain=float(jain),
                utilisation=float(utilisation),
                queue=float(queue_ms) / 1e3,
                rates={
                    str(name): rows["delivered_bytes"].to_numpy(dtype=np.float64) * 8 / LINK_WINDOW
                    for name, rows in media.groupby("flow")
                },
                unaccounted=int(gone.sum()),
            )
        )
    return every


def _checks(data: Datasets) -> list[Check]:
    table = points(data["fairness"])
    return [
        _equal_rates(table),
        _the_link_is_used(table),
        _no_flow_is_starved(table),
        _the_queue_is_within_its_limit(table),
        _no_packet_is_unaccounted(table),
    ]


def _equal_rates(table: Sequence[SharedLink]) -> Check:
    return check(
        "Two flows of one controller come to equal rates, although one of them comes later",
        "Chiu and Jain, Computer Networks and ISDN Systems 17 (1989): additive increase and multiplicative decrease "
        "converge to fairness",
        "value",
        bounded(RATIO, _medians(table, "jain"), at_least=0.95, of="Jain's index, median over ten seeds"),
    )


def _the_link_is_used(table: Sequence[SharedLink]) -> Check:
    return check(
        "A queue of one BDP keeps the link busy, whatever the flows do",
        "Appenzeller, Keslassy and McKeown, SIGCOMM 2004, section 2: a buffer of RTT x C is enough for one flow of "
        "Reno, and so for two or for a smaller decrease",
        "value",
        bounded(PERCENT, _medians(table, "utilisation"), at_least=0.9, of="capacity used, median over ten seeds"),
    )


def _no_flow_is_starved(table: Sequence[SharedLink]) -> Check:
    ratios = [one.share(_LATER) / one.share(MEDIA) for one in table]
    return check(
        f"In the last {_END:g} s neither flow has more than three times the rate of the other",
        "RFC 8868, section 5.5: like flows share with a ratio of 0.333 to 3",
        "value",
        bounded(RATIO, ratios, at_least=1 / 3, at_most=3.0, of="the later flow over the first"),
    )


def _the_queue_is_within_its_limit(table: Sequence[SharedLink]) -> Check:
    most = BDP * 8 / RATE
    return check(
        "Loss-based control fills the queue, and no queue is longer than its limit",
        "arithmetic: one BDP takes one round trip to leave",
        "value",
        bounded(MS, _medians(table, "queue"), above=0.0, at_most=most, of="queue, median over ten seeds"),
    )


def _no_packet_is_unaccounted(table: Sequence[SharedLink]) -> Check:
    return check(
        "Each packet of each flow is delivered, dropped or lost",
        "conservation",
        "value",
        value(PACKETS, [float(one.unaccounted) for one in table], 0.0),
    )


def _medians(table: Sequence[SharedLink], name: str) -> dict[str, float]:
    return {
        control: float(np.median([getattr(one, name) for one in select(table, control=control)]))
        for control in CONTROLS
    }


def _figure(data: Datasets) -> Figure:
    table = points(data["fairness"])
    figure, axes = panels(
        f"Two bulk transfers over {RATE / 1e6:g} Mbit/s, RTT {RTT * 1e3:g} ms, one BDP of queue", 3, size=(14, 4.4)
    )
    for place, control in zip(axes, CONTROLS, strict=False):
        _draw_rates(place, only(table, control=control, seed=SEEDS[0]))
    _draw_jain(axes[-1], table)
    return figure


def _draw_rates(axes: Axes, one: SharedLink) -> None:
    flows = (MEDIA, _LATER)
    for flow, style in zip(flows, series_styles(flows), strict=True):
        rates = one.rates[flow]
        seconds = rates[: len(rates) // 10 * 10].reshape(-1, 10).mean(axis=1) / 1e6
        name = "first flow" if flow == MEDIA else f"from {one.start:.1f} s on"
        axes.plot(np.arange(len(seconds)) + 0.5, seconds, color=style.color, linestyle=style.dashes, label=name)
    axes.axhline(RATE / 2e6, color="0.6", linewidth=0.8)
    axes.set_ylim(0, RATE / 1e6 * 1.05)
    finish(axes, f"{one.control}, seed {one.seed}: Mbit/s that left the link", "seconds from the first capture")


def _draw_jain(axes: Axes, table: Sequence[SharedLink]) -> None:
    for control in CONTROLS:
        style = arm_style(f"quic-stream:control={control}")
        rows = select(table, control=control)
        axes.plot([row.start for row in rows], [row.jain for row in rows], **mark_look(style), label=control)
    axes.axhline(0.95, color="0.6", linewidth=0.8)
    axes.set_ylim(0.8, 1.005)
    finish(axes, "Jain's index over a run, a point a seed", "start of the second flow, seconds", loc="lower left")


EXPERIMENT = Experiment(
    name="fairness-v1",
    question="Do two flows of one controller share a bottleneck?",
    expectation="They come to equal rates and keep the link busy, also if one of them comes later.",
    source="Chiu and Jain 1989; RFC 8868; RFC 9002; RFC 9438",
    plans=_plans,
    checks=_checks,
    figure=_figure,
)
