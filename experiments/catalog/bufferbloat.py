"""Bufferbloat: the queue that a sender keeps in a buffer of the network, and how CoDel changes it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from glassbench.experiments.catalog.cells import NO_ANSWERS, delay, make_cell, make_plan, video
from glassbench.experiments.catalog.checks import BYTES, MS, PERCENT, Unit, bounded, check, order, value
from glassbench.experiments.catalog.experiment import Check, Datasets, Experiment
from glassbench.experiments.catalog.figures import curve, finish, logarithmic, panels
from glassbench.experiments.catalog.frames import FloatArray, column, only
from glassbench.experiments.engine.plan import Cell, Plan
from glassbench.experiments.results.arm_style import arm_style
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.plots.page import page
from glassbench.experiments.results.plots.style import FAINT, INK

RATE, RTT = 4e6, 0.05  # bit/s; seconds, without queue
BDP = RATE * RTT / 8  # bytes
BUFFERS = {"1/4 BDP": 0.25, "1 BDP": 1.0, "4 BDP": 4.0}
CODEL = "CoDel"
CODEL_TARGET, CODEL_INTERVAL = 0.005, 0.1  # seconds, the constants of RFC 8289
ARMS = {
    "reno": "quic-stream:stack=stock,control=reno",
    "cubic": "quic-stream:stack=stock,control=cubic",
    "realtime": "quic-stream",
}
REALTIME_TARGET = 0.025  # seconds, transport/congestion/realtime.py
PACKET_BYTES = 1480

_TARGET_AND_PACKET = CODEL_TARGET + PACKET_BYTES * 8 / RATE
_OFFERED = 6e6
_SECONDS, _WARM_UP = 16.0, 5.0


def full_buffer_delay(buffer_bytes: float, rate_bps: float) -> float:
    """Seconds that the last packet waits that still finds room."""
    return buffer_bytes * 8 / rate_bps


def reno_utilization(buffer: float) -> float:
    """The share of the link that one Reno flow uses with a drop-tail buffer of `buffer` bandwidth-delay products.

    The window w (in BDP) grows by a packet a round trip from (1 + buffer) / 2 to 1 + buffer. While w is below 1, a
    round trip takes one RTT and carries w; above that it takes w RTT at full rate. So the share is 1 from one BDP of
    buffer on, the rule of thumb of Appenzeller, Keslassy, McKeown: Sizing Router Buffers, SIGCOMM 2004, section 2.
    """
    top = 1 + buffer
    low = top / 2
    if low >= 1:
        return 1.0
    under, carried = 1 - low, (1 - low**2) / 2
    full = (top**2 - 1) / 2
    return (carried + full) / (under + full)


def codel_drops(seconds: float, *, interval: float = CODEL_INTERVAL) -> int:
    """How many packets CoDel has dropped so long after it entered the dropping state, if it has not left it. The next
    drop follows the n-th after interval / sqrt(n) (RFC 8289, control_law in section 5)."""
    count, at = 1, 0.0
    while (at := at + interval / math.sqrt(count)) <= seconds:
        count += 1
    return count


@dataclass(frozen=True)
class ArmAtQueue:
    """One arm and queue after the warm-up: seconds of queue that the first datagram of each frame met (its delay
    without propagation and its own serialisation), utilization, largest backlog in bytes, drops of each 100 ms."""

    arm: str
    queue: str
    met: FloatArray
    utilization: float
    backlog_bytes: float
    drops: FloatArray

    def p(self, share: float) -> float:
        return float(np.quantile(self.met, share))


def _plans() -> tuple[Plan, ...]:
    queues: dict[str, Any] = {name: f"{share * BDP:g}B" for name, share in BUFFERS.items()}
    queues[CODEL] = {"discipline": "codel"}
    cells = [_cell(arm, name, queue) for name, queue in queues.items() for arm in ARMS]
    return (make_plan("bufferbloat", (*cells, _cell("udp", CODEL, queues[CODEL]))),)


def _cell(arm: str, name: str, queue: Any) -> Cell:
    way = delay(RTT / 2)
    # The arm that nothing slows down gets no answers: requests for keyframes would make it yet faster.
    answers = NO_ANSWERS if arm == "udp" else way
    return make_cell(
        {"control": arm, "queue": name},
        "bufferbloat",
        seconds=_SECONDS,
        arm=ARMS.get(arm, arm),
        media=video(f"{_OFFERED / 1e6:g}Mbit/s"),
        network={"down": [{"element": "rate", "rate": f"{RATE / 1e6:g}Mbit/s", "queue": queue}, way], "up": [answers]},
    )


def points(data: Dataset) -> list[ArmAtQueue]:
    """All cells, in the order of the plan."""
    every = []
    for cell, arm, queue in data.summary[["cell", "axis.control", "axis.queue"]].itertuples(index=False):
        ledger, links = data.frames("ledger", [cell]), data.frames("links", [cell])
        sent, arrived = column(ledger, "first_sent_at"), column(ledger, "first_arrival_at")
        met = (arrived - sent - RTT / 2 - PACKET_BYTES * 8 / RATE)[sent >= _WARM_UP]
        down = links[(links["direction"] == "down") & (links["at"] >= 0) & (links["at"] < _SECONDS)]
        late = down[down["at"] >= _WARM_UP]
        every.append(
            ArmAtQueue(
                arm=arm,
                queue=queue,
                met=np.maximum(met[~np.isnan(met)], 0.0),
                utilization=float(late["delivered_bytes"].sum() / late["capacity_bytes"].sum()),
                backlog_bytes=float(down["backlog_bytes"].max()),
                drops=column(down, "dropped_packets"),
            )
        )
    return every


def _checks(data: Datasets) -> list[Check]:
    table = points(data["bufferbloat"])
    return [
        _loss_based_fills_the_buffer(table),
        _delay_is_that_of_the_full_buffer(table),
        _larger_buffers_only_add_delay(table),
        _reno_uses_what_the_buffer_allows(table),
        _codel_keeps_the_queue_short(table),
        _codel_needs_no_size(table),
        _codel_restrains_realtime(table),
        _realtime_stays_at_its_target(table),
        _codel_drops_by_the_control_law(table),
    ]


def _loss_based_fills_the_buffer(table: Sequence[ArmAtQueue]) -> Check:
    backlogs = {
        f"{arm} {name}": share * BDP - only(table, arm=arm, queue=name).backlog_bytes
        for arm in ("reno", "cubic")
        for name, share in BUFFERS.items()
    }
    return check(
        "Loss-based control fills any drop-tail buffer",
        "Gettys, Nichols: Bufferbloat: Dark Buffers in the Internet, ACM Queue 2011; closed form: loss is the only "
        "signal, and only a full buffer gives it",
        "value",
        bounded(BYTES, backlogs, at_most=PACKET_BYTES, of="room left in the buffer", at="(a packet)"),
    )


def _delay_is_that_of_the_full_buffer(table: Sequence[ArmAtQueue]) -> Check:
    names = ("1 BDP", "4 BDP")
    got = [only(table, arm="cubic", queue=name).p(0.95) for name in names]
    want = {name: full_buffer_delay(BUFFERS[name] * BDP, RATE) for name in names}
    return check(
        "The delay of a full drop-tail buffer is its size over the rate",
        "closed form: bytes x 8 / rate",
        "value",
        value(MS, got, want, within=0.1, of="cubic's p95"),
        note="p95: the buffer is full just before each loss only",
    )


def _larger_buffers_only_add_delay(table: Sequence[ArmAtQueue]) -> Check:
    rows = {name: only(table, arm="reno", queue=name) for name in ("1 BDP", "4 BDP")}
    used = {name: row.utilization for name, row in rows.items()}
    return check(
        "More buffer than a bandwidth-delay product adds delay and no throughput",
        "Gettys, Nichols, ACM Queue 2011; Appenzeller et al. 2004",
        "order",
        order(MS, {name: row.p(0.5) for name, row in rows.items()}, times=3, of="reno's median queue"),
        bounded(
            PERCENT, used["4 BDP"], below=1.02 * used["1 BDP"], of="used of the rate at 4 BDP", at="(1.02 of 1 BDP)"
        ),
        note="the sources give no factor; the means of the sawtooth, 2.75 and 0.5 BDP, differ by 5.5",
    )


def _reno_uses_what_the_buffer_allows(table: Sequence[ArmAtQueue]) -> Check:
    got = [only(table, arm="reno", queue=name).utilization for name in BUFFERS]
    want = {name: reno_utilization(share) for name, share in BUFFERS.items()}
    return check(
        "One Reno flow needs a bandwidth-delay product of buffer to use all of the link",
        "Appenzeller, Keslassy, McKeown: Sizing Router Buffers, 2004, section 2; the sawtooth integrated",
        "value",
        value(PERCENT, got, want, off=0.05),
    )


def _codel_keeps_the_queue_short(table: Sequence[ArmAtQueue]) -> Check:
    got = {arm: only(table, arm=arm, queue=CODEL).p(0.5) for arm in ("reno", "cubic")}
    return check(
        "CoDel keeps the standing queue of loss-based control near its target",
        "RFC 8289: TARGET 5 ms",
        "order",
        bounded(MS, got, at_most=_TARGET_AND_PACKET, of="median", at="(target and one packet)"),
        note="the RFC holds the least wait of an interval to the target, this is the median; it spares the last packet",
    )


def _codel_needs_no_size(table: Sequence[ArmAtQueue]) -> Check:
    queues = {"CoDel with 1500 kB": CODEL, "drop-tail with 100 kB": "4 BDP"}
    return check(
        "With CoDel a large buffer does no harm",
        "RFC 8289, which gives no factor",
        "order",
        order(
            MS,
            {name: only(table, arm="cubic", queue=queue).p(0.95) for name, queue in queues.items()},
            times=10,
            of="cubic's p95",
        ),
    )


def _codel_restrains_realtime(table: Sequence[ArmAtQueue]) -> Check:
    got = only(table, arm="realtime", queue=CODEL).p(0.5)
    return check(
        "CoDel keeps the standing queue of our control near its target too",
        "RFC 8289: TARGET 5 ms",
        "order",
        bounded(MS, got, at_most=_TARGET_AND_PACKET, of="median", at="(target and one packet)"),
        note="CoDel supposes a sender that slows down at each drop; ours takes less than 10 % of loss for the radio's",
    )


def _realtime_stays_at_its_target(table: Sequence[ArmAtQueue]) -> Check:
    got = {name: only(table, arm="realtime", queue=name).p(0.5) for name in ("1 BDP", "4 BDP")}
    return check(
        "Our control keeps its own queue at its target, whatever the buffer",
        "transport/congestion/realtime.py: target queue 25 ms",
        "value",
        value(MS, got, REALTIME_TARGET, off=0.005, of="median"),
    )


def _codel_drops_by_the_control_law(table: Sequence[ArmAtQueue]) -> Check:
    drops = _drops_since_first(table)
    seconds = np.arange(5, 30) / 10  # half a second to three after the first drop
    slope = float(np.polyfit(seconds, np.sqrt(drops[5:30]), 1)[0])
    law = float(np.polyfit(seconds, np.sqrt([codel_drops(at) for at in seconds]), 1)[0])
    return check(
        "Against a sender that does not slow down CoDel drops faster and faster, n = (t / 2 interval)^2",
        "RFC 8289, section 5, control_law: the next drop after interval / sqrt(count)",
        "value",
        value(Unit("a second"), slope, law, within=0.03, of="growth of sqrt(drops)"),
        note=f"udp at {_OFFERED / RATE:g} of the rate",
    )


def _drops_since_first(table: Sequence[ArmAtQueue]) -> FloatArray:
    """Packets that CoDel had dropped of `udp`, every 100 ms from the first drop on."""
    drops = np.cumsum(only(table, arm="udp", queue=CODEL).drops)
    return drops[np.flatnonzero(drops)[0] :]


def _figure(data: Datasets) -> Figure:
    table = points(data["bufferbloat"])
    figure, (left, right) = panels(
        f"Queue in the network at {RATE / 1e6:g} Mbit/s, RTT {RTT * 1e3:g} ms, {_OFFERED / 1e6:g} Mbit/s offered",
        size=(13, 4.8),
        width_ratios=(1.5, 1),
    )
    _draw_queues(left, table)
    _draw_law(right, table)
    return figure


def _draw_queues(axes: Axes, table: Sequence[ArmAtQueue]) -> None:
    queues = [*BUFFERS, CODEL]
    for place, (arm, name) in enumerate(ARMS.items()):
        style = arm_style(name)
        rows = [only(table, arm=arm, queue=name) for name in queues]
        x = np.arange(len(queues)) + 0.18 * (place - 1)
        low, middle, high = ([1e3 * row.p(share) for row in rows] for share in (0.05, 0.5, 0.95))
        axes.vlines(x, np.maximum(low, 0.3), high, color=style.color, linewidth=2.5, alpha=0.6)
        curve(axes, style, x, middle, linestyle="", markersize=8, label=f"{arm}, median, p5-p95")
        look: Any = {"textcoords": "offset points", "ha": "center", "fontsize": "x-small"}
        look["rotation"] = 90 if page().stacked else 0  # beside each other they would not fit
        for at, row, top in zip(x, rows, high, strict=True):
            axes.annotate(f"{row.utilization:.0%}", (at, top), (0, 4), **look)
    for index, share in enumerate(BUFFERS.values()):
        full = 1e3 * full_buffer_delay(share * BDP, RATE)
        axes.plot((index - 0.35, index + 0.35), (full, full), color=INK, linewidth=0.9)
    axes.plot((2.65, 3.35), (1e3 * CODEL_TARGET,) * 2, color=INK, linewidth=0.9, label="full buffer; CoDel's target")
    logarithmic(axes, y=[1, 2, 5, 10, 20, 50, 100, 200])
    axes.set_ylim(0.3, 600)
    axes.set_xticks(range(len(queues)), queues)
    finish(axes, "queue that frames met, ms (log scale); used share of the rate", loc="upper left")


def _draw_law(axes: Axes, table: Sequence[ArmAtQueue]) -> None:
    seconds, drops = np.arange(0, 60) / 10, _drops_since_first(table)[:60]
    axes.plot(seconds, [codel_drops(at) for at in seconds], color=FAINT, linewidth=3, label="RFC 8289")
    axes.plot(seconds[::3], drops[::3], color=INK, linestyle="", marker="o", markersize=3, label="udp")
    finish(axes, "packets dropped by CoDel under steady overload", "seconds since the first drop")


EXPERIMENT = Experiment(
    name="bufferbloat-v1",
    question="How long is the queue that each congestion control keeps in a buffer of the network, and with CoDel?",
    expectation="Loss-based control fills a drop-tail buffer of any size; ours holds its 25 ms; CoDel holds all to "
    "a few milliseconds, and costs a single flow some throughput.",
    source="Gettys and Nichols 2011; Appenzeller et al. 2004; RFC 8289",
    plans=_plans,
    checks=_checks,
    figure=_figure,
)
