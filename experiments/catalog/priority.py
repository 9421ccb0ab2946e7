"""Priority: a lane of chat messages beside video that takes nearly all of the link, or more than it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from glassbench.experiments import scenario
from glassbench.experiments.catalog.experiment import Check, Datasets, Experiment
from glassbench.experiments.catalog.frames import FloatArray, column, delay, frames, instants, video
from glassbench.experiments.engine.plan import Cell, Plan, checked
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.plots.style import FAINT, INK, arm_styles, new_figure, tidy
from glassbench.experiments.scenario.tracks import CHAT_TRACK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BITRATE = 2e6
LOADS = (0.5, 0.8, 0.95, 1.1)  # of the video without headers, over the rate of the link
RTT, QUEUE_BYTES = 0.04, 100_000
PACKET_BYTES, MESSAGE_BYTES = 1480, 290  # on the wire, at most
MESSAGE_INTERVAL = 0.047  # seconds; no multiple of the frame interval
VIDEO_PRIORITY = 1
TARGET_QUEUE = 0.025  # seconds, transport/congestion/realtime.py
ACK_DELAY = 0.005


@dataclass(frozen=True)
class Lane:
    """How chat and video are sent: the arm, and the priority of the chat (0 is the most urgent, the video has 1)."""

    arm: str
    priority: int


LANES = {
    "chat first": Lane("quic-stream-per-frame", 0),
    "chat first, datagrams": Lane("quic-datagram", 0),
    "equal": Lane("quic-stream-per-frame", VIDEO_PRIORITY),
    "chat last": Lane("quic-stream-per-frame", 2),
    "stock reno": Lane("quic-stream:stack=stock,control=reno", 0),
    "rtp": Lane("rtp", 0),
    "udp": Lane("udp", 0),
}
FIRST = ("chat first", "chat first, datagrams")

_WARM_UP = 3.0  # seconds


@dataclass(frozen=True)
class Point:
    """One way of sending at one load. Seconds: from capture to delivery of each message (infinite: never) and until its
    packet left, and from capture to display of each video frame."""

    lane: str
    load: float
    message: FloatArray
    waited: FloatArray
    frame: FloatArray

    @property
    def rate(self) -> float:
        """Of the link, in bit/s."""
        return BITRATE / self.load

    @property
    def packet(self) -> float:
        """Seconds to serialise a full packet."""
        return PACKET_BYTES * 8 / self.rate

    def p(self, share: float) -> float:
        return float(np.quantile(self.message, share, method="inverted_cdf"))


def _plans() -> tuple[Plan, ...]:
    cells = [_cell(name, load) for load in LOADS for name in LANES]
    return (checked(Plan("priority", tuple(cells), frames=True)),)


def _cell(name: str, load: float) -> Cell:
    lane = LANES[name]
    link = {"element": "rate", "rate": f"{BITRATE / load:.0f}bit/s", "queue": f"{QUEUE_BYTES}B"}
    content: dict[str, Any] = {
        "name": "priority",
        "duration": "20s",
        "arms": [lane.arm],
        "video": video(f"{BITRATE / 1e6:g}Mbit/s", keyframe_interval=60, deadline="1s", priority=VIDEO_PRIORITY),
        "chat": {"size": "200B", "interval": f"{MESSAGE_INTERVAL * 1e3:g}ms", "priority": lane.priority},
        "network": {"down": [link, delay(RTT / 2)], "up": [delay(RTT / 2)]},
    }
    return Cell({"lane": name, "load": load}, scenario.build(content))


def points(data: Dataset) -> list[Point]:
    """All points, in the order of the plan."""
    found = []
    for cell, lane, load in data.summary[["cell", "axis.lane", "axis.load"]].itertuples(index=False):
        messages, pictures = frames(data, cell, track=CHAT_TRACK), frames(data, cell)
        captured = column(messages, "captured_at")
        late = captured >= _WARM_UP
        found.append(
            Point(
                lane=str(lane),
                load=float(load),
                message=(instants(messages, "delivered_at") - captured)[late],
                waited=(instants(messages, "first_sent_at") - captured)[late],
                frame=instants(pictures, "displayed_at") - column(pictures, "captured_at"),
            )
        )
    return found


def _checks(data: Datasets) -> list[Check]:
    table = points(data["priority"])
    return [
        _one_packet_ahead(table),
        _whole_delay(table),
        _fifo_ends_at_the_queue(table),
        _priority_is_what_helps(table),
        _stock_puts_chat_into_the_queue(table),
        _video_pays_for_the_messages_only(table),
        _the_last_one_starves(table),
    ]


def _one_packet_ahead(table: Sequence[Point]) -> Check:
    rows = [p for p in table if p.lane in FIRST and p.load >= 0.95]
    got = [float(np.quantile(p.waited, 0.95)) for p in rows]
    most = [p.packet + ACK_DELAY for p in rows]
    return Check(
        claim="At the sender an urgent message waits for the packet that is being sent, and no longer",
        source="closed form: non-preemptive priority, the residual service of one packet (8 x 1480 B / rate), and the "
        "5 ms that its ACK may be late; RFC 9000, 2.3 asks for stream priorities",
        kind="value",
        expected=f"p95 at most {_ms(most)} (two ways at each load of 0.95 and 1.1)",
        measured=_ms(got) + f"; at most {max(float(p.waited.max()) for p in rows) * 1e3:.0f} ms",
        holds=all(a <= b for a, b in zip(got, most, strict=True)),
        note="95 %: while our control measures the base round trip with half a window, a message waits longer",
    )


def _whole_delay(table: Sequence[Point]) -> Check:
    rows = [p for p in table if p.lane in FIRST and p.load >= 0.95]
    got = [p.p(0.95) for p in rows]
    most = [RTT / 2 + TARGET_QUEUE + ACK_DELAY + 2 * p.packet for p in rows]
    return Check(
        claim="Overload or not, an urgent message is delivered after propagation, our target queue and two packets",
        source="closed form: RTT / 2 + 25 ms (transport/congestion/realtime.py) + the packet ahead at the sender and "
        "on the link + 5 ms of late ACK",
        kind="value",
        expected=f"p95 at most {_ms(most)}",
        measured=_ms(got),
        holds=all(a <= b for a, b in zip(got, most, strict=True)),
    )


def _fifo_ends_at_the_queue(table: Sequence[Point]) -> Check:
    point = _one(table, "udp", 1.1)
    got = float(np.max(point.message[np.isfinite(point.message)]))
    want = QUEUE_BYTES * 8 / point.rate + RTT / 2
    return Check(
        claim="Without priority and control a message waits behind the whole queue of the network, or is dropped",
        source="closed form: queue bytes x 8 / rate + RTT / 2",
        kind="value",
        expected=f"udp at 1.1: the slowest {want * 1e3:.0f} ms, within two packets ({2 * point.packet * 1e3:.0f} ms)",
        measured=f"{got * 1e3:.0f} ms, {int(np.sum(np.isinf(point.message)))} dropped",
        holds=abs(got - want) <= 2 * point.packet,
    )


def _priority_is_what_helps(table: Sequence[Point]) -> Check:
    pairs = [(_one(table, "chat first", load), _one(table, "equal", load)) for load in LOADS]
    return Check(
        claim="Near capacity the priority is what keeps messages fast, not the transport",
        source="order only: head-of-line (non-preemptive) priority against first in first out within a level",
        kind="order",
        expected="p95 lower with chat first at each load, by a factor of 5 from 0.95 on",
        measured="; ".join(f"{a.p(0.95) * 1e3:.0f} against {b.p(0.95) * 1e3:.0f} ms" for a, b in pairs),
        holds=all(a.p(0.95) < b.p(0.95) for a, b in pairs)
        and all(5 * a.p(0.95) < b.p(0.95) for a, b in pairs if a.load >= 0.95),
        note="the factor is ours: the queue of the sender is hundreds of ms, that of the network 25",
    )


def _stock_puts_chat_into_the_queue(table: Sequence[Point]) -> Check:
    pairs = [(_one(table, FIRST[0], load), _one(table, "stock reno", load)) for load in (0.95, 1.1)]
    return Check(
        claim="Loss-based control fills the queue of the network, where no priority reaches",
        source="RFC 9002, 7 (loss is the signal); order only",
        kind="order",
        expected="p95 of stock reno over 3 times that of chat first at 0.95 and 1.1",
        measured="; ".join(f"{b.p(0.95) * 1e3:.0f} against {a.p(0.95) * 1e3:.0f} ms" for a, b in pairs),
        holds=all(b.p(0.95) > 3 * a.p(0.95) for a, b in pairs),
    )


def _video_pays_for_the_messages_only(table: Sequence[Point]) -> Check:
    first, equal = _one(table, "chat first", 0.8), _one(table, "equal", 0.8)
    a, b = (float(np.quantile(p.frame, 0.95)) for p in (first, equal))
    most = math.ceil(b / MESSAGE_INTERVAL) * MESSAGE_BYTES * 8 / first.rate
    return Check(
        claim="The video pays for the priority of the chat with the time of the messages that overtake a frame",
        source="closed form: work conservation; messages per sojourn x time to serialise one",
        kind="value",
        expected=f"p95 of the video at 0.8 later by at most {most * 1e3:.1f} ms",
        measured=f"{(a - b) * 1e3:+.1f} ms ({a * 1e3:.1f} against {b * 1e3:.1f} ms)",
        holds=a - b <= most,
    )


def _the_last_one_starves(table: Sequence[Point]) -> Check:
    row = [_one(table, "chat last", load) for load in LOADS]
    return Check(
        claim="Strict priority starves what comes last as soon as the others fill the link",
        source="closed form: the lower class has a mean wait only while the classes above it leave capacity",
        kind="order",
        expected="p95 of the chat below 1 s at 0.5 and 0.8, above 5 s at 1.1",
        measured=", ".join(f"{p.p(0.95):.2f} s" for p in row) + f" at {', '.join(f'{load:g}' for load in LOADS)}",
        holds=row[0].p(0.95) < 1 and row[1].p(0.95) < 1 and row[3].p(0.95) > 5,
        note="in runs of 20 s",
    )


def _one(table: Sequence[Point], lane: str, load: float) -> Point:
    (point,) = [p for p in table if (p.lane, p.load) == (lane, load)]
    return point


def _ms(seconds: Sequence[float]) -> str:
    return ", ".join(f"{1e3 * value:.1f}" for value in seconds) + " ms"


def _figure(data: Datasets) -> "Figure":
    table = points(data["priority"])
    figure = new_figure(12, 4.6)
    left, right = figure.subplots(1, 2)
    for lane, style in arm_styles(list(LANES)).items():
        rows = [_one(table, lane, load) for load in LOADS]
        for axes, values in ((left, [p.p(0.95) for p in rows]), (right, [float(np.median(p.frame)) for p in rows])):
            axes.plot(
                LOADS,
                [1e3 * value for value in values],
                color=style.color,
                linestyle=style.dashes,
                marker=style.marker,
                markersize=6,
                label=lane,
            )
    bound = [1e3 * (RTT / 2 + TARGET_QUEUE + ACK_DELAY + 2 * PACKET_BYTES * 8 * load / BITRATE) for load in LOADS]
    left.plot(LOADS, bound, color=FAINT, linewidth=1.2, label="propagation, target queue, two packets")
    _label(left, "messages: p95 of the delay, ms (log scale)", [20, 50, 100, 200, 500, 1000, 5000, 20000])
    _label(
        right,
        "video: median delay, ms (log scale); ends where half is never shown",
        [20, 50, 100, 200, 500, 1000, 2000],
    )
    left.legend(frameon=False, fontsize=8, handlelength=3.2)
    figure.suptitle("A message each 47 ms beside video on one link", x=0.01, ha="left", fontsize=10, color=INK)
    return figure


def _label(axes: "Axes", title: str, ticks: Sequence[float]) -> None:
    axes.set_yscale("log")
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks(LOADS, [f"{load:g}" for load in LOADS])
    axes.minorticks_off()
    axes.set_title(title, loc="left", fontsize=9, color=INK)
    axes.set_xlabel("bitrate of the video / rate of the link")
    tidy(axes)


EXPERIMENT = Experiment(
    name="priority-v1",
    question="How late are urgent messages beside video that fills the link?",
    expectation="With strict priority by a packet and the queue that the control allows, whatever the load; without "
    "it by the whole backlog.",
    source="closed form of non-preemptive priority; RFC 9000, 2.3",
    plans=_plans,
    checks=_checks,
    figure=_figure,
)
