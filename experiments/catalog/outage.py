"""Outage and handover: how soon there are fresh pictures again after the path was gone, or changed under the video."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from glassbench.experiments.account.metrics import signal_delay
from glassbench.experiments.account.percentile import percentile
from glassbench.experiments.catalog.cells import delay, make_cell, make_plan, video
from glassbench.experiments.catalog.checks import MS, PERCENT, SECONDS, bounded, check, order, value
from glassbench.experiments.catalog.experiment import Check, Datasets, Experiment
from glassbench.experiments.catalog.figures import curve, finish, logarithmic, panels
from glassbench.experiments.catalog.frames import FRAME_INTERVAL, column, frames, instants, only, select
from glassbench.experiments.engine.plan import Cell, Plan
from glassbench.experiments.results.arm_style import SKY, VERMILION, arm_style
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.plots.style import FAINT

RTT = 0.06  # seconds
OUTAGES = (0.25, 0.5, 1.0, 2.0, 4.0)  # seconds
BEGIN = 1.0  # seconds after the first capture
ARMS = {
    "ours, datagrams": "quic-datagram",
    "ours, stream": "quic-stream",
    "stock reno": "quic-stream:stack=stock,control=reno",
    "rtp": "rtp",
    "srt": "srt",
    "udp": "udp",
}
DEADLINE = 0.3
PROBE_INTERVAL, ACK_DELAY = 0.1, 0.005  # transport/quic/stack.py
MAX_ACK_DELAY, GRANULARITY = 0.025, 0.001  # RFC 9000, 18.2, and RFC 9002, 6.1.2
LEAST_PTO = RTT + GRANULARITY + MAX_ACK_DELAY  # seconds, of round trips that do not vary
SRT_LATENCY, SRT_LIFETIME = 0.12, 1.02  # transport/srt/sending.py: max(latency, 1 s) + 20 ms

HANDOVER_ARMS = ("ours, datagrams", "ours, stream", "stock reno", "rtp", "udp")
HANDOVER_SEEDS = (1, 2, 3, 4)
_SLOT = 15.0  # seconds from handover to handover, netem/traces/generators/satellite.py
_SECONDS = 32.0


def probe_times(pto: float, count: int = 8) -> list[float]:
    """When a sender that nobody answers probes, in seconds after its last packet: after one PTO, then after twice as
    long, and so on (RFC 9002, 6.2.1)."""
    return [pto * (2**n - 1) for n in range(1, count + 1)]


@dataclass(frozen=True)
class Recovery:
    """One arm and outage, in seconds. `arrival` is from the end of the outage until the first video arrives, `fresh`
    until a picture is shown that was captured after the end. `last_sent` is from the begin of the outage until the last
    frame in it began to leave."""

    arm: str
    outage: float
    arrival: float
    fresh: float
    last_sent: float
    complete: float  # share of the frames that arrived whole, in time to be shown or not


@dataclass(frozen=True)
class Handover:
    """One arm: 95th percentiles of the signal delay in seconds, within a second from each handover, and elsewhere. They
    are medians over the seeds, because in some drives an obstacle is in view for seconds."""

    arm: str
    near: float
    far: float


def _plans() -> tuple[Plan, ...]:
    outage = [_outage_cell(name, seconds) for name in ARMS for seconds in OUTAGES]
    handover = [_handover_cell(name, seed) for name in HANDOVER_ARMS for seed in HANDOVER_SEEDS]
    return (make_plan("outage", outage), make_plan("handover", handover))


def _outage_cell(name: str, seconds: float) -> Cell:
    gone = {"element": "outage", "windows": [{"start": f"{BEGIN:g}s", "duration": f"{seconds * 1e3:g}ms"}]}
    link = {"element": "rate", "rate": "10Mbit/s", "queue": "150kB"}
    network = {"down": [gone, link, delay(RTT / 2)], "up": [gone, delay(RTT / 2)]}
    return make_cell(
        {"control": name, "outage": seconds},
        "outage",
        arm=ARMS[name],
        seconds=BEGIN + 2 * seconds + 3,
        media=video("1Mbit/s", deadline=f"{DEADLINE * 1e3:g}ms"),
        network=network,
    )


def _handover_cell(name: str, seed: int) -> Cell:
    return make_cell(
        {"control": name},
        "handover",
        seed=seed,
        arm=ARMS[name],
        seconds=_SECONDS,
        media=video("2Mbit/s"),
        network={"trace": "satellite"},
    )


def recoveries(data: Dataset) -> list[Recovery]:
    """All arms and outages, in the order of the plan."""
    every = []
    for cell, arm, seconds in data.summary[["cell", "axis.control", "axis.outage"]].itertuples(index=False):
        table, end = frames(data, cell), BEGIN + float(seconds)
        captured, sent = column(table, "captured_at"), instants(table, "first_sent_at")
        arrived, shown = instants(table, "first_arrival_at"), instants(table, "displayed_at")
        every.append(
            Recovery(
                arm=str(arm),
                outage=float(seconds),
                arrival=float(np.min(arrived[arrived > end])) - end,
                fresh=float(np.min(shown[captured >= end])) - end,
                last_sent=float(np.max(sent[sent < end])) - BEGIN,
                complete=float(np.mean(table["complete_at"].notna())),
            )
        )
    return every


def handovers(data: Dataset) -> list[Handover]:
    """All arms, over all seeds."""
    every = []
    for arm in HANDOVER_ARMS:
        near, far = [], []
        for cell, seed in data.where(control=arm)[["cell", "seed"]].itertuples(index=False):
            table = frames(data, cell)
            since = (column(table, "captured_at") - first_handover(data, int(seed)) + 0.1) % _SLOT
            delays = signal_delay(table)
            near.append(percentile(delays[since < 1.1], 0.95))
            far.append(percentile(delays[since >= 1.1], 0.95))
        every.append(Handover(arm, percentile(np.array(near), 0.5), percentile(np.array(far), 0.5)))
    return every


def first_handover(data: Dataset, seed: int) -> float:
    """When the satellite first changes in the drive of this seed: packets are lost then, and delays jump. The arm `udp`
    shows it: it is the start of the slot in which most of its packets were lost."""
    (cell,) = data.where(control="udp", seed=seed)["cell"]
    links = data.frames("links", [int(cell)])
    down = links[(links["direction"] == "down") & (links["at"] >= 0)]
    lost = down.groupby((down["at"] % _SLOT).round(1))["lost_packets"].sum()
    return float(lost.index.to_numpy(dtype=np.float64)[int(np.argmax(lost.to_numpy()))])


def _checks(data: Datasets) -> list[Check]:
    table = recoveries(data["outage"])
    return [
        _stock_probes_back_off(table),
        _stock_recovery_is_bounded(table),
        _our_probes(table),
        _ours_is_sooner_after_long_outages(table),
        _srt_forgets(table),
        _srt_repairs_what_it_kept(table),
        _no_state_no_wait(table),
        _handover_spikes(handovers(data["handover"])),
    ]


def _stock_probes_back_off(table: Sequence[Recovery]) -> Check:
    after = {f"after {seconds:g} s": _pto(only(table, arm="stock reno", outage=seconds)) for seconds in (2.0, 4.0)}
    shorter, longer = after.values()
    return check(
        "When nobody answers, probes come after PTO, 2 PTO, 4 PTO ...: one of them ends the silence",
        "RFC 9002, 6.2.1: PTO = smoothed_rtt + max(4 rttvar, kGranularity) + max_ack_delay, doubled each time",
        "value",
        value(MS, shorter, longer, within=0.01, of="the PTO of one recovery by that of the other"),
        bounded(MS, after, at_least=LEAST_PTO, at_most=1.25 * LEAST_PTO, of="PTO", at="(no variation, to 1/4 more)"),
    )


def _pto(row: Recovery) -> float:
    """The PTO whose probe left when the first packet after the outage did, if one fits; else infinite."""
    at = row.outage + row.arrival - RTT / 2 - row.last_sent
    fits = [at / (2**n - 1) for n in range(1, 12) if LEAST_PTO <= at / (2**n - 1) <= 1.25 * LEAST_PTO]
    return fits[0] if fits else math.inf


def _stock_recovery_is_bounded(table: Sequence[Recovery]) -> Check:
    rows = select(table, arm="stock reno")
    most = [row.outage - row.last_sent + 1.25 * LEAST_PTO + RTT / 2 for row in rows]
    return check(
        "With backoff the silence at most doubles: up to the length of the outage once more",
        "closed form: the n-th probe at PTO (2^n - 1), the next at most the elapsed time and a PTO away",
        "order",
        bounded(SECONDS, {f"{r.outage:g} s": r.arrival for r in rows}, at_most=most, of="first arrival after the end"),
        note="it is a bound; which probe comes next is chance of the length",
    )


def _our_probes(table: Sequence[Recovery]) -> Check:
    bound = PROBE_INTERVAL + 1.5 * RTT + ACK_DELAY + FRAME_INTERVAL
    arrivals = [row.arrival for row in table if row.arm.startswith("ours")]
    return check(
        "With a probe every 100 ms media arrive soon after any outage",
        "closed form: probe interval, a round trip for its ACK (5 ms late at most), half a one for the next "
        "frame, which is captured up to a frame interval later if those that waited have expired",
        "value",
        bounded(MS, arrivals, at_most=bound + 1e-6, of="after the end, whatever its length"),
    )


def _ours_is_sooner_after_long_outages(table: Sequence[Recovery]) -> Check:
    arms = ("ours, datagrams", "stock reno")
    fresh = {arm: [only(table, arm=arm, outage=seconds).fresh for seconds in (2.0, 4.0)] for arm in arms}
    return check(
        "After a long outage fresh pictures come sooner without backoff and with deadlines than with stock QUIC",
        "order only: RFC 9002, 6.2.1 backs off; a stream without deadlines sends the backlog first",
        "order",
        order(SECONDS, fresh, times=2, of="fresh pictures after 2 and 4 s"),
    )


def _srt_forgets(table: Sequence[Recovery]) -> Check:
    fresh = {f"{row.outage:g} s": row.fresh for row in select(table, arm="srt") if row.outage > SRT_LIFETIME}
    return check(
        "SRT forgets what is too late: its recovery does not depend on how much longer the outage was",
        "draft-sharabayko-srt-01, 4.6 (too-late packet drop)",
        "value",
        value(MS, fresh, min(fresh.values()), off=FRAME_INTERVAL, of=f"outages above {SRT_LIFETIME:g} s"),
    )


def _srt_repairs_what_it_kept(table: Sequence[Recovery]) -> Check:
    whole = {row.outage: row.complete for row in select(table, arm="srt")}
    kept = {f"{seconds:g} s": share for seconds, share in whole.items() if seconds <= 0.5}
    gone = {f"{seconds:g} s": share for seconds, share in whole.items() if seconds >= 2}
    return check(
        "SRT sends again what it still keeps: up to a second of outage loses nothing, a longer one does",
        "draft-sharabayko-srt-01, 4.6: the sender drops after max(1.25 latency, 1 s); libsrt: 1.02 s here",
        "sign",
        value(PERCENT, kept, 1.0, of="frames that arrive whole after short outages"),
        bounded(PERCENT, gone, below=1.0, of="after long ones"),
    )


def _no_state_no_wait(table: Sequence[Recovery]) -> Check:
    bound = FRAME_INTERVAL + RTT / 2 + 2e-3
    arrivals = [row.arrival for row in table if row.arm in ("udp", "rtp")]
    return check(
        "What needs no ACK sends on through the outage and arrives with the first frame after it",
        "closed form: frame interval + RTT / 2, and 2 ms to serialise",
        "value",
        bounded(MS, arrivals, at_most=bound, of="udp and rtp, after the end"),
        note="a picture needs a keyframe, which takes a round trip more",
    )


def _handover_spikes(rows: Sequence[Handover]) -> Check:
    p95 = {"elsewhere": [row.far for row in rows], "within a second of a handover": [row.near for row in rows]}
    return check(
        "Around the handover of a low orbit satellite delays rise, for any transport",
        "Mohan et al., A Multifaceted Look at Starlink Performance, WWW 2024 (large changes of delay at each "
        "interval of 15 s)",
        "sign",
        order(MS, p95, of=f"p95 of the signal delay in a typical drive of {', '.join(HANDOVER_ARMS)}"),
        note="the trace is a model of it; no size is compared",
    )


def _figure(data: Datasets) -> Figure:
    figure, (left, right) = panels("After an outage, and around a handover", width_ratios=(1.5, 1))
    _draw_outages(left, recoveries(data["outage"]))
    _draw_handovers(right, handovers(data["handover"]))
    return figure


def _draw_outages(axes: Axes, table: Sequence[Recovery]) -> None:
    axes.plot(OUTAGES, OUTAGES, color=FAINT, linewidth=1.2, label="as long as the outage")
    for arm, name in ARMS.items():
        curve(axes, arm_style(name), OUTAGES, [row.fresh for row in select(table, arm=arm)], label=arm)
    logarithmic(axes, x=OUTAGES, y=[0.1, 0.2, 0.5, 1, 2, 4])
    finish(axes, "seconds from its end to a fresh picture (log scales)", "length of the outage, s")


def _draw_handovers(axes: Axes, rows: Sequence[Handover]) -> None:
    place = np.arange(len(rows))
    near, far = [1e3 * row.near for row in rows], [1e3 * row.far for row in rows]
    axes.barh(place - 0.2, far, 0.38, color=SKY, label="elsewhere")
    look: dict[str, Any] = {
        "color": VERMILION,
        "hatch": "///",
        "edgecolor": "white",
        "label": "within a second of a handover",
    }
    axes.barh(place + 0.2, near, 0.38, **look)
    axes.set_yticks(place, [row.arm for row in rows])
    axes.invert_yaxis()
    finish(axes, "satellite: p95 of the signal delay, ms", loc="upper center", bbox_to_anchor=(0.4, -0.08), ncols=2)


EXPERIMENT = Experiment(
    name="outage-v1",
    question="How long after an outage, or a handover, are there fresh pictures again?",
    expectation="Soon where probes keep coming or nothing waits for an ACK; with the backoff of stock QUIC up to the "
    "length of the outage once more; SRT after a constant time.",
    source="RFC 9002, 6.2; draft-sharabayko-srt-01, 4.6; Mohan et al., WWW 2024",
    plans=_plans,
    checks=_checks,
    figure=_figure,
)
