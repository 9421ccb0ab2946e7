"""Deadlines: how a transport uses the time that a frame has, on a mobile link that fades.

A deadline means the same for all: a frame that is ready after it is not shown. Transports differ in what they do
before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from glassbench.experiments.account.percentile import percentile
from glassbench.experiments.catalog.cells import make_cell, make_plan, video
from glassbench.experiments.catalog.checks import FRAMES, MS, PERCENT, bounded, check, order, value
from glassbench.experiments.catalog.experiment import Check, Datasets, Experiment
from glassbench.experiments.catalog.figures import curve, finish, logarithmic, panels
from glassbench.experiments.catalog.frames import FloatArray, column, frames, instants, select
from glassbench.experiments.engine.plan import Cell, Plan
from glassbench.experiments.results.arm_style import arm_style
from glassbench.experiments.results.dataset import Dataset

DEADLINES = (0.15, 0.3, 0.6, 1.2, 0.0)  # seconds; 0 is none
SEEDS = (1, 2)
ENFORCING = ("quic-datagram", "quic-stream-per-frame")
IGNORING = ("udp", "srt", "quic-stream:stack=stock,control=reno")
ARMS = (*ENFORCING, "rtp", *IGNORING)

_INSTANTS = ("first_sent_at", "complete_at", "delivered_at")


@dataclass(frozen=True)
class DriveWithDeadline:
    """One arm, deadline and drive. `delays` has the time from capture to display of each frame, `times` a row of
    instants per frame (sent, complete, delivered), all in seconds, infinite for never."""

    arm: str
    deadline: float
    seed: int
    delays: FloatArray
    times: FloatArray


def _plans() -> tuple[Plan, ...]:
    cells = [_cell(arm, deadline, seed) for seed in SEEDS for deadline in DEADLINES for arm in ARMS]
    return (make_plan("deadline", cells),)


def _cell(arm: str, deadline: float, seed: int) -> Cell:
    fields: dict[str, Any] = {"deadline": f"{deadline * 1e3:g}ms"} if deadline else {}
    return make_cell(
        {"deadline": deadline},
        "deadline",
        seed=seed,
        seconds=20,
        arm=arm,
        media=video("2Mbit/s", keyframe_interval=60, **fields),
        network={"trace": "lte-driving", "queue": "600kB", "loss": "1%"},
    )


def points(data: Dataset) -> list[DriveWithDeadline]:
    """All points, in the order of the plan."""
    every = []
    for cell, arm, seed, deadline in data.summary[["cell", "arm", "seed", "axis.deadline"]].itertuples(index=False):
        table = frames(data, cell)
        delays = instants(table, "displayed_at") - column(table, "captured_at")
        times = np.stack([instants(table, name) for name in _INSTANTS], axis=1)
        every.append(DriveWithDeadline(str(arm), float(deadline), int(seed), delays, times))
    return every


def shown(table: Sequence[DriveWithDeadline], arm: str, deadline: float) -> FloatArray:
    """Time from capture to display of the frames that were shown, over all drives."""
    delays = _delays(table, arm, deadline)
    return delays[np.isfinite(delays)]


def in_time(table: Sequence[DriveWithDeadline], arm: str, deadline: float, within: float) -> float:
    """Share of the captured frames that were shown within so many seconds, over all drives."""
    return float(np.mean(_delays(table, arm, deadline) <= within + 1e-6))


def _delays(table: Sequence[DriveWithDeadline], arm: str, deadline: float) -> FloatArray:
    return np.concatenate([p.delays for p in select(table, arm=arm, deadline=deadline)])


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


def _longer_delivers_more(table: Sequence[DriveWithDeadline]) -> Check:
    shares = {
        _named(at): [len(shown(table, arm, at)) / len(_delays(table, arm, at)) for arm in ENFORCING] for at in DEADLINES
    }
    return check(
        "The longer the deadline, the more frames are shown",
        "closed form: what can arrive within a deadline can within a longer one",
        "sign",
        order(PERCENT, shares, of=f"shown by {', '.join(ENFORCING)}"),
    )


def _nothing_is_shown_late(table: Sequence[DriveWithDeadline]) -> Check:
    delays = [shown(table, arm, at) - at for arm in ARMS for at in DEADLINES if at]
    return check(
        "What is on the screen is in time, whichever transport brought it",
        "definition: a frame that is ready after its deadline is decoded, and not shown",
        "value",
        bounded(MS, np.concatenate(delays), at_most=1e-6, of="delay beyond the deadline"),
    )


def _p95_follows_the_deadline(table: Sequence[DriveWithDeadline]) -> Check:
    rows = {_named(at): [percentile(shown(table, arm, at), 0.95) for arm in ENFORCING] for at in DEADLINES}
    kept = [p95 / at for at in DEADLINES if at for p95 in rows[_named(at)]]
    return check(
        "The deadline bounds the delay of what is shown; without one the fades of the link do",
        "order only: closed form as above",
        "order",
        order(MS, rows, of=f"p95 of {', '.join(ENFORCING)}"),
        bounded(PERCENT, kept, at_most=1.0, of="p95 over its deadline"),
        bounded(MS, percentile(shown(table, "udp", 0.0), 0.95), above=max(DEADLINES), of="udp without a deadline"),
    )


def _who_does_not_know_does_not_care(table: Sequence[DriveWithDeadline]) -> Check:
    changed: dict[str, int] = {}
    for arm in IGNORING:
        for seed in SEEDS:
            mine = {p.deadline: p.times for p in select(table, arm=arm, seed=seed)}
            differ = [int(np.sum(np.any(times != mine[0.0], axis=1))) for at, times in mine.items() if at]
            changed[arm] = max(changed.get(arm, 0), *differ)
    return check(
        "Transports that do not know deadlines send and deliver the same with any deadline",
        "no deadline in RFC 9000 streams, in SRT (its own latency) or in UDP",
        "value",
        value(FRAMES, changed, 0, of="sent, complete or delivered at another instant"),
        note="the receiver knows the deadline: it asks for a keyframe when a frame that is missing is late",
    )


def _giving_up_helps_those_behind(table: Sequence[DriveWithDeadline]) -> Check:
    wanted = [at for at in DEADLINES if at]
    sides = {"the best that does not give up": (*IGNORING, "rtp"), "the better of ours": ENFORCING}
    shares = {name: [max(in_time(table, arm, at, at) for arm in arms) for at in wanted] for name, arms in sides.items()}
    return check(
        "Giving up what will be late brings more of the others in time",
        "closed form: a first-in-first-out server that leaves out what will be late has as many in time",
        "order",
        order(PERCENT, shares, of=f"frames shown within {', '.join(map(_named, wanted))}"),
        note="the closed form is for independent frames and the same rate",
    )


def _no_deadline_loses_nothing(table: Sequence[DriveWithDeadline]) -> Check:
    missed = {arm: int(np.sum(np.isinf(_delays(table, arm, 0.0)))) for arm in (*ENFORCING, IGNORING[-1])}
    return check(
        "Without a deadline QUIC delivers every frame, by datagrams that are repaired too",
        "closed form: repeated until acknowledged (RFC 9000, 13.3; ours for datagrams)",
        "value",
        value(FRAMES, missed, 0, of="not shown"),
    )


def _named(deadline: float) -> str:
    return f"{deadline * 1e3:g} ms" if deadline else "none"


def _figure(data: Datasets) -> Figure:
    table = points(data["deadline"])
    title = f"What becomes of a deadline (lte-driving, 2 Mbit/s, {len(SEEDS)} drives)"
    figure, (left, right) = panels(title)
    place = range(len(DEADLINES))
    for arm in ARMS:
        style = arm_style(arm)
        curve(left, style, place, [100 * in_time(table, arm, at, at or np.inf) for at in DEADLINES], label=arm)
        curve(right, style, place, [1e3 * percentile(shown(table, arm, at), 0.95) for at in DEADLINES])
    logarithmic(right, y=[100, 200, 500, 1000, 2000])
    finish(left, "frames shown, % of the captured", "deadline")
    finish(right, "p95 of the frames that were shown, ms (log scale)", "deadline", legend=False)
    for axes in (left, right):
        axes.set_xticks(place, [_named(at) for at in DEADLINES])
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
