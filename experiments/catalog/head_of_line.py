"""Head-of-line blocking: who waits for a lost packet, by the mapping of frames to QUIC, the round trip and the loss."""

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from glassbench.experiments import scenario
from glassbench.experiments.catalog.experiment import Check, Datasets, Experiment
from glassbench.experiments.catalog.frames import FRAME_INTERVAL, FloatArray, column, delay, frames, instants, video
from glassbench.experiments.engine.plan import Cell, Plan, checked
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.plots.style import INK, arm_styles, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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
    """Seconds by which a frame is late whose packets were all lost.

    The ACK of the next frame shows the loss, one interval and a round trip after the frame was sent, but not before
    9/8 of a round trip (kTimeThreshold, RFC 9002, 6.1.2); then the frame leaves again.
    """
    return max(interval + rtt, 9 / 8 * rtt)


def blocking_of_one(rtt: float, interval: float = FRAME_INTERVAL) -> float:
    """Seconds for which the frames behind one lost frame wait in all: the k-th behind it for repair - k x interval."""
    repair = repair_delay(rtt, interval)
    return sum(repair - k * interval for k in range(1, math.floor(repair / interval) + 1))


@dataclass(frozen=True)
class Point:
    """One mapping on one path. Per frame, in seconds from the first capture (infinite: never)."""

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
        """By how much each frame was late of which no packet arrived the first time."""
        late = self.first_arrival - self.captured - self.rtt / 2
        return late[late > FRAME_INTERVAL]


def _by_group(group: FloatArray, values: FloatArray) -> FloatArray:
    return np.concatenate([np.maximum.accumulate(values[group == number]) for number in np.unique(group)])


def _plans() -> tuple[Plan, ...]:
    cells = [_cell(mapping, rtt, loss) for rtt in RTTS for loss in LOSSES for mapping in MAPPINGS]
    return (checked(Plan("head-of-line", tuple(cells), frames=True)),)


def _cell(mapping: str, rtt: float, loss: float) -> Cell:
    episodes = {
        "element": "loss-episodes",
        "name": "loss",
        "mean_loss": f"{loss:.0%}",
        "mean_duration": f"{EPISODE * 1000:g}ms",
    }
    content = {
        "name": "head-of-line",
        "duration": "30s",
        "arms": [MAPPINGS[mapping]],
        "video": video("1Mbit/s", keyframe_interval=GROUP),
        "network": {"down": [episodes, delay(rtt / 2)], "up": [delay(rtt / 2)]},
    }
    return Cell({"mapping": mapping, "rtt": rtt, "loss": loss}, scenario.build(content))


def points(data: Dataset) -> list[Point]:
    """All points, in the order of the plan."""
    names = ("first_arrival_at", "complete_at", "delivered_at", "displayed_at")
    found = []
    for row in data.summary[["cell", "axis.mapping", "axis.rtt", "axis.loss"]].itertuples(index=False):
        cell, mapping, rtt, loss = row
        table = frames(data, cell)
        times = [instants(table, name) for name in names]
        place = (str(mapping), float(rtt), float(loss))
        found.append(Point(*place, column(table, "group"), column(table, "captured_at"), *times))
    return found


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


def _in_order_and_no_longer(table: list[Point]) -> Check:
    rows = [p for p in table if p.mapping in REPAIRING]
    off = max(float(np.max(np.abs(p.delivered - p.in_order()))) for p in rows)
    return Check(
        claim="A frame is delivered as soon as it and all before it on its stream are complete",
        source="closed form: max of the completions on the stream; RFC 9000, 2.2 (ordered byte stream)",
        kind="value",
        expected="every frame of every mapping, within 1 us",
        measured=f"{sum(len(p.delivered) for p in rows)} frames, {off * 1e6:.2f} us off at most",
        holds=off <= _INSTANT,
    )


