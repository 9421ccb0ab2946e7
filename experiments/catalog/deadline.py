"""Deadlines: what a transport makes of the time that a frame has, on a mobile link that fades.

A deadline means the same for all: what is ready after it is not shown. Transports differ in what they do before.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from glassbench.experiments import scenario
from glassbench.experiments.account.metrics import percentile
from glassbench.experiments.catalog.experiment import Check, Datasets, Experiment
from glassbench.experiments.catalog.frames import FloatArray, column, frames, instants, video
from glassbench.experiments.engine.plan import Cell, Plan, checked
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.plots.style import INK, arm_styles, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DEADLINES = (0.15, 0.3, 0.6, 1.2, 0.0)  # seconds; 0 is none
SEEDS = (1, 2)
ENFORCING = ("quic-datagram", "quic-stream-per-frame")
IGNORING = ("udp", "srt", "quic-stream:stack=stock,control=reno")
ARMS = (*ENFORCING, "rtp", *IGNORING)

_INSTANTS = ("first_sent_at", "complete_at", "delivered_at")


@dataclass(frozen=True)
class Point:
    """One arm, deadline and drive. `delays` has the time from capture to display of each frame, `times` a row of
    instants per frame (sent, complete, delivered), all in seconds, infinite for never."""

    arm: str
    deadline: float
    seed: int
    delays: FloatArray
    times: FloatArray


def _plans() -> tuple[Plan, ...]:
    cells = [_cell(arm, deadline, seed) for seed in SEEDS for deadline in DEADLINES for arm in ARMS]
    return (checked(Plan("deadline", tuple(cells), frames=True)),)


def _cell(arm: str, deadline: float, seed: int) -> Cell:
    fields: dict[str, Any] = {"deadline": f"{deadline * 1e3:g}ms"} if deadline else {}
    content = {
        "name": "deadline",
        "seed": seed,
        "duration": "20s",
        "arms": [arm],
        "video": video("2Mbit/s", keyframe_interval=60, **fields),
        "network": {"trace": "lte-driving", "queue": "600kB", "loss": "1%"},
    }
    return Cell({"deadline": deadline}, scenario.build(content))


def points(data: Dataset) -> list[Point]:
    """All points, in the order of the plan."""
    found = []
    for cell, arm, seed, deadline in data.summary[["cell", "arm", "seed", "axis.deadline"]].itertuples(index=False):
        table = frames(data, cell)
        delays = instants(table, "displayed_at") - column(table, "captured_at")
        times = np.stack([instants(table, name) for name in _INSTANTS], axis=1)
        found.append(Point(str(arm), float(deadline), int(seed), delays, times))
    return found


def shown(table: Sequence[Point], arm: str, deadline: float) -> FloatArray:
    """Time from capture to display of the frames that were shown, over all drives."""
    delays = _delays(table, arm, deadline)
    return delays[np.isfinite(delays)]


def in_time(table: Sequence[Point], arm: str, deadline: float, within: float) -> float:
    """Share of the captured frames that were shown within so many seconds, over all drives."""
    return float(np.mean(_delays(table, arm, deadline) <= within + 1e-6))


def _delays(table: Sequence[Point], arm: str, deadline: float) -> FloatArray:
    return np.concatenate([p.delays for p in table if (p.arm, p.deadline) == (arm, deadline)])


def _checks(data: Datasets) -> list[Check]:
    table = points(data["deadline"])
    return [
        _longer_delivers_more(table),
        _nothing_is_shown_late(table),
        _p95_follows_the_deadline(table),
        _who_does_not_know_does_not_care(table),
        _giving_up_helps_those_behind(table),
        _no_deadline_loses_nothing(table),
    ]


def _longer_delivers_more(table: Sequence[Point]) -> Check:
    rows = {arm: [len(shown(table, arm, at)) / len(_delays(table, arm, at)) for at in DEADLINES] for arm in ENFORCING}
    return Check(
        claim="The longer the deadline, the more frames are shown",
        source="closed form: what can arrive within a deadline can within a longer one",
        kind="sign",
        expected=f"the share rises from each to the next: {_deadlines()}",
        measured="; ".join(f"{arm} " + ", ".join(f"{share:.1%}" for share in row) for arm, row in rows.items()),
        holds=all(a < b for row in rows.values() for a, b in itertools.pairwise(row)),
    )


def _nothing_is_shown_late(table: Sequence[Point]) -> Check:
    rows = [(shown(table, arm, at), at) for arm in ARMS for at in DEADLINES if at]
    late = sum(int(np.sum(times > at + 1e-6)) for times, at in rows)
    return Check(
        claim="What is on the screen is in time, whichever transport brought it",
        source="definition: a frame that is ready after its deadline is decoded, and not shown",
        kind="value",
        expected="0 frames shown after their deadline",
        measured=f"{late} of {sum(len(times) for times, _ in rows)}; the slowest "
        f"{max(float(times.max()) / at for times, at in rows):.1%} of the deadline",
        holds=late == 0,
    )


def _p95_follows_the_deadline(table: Sequence[Point]) -> Check:
    rows = {arm: [percentile(shown(table, arm, at), 0.95) for at in DEADLINES] for arm in (*ENFORCING, "udp")}
    return Check(
        claim="The deadline bounds the delay of what is shown; without one the fades of the link do",
        source="order only: closed form as above",
        kind="order",
        expected="p95 of the shown frames rises with the deadline and stays below it; without one udp's is above the "
        "longest",
        measured="; ".join(f"{arm} " + ", ".join(f"{v * 1e3:.0f}" for v in row) + " ms" for arm, row in rows.items()),
        holds=all(
            all(a < b for a, b in itertools.pairwise(rows[arm]))
            and all(value <= at for value, at in zip(rows[arm], DEADLINES, strict=True) if at)
            for arm in ENFORCING
        )
        and rows["udp"][-1] > max(DEADLINES),
    )


def _who_does_not_know_does_not_care(table: Sequence[Point]) -> Check:
    changed: dict[str, int] = {}
    for arm in IGNORING:
        for seed in SEEDS:
            mine = {p.deadline: p.times for p in table if (p.arm, p.seed) == (arm, seed)}
            differ = [int(np.sum(np.any(times != mine[0.0], axis=1))) for at, times in mine.items() if at]
            changed[arm] = max(changed.get(arm, 0), *differ)
    return Check(
        claim="Transports that do not know deadlines send and deliver the same with any deadline",
        source="no deadline in RFC 9000 streams, in SRT (its own latency) or in UDP",
        kind="value",
        expected="0 frames sent, complete or delivered at another instant",
        measured=", ".join(f"{arm} {count}" for arm, count in changed.items()) + " frames at most",
        holds=not any(changed.values()),
        note="the receiver knows the deadline: it asks for a keyframe when a frame that is missing is late",
    )


def _giving_up_helps_those_behind(table: Sequence[Point]) -> Check:
    wanted = [at for at in DEADLINES if at]
    ours = [max(in_time(table, arm, at, at) for arm in ENFORCING) for at in wanted]
    others = [max(in_time(table, arm, at, at) for arm in (*IGNORING, "rtp")) for at in wanted]
    return Check(
        claim="Giving up what will be late brings more of the others in time",
        source="closed form: a first-in-first-out server that leaves out what will be late has as many in time",
        kind="order",
        expected="frames shown within the deadline: the better of ours above the best that does not give up, for each "
        f"of {_deadlines()}",
        measured="; ".join(f"{a:.1%} against {b:.1%}" for a, b in zip(ours, others, strict=True)),
        holds=all(a > b for a, b in zip(ours, others, strict=True)),
        note="the closed form is for independent frames and the same rate",
    )


def _no_deadline_loses_nothing(table: Sequence[Point]) -> Check:
    missed = {arm: int(np.sum(np.isinf(_delays(table, arm, 0.0)))) for arm in (*ENFORCING, IGNORING[-1])}
    return Check(
        claim="Without a deadline QUIC delivers every frame, by datagrams that are repaired too",
        source="closed form: repeated until acknowledged (RFC 9000, 13.3; ours for datagrams)",
        kind="value",
        expected="0 frames not shown",
        measured=", ".join(f"{arm} {count}" for arm, count in missed.items()),
        holds=not any(missed.values()),
    )


def _deadlines() -> str:
    return ", ".join(f"{at * 1e3:g}" for at in DEADLINES if at) + " ms"


def _figure(data: Datasets) -> "Figure":
    table = points(data["deadline"])
    figure = new_figure(12, 4.6)
    left, right = figure.subplots(1, 2)
    place = range(len(DEADLINES))
    for arm, style in arm_styles(list(ARMS)).items():
        parts = (
            (left, [100 * in_time(table, arm, at, at or np.inf) for at in DEADLINES]),
            (right, [1e3 * percentile(shown(table, arm, at), 0.95) for at in DEADLINES]),
        )
        for axes, values in parts:
            axes.plot(
                place,
                values,
                color=style.color,
                linestyle=style.dashes,
                marker=style.marker,
                markersize=6,
                label=arm,
            )
    right.set_yscale("log")
    right.set_yticks([100, 200, 500, 1000, 2000], ["100", "200", "500", "1000", "2000"])
    right.minorticks_off()
    left.set_title("frames shown, % of the captured", loc="left", fontsize=9, color=INK)
    right.set_title("p95 of the frames that were shown, ms (log scale)", loc="left", fontsize=9, color=INK)
    for axes in (left, right):
        axes.set_xticks(place, [f"{at * 1e3:g} ms" if at else "none" for at in DEADLINES])
        axes.set_xlabel("deadline")
        tidy(axes)
    left.legend(frameon=False, fontsize=8, handlelength=3.2)
    figure.suptitle(
        f"What becomes of a deadline (lte-driving, 2 Mbit/s, {len(SEEDS)} drives)", x=0.01, ha="left", fontsize=10
    )
    return figure


EXPERIMENT = Experiment(
    name="deadline-v2",
    question="What does a sender that knows the deadline do to how many frames are shown in time?",
    expectation="The longer it is, the more are shown; giving up what will be late brings more of the others in time.",
    source="closed forms; RFC 9000, 13.3",
    plans=_plans,
    checks=_checks,
    figure=_figure,
)
