"""Priority: a lane of chat messages beside video that takes nearly all of the link, or more than it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from glassbench.experiments.catalog.cells import delay, make_cell, make_plan, video
from glassbench.experiments.catalog.checks import MS, SECONDS, bounded, check, order, value
from glassbench.experiments.catalog.experiment import Check, Datasets, Experiment
from glassbench.experiments.catalog.figures import curve, finish, logarithmic, panels
from glassbench.experiments.catalog.frames import FloatArray, column, frames, instants, only, select
from glassbench.experiments.engine.plan import Cell, Plan
from glassbench.experiments.results.arm_style import series_styles
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.plots.style import FAINT
from glassbench.experiments.scenario.tracks import CHAT_TRACK

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
_FULL = (0.95, 1.1)


@dataclass(frozen=True)
class LaneAtLoad:
    """One lane at one load. The arrays are in seconds: from capture to delivery of each message (infinite: never) and
    until its packet left, and from capture to display of each video frame."""

    lane: str
    load: float
    message: FloatArray
    waited: FloatArray
    frame: FloatArray

    @property
    def rate(self) -> float:
        """The rate of the link, in bit/s."""
        return BITRATE / self.load

    @property
    def packet(self) -> float:
        """Seconds to serialise a full packet."""
        return PACKET_BYTES * 8 / self.rate

    def p(self, share: float) -> float:
        return float(np.quantile(self.message, share, method="inverted_cdf"))


def _plans() -> tuple[Plan, ...]:
    cells = [_cell(name, load) for load in LOADS for name in LANES]
    return (make_plan("priority", cells),)


def _cell(name: str, load: float) -> Cell:
    lane = LANES[name]
    link = {"element": "rate", "rate": f"{BITRATE / load:.0f}bit/s", "queue": f"{QUEUE_BYTES}B"}
    return make_cell(
        {"lane": name, "load": load},
        "priority",
        seconds=20,
        arm=lane.arm,
        media=video(f"{BITRATE / 1e6:g}Mbit/s", keyframe_interval=60, deadline="1s", priority=VIDEO_PRIORITY),
        chat={"size": "200B", "interval": f"{MESSAGE_INTERVAL * 1e3:g}ms", "priority": lane.priority},
        network={"down": [link, delay(RTT / 2)], "up": [delay(RTT / 2)]},
    )


def points(data: Dataset) -> list[LaneAtLoad]:
    """All points, in the order of the plan."""
    every = []
    for cell, lane, load in data.summary[["cell", "axis.lane", "axis.load"]].itertuples(index=False):
        messages, pictures = frames(data, cell, track=CHAT_TRACK), frames(data, cell)
        captured = column(messages, "captured_at")
        late = captured >= _WARM_UP
        every.append(
            LaneAtLoad(
                lane=str(lane),
                load=float(load),
                message=(instants(messages, "delivered_at") - captured)[late],
                waited=(instants(messages, "first_sent_at") - captured)[late],
                frame=instants(pictures, "displayed_at") - column(pictures, "captured_at"),
            )
        )
    return every


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


def _one_packet_ahead(table: Sequence[LaneAtLoad]) -> Check:
    rows = _urgent(table)
    return check(
        "At the sender an urgent message waits for the packet that is being sent, and no longer",
        "closed form: non-preemptive priority, the residual service of one packet (8 x 1480 B / rate), and the "
        "5 ms that its ACK may be late; RFC 9000, 2.3 asks for stream priorities",
        "value",
        bounded(
            MS,
            {name: float(np.quantile(p.waited, 0.95)) for name, p in rows.items()},
            at_most=[p.packet + ACK_DELAY for p in rows.values()],
            of="p95",
        ),
        note="95 %: while our control measures the base round trip with half a window, a message waits longer",
    )


def _whole_delay(table: Sequence[LaneAtLoad]) -> Check:
    rows = _urgent(table)
    return check(
        "Overload or not, an urgent message is delivered after propagation, our target queue and two packets",
        "closed form: RTT / 2 + 25 ms (transport/congestion/realtime.py) + the packet ahead at the sender and "
        "on the link + 5 ms of late ACK",
        "value",
        bounded(
            MS,
            {name: p.p(0.95) for name, p in rows.items()},
            at_most=[RTT / 2 + TARGET_QUEUE + ACK_DELAY + 2 * p.packet for p in rows.values()],
            of="p95",
        ),
    )


def _urgent(table: Sequence[LaneAtLoad]) -> dict[str, LaneAtLoad]:
    """Where the chat is first and the video takes nearly all of the link, or more."""
    return {f"{p.lane} at {p.load:g}": p for p in table if p.lane in FIRST and p.load >= 0.95}


def _fifo_ends_at_the_queue(table: Sequence[LaneAtLoad]) -> Check:
    point = only(table, lane="udp", load=1.1)
    slowest = float(np.max(point.message[np.isfinite(point.message)]))
    want = QUEUE_BYTES * 8 / point.rate + RTT / 2
    return check(
        "Without priority and control a message waits behind the whole queue of the network, or is dropped",
        "closed form: queue bytes x 8 / rate + RTT / 2",
        "value",
        value(MS, slowest, want, off=2 * point.packet, of="udp at 1.1, the slowest that arrived", at="(two packets)"),
    )


def _priority_is_what_helps(table: Sequence[LaneAtLoad]) -> Check:
    lanes = ("chat first", "equal")
    return check(
        "Near capacity the priority is what keeps messages fast, not the transport",
        "order only: head-of-line (non-preemptive) priority against first in first out within a level",
        "order",
        order(MS, _p95(table, lanes, LOADS), of="p95 at each load"),
        order(MS, _p95(table, lanes, _FULL), times=5, of="from 0.95 on"),
        note="the factor is ours: the queue of the sender is hundreds of ms, that of the network 25",
    )


def _stock_puts_chat_into_the_queue(table: Sequence[LaneAtLoad]) -> Check:
    return check(
        "Loss-based control fills the queue of the network, where no priority reaches",
        "RFC 9002, 7 (loss is the signal); order only",
        "order",
        order(MS, _p95(table, (FIRST[0], "stock reno"), _FULL), times=3, of="p95 at 0.95 and 1.1"),
    )


def _p95(table: Sequence[LaneAtLoad], lanes: Sequence[str], loads: Sequence[float]) -> dict[str, list[float]]:
    return {lane: [only(table, lane=lane, load=load).p(0.95) for load in loads] for lane in lanes}


def _video_pays_for_the_messages_only(table: Sequence[LaneAtLoad]) -> Check:
    first, equal = (only(table, lane=lane, load=0.8) for lane in ("chat first", "equal"))
    a, b = (float(np.quantile(p.frame, 0.95)) for p in (first, equal))
    most = math.ceil(b / MESSAGE_INTERVAL) * MESSAGE_BYTES * 8 / first.rate
    return check(
        "The video pays for the priority of the chat with the time of the messages that overtake a frame",
        "closed form: work conservation; messages per sojourn x time to serialise one",
        "value",
        bounded(MS, a - b, at_most=most, of="p95 of the video at 0.8 later by"),
    )


def _the_last_one_starves(table: Sequence[LaneAtLoad]) -> Check:
    at = {load: only(table, lane="chat last", load=load).p(0.95) for load in LOADS}
    return check(
        "Strict priority starves what comes last as soon as the others fill the link",
        "closed form: the lower class has a mean wait only while the classes above it leave capacity",
        "order",
        bounded(SECONDS, [at[0.5], at[0.8]], below=1, of="p95 of the chat at 0.5 and 0.8"),
        bounded(SECONDS, at[1.1], above=5, of="at 1.1"),
        note="in runs of 20 s",
    )


def _figure(data: Datasets) -> Figure:
    table = points(data["priority"])
    figure, (left, right) = panels("A message each 47 ms beside video on one link")
    for lane, style in zip(LANES, series_styles(LANES), strict=True):
        rows = select(table, lane=lane)
        curve(left, style, LOADS, [1e3 * p.p(0.95) for p in rows], label=lane)
        curve(right, style, LOADS, [1e3 * float(np.median(p.frame)) for p in rows])
    bound = [1e3 * (RTT / 2 + TARGET_QUEUE + ACK_DELAY + 2 * PACKET_BYTES * 8 * load / BITRATE) for load in LOADS]
    left.plot(LOADS, bound, color=FAINT, linewidth=1.2, label="propagation, target queue, two packets")
    logarithmic(left, y=[20, 50, 100, 200, 500, 1000, 5000, 20000])
    logarithmic(right, y=[20, 50, 100, 200, 500, 1000, 2000])
    across = "bitrate of the video / rate of the link"
    finish(left, "messages: p95 of the delay, ms (log scale)", across)
    finish(right, "video: median delay, ms (log scale); ends where half is never shown", across, legend=False)
    for axes in (left, right):
        axes.set_xticks(LOADS, [f"{load:g}" for load in LOADS])
    return figure


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