def _nobody_waits_without_a_common_stream(table: list[Point]) -> Check:
    rows = [p for p in table if p.mapping in ("stream per frame", "datagrams")]
    waited = sum(int(np.sum(p.hold > _INSTANT)) for p in rows)
    return Check(
        claim="With a stream per frame, or datagrams, no frame waits in the transport for another one",
        source="draft-ietf-avtcore-rtp-over-quic-14, 5.2; RFC 9000, 13 (only streams with data in a lost packet wait)",
        kind="value",
        expected="0 frames that wait",
        measured=f"{waited} of {sum(len(p.hold) for p in rows)}",
        holds=waited == 0,
    )


def _repair_takes_a_round_trip_and_detection(table: list[Point]) -> Check:
    got = {
        rtt: float(
            np.median(np.concatenate([p.wholly_lost() for p in table if p.rtt == rtt and p.mapping in REPAIRING]))
        )
        for rtt in RTTS
    }
    off = max(abs(got[rtt] - repair_delay(rtt)) for rtt in RTTS)
    return Check(
        claim="A lost frame is late by one round trip and the time until the next frame shows the loss",
        source="closed form: max(T + RTT, 9/8 RTT) with RFC 9002, 6.1",
        kind="value",
        expected=_ms([repair_delay(rtt) for rtt in RTTS]) + ", median within 0.5 ms",
        measured=_ms(list(got.values())),
        holds=off <= 5e-4,
        note="frames of which every packet was lost; a later episode, or a lost repair, takes longer",
    )


def _blocking_of_one_stream(table: list[Point]) -> Check:
    rows = [(_one(table, "one stream", rtt, LOSSES[0])) for rtt in RTTS]
    got = [float(np.sum(p.hold)) / len(p.wholly_lost()) for p in rows]
    want = [blocking_of_one(rtt) for rtt in RTTS]
    ratios = [a / b for a, b in zip(got, want, strict=True)]
    return Check(
        claim="Each lost frame makes those behind it on one stream wait: some RTT^2 / 2T in all",
        source="closed form: sum of repair - kT over the frames behind",
        kind="order",
        expected=_ms(want) + f" for each lost frame at {LOSSES[0]:.0%} loss, within a factor of 2",
        measured=_ms(got),
        holds=all(0.5 <= ratio <= 2 for ratio in ratios),
        note="frames lost in part make others wait too and are not counted; losses close together share the wait",
    )


def _blocking_grows(table: list[Point]) -> Check:
    means = [[1e3 * float(np.mean(_one(table, "one stream", rtt, loss).hold)) for rtt in RTTS] for loss in LOSSES]
    by_rtt = all(a < b for row in means for a, b in itertools.pairwise(row))
    by_loss = all(a < b for a, b in zip(*means, strict=True))
    return Check(
        claim="Head-of-line blocking of one stream grows with the round trip and with the loss",
        source="closed form: losses x RTT^2 / 2T",
        kind="sign",
        expected="mean hold grows along each axis",
        measured="; ".join(
            f"{loss:.0%}: " + ", ".join(f"{mean:.2f}" for mean in row) + " ms"
            for loss, row in zip(LOSSES, means, strict=True)
        ),
        holds=by_rtt and by_loss,
    )


def _a_group_ends_the_wait(table: list[Point]) -> Check:
    pairs = [
        (_one(table, "stream per group", rtt, loss), _one(table, "one stream", rtt, loss))
        for rtt in RTTS
        for loss in LOSSES
    ]
    got = [(float(np.sum(a.hold)), float(np.sum(b.hold))) for a, b in pairs]
    return Check(
        claim="A stream per group of pictures blocks less than one stream, never more",
        source="closed form: the wait ends with the group",
        kind="sign",
        expected="total hold at most that of one stream, on all paths",
        measured=", ".join(f"{a / b:.0%}" for a, b in got) + " of it",
        holds=all(a <= b + _INSTANT for a, b in got),
    )


