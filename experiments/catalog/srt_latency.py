"""The latency surface of SRT: what its one setting, as a multiple of the round trip, buys in repaired packets."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import FuncFormatter

from glassbench.experiments import scenario
from glassbench.experiments.catalog.experiment import Check, Datasets, Experiment
from glassbench.experiments.engine.plan import Cell, Plan, checked
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.plots.style import FAINT, INK, arm_styles, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RTTS = (0.02, 0.1)  # seconds
MULTIPLIERS = (0.9, 1.5, 2.5, 3.0, 4.0, 5.0, 6.0)
LOSSES = (0.01, 0.03, 0.07, 0.1)
RECOMMENDED = {0.01: 3.0, 0.03: 4.0, 0.07: 5.0, 0.1: 6.0}  # loss -> multiplier, SRT Deployment Guide
FRAME_INTERVAL = 1 / 30

_NONE_LOST = 1e-4  # where zero is drawn on the logarithmic scale: one packet in 10,000, more than a cell sends

_DRAFT = "draft-sharabayko-srt-01"
_GUIDE = "SRT Deployment Guide, as tabled in the manual of Epiphan Pearl Mini, table 53"


def most_repairs(multiplier: float) -> int:
    """How many retransmissions of one packet can arrive in time at best: each takes a round trip after the other."""
    return math.floor(multiplier + 1e-9)


def least_repairs(multiplier: float, rtt: float) -> int:
    """How many arrive in time at worst, if only packets get lost and no NAK does.

    The first retransmission arrives a round trip after the gap was seen. That it was lost too is known then, and said
    by the next periodic NAK, up to NAKInterval = RTT / 2, at least 20 ms, later (draft-sharabayko-srt-01, 4.8.2), and
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
    return (checked(Plan("srt-latency", tuple(cells))),)


def _cell(rtt: float, multiplier: float, loss: float) -> Cell:
    delay = {"element": "delay", "delay": f"{rtt * 500:g}ms"}
    content = {
        "name": "srt-latency",
        "duration": "25s",
        "arms": [{"transport": "srt", "latency_ms": round(multiplier * rtt * 1000), "label": "srt"}],
        "video": {"source": "lognormal", "bitrate": "2Mbit/s", "encode_cost": "none", "decode_cost": "none"},
        "network": {
            "down": [{"element": "random-loss", "name": "loss", "probability": f"{loss:.0%}"}, delay],
            "up": [delay],
        },
    }
    return Cell({"rtt": rtt, "multiplier": multiplier, "loss": loss}, scenario.build(content))


@dataclass(frozen=True, slots=True)
class Point:
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

    def deviation(self, expected: float) -> float:
        """How far the residual loss is from a share, in standard deviations of the binomial distribution."""
        return abs(self.residual - expected) / math.sqrt(expected * (1 - expected) / self.packets)


Points = list[Point]


def surface(data: Dataset) -> Points:
    """The points of the surface in the order of the plan."""
    columns = ("axis.rtt", "axis.multiplier", "axis.loss", "g2g_p50_ms", "g2g_max_ms")
    numbers = data.summary[list(columns)].to_numpy(dtype=np.float64, na_value=np.nan)
    points = []
    for (rtt, multiplier, loss, p50, highest), ends in zip(numbers.tolist(), data.counters(), strict=True):
        sender, receiver = ends["sender"], ends["receiver"]
        packets = sender["packets_sent"]
        residual, resent = receiver["packets_skipped"] / packets, sender["retransmissions"] / packets
        points.append(Point(rtt, multiplier, loss, packets, residual, resent, p50, highest))
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
    off = max(abs(point.p50_ms - 1000 * point.rtt * (0.5 + point.multiplier)) for point in seen)
    return Check(
        claim="A frame is delivered the one-way delay plus the SRT latency after it was sent, repaired or not",
        source=f"{_DRAFT}, section 4.5: RTT_0/2 + SRT Latency",
        kind="value",
        expected="RTT/2 + latency, within 0.002 ms (timestamps are whole microseconds)",
        measured=f"largest deviation of the median {off:.4f} ms over {len(seen)} points",
        holds=off <= 0.002,
    )


