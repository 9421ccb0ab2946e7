"""Repair by retransmission: what comes back before its deadline, over the round trip and the deadline."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from glassbench.experiments.catalog.cells import delay, make_cell, make_plan, video
from glassbench.experiments.catalog.chance import beyond, deviation
from glassbench.experiments.catalog.checks import MS, PACKETS, PERCENT, SIGMAS, Judgement, bounded, check, order, value
from glassbench.experiments.catalog.experiment import Check, Datasets, Experiment
from glassbench.experiments.catalog.figures import curve, finish, logarithmic, panels
from glassbench.experiments.catalog.frames import FloatArray, column, frames, instants, only, select
from glassbench.experiments.engine.plan import Cell, Plan
from glassbench.experiments.results.arm_style import series_styles
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.plots.style import FAINT

LOSS = 0.05  # independent, of packets; each frame is one packet
RTTS = (0.02, 0.06, 0.12)  # seconds
DEADLINES = (0.08, 0.1, 0.16, 0.24, 0.4)
INTERVAL = 0.02  # seconds from frame to frame
DETECTION = {"quic-datagram": INTERVAL, "rtp": INTERVAL + 0.005}  # until the loss is known; RTP: 5 ms for reordering
NACK_MARGIN = 0.01  # seconds by which RTP waits longer than the round trip before it asks again, at least

_WARM_UP = 2.0  # seconds: the round trip is not known before
_NONE = 1e-4  # drawn for "none was missed"


def first_repair(arm: str, rtt: float) -> float:
    """Seconds from capture until the first repair arrives: half a round trip and the detection until the receiver sees
    the gap, half a round trip back, and half a one for the repair: 1.5 RTT and the detection."""
    return 1.5 * rtt + DETECTION[arm]


def most_repairs(arm: str, rtt: float, deadline: float) -> int:
    """How many repairs, one after the other, can arrive within the deadline if each loss is seen as early as possible:
    a round trip after its packet, and for the first one after its detection."""
    spare = deadline - first_repair(arm, rtt)
    return 0 if spare < 0 else 1 + math.floor(spare / rtt + 1e-9)


def least_repairs(arm: str, rtt: float, deadline: float) -> int:
    """How many repairs certainly arrive. Each loss is seen one detection later than in `most_repairs`, or after RTP's
    longer wait, and the first one another frame interval later, because the frame that would show it may be lost too. A
    receiver of RTP gives a lost frame the deadline of the one before it, which is another frame interval less."""
    spare = deadline - first_repair(arm, rtt) - INTERVAL * (2 if arm == "rtp" else 1)
    again = rtt + (NACK_MARGIN + rtt if arm == "rtp" else 2 * DETECTION[arm])
    return 0 if spare < 0 else 1 + math.floor(spare / again + 1e-9)


@dataclass(frozen=True)
class ArmWithRepair:
    """One arm, round trip and deadline. `late` is the time from capture to arrival of each frame (infinite: never),
    `resent` the packets sent again over all sent, `resent_packets` their number over the whole run."""

    arm: str
    rtt: float
    deadline: float
    late: FloatArray
    resent: float
    resent_packets: int

    @property
    def missed(self) -> float:
        """Share of frames that had not arrived by their deadline."""
        return float(np.mean(self.late > self.deadline + 1e-9))

    @property
    def label(self) -> str:
        return f"{self.arm} {self.rtt * 1e3:g}/{self.deadline * 1e3:g} ms"


def _plans() -> tuple[Plan, ...]:
    cells = [_cell(arm, rtt, deadline) for rtt in RTTS for deadline in DEADLINES for arm in DETECTION]
    return (make_plan("repair", cells),)


def _cell(arm: str, rtt: float, deadline: float) -> Cell:
    return make_cell(
        {"rtt": rtt, "deadline": deadline},
        "repair",
        seconds=60,
        arm=arm,
        media=video("100kbit/s", fps=1 / INTERVAL, deadline=f"{deadline * 1e3:g}ms"),
        network={
            "down": [{"element": "random-loss", "probability": f"{LOSS:.0%}"}, delay(rtt / 2)],
            "up": [delay(rtt / 2)],
        },
    )


def points(data: Dataset) -> list[ArmWithRepair]:
    """All points, in the order of the plan."""
    every = []
    rows = data.summary[["cell", "arm", "axis.rtt", "axis.deadline"]].itertuples(index=False)
    for (cell, arm, rtt, deadline), ends in zip(rows, data.counters(), strict=True):
        table = frames(data, cell)
        captured = column(table, "captured_at")
        late = (instants(table, "complete_at") - captured)[captured >= _WARM_UP]
        resent = ends["sender"]["repaired" if arm == "quic-datagram" else "retransmissions"]
        every.append(ArmWithRepair(arm, float(rtt), float(deadline), late, resent / len(table), resent))
    return every


def _checks(data: Datasets) -> list[Check]:
    table = points(data["repair"])
    return [
        _first_repair_takes_its_time(table),
        _none_before(table),
        _one_repair(table),
        _between_the_bounds(table),
        _more_time_less_loss(table),
        _nothing_in_vain(table),
        _all_that_is_lost_again(table),
    ]


def _first_repair_takes_its_time(table: Sequence[ArmWithRepair]) -> Check:
    got, want = [], {}
    for arm, rtt in itertools.product(DETECTION, RTTS):
        late = only(table, arm=arm, rtt=rtt, deadline=DEADLINES[-1]).late
        got.append(float(np.median(late[np.isfinite(late) & (late > rtt / 2 + 1e-3)])))
        want[f"{arm} RTT {rtt * 1e3:g}"] = first_repair(arm, rtt)
    return check(
        "A repair arrives 1.5 round trips after the packet that was lost, and the time until the loss was seen",
        "closed form: loss seen by the next frame (RFC 9002, 6.1; RFC 4585 generic NACK), request, answer",
        "value",
        value(MS, got, want, off=1e-3, of="median"),
    )


def _none_before(table: Sequence[ArmWithRepair]) -> Check:
    rows = _unrepaired(table)
    return check(
        "With a deadline below 1.5 RTT and the detection nothing is repaired in time",
        "closed form: residual loss p",
        "value",
        _near(rows, LOSS),
    )


def _one_repair(table: Sequence[ArmWithRepair]) -> Check:
    rows = [p for p in table if most_repairs(p.arm, p.rtt, p.deadline) == least_repairs(p.arm, p.rtt, p.deadline) == 1]
    return check(
        "With time for one repair the residual loss is p^2",
        "closed form: frame and repair lost independently",
        "value",
        _near(rows, LOSS**2),
    )


def _near(rows: Sequence[ArmWithRepair], expected: float) -> Judgement:
    """The missed share of each point is `expected`, but for chance."""
    missed = {p.label: p.missed for p in rows}
    slack = [3.5 * deviation(expected, len(p.late)) for p in rows]
    return value(PERCENT, missed, expected, off=slack, of="missed", at="(3.5 standard deviations)")


def _between_the_bounds(table: Sequence[ArmWithRepair]) -> Check:
    outside = {}
    for p in table:
        low, high = (LOSS ** (n(p.arm, p.rtt, p.deadline) + 1) for n in (most_repairs, least_repairs))
        outside[p.label] = beyond(p.missed * len(p.late), low * len(p.late), high * len(p.late))
    return check(
        "The residual loss is p^(n+1), n the repairs that fit: at most one a round trip, at least one a retry",
        "closed form: independent losses; retries seen after RTT at best, RTT and the detection at worst",
        "value",
        bounded(
            SIGMAS, outside, at_most=3.5, of="beyond these bounds by more than a frame", at=f"at {len(table)} points"
        ),
    )


def _more_time_less_loss(table: Sequence[ArmWithRepair]) -> Check:
    rows = {f"{arm} {rtt * 1e3:g}": select(table, arm=arm, rtt=rtt) for arm in DETECTION for rtt in RTTS}
    steps = {
        f"{name}, {b.deadline * 1e3:g} ms": _rise(a.missed, b.missed)
        for name, row in rows.items()
        for a, b in itertools.pairwise(row)
    }
    ends = {f"{DEADLINES[at] * 1e3:g} ms": [row[at].missed for row in rows.values()] for at in (-1, 0)}
    return check(
        "A longer deadline never loses more, and in the end far less",
        "closed form: p^(n+1) falls with n",
        "sign",
        bounded(SIGMAS, steps, at_most=3.5, of="rise from deadline to deadline"),
        order(PERCENT, ends, of="missed at the longest and the shortest"),
    )


def _rise(shorter: float, longer: float) -> float:
    """By how many standard deviations of a difference more frames are missed at the longer deadline."""
    if longer <= shorter:
        return 0.0
    spread = math.sqrt(2 * shorter * (1 - shorter) / 2900)
    return (longer - shorter) / spread if spread else math.inf


def _nothing_in_vain(table: Sequence[ArmWithRepair]) -> Check:
    return check(
        "What cannot be repaired in time is not sent again",
        "transport/quic/datagrams.py, transport/rtp/reception.py: no repair past the deadline",
        "value",
        bounded(
            PACKETS,
            {p.label: p.resent_packets for p in _unrepaired(table)},
            at_most=1,
            of="sent again in a run",
            at="(RTP does not know the round trip before its first answer)",
        ),
    )


def _unrepaired(table: Sequence[ArmWithRepair]) -> list[ArmWithRepair]:
    return [p for p in table if most_repairs(p.arm, p.rtt, p.deadline) == 0]


def _all_that_is_lost_again(table: Sequence[ArmWithRepair]) -> Check:
    rows = select(table, deadline=DEADLINES[-1], rtt=RTTS[0])
    frames_sent = len(rows[0].late) * 60 / (60 - _WARM_UP)
    slack = 3.5 * math.sqrt(LOSS / frames_sent)
    return check(
        "With time enough, repair costs what is lost and what of it is lost again",
        "closed form: p + p^2 + ... = p / (1 - p) repairs per packet",
        "value",
        value(PERCENT, {p.arm: p.resent for p in rows}, LOSS / (1 - LOSS), off=slack, at="(3.5 standard deviations)"),
        note="RTT 20 ms, deadline 400 ms",
    )


def _figure(data: Datasets) -> Figure:
    table = points(data["repair"])
    figure, axes = panels(
        f"Frames missed at their deadline, % (log scale; {LOSS:.0%} independent loss; steps: p^(n+1), one repair a "
        "round trip; lower edge: none)",
        len(DETECTION),
        size=(12, 4.4),
        sharey=True,
    )
    for panel, arm in zip(axes, DETECTION, strict=True):
        _draw(panel, arm, select(table, arm=arm))
        finish(panel, arm, "deadline, ms", legend=panel is axes[0])
    return figure


def _draw(axes: Axes, arm: str, rows: Sequence[ArmWithRepair]) -> None:
    fine = np.linspace(0.06, 0.42, 500)
    for rtt, style in zip(RTTS, series_styles(RTTS), strict=True):
        steps = [100 * max(LOSS ** (most_repairs(arm, rtt, at) + 1), _NONE) for at in fine.tolist()]
        curve(axes, style, 1e3 * fine, steps, marker="", linewidth=1, alpha=0.6)
        mine = select(rows, rtt=rtt)
        missed = [100 * max(p.missed, _NONE) for p in mine]
        look = {"linestyle": "", "markersize": 7, "label": f"RTT {rtt * 1e3:g} ms"}
        curve(axes, style, [1e3 * p.deadline for p in mine], missed, **look)
    axes.axhline(100 * LOSS, color=FAINT, linewidth=0.8)
    logarithmic(axes, y={0.01: "none", 0.1: "0.1", 1: "1", 5: "5"})
    axes.set_ylim(80 * _NONE, 10)


EXPERIMENT = Experiment(
    name="repair-v1",
    question="Which lost frames does a retransmission bring back before their deadline?",
    expectation="None below 1.5 round trips and the time to see the loss; from there on the residual loss falls by the "
    "loss rate for each further round trip.",
    source="closed form p^(n+1); RFC 9002, 6.1; RFC 4585 and 4588",
    plans=_plans,
    checks=_checks,
    figure=_figure,
)
