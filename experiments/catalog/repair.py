"""Repair by retransmission: what comes back before its deadline, over the round trip and the deadline."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from glassbench.experiments import scenario
from glassbench.experiments.catalog.experiment import Check, Datasets, Experiment
from glassbench.experiments.catalog.frames import FloatArray, column, delay, frames, instants, video
from glassbench.experiments.engine.plan import Cell, Plan, checked
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.plots.style import FAINT, INK, arm_styles, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOSS = 0.05  # independent, of packets; each frame is one packet
RTTS = (0.02, 0.06, 0.12)  # seconds
DEADLINES = (0.08, 0.1, 0.16, 0.24, 0.4)
INTERVAL = 0.02  # seconds from frame to frame
DETECTION = {"quic-datagram": INTERVAL, "rtp": INTERVAL + 0.005}  # until the loss is known; RTP: 5 ms for reordering
NACK_MARGIN = 0.01  # seconds by which RTP waits longer than the round trip before it asks again, at least

_WARM_UP = 2.0  # seconds: the round trip is not known before
_NONE = 1e-4  # drawn for "none was missed"


def first_repair(arm: str, rtt: float) -> float:
    """Seconds from capture until the first repair arrives: half a round trip until the gap shows at the receiver (with
    the detection), half a one back, and half a one for the repair: 1.5 RTT and the detection."""
    return 1.5 * rtt + DETECTION[arm]


def most_repairs(arm: str, rtt: float, deadline: float) -> int:
    """How many repairs one after the other can arrive within the deadline, if each loss is seen as early as it can:
    a round trip after the packet, for the first one after its detection."""
    spare = deadline - first_repair(arm, rtt)
    return 0 if spare < 0 else 1 + math.floor(spare / rtt + 1e-9)


def least_repairs(arm: str, rtt: float, deadline: float) -> int:
    """How many do for sure: each loss is seen one detection later than that, or after RTP's longer wait, and the first
    one another frame interval later, because the frame that would show it may be lost too. To a receiver of RTP a lost
    frame has the deadline of the one before it, another frame interval less."""
    spare = deadline - first_repair(arm, rtt) - INTERVAL * (2 if arm == "rtp" else 1)
    again = rtt + (NACK_MARGIN + rtt if arm == "rtp" else 2 * DETECTION[arm])
    return 0 if spare < 0 else 1 + math.floor(spare / again + 1e-9)


@dataclass(frozen=True)
class Point:
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

    def deviation(self, expected: float) -> float:
        """How far the missed share is from a share, in standard deviations of the binomial distribution."""
        return abs(self.missed - expected) / math.sqrt(expected * (1 - expected) / len(self.late))

    @property
    def label(self) -> str:
        return f"{self.arm} {self.rtt * 1e3:g}/{self.deadline * 1e3:g} ms"


def _plans() -> tuple[Plan, ...]:
    cells = [_cell(arm, rtt, deadline) for rtt in RTTS for deadline in DEADLINES for arm in DETECTION]
    return (checked(Plan("repair", tuple(cells), frames=True)),)


def _cell(arm: str, rtt: float, deadline: float) -> Cell:
    content = {
        "name": "repair",
        "duration": "60s",
        "arms": [arm],
        "video": video("100kbit/s", fps=1 / INTERVAL, deadline=f"{deadline * 1e3:g}ms"),
        "network": {
            "down": [{"element": "random-loss", "probability": f"{LOSS:.0%}"}, delay(rtt / 2)],
            "up": [delay(rtt / 2)],
        },
    }
    return Cell({"rtt": rtt, "deadline": deadline}, scenario.build(content))


def points(data: Dataset) -> list[Point]:
    """All points, in the order of the plan."""
    found = []
    rows = data.summary[["cell", "arm", "axis.rtt", "axis.deadline"]].itertuples(index=False)
    for (cell, arm, rtt, deadline), ends in zip(rows, data.counters(), strict=True):
        table = frames(data, cell)
        captured = column(table, "captured_at")
        late = (instants(table, "complete_at") - captured)[captured >= _WARM_UP]
        resent = ends["sender"]["repaired" if arm == "quic-datagram" else "retransmissions"]
        found.append(Point(arm, float(rtt), float(deadline), late, resent / len(table), resent))
    return found


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


def _first_repair_takes_its_time(table: Sequence[Point]) -> Check:
    got, want = [], []
    for arm, rtt in itertools.product(DETECTION, RTTS):
        (point,) = [p for p in table if (p.arm, p.rtt, p.deadline) == (arm, rtt, DEADLINES[-1])]
        late = point.late[np.isfinite(point.late) & (point.late > rtt / 2 + 1e-3)]
        got.append(float(np.median(late)))
        want.append(first_repair(arm, rtt))
    return Check(
        claim="A repair arrives 1.5 round trips after the packet that was lost, and the time until the loss was seen",
        source="closed form: loss seen by the next frame (RFC 9002, 6.1; RFC 4585 generic NACK), request, answer",
        kind="value",
        expected=f"{_ms(want)} (quic-datagram, then rtp, at RTT 20, 60, 120), median within 1 ms",
        measured=_ms(got),
        holds=all(abs(a - b) <= 1e-3 for a, b in zip(got, want, strict=True)),
    )


def _none_before(table: Sequence[Point]) -> Check:
    rows = [p for p in table if most_repairs(p.arm, p.rtt, p.deadline) == 0]
    sigmas = max(p.deviation(LOSS) for p in rows)
    return Check(
        claim="With a deadline below 1.5 RTT and the detection nothing is repaired in time",
        source="closed form: residual loss p",
        kind="value",
        expected=f"{LOSS:.0%} of the frames missed at each of {len(rows)} points, within 3.5 standard deviations",
        measured=f"{min(p.missed for p in rows):.2%} to {max(p.missed for p in rows):.2%}, {sigmas:.1f} at most",
        holds=sigmas <= 3.5,
    )


def _one_repair(table: Sequence[Point]) -> Check:
    rows = [p for p in table if most_repairs(p.arm, p.rtt, p.deadline) == least_repairs(p.arm, p.rtt, p.deadline) == 1]
    sigmas = max(p.deviation(LOSS**2) for p in rows)
    return Check(
        claim="With time for one repair the residual loss is p^2",
        source="closed form: frame and repair lost independently",
        kind="value",
        expected=f"{LOSS**2:.2%} at each of {len(rows)} points, within 3.5 standard deviations",
        measured=", ".join(f"{p.label}: {p.missed:.2%}" for p in rows) + f"; {sigmas:.1f} at most",
        holds=sigmas <= 3.5,
    )


def _between_the_bounds(table: Sequence[Point]) -> Check:
    outside = []
    for p in table:
        low, high = (LOSS ** (n(p.arm, p.rtt, p.deadline) + 1) for n in (most_repairs, least_repairs))
        count, n = p.missed * len(p.late), len(p.late)
        if not low * n - 3.5 * math.sqrt(low * n) - 1 <= count <= high * n + 3.5 * math.sqrt(high * n) + 1:
            outside.append(f"{p.label}: {p.missed:.2%}")
    return Check(
        claim="The residual loss is p^(n+1), n the repairs that fit: at most one a round trip, at least one a retry",
        source="closed form: independent losses; retries seen after RTT at best, RTT and the detection at worst",
        kind="value",
        expected=f"{len(table)} points, within 3.5 standard deviations and a frame",
        measured=f"{len(table) - len(outside)} points" + (f"; outside: {', '.join(outside)}" if outside else ""),
        holds=not outside,
    )


def _more_time_less_loss(table: Sequence[Point]) -> Check:
    rows = {(arm, rtt): [p.missed for p in table if (p.arm, p.rtt) == (arm, rtt)] for arm in DETECTION for rtt in RTTS}
    rises = [
        f"{arm} RTT {rtt * 1e3:g} ms"
        for (arm, rtt), missed in rows.items()
        if any(b > a + 3.5 * math.sqrt(2 * a * (1 - a) / 2900) for a, b in itertools.pairwise(missed))
        or missed[-1] >= missed[0]
    ]
    return Check(
        claim="A longer deadline never loses more, and in the end far less",
        source="closed form: p^(n+1) falls with n",
        kind="sign",
        expected="no rise beyond chance from deadline to deadline, and a fall from the shortest to the longest",
        measured="; ".join(f"{arm} {rtt * 1e3:g}: {row[0]:.2%} to {row[-1]:.2%}" for (arm, rtt), row in rows.items())
        + (f"; not so: {', '.join(rises)}" if rises else ""),
        holds=not rises,
    )


def _nothing_in_vain(table: Sequence[Point]) -> Check:
    rows = [p for p in table if most_repairs(p.arm, p.rtt, p.deadline) == 0]
    most = max(p.resent_packets for p in rows)
    return Check(
        claim="What cannot be repaired in time is not sent again",
        source="transport/quic/datagrams.py, transport/rtp/reception.py: no repair past the deadline",
        kind="value",
        expected="at most 1 packet in a run (RTP does not know the round trip before its first answer)",
        measured=f"at most {most} packets sent again, at {len(rows)} points",
        holds=most <= 1,
    )


def _all_that_is_lost_again(table: Sequence[Point]) -> Check:
    rows = [p for p in table if p.deadline == DEADLINES[-1] and p.rtt == RTTS[0]]
    want = LOSS / (1 - LOSS)
    frames_sent = len(rows[0].late) * 60 / (60 - _WARM_UP)
    slack = 3.5 * math.sqrt(LOSS / frames_sent)
    return Check(
        claim="With time enough, repair costs what is lost and what of it is lost again",
        source="closed form: p + p^2 + ... = p / (1 - p) repairs per packet",
        kind="value",
        expected=f"{want:.2%}, within {slack:.2%} (3.5 standard deviations)",
        measured=", ".join(f"{p.arm} {p.resent:.2%}" for p in rows),
        holds=all(abs(p.resent - want) <= slack for p in rows),
        note="RTT 20 ms, deadline 400 ms",
    )


def _ms(seconds: Sequence[float]) -> str:
    return ", ".join(f"{1e3 * value:.1f}" for value in seconds) + " ms"


def _figure(data: Datasets) -> "Figure":
    table = points(data["repair"])
    figure = new_figure(12, 4.4)
    panels = figure.subplots(1, len(DETECTION), sharey=True)
    for axes, arm in zip(panels, DETECTION, strict=True):
        _draw(axes, arm, [p for p in table if p.arm == arm])
    panels[0].legend(frameon=False, fontsize=8, handlelength=3.2)
    figure.suptitle(
        f"Frames missed at their deadline, % (log scale; {LOSS:.0%} independent loss; steps: p^(n+1), one repair a "
        "round trip; lower edge: none)",
        x=0.01,
        ha="left",
        fontsize=10,
        color=INK,
    )
    return figure


def _draw(axes: "Axes", arm: str, rows: Sequence[Point]) -> None:
    styles = arm_styles([str(rtt) for rtt in RTTS])
    fine = np.linspace(0.06, 0.42, 500)
    for rtt in RTTS:
        style = styles[str(rtt)]
        steps = [100 * max(LOSS ** (most_repairs(arm, rtt, at) + 1), _NONE) for at in fine.tolist()]
        axes.plot(1e3 * fine, steps, color=style.color, linestyle=style.dashes, linewidth=1, alpha=0.6)
        mine = [p for p in rows if p.rtt == rtt]
        axes.plot(
            [1e3 * p.deadline for p in mine],
            [100 * max(p.missed, _NONE) for p in mine],
            color=style.color,
            linestyle="",
            marker=style.marker,
            markersize=7,
            label=f"RTT {rtt * 1e3:g} ms",
        )
    axes.axhline(100 * LOSS, color=FAINT, linewidth=0.8)
    axes.set_yscale("log")
    axes.set_ylim(80 * _NONE, 10)
    axes.set_yticks([0.01, 0.1, 1, 5], ["none", "0.1", "1", "5"])
    axes.set_title(arm, loc="left", fontsize=9, color=INK)
    axes.set_xlabel("deadline, ms")
    tidy(axes)


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