def _nothing_is_repaired_within_a_round_trip(table: Points) -> Check:
    rows = [point for point in table if point.multiplier < 1]
    sigmas = max(point.deviation(point.loss) for point in rows)
    return Check(
        claim="With less latency than one round trip no repair arrives in time: the residual loss is that of the path",
        source="closed form: p, as the first retransmission arrives one RTT after the packet would have",
        kind="value",
        expected="p of each path, within 3.5 standard deviations of the binomial distribution",
        measured=f"{_residuals(rows)}: {sigmas:.1f} standard deviations at most",
        holds=sigmas <= 3.5,
    )


def _one_repair_gives_loss_squared(table: Points) -> Check:
    rows = [point for point in table if point.multiplier == 1.5]
    sigmas = max(point.deviation(point.loss**2) for point in rows)
    return Check(
        claim="With 1.5 RTT there is time for exactly one repair",
        source="closed form: p^2, packet and retransmission lost independently",
        kind="value",
        expected="p^2: " + ", ".join(f"{loss**2:.2%}" for loss in LOSSES) + ", within 3.5 standard deviations",
        measured=f"{_residuals(rows)}: {sigmas:.1f} standard deviations at most",
        holds=sigmas <= 3.5,
    )


def _between_the_bounds(table: Points) -> Check:
    outside = []
    for row in table:
        low = row.loss ** (most_repairs(row.multiplier) + 1)
        high = row.loss ** (least_repairs(row.multiplier, row.rtt) + 1)
        count, slack = row.residual * row.packets, 3.5
        above = count > high * row.packets + slack * math.sqrt(high * row.packets) + 1
        below = count < low * row.packets - slack * math.sqrt(low * row.packets) - 1
        if above or below:
            outside.append(f"RTT {row.rtt * 1e3:g} ms x {row.multiplier:g} at {row.loss:.0%}")
    return Check(
        claim="The residual loss is p^(n+1), n between what any repair by request could do and what periodic NAKs must",
        source=f"closed form, with the NAK interval of {_DRAFT}, section 4.8.2",
        kind="value",
        expected=f"{len(table)} points from p^(most+1) to p^(least+1), within 3.5 standard deviations and 1 packet",
        measured=f"{len(table) - len(outside)} points" + (f"; outside: {', '.join(outside)}" if outside else ""),
        holds=not outside,
    )


def _recommended_is_enough(table: Points) -> Check:
    rows = _recommended(table)
    worst = max(point.residual for point in rows)
    return Check(
        claim="The recommended multiplier (3 up to 1 % loss, 4 to 3 %, 5 to 7 %, 6 to 10 %) leaves next to no loss",
        source=_GUIDE,
        kind="order",
        expected="below 0.1 % of the packets at each, RTT 100 ms",
        measured=f"{_residuals(rows)}; at most {worst:.3%}",
        holds=worst < 1e-3,
        note="the guide gives no residual loss; 0.1 % is ours, and its losses may come in bursts",
    )


def _last_packets_come_late(table: Points) -> Check:
    multiplier, loss = 2.5, LOSSES[0]
    expected = 1000 * (FRAME_INTERVAL + RTTS[0] - multiplier * RTTS[0])
    (point,) = [p for p in table if (p.rtt, p.multiplier, p.loss) == (RTTS[0], multiplier, loss)]
    late = point.max_ms - 1000 * (multiplier + 0.5) * RTTS[0]
    return Check(
        claim="On a path shorter than the frame interval, a frame whose last packet was lost is delivered late, not "
        "dropped: nothing after it is due",
        source=f"closed form with {_DRAFT}, section 4.6 (a missing packet is skipped when later ones are to be played)",
        kind="value",
        expected=f"frame interval + RTT - latency = {expected:.2f} ms late at RTT 20 ms x 2.5, within 0.01 ms",
        measured=f"the slowest frame {late:.2f} ms late",
        holds=abs(late - expected) <= 0.01,
    )


def _overhead_is_that_of_repeated_loss(table: Points) -> Check:
    rows = [point for point in table if point.multiplier == MULTIPLIERS[-1]]
    wanted = [overhead(point.loss, most_repairs(point.multiplier)) for point in rows]
    off = max(abs(point.resent / want - 1) for point, want in zip(rows, wanted, strict=True))
    return Check(
        claim="With latency enough, retransmissions are what the loss makes necessary and no more",
        source="closed form: p + p^2 + ... = p / (1 - p) retransmissions per packet",
        kind="value",
        expected=", ".join(f"{want:.2%}" for want in wanted) + ", within 20 %",
        measured=", ".join(f"{point.resent:.2%}" for point in rows) + f": {off:.0%} off at most",
        holds=off <= 0.2,
        note="at 1 % loss some 60 packets of a run are lost, whose standard deviation alone is 13 %",
    )


