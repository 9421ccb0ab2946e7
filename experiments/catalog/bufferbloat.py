"""Bufferbloat: the queue that a sender keeps in a buffer of the network, and what CoDel makes of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from glassbench.experiments import scenario
from glassbench.experiments.catalog.experiment import Check, Datasets, Experiment
from glassbench.experiments.engine.plan import Cell, Plan, checked
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.plots.style import FAINT, INK, arm_styles, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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

_OFFERED = 6e6
_SECONDS, _WARM_UP = 16.0, 5.0

FloatArray = NDArray[np.float64]


def full_buffer_delay(buffer_bytes: float, rate_bps: float) -> float:
    """Seconds that the last packet waits which finds room."""
    return buffer_bytes * 8 / rate_bps


def reno_utilization(buffer: float) -> float:
    """The share of the link that one Reno flow uses with a drop-tail buffer of `buffer` bandwidth-delay products.

    The window w (in BDP) grows by a packet a round trip from (1 + buffer) / 2 to 1 + buffer. Up to 1 a round trip takes
    one RTT and carries w; from there on it takes w RTT at full rate. So 1 from one BDP on, the rule of thumb of
    Appenzeller, Keslassy, McKeown: Sizing Router Buffers, SIGCOMM 2004, section 2.
    """
    top = 1 + buffer
    low = top / 2
    if low >= 1:
        return 1.0
    under, carried = 1 - low, (1 - low**2) / 2
    full = (top**2 - 1) / 2
    return (carried + full) / (under + full)


def codel_drops(seconds: float, *, interval: float = CODEL_INTERVAL) -> int:
    """Packets that CoDel has dropped so long after it entered the dropping state and did not leave it: the n-th is
    followed by the next after interval / sqrt(n) (RFC 8289, control_law in section 5)."""
    count, at = 1, 0.0
    while (at := at + interval / math.sqrt(count)) <= seconds:
        count += 1
    return count


@dataclass(frozen=True)
class Point:
    """One arm and queue after the warm-up: seconds of queue that the first datagram of each frame met (nothing but
    propagation and its own serialisation taken off), utilization, largest backlog in bytes, drops of each 100 ms."""

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
    return (checked(Plan("bufferbloat", (*cells, _cell("udp", CODEL, queues[CODEL])), frames=True)),)


def _cell(arm: str, name: str, queue: Any) -> Cell:
    delay = {"element": "delay", "delay": f"{RTT * 500:g}ms"}
    # The arm that nothing slows down gets no answers: requests for keyframes would make it yet faster.
    answers = {"element": "random-loss", "probability": "100%"} if arm == "udp" else delay
    content = {
        "name": "bufferbloat",
        "duration": f"{_SECONDS:g}s",
        "arms": [ARMS.get(arm, arm)],
        "video": {
            "source": "lognormal",
            "bitrate": f"{_OFFERED / 1e6:g}Mbit/s",
            "encode_cost": "none",
            "decode_cost": "none",
        },
        "network": {
            "down": [{"element": "rate", "rate": f"{RATE / 1e6:g}Mbit/s", "queue": queue}, delay],
            "up": [answers],
        },
    }
    return Cell({"control": arm, "queue": name}, scenario.build(content))


def points(data: Dataset) -> list[Point]:
    """All cells, in the order of the plan."""
    found = []
    for cell, arm, queue in data.summary[["cell", "axis.control", "axis.queue"]].itertuples(index=False):
        ledger, links = data.ledger([cell]), data.links([cell])
        sent, arrived = (ledger[name].to_numpy(dtype=np.float64) for name in ("first_sent_at", "first_arrival_at"))
        met = (arrived - sent - RTT / 2 - PACKET_BYTES * 8 / RATE)[sent >= _WARM_UP]
        down = links[(links["direction"] == "down") & (links["at"] >= 0) & (links["at"] < _SECONDS)]
        late = down[down["at"] >= _WARM_UP]
        found.append(
            Point(
                arm=arm,
                queue=queue,
                met=np.maximum(met[~np.isnan(met)], 0.0),
                utilization=float(late["delivered_bytes"].sum() / late["capacity_bytes"].sum()),
                backlog_bytes=float(down["backlog_bytes"].max()),
                drops=down["dropped_packets"].to_numpy(dtype=np.float64),
            )
        )
    return found


def _one(table: Sequence[Point], arm: str, queue: str) -> Point:
    (point,) = [point for point in table if (point.arm, point.queue) == (arm, queue)]
    return point


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


def _loss_based_fills_the_buffer(table: Sequence[Point]) -> Check:
    rows = [(_one(table, arm, name), share * BDP) for arm in ("reno", "cubic") for name, share in BUFFERS.items()]
    least = max(size - point.backlog_bytes for point, size in rows)
    return Check(
        claim="Loss-based control fills any drop-tail buffer",
        source="Gettys, Nichols: Bufferbloat: Dark Buffers in the Internet, ACM Queue 2011; closed form: loss is the "
        "only signal, and only a full buffer gives it",
        kind="value",
        expected=f"reno and cubic: the backlog reaches the buffer, less a packet of {PACKET_BYTES} bytes at most",
        measured=f"{least:.0f} bytes less at most, of " + ", ".join(f"{size / 1e3:g} kB" for _, size in rows[:3]),
        holds=least <= PACKET_BYTES,
    )


def _delay_is_that_of_the_full_buffer(table: Sequence[Point]) -> Check:
    names = ("1 BDP", "4 BDP")
    got = [_one(table, "cubic", name).p(0.95) for name in names]
    want = [full_buffer_delay(BUFFERS[name] * BDP, RATE) for name in names]
    return Check(
        claim="The delay of a full drop-tail buffer is its size over the rate",
        source="closed form: bytes x 8 / rate",
        kind="value",
        expected=f"cubic's p95 at 1 and 4 BDP: {_ms(want)}, within 10 %",
        measured=_ms(got),
        holds=all(abs(a / b - 1) <= 0.1 for a, b in zip(got, want, strict=True)),
        note="p95: the buffer is full just before each loss only",
    )


def _larger_buffers_only_add_delay(table: Sequence[Point]) -> Check:
    small, large = _one(table, "reno", "1 BDP"), _one(table, "reno", "4 BDP")
    return Check(
        claim="More buffer than a bandwidth-delay product adds delay and no throughput",
        source="Gettys, Nichols, ACM Queue 2011; Appenzeller et al. 2004",
        kind="order",
        expected="reno, 4 BDP against 1: more than 3 times the median queue, less than 2 % more throughput",
        measured=f"{_ms([small.p(0.5), large.p(0.5)])}; {small.utilization:.1%} and {large.utilization:.1%} of rate",
        holds=large.p(0.5) > 3 * small.p(0.5) and large.utilization < 1.02 * small.utilization,
        note="the sources give no factor; the means of the sawtooth, 2.75 and 0.5 BDP, differ by 5.5",
    )


def _reno_uses_what_the_buffer_allows(table: Sequence[Point]) -> Check:
    got = [_one(table, "reno", name).utilization for name in BUFFERS]
    want = [reno_utilization(share) for share in BUFFERS.values()]
    return Check(
        claim="One Reno flow needs a bandwidth-delay product of buffer to use all of the link",
        source="Appenzeller, Keslassy, McKeown: Sizing Router Buffers, 2004, section 2; the sawtooth integrated",
        kind="value",
        expected=", ".join(f"{value:.0%}" for value in want) + " with 1/4, 1 and 4 BDP, within 5 points",
        measured=", ".join(f"{value:.1%}" for value in got),
        holds=all(abs(a - b) <= 0.05 for a, b in zip(got, want, strict=True)),
    )


def _codel_keeps_the_queue_short(table: Sequence[Point]) -> Check:
    packet = PACKET_BYTES * 8 / RATE
    got = [_one(table, arm, CODEL).p(0.5) for arm in ("reno", "cubic")]
    return Check(
        claim="CoDel keeps the standing queue of loss-based control near its target",
        source="RFC 8289: TARGET 5 ms",
        kind="order",
        expected=f"reno and cubic: median at most target and one packet, {(CODEL_TARGET + packet) * 1e3:.1f} ms",
        measured=_ms(got),
        holds=max(got) <= CODEL_TARGET + packet,
        note="the RFC holds the least wait of an interval to the target, this is the median; it spares the last packet",
    )


def _codel_needs_no_size(table: Sequence[Point]) -> Check:
    codel, bloated = _one(table, "cubic", CODEL).p(0.95), _one(table, "cubic", "4 BDP").p(0.95)
    return Check(
        claim="With CoDel a large buffer does no harm",
        source="RFC 8289, which gives no factor",
        kind="order",
        expected="cubic, CoDel with 1500 kB against drop-tail with 100 kB: less than a tenth of the p95 queue",
        measured=f"{codel * 1e3:.0f} and {bloated * 1e3:.0f} ms",
        holds=codel < 0.1 * bloated,
    )


def _codel_restrains_realtime(table: Sequence[Point]) -> Check:
    got = _one(table, "realtime", CODEL).p(0.5)
    most = CODEL_TARGET + PACKET_BYTES * 8 / RATE
    return Check(
        claim="CoDel keeps the standing queue of our control near its target too",
        source="RFC 8289: TARGET 5 ms",
        kind="order",
        expected=f"median at most target and one packet, {most * 1e3:.1f} ms",
        measured=_ms([got]),
        holds=got <= most,
        note="CoDel supposes a sender that slows down at each drop; ours takes less than 10 % of loss for the radio's",
    )


def _realtime_stays_at_its_target(table: Sequence[Point]) -> Check:
    got = [_one(table, "realtime", name).p(0.5) for name in ("1 BDP", "4 BDP")]
    return Check(
        claim="Our control keeps its own queue at its target, whatever the buffer",
        source="transport/congestion/realtime.py: target queue 25 ms",
        kind="value",
        expected=f"median {REALTIME_TARGET * 1e3:g} ms with 1 and 4 BDP, within 5 ms",
        measured=_ms(got),
        holds=all(abs(value - REALTIME_TARGET) <= 0.005 for value in got),
    )


def _codel_drops_by_the_control_law(table: Sequence[Point]) -> Check:
    drops = _drops_since_first(table)
    seconds = np.arange(5, 30) / 10  # half a second to three after the first drop
    slope = float(np.polyfit(seconds, np.sqrt(drops[5:30]), 1)[0])
    law = float(np.polyfit(seconds, np.sqrt([codel_drops(at) for at in seconds]), 1)[0])
    return Check(
        claim="Against a sender that does not slow down CoDel drops faster and faster, n = (t / 2 interval)^2",
        source="RFC 8289, section 5, control_law: the next drop after interval / sqrt(count)",
        kind="value",
        expected=f"sqrt(drops) grows by {law:.2f} a second, within 3 %",
        measured=f"{slope:.2f} a second; {drops[29]:.0f} drops within 3 s",
        holds=abs(slope / law - 1) <= 0.03,
        note=f"udp at {_OFFERED / RATE:g} of the rate",
    )


def _drops_since_first(table: Sequence[Point]) -> FloatArray:
    """Packets that CoDel had dropped of `udp`, every 100 ms from the first drop on."""
    drops = np.cumsum(_one(table, "udp", CODEL).drops)
    return drops[np.flatnonzero(drops)[0] :]


def _ms(seconds: Sequence[float]) -> str:
    return " and ".join(f"{value * 1e3:.1f}" for value in seconds) + " ms"


def _figure(data: Datasets) -> "Figure":
    table = points(data["bufferbloat"])
    figure = new_figure(13, 4.8)
    left, right = figure.subplots(1, 2, width_ratios=(1.5, 1))
    _draw_queues(left, table)
    _draw_law(right, table)
    title = f"Queue in the network at {RATE / 1e6:g} Mbit/s, RTT {RTT * 1e3:g} ms, {_OFFERED / 1e6:g} Mbit/s offered"
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=INK)
    return figure


def _draw_queues(axes: "Axes", table: Sequence[Point]) -> None:
    queues = [*BUFFERS, CODEL]
    for place, (arm, style) in enumerate(arm_styles(list(ARMS)).items()):
        rows = [_one(table, arm, name) for name in queues]
        x = np.arange(len(queues)) + 0.18 * (place - 1)
        low, middle, high = ([1e3 * row.p(share) for row in rows] for share in (0.05, 0.5, 0.95))
        axes.vlines(x, np.maximum(low, 0.3), high, color=style.color, linewidth=2.5, alpha=0.6)
        axes.plot(
            x,
            middle,
            color=style.color,
            linestyle="",
            marker=style.marker,
            markersize=8,
            label=f"{arm}, median, p5-p95",
        )
        for at, row, top in zip(x, rows, high, strict=True):
            axes.annotate(
                f"{row.utilization:.0%}", (at, top), (0, 4), textcoords="offset points", ha="center", fontsize=7
            )
    for index, share in enumerate(BUFFERS.values()):
        delay = 1e3 * full_buffer_delay(share * BDP, RATE)
        axes.plot((index - 0.35, index + 0.35), (delay, delay), color=INK, linewidth=0.9)
    axes.plot((2.65, 3.35), (1e3 * CODEL_TARGET,) * 2, color=INK, linewidth=0.9, label="full buffer; CoDel's target")
    axes.set_yscale("log")
    axes.set_ylim(0.3, 400)
    axes.set_yticks([1, 2, 5, 10, 20, 50, 100, 200], ["1", "2", "5", "10", "20", "50", "100", "200"])
    axes.set_xticks(range(len(queues)), queues)
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    axes.set_title("queue that frames met, ms (log scale); used share of the rate", loc="left", fontsize=9, color=INK)
    tidy(axes)


def _draw_law(axes: "Axes", table: Sequence[Point]) -> None:
    seconds, drops = np.arange(0, 60) / 10, _drops_since_first(table)[:60]
    axes.plot(seconds, [codel_drops(at) for at in seconds], color=FAINT, linewidth=3, label="RFC 8289")
    axes.plot(seconds[::3], drops[::3], color=INK, linestyle="", marker="o", markersize=3, label="udp")
    axes.legend(frameon=False, fontsize=8)
    axes.set_title("packets dropped by CoDel under steady overload", loc="left", fontsize=9, color=INK)
    axes.set_xlabel("seconds since the first drop")
    tidy(axes)


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