def _references_wait_anyway(table: list[Point]) -> Check:
    rows = [p for p in table if p.mapping in REPAIRING]
    off = max(float(np.max(np.abs(p.displayed - np.maximum.accumulate(p.complete)))) for p in rows)
    shares = [
        float(np.mean(a.displayed - a.captured)) / float(np.mean(b.displayed - b.captured))
        for rtt in RTTS
        for loss in LOSSES
        for a, b in [(_one(table, "stream per frame", rtt, loss), _one(table, "one stream", rtt, loss))]
    ]
    return Check(
        claim="On the screen the mapping changes nothing: a frame that refers to a lost one waits for it in any case",
        source="closed form: every frame refers to the one before, so it is shown when all before it are complete",
        kind="value",
        expected="shown at the latest completion so far, for every mapping, within 1 us",
        measured=f"{off * 1e6:.2f} us off at most; mean delay of stream per frame over one stream "
        f"{min(shares):.3f} to {max(shares):.3f}",
        holds=off <= _INSTANT,
        note="without deadlines and layers: what may be left out is the matter of deadline-v2",
    )


def _one(table: list[Point], mapping: str, rtt: float, loss: float) -> Point:
    (point,) = [p for p in table if (p.mapping, p.rtt, p.loss) == (mapping, rtt, loss)]
    return point


def _ms(seconds: list[float]) -> str:
    return (
        ", ".join(f"{1e3 * value:.1f}" for value in seconds) + f" ms at RTT {', '.join(f'{r * 1e3:g}' for r in RTTS)}"
    )


def _figure(data: Datasets) -> "Figure":
    table = points(data["head-of-line"])
    figure = new_figure(12, 4.4)
    left, right = figure.subplots(1, 2)
    _draw_hold(left, table)
    _draw_stages(right, table)
    figure.suptitle("Who waits for a lost packet (30 fps, loss in episodes of 5 ms)", x=0.01, ha="left", color=INK)
    return figure


def _draw_hold(axes: "Axes", table: list[Point]) -> None:
    styles = arm_styles(list(REPAIRING))
    for mapping in REPAIRING:
        style = styles[mapping]
        means = [1e3 * float(np.mean(_one(table, mapping, rtt, LOSSES[-1]).hold)) for rtt in RTTS]
        axes.plot(
            [1e3 * rtt for rtt in RTTS],
            means,
            color=style.color,
            linestyle=style.dashes,
            marker=style.marker,
            markersize=7,
            fillstyle="none" if mapping == "datagrams" else "full",
            label=mapping,
        )
    axes.legend(frameon=False, fontsize=8, handlelength=3.2)
    axes.set_title(f"mean wait in the transport behind other frames, ms, {LOSSES[-1]:.0%} loss", loc="left", fontsize=9)
    axes.set_xlabel("round trip, ms")
    tidy(axes)


def _draw_stages(axes: "Axes", table: list[Point]) -> None:
    rows = [_one(table, mapping, RTTS[-1], LOSSES[-1]) for mapping in REPAIRING]
    repair = np.array([1e3 * float(np.mean(p.complete - p.captured - p.rtt / 2)) for p in rows])
    hold = np.array([1e3 * float(np.mean(p.hold)) for p in rows])
    buffer = np.array([1e3 * float(np.mean(p.buffer)) for p in rows])
    place = np.arange(len(rows))
    parts = (
        ("its own repair", repair, "#0072B2", ""),
        ("in the transport, behind others", hold, "#D55E00", "///"),
        ("in the buffer, for its reference", buffer, "#009E73", "..."),
    )
    left = np.zeros(len(rows))
    for label, width, color, hatch in parts:
        axes.barh(place, width, left=left, color=color, hatch=hatch, edgecolor="white", label=label)
        left += width
    axes.set_yticks(place, REPAIRING)
    axes.invert_yaxis()
    axes.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.4, -0.08), ncols=3)
    axes.set_title(
        f"where the mean delay comes from, ms, RTT {RTTS[-1] * 1e3:g} ms, {LOSSES[-1]:.0%} loss", loc="left", fontsize=9
    )
    tidy(axes)


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
