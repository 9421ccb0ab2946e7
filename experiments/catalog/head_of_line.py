"""Head-of-line blocking: who waits for a lost packet, by the mapping of frames to QUIC, the round trip and the loss."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from glassbench.experiments.catalog.cells import delay, make_cell, make_plan, video
from glassbench.experiments.catalog.checks import MS, US, bounded, check, order, value
from glassbench.experiments.catalog.experiment import Check, Datasets, Experiment
from glassbench.experiments.catalog.figures import curve, finish, panels
from glassbench.experiments.catalog.frames import FRAME_INTERVAL, FloatArray, column, frames, instants, only, select
from glassbench.experiments.engine.plan import Cell, Plan
from glassbench.experiments.results.arm_style import arm_style
from glassbench.experiments.results.dataset import Dataset

MAPPINGS = {
    "one stream": "quic-stream",
    "stream per group": "quic-stream-per-gop",
    "stream per frame": "quic-stream-per-frame",
    "datagrams": "quic-datagram",
    "no repair": "udp",
}
REPAIRING = tuple(MAPPINGS)[:-1]
RTTS = (0.02, 0.08, 0.16)  # seconds
LOSSES = (0.01, 0.03)  # share of the time, in episodes
EPISODE = 0.005  # seconds
GROUP = 30  # frames from keyframe to keyframe

_INSTANT = 1e-6  # seconds: instants of the ledger are whole microseconds, or sums of them


def repair_delay(rtt: float, interval: float = FRAME_INTERVAL) -> float:
    """Seconds by which a frame is late if all its packets were lost.

    The ACK of the next frame shows the loss, one interval and a round trip after the frame was sent, but not before 9/8
    of a round trip (kTimeThreshold, RFC 9002, 6.1.2); then the frame leaves again.
    """
    return max(interval + rtt, 9 / 8 * rtt)


def blocking_of_one(rtt: float, interval: float = FRAME_INTERVAL) -> float:
    """Seconds that the frames behind one lost frame wait, all together: the k-th frame behind it waits repair - k x
    interval."""
    repair = repair_delay(rtt, interval)
    return sum(repair - k * interval for k in range(1, math.floor(repair / interval) + 1))


@dataclass(frozen=True)
class MappingOnPath:
    """One mapping on one path. The arrays have a value per frame, in seconds from the first capture (infinite:
    never)."""

    mapping: str
    rtt: float
    loss: float
    group: FloatArray
    captured: FloatArray
    first_arrival: FloatArray
    complete: FloatArray
    delivered: FloatArray
    displayed: FloatArray

    @property
    def hold(self) -> FloatArray:
        """How long each frame waited in the transport behind others, in seconds."""
        return self.delivered - self.complete

    @property
    def buffer(self) -> FloatArray:
        """How long each frame waited for others after the transport had delivered it."""
        return self.displayed - self.delivered

    def in_order(self) -> FloatArray:
        """When each frame can be delivered if what shares a stream is delivered in order."""
        if self.mapping == "one stream":
            return np.maximum.accumulate(self.complete)
        if self.mapping == "stream per group":
            return _by_group(self.group, self.complete)
        return self.complete

    def wholly_lost(self) -> FloatArray:
        """How late each frame was of which no packet arrived the first time."""
        late = self.first_arrival - self.captured - self.rtt / 2
        return late[late > FRAME_INTERVAL]


def _by_group(group: FloatArray, values: FloatArray) -> FloatArray:
    return np.concatenate([np.maximum.accumulate(values[group == number]) for number in np.unique(group)])


def _plans() -> tuple[Plan, ...]:
    cells = [_cell(mapping, rtt, loss) for rtt in RTTS for loss in LOSSES for mapping in MAPPINGS]
    return (make_plan("head-of-line", cells),)


def _cell(mapping: str, rtt: float, loss: float) -> Cell:
    episodes = {
        "element": "loss-episodes",
        "name": "loss",
        "mean_loss": f"{loss:.0%}",
        "mean_duration": f"{EPISODE * 1000:g}ms",
    }
    return make_cell(
        {"mapping": mapping, "rtt": rtt, "loss": loss},
        "head-of-line",
        seconds=30,
        arm=MAPPINGS[mapping],
        media=video("1Mbit/s", keyframe_interval=GROUP),
        network={"down": [episodes, delay(rtt / 2)], "up": [delay(rtt / 2)]},
    )


def points(data: Dataset) -> list[MappingOnPath]:
    """All points, in the order of the plan."""
    names = ("first_arrival_at", "complete_at", "delivered_at", "displayed_at")
    every = []
    for row in data.summary[["cell", "axis.mapping", "axis.rtt", "axis.loss"]].itertuples(index=False):
        cell, mapping, rtt, loss = row
        table = frames(data, cell)
        times = [instants(table, name) for name in names]
        place = (str(mapping), float(rtt), float(loss))
        every.append(MappingOnPath(*place, column(table, "group"), column(table, "captured_at"), *times))
    return every


def _checks(data: Datasets) -> list[Check]:
    table = points(data["head-of-line"])
    return [
        _in_order_and_no_longer(table),
        _nobody_waits_without_a_common_stream(table),
        _repair_takes_a_round_trip_and_detection(table),
        _blocking_of_one_stream(table),
        _blocking_grows(table),
        _a_group_ends_the_wait(table),
        _references_wait_anyway(table),
    ]


def _in_order_and_no_longer(table: list[MappingOnPath]) -> Check:
    off = np.concatenate([np.abs(p.delivered - p.in_order()) for p in table if p.mapping in REPAIRING])
    return check(
        "A frame is delivered as soon as it and all before it on its stream are complete",
        "closed form: max of the completions on the stream; RFC 9000, 2.2 (ordered byte stream)",
        "value",
        bounded(US, off, at_most=_INSTANT, of=f"off that instant, of {len(off)} frames"),
    )


def _nobody_waits_without_a_common_stream(table: list[MappingOnPath]) -> Check:
    waits = np.concatenate([p.hold for p in table if p.mapping in ("stream per frame", "datagrams")])
    return check(
        "With a stream per frame, or datagrams, no frame waits in the transport for another one",
        "draft-ietf-avtcore-rtp-over-quic-14, 5.2; RFC 9000, 13 (only streams with data in a lost packet wait)",
        "value",
        bounded(US, waits, at_most=_INSTANT, of=f"wait of {len(waits)} frames"),
    )


def _repair_takes_a_round_trip_and_detection(table: list[MappingOnPath]) -> Check:
    late = {
        rtt: np.concatenate([p.wholly_lost() for p in select(table, rtt=rtt) if p.mapping in REPAIRING]) for rtt in RTTS
    }
    return check(
        "A lost frame is late by one round trip and the time until the next frame shows the loss",
        "closed form: max(T + RTT, 9/8 RTT) with RFC 9002, 6.1",
        "value",
        value(MS, [float(np.median(times)) for times in late.values()], _by_rtt(repair_delay), off=5e-4, of="median"),
        note="frames of which every packet was lost; a later episode, or a lost repair, takes longer",
    )


def _blocking_of_one_stream(table: list[MappingOnPath]) -> Check:
    rows = [only(table, mapping="one stream", rtt=rtt, loss=LOSSES[0]) for rtt in RTTS]
    want = _by_rtt(blocking_of_one)
    got = {name: float(np.sum(p.hold)) / len(p.wholly_lost()) for name, p in zip(want, rows, strict=True)}
    return check(
        "Each lost frame makes those behind it on one stream wait: some RTT^2 / 2T in all",
        "closed form: sum of repair - kT over the frames behind",
        "order",
        bounded(
            MS,
            got,
            at_least=[seconds / 2 for seconds in want.values()],
            at_most=[seconds * 2 for seconds in want.values()],
            of=f"for each lost frame at {LOSSES[0]:.0%} loss",
            at="(half and twice the closed form)",
        ),
        note="frames lost in part make others wait too and are not counted; losses close together share the wait",
    )


def _blocking_grows(table: list[MappingOnPath]) -> Check:
    means = {
        (rtt, loss): float(np.mean(only(table, mapping="one stream", rtt=rtt, loss=loss).hold))
        for rtt in RTTS
        for loss in LOSSES
    }
    by_rtt = {f"RTT {rtt * 1e3:g}": [means[rtt, loss] for loss in LOSSES] for rtt in RTTS}
    by_loss = {f"{loss:.0%} loss": [means[rtt, loss] for rtt in RTTS] for loss in LOSSES}
    return check(
        "Head-of-line blocking of one stream grows with the round trip and with the loss",
        "closed form: losses x RTT^2 / 2T",
        "sign",
        order(MS, by_rtt, of="mean hold"),
        order(MS, by_loss),
    )


def _a_group_ends_the_wait(table: list[MappingOnPath]) -> Check:
    holds = {
        mapping: [float(np.sum(p.hold)) for p in select(table, mapping=mapping)]
        for mapping in ("stream per group", "one stream")
    }
    return check(
        "A stream per group of pictures blocks less than one stream, never more",
        "closed form: the wait ends with the group",
        "sign",
        order(MS, holds, or_equal=True, of="total hold on each path"),
    )


def _references_wait_anyway(table: list[MappingOnPath]) -> Check:
    off = [np.abs(p.displayed - np.maximum.accumulate(p.complete)) for p in table if p.mapping in REPAIRING]
    return check(
        "On the screen the mapping changes nothing: a frame that refers to a lost one waits for it in any case",
        "closed form: every frame refers to the one before, so it is shown when all before it are complete",
        "value",
        bounded(US, np.concatenate(off), at_most=_INSTANT, of="off the latest completion so far"),
        note="without deadlines and layers: what may be left out is the matter of deadline-v2",
    )


def _by_rtt(closed_form: Callable[[float], float]) -> dict[str, float]:
    return {f"RTT {rtt * 1e3:g}": closed_form(rtt) for rtt in RTTS}


def _figure(data: Datasets) -> Figure:
    table = points(data["head-of-line"])
    title = "Who waits for a lost packet (30 fps, loss in episodes of 5 ms)"
    figure, (left, right) = panels(title, size=(12, 4.4))
    _draw_hold(left, table)
    _draw_stages(right, table)
    return figure


def _draw_hold(axes: Axes, table: list[MappingOnPath]) -> None:
    for mapping in REPAIRING:
        means = [1e3 * float(np.mean(p.hold)) for p in select(table, mapping=mapping, loss=LOSSES[-1])]
        style = arm_style(MAPPINGS[mapping])
        curve(axes, style, [1e3 * rtt for rtt in RTTS], means, label=mapping)
    finish(axes, f"mean wait in the transport behind other frames, ms, {LOSSES[-1]:.0%} loss", "round trip, ms")


def _draw_stages(axes: Axes, table: list[MappingOnPath]) -> None:
    rows = [only(table, mapping=mapping, rtt=RTTS[-1], loss=LOSSES[-1]) for mapping in REPAIRING]
    parts = (
        ("its own repair", [p.complete - p.captured - p.rtt / 2 for p in rows], "#0072B2", ""),
        ("in the transport, behind others", [p.hold for p in rows], "#D55E00", "///"),
        ("in the buffer, for its reference", [p.buffer for p in rows], "#009E73", "..."),
    )
    left = np.zeros(len(rows))
    for label, times, color, hatch in parts:
        width = 1e3 * np.mean(times, axis=1)
        axes.barh(REPAIRING, width, left=left, color=color, hatch=hatch, edgecolor="white", label=label)
        left += width
    axes.invert_yaxis()
    title = f"where the mean delay comes from, ms, RTT {RTTS[-1] * 1e3:g} ms, {LOSSES[-1]:.0%} loss"
    finish(axes, title, loc="upper center", bbox_to_anchor=(0.4, -0.08), ncols=3)


EXPERIMENT = Experiment(
    name="head-of-line-v1",
    question="Which frames wait for a lost packet, if frames share a stream, a group does, or none do?",
    expectation="On one stream all that follow wait for a round trip and the detection; with a stream per frame or "
    "datagrams none do in the transport, but the frame that refers to the lost one waits before the decoder.",
    source="RFC 9000, 2.2 and 13; RFC 9002, 6.1; draft-ietf-avtcore-rtp-over-quic-14, 5.2",
    plans=_plans,
    checks=_checks,
    figure=_figure,
)
