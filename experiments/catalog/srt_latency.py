"""The latency surface of SRT: how many packets its one setting, as a multiple of the round trip, repairs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from glassbench.experiments.catalog.cells import delay, make_cell, make_plan, video
from glassbench.experiments.catalog.chance import beyond, deviation
from glassbench.experiments.catalog.checks import MS, PERCENT, RATIO, SIGMAS, Judgement, bounded, check, value
from glassbench.experiments.catalog.experiment import Check, Datasets, Experiment
from glassbench.experiments.catalog.figures import curve, finish, logarithmic, panels
from glassbench.experiments.catalog.frames import FRAME_INTERVAL, only, select
from glassbench.experiments.engine.plan import Cell, Plan
from glassbench.experiments.results.arm_style import series_styles
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.plots.style import FAINT, INK

RTTS = (0.02, 0.1)  # seconds
MULTIPLIERS = (0.9, 1.5, 2.5, 3.0, 4.0, 5.0, 6.0)
LOSSES = (0.01, 0.03, 0.07, 0.1)
RECOMMENDED = {0.01: 3.0, 0.03: 4.0, 0.07: 5.0, 0.1: 6.0}  # loss -> multiplier, SRT Deployment Guide

_NONE_LOST = 1e-4  # where zero is drawn on the logarithmic scale: one packet in 10,000, more than a cell sends

_DRAFT = "draft-sharabayko-srt-01"
GUIDE = "SRT Deployment Guide, as tabled in the manual of Epiphan Pearl Mini, table 53"


def most_repairs(multiplier: float) -> int:
    """How many retransmissions of one packet can arrive in time at best: each takes a round trip after the other."""
    return math.floor(multiplier + 1e-9)


def least_repairs(multiplier: float, rtt: float) -> int:
    """How many arrive in time at worst, if only packets get lost and no NAK does.

    The first retransmission arrives a round trip after the gap was seen. If it was lost too, that is known then. The
    next periodic NAK says so: up to NAKInterval = RTT / 2, at least 20 ms, later (draft-sharabayko-srt-01, 4.8.2), and
    the 10 ms after which libsrt looks at its timers. The loss of a frame's last packet is seen a frame interval late,
    but skipped as much later: at the next frame's turn.
    """
    if multiplier < 1:
        return 0
    return 1 + math.floor((multiplier - 1) * rtt / (rtt + max(rtt / 2, 0.02) + 0.01) + 1e-9)


def overhead(loss: float, repairs: int) -> float:
    """Retransmissions per packet if each is sent again until it arrives, at most `repairs` times."""
    return sum(loss**n for n in range(1, repairs + 1))


def _plans() -> tuple[Plan, ...]:
    cells = [_cell(rtt, m, loss) for rtt in RTTS for m in MULTIPLIERS for loss in LOSSES]
    return (make_plan("srt-latency", cells, frames=False),)


def _cell(rtt: float, multiplier: float, loss: float) -> Cell:
    way = delay(rtt / 2)
    return make_cell(
        {"rtt": rtt, "multiplier": multiplier, "loss": loss},
        "srt-latency",
        seconds=25,
        arm={"transport": "srt", "latency_ms": round(multiplier * rtt * 1000), "label": "srt"},
        media=video("2Mbit/s"),
        network={"down": [{"element": "random-loss", "name": "loss", "probability": f"{loss:.0%}"}, way], "up": [way]},
    )


@dataclass(frozen=True, slots=True)
class SurfacePoint:
    """One point of the surface: rtt in seconds, packets sent once, residual loss and retransmissions per packet, glass
    to glass in ms (NaN where so many frames were lost that it is infinite)."""

    rtt: float
    multiplier: float
    loss: float
    packets: int
    residual: float
    resent: float
    p50_ms: float
    max_ms: float

    @property
    def label(self) -> str:
        return f"{self.rtt * 1e3:g} ms x {self.multiplier:g} at {self.loss * 100:g} %"


Points = list[SurfacePoint]


def surface(data: Dataset) -> Points:
    """The points of the surface in the order of the plan."""
    columns = ("axis.rtt", "axis.multiplier", "axis.loss", "g2g_p50_ms", "g2g_max_ms")
    numbers = data.summary[list(columns)].to_numpy(dtype=np.float64, na_value=np.nan)
    points = []
    for (rtt, multiplier, loss, p50, highest), ends in zip(numbers.tolist(), data.counters(), strict=True):
        sender, receiver = ends["sender"], ends["receiver"]
        packets = sender["packets_sent"]
        residual, resent = receiver["packets_skipped"] / packets, sender["retransmissions"] / packets
        points.append(SurfacePoint(rtt, multiplier, loss, packets, residual, resent, p50, highest))
    return points


def _checks(data: Datasets) -> list[Check]:
    table = surface(data["srt-latency"])
    return [
        _delay_is_constant(table),
        _nothing_is_repaired_within_a_round_trip(table),
        _one_repair_gives_loss_squared(table),
        _between_the_bounds(table),
        _recommended_is_enough(table),
        _last_packets_come_late(table),
        _overhead_is_that_of_repeated_loss(table),
        _overhead_is_below_the_manuals(table),
    ]


def _delay_is_constant(table: Points) -> Check:
    seen = [point for point in table if math.isfinite(point.p50_ms)]
    off = [abs(point.p50_ms / 1000 - point.rtt * (0.5 + point.multiplier)) for point in seen]
    return check(
        "A frame is delivered the one-way delay plus the SRT latency after it was sent, repaired or not",
        f"{_DRAFT}, section 4.5: RTT_0/2 + SRT Latency",
        "value",
        bounded(
            MS,
            off,
            at_most=2e-6,
            of=f"the median off RTT/2 + latency, at {len(seen)} points",
            at="(timestamps are whole microseconds)",
        ),
    )


def _nothing_is_repaired_within_a_round_trip(table: Points) -> Check:
    rows = [point for point in table if point.multiplier < 1]
    return check(
        "With less latency than one round trip no repair arrives in time: the residual loss is that of the path",
        "closed form: p, as the first retransmission arrives one RTT after the packet would have",
        "value",
        _near(rows, [point.loss for point in rows]),
    )


def _one_repair_gives_loss_squared(table: Points) -> Check:
    rows = select(table, multiplier=1.5)
    return check(
        "With 1.5 RTT there is time for exactly one repair",
        "closed form: p^2, packet and retransmission lost independently",
        "value",
        _near(rows, [point.loss**2 for point in rows]),
    )


def _near(rows: Points, shares: Sequence[float]) -> Judgement:
    """The residual loss of each point is that share, but for chance."""
    want = {point.label: share for point, share in zip(rows, shares, strict=True)}
    slack = [3.5 * deviation(share, point.packets) for point, share in zip(rows, shares, strict=True)]
    residuals = [point.residual for point in rows]
    return value(PERCENT, residuals, want, off=slack, at="(3.5 standard deviations)")


def _between_the_bounds(table: Points) -> Check:
    outside = {}
    for row in table:
        low = row.loss ** (most_repairs(row.multiplier) + 1)
        high = row.loss ** (least_repairs(row.multiplier, row.rtt) + 1)
        outside[row.label] = beyond(row.residual * row.packets, low * row.packets, high * row.packets)
    return check(
        "The residual loss is p^(n+1), n between what any repair by request could do and what periodic NAKs must",
        f"closed form, with the NAK interval of {_DRAFT}, section 4.8.2",
        "value",
        bounded(
            SIGMAS, outside, at_most=3.5, of="beyond these bounds by more than a packet", at=f"at {len(table)} points"
        ),
    )


def _recommended_is_enough(table: Points) -> Check:
    residuals = {f"{point.loss:.0%} loss": point.residual for point in _recommended(table)}
    return check(
        "The recommended multiplier (3 up to 1 % loss, 4 to 3 %, 5 to 7 %, 6 to 10 %) leaves next to no loss",
        GUIDE,
        "order",
        bounded(PERCENT, residuals, below=1e-3, of="residual loss", at="of the packets, RTT 100 ms"),
        note="the guide gives no residual loss; 0.1 % is ours, and its losses may come in bursts",
    )


def _last_packets_come_late(table: Points) -> Check:
    multiplier, rtt = 2.5, RTTS[0]
    point = only(table, rtt=rtt, multiplier=multiplier, loss=LOSSES[0])
    return check(
        "On a path shorter than the frame interval, a frame whose last packet was lost is delivered late, not "
        "dropped: nothing after it is due",
        f"closed form with {_DRAFT}, section 4.6 (a missing packet is skipped when later ones are to be played)",
        "value",
        value(
            MS,
            point.max_ms / 1000 - (multiplier + 0.5) * rtt,
            FRAME_INTERVAL + rtt - multiplier * rtt,
            off=1e-5,
            of="frame interval + RTT - latency, at RTT 20 ms x 2.5",
        ),
    )


def _overhead_is_that_of_repeated_loss(table: Points) -> Check:
    rows = select(table, multiplier=MULTIPLIERS[-1])
    want = {point.label: overhead(point.loss, most_repairs(point.multiplier)) for point in rows}
    return check(
        "With latency enough, retransmissions are what the loss makes necessary and no more",
        "closed form: p + p^2 + ... = p / (1 - p) retransmissions per packet",
        "value",
        value(PERCENT, [point.resent for point in rows], want, within=0.2),
        note="at 1 % loss some 60 packets of a run are lost, whose standard deviation alone is 13 %",
    )


def _overhead_is_below_the_manuals(table: Points) -> Check:
    ratios = {f"{point.loss:.0%} loss": point.resent / point.loss for point in _recommended(table)}
    return check(
        "The bandwidth to reserve for constant loss, 1.65 x the loss rate, covers the retransmissions",
        "Haivision's rule as printed in the manual of Radiant VL4500 SRT Gateway, 2017, p. 7",
        "order",
        bounded(RATIO, ratios, at_most=1.65, of="retransmissions over the loss at the recommended multipliers"),
        note="the rule counts control packets too, and is about the bandwidth to reserve, not to use",
    )


def _recommended(table: Points) -> Points:
    return [point for point in table if point.rtt == RTTS[1] and RECOMMENDED[point.loss] == point.multiplier]


def _figure(data: Datasets) -> Figure:
    table = surface(data["srt-latency"])
    figure, axes = panels(
        "SRT: residual loss by latency (grey: one repair a round trip, the best any request could do; "
        "lower edge: none lost)",
        3,
        size=(13, 4.6),
    )
    for panel, rtt in zip(axes, RTTS, strict=False):
        _draw_residuals(panel, select(table, rtt=rtt))
        title = f"RTT {rtt * 1e3:g} ms: packets never repaired in time, %"
        finish(panel, title, "SRT latency / RTT", legend=panel is axes[0])
    _draw_overhead(axes[2], table)
    return figure


def _draw_residuals(axes: Axes, table: Points) -> None:
    for loss, style in zip(LOSSES, series_styles(LOSSES), strict=True):
        rows = select(table, loss=loss)
        residuals = [100 * max(point.residual, _NONE_LOST) for point in rows]
        label = f"{loss:.0%} loss on the path"
        curve(axes, style, [point.multiplier for point in rows], residuals, markersize=5, label=label)
        for n in range(4):  # repairs, one a round trip
            axes.plot((n, n + 1), [100 * loss ** (n + 1)] * 2, color=FAINT, linewidth=1.2, zorder=1)
    logarithmic(axes, y=[0.01, 0.1, 1, 10])
    axes.set_ylim(80 * _NONE_LOST, 20)


def _draw_overhead(axes: Axes, table: Points) -> None:
    percent = [100 * loss for loss in LOSSES]
    chosen = {
        "below one RTT": [point for point in table if point.rtt == RTTS[1] and point.multiplier < 1],
        "recommended": _recommended(table),
    }
    axes.plot(percent, [165 * loss for loss in LOSSES], color=FAINT, linewidth=1.2, label="1.65 x loss, to reserve")
    axes.plot(percent, [100 * loss / (1 - loss) for loss in LOSSES], color=INK, linewidth=0.8, label="p / (1 - p)")
    for name, style in zip(chosen, series_styles(chosen), strict=True):
        lost, resent = [100 * p.loss for p in chosen[name]], [100 * p.resent for p in chosen[name]]
        curve(axes, style, lost, resent, linestyle="", label=f"latency {name}, RTT {RTTS[1] * 1e3:g} ms")
    finish(axes, "retransmissions, % of the packets", "loss on the path, %")


EXPERIMENT = Experiment(
    name="srt-latency-v1",
    question="How much latency, in round trips, does SRT need to repair which loss, and what does it send for it?",
    expectation="The delay is constant, RTT/2 + latency; the residual loss falls by the loss rate for each further "
    "round trip; three to six of them are enough for 1 to 10 % of independent loss.",
    source=f"{_DRAFT}, sections 4.5 and 4.8.2; SRT Deployment Guide; p^(n+1)",
    plans=_plans,
    checks=_checks,
    figure=_figure,
)