def _overhead_is_below_the_manuals(table: Points) -> Check:
    most = max(point.resent / point.loss for point in _recommended(table))
    return Check(
        claim="The bandwidth to reserve for constant loss, 1.65 x the loss rate, covers the retransmissions",
        source="Haivision's rule as printed in the manual of Radiant VL4500 SRT Gateway, 2017, p. 7",
        kind="order",
        expected="retransmissions at most 1.65 x the loss at the recommended multipliers",
        measured=f"{most:.2f} x at most",
        holds=most <= 1.65,
        note="the rule counts control packets too, and is about the bandwidth to reserve, not to use",
    )


def _recommended(table: Points) -> Points:
    return [point for point in table if point.rtt == RTTS[1] and RECOMMENDED[point.loss] == point.multiplier]


def _residuals(rows: Points) -> str:
    return ", ".join(f"{point.residual:.3%}" for point in rows)


def _figure(data: Datasets) -> "Figure":
    table = surface(data["srt-latency"])
    styles = dict(zip(LOSSES, arm_styles([f"{loss:.0%}" for loss in LOSSES]).values(), strict=True))
    figure = new_figure(13, 4.6)
    axes = figure.subplots(1, 3)
    for panel, rtt in zip(axes[:2], RTTS, strict=True):
        for loss in LOSSES:
            rows = [point for point in table if (point.rtt, point.loss) == (rtt, loss)]
            style = styles[loss]
            panel.plot(
                [point.multiplier for point in rows],
                [100 * max(point.residual, _NONE_LOST) for point in rows],
                color=style.color,
                linestyle=style.dashes,
                marker=style.marker,
                markersize=5,
                label=f"{loss:.0%} loss on the path",
            )
            for multiplier, share in _best(loss):
                panel.plot(multiplier, [100 * share] * 2, color=FAINT, linewidth=1.2, zorder=1)
        panel.set_yscale("log")
        panel.set_ylim(80 * _NONE_LOST, 20)
        panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        _label(panel, f"RTT {rtt * 1e3:g} ms: packets never repaired in time, %", "SRT latency / RTT")
    axes[0].legend(frameon=False, fontsize=8, handlelength=3.2)
    _draw_overhead(axes[2], table)
    figure.suptitle(
        "SRT: residual loss by latency (grey: one repair a round trip, the best any request could do; "
        "lower edge: none lost)",
        x=0.01,
        ha="left",
        fontsize=10,
        color=INK,
    )
    return figure


def _best(loss: float) -> Iterator[tuple[tuple[int, int], float]]:
    for n in range(4):
        yield (n, n + 1), loss ** (n + 1)


def _draw_overhead(axes: "Axes", table: Points) -> None:
    percent = [100 * loss for loss in LOSSES]
    styles = arm_styles(["below one RTT", "recommended"])
    chosen = {
        "below one RTT": [point for point in table if point.rtt == RTTS[1] and point.multiplier < 1],
        "recommended": _recommended(table),
    }
    axes.plot(percent, [165 * loss for loss in LOSSES], color=FAINT, linewidth=1.2, label="1.65 x loss, to reserve")
    axes.plot(percent, [100 * loss / (1 - loss) for loss in LOSSES], color=INK, linewidth=0.8, label="p / (1 - p)")
    for name, rows in chosen.items():
        style = styles[name]
        axes.plot(
            [100 * point.loss for point in rows],
            [100 * point.resent for point in rows],
            color=style.color,
            linestyle="",
            marker=style.marker,
            markersize=6,
            label=f"latency {name}, RTT {RTTS[1] * 1e3:g} ms",
        )
    axes.legend(frameon=False, fontsize=8)
    _label(axes, "retransmissions, % of the packets", "loss on the path, %")


def _label(axes: "Axes", title: str, x: str) -> None:
    axes.set_title(title, loc="left", fontsize=9, color=INK)
    axes.set_xlabel(x)
    tidy(axes)


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
