"""Outage and handover: how soon there are fresh pictures again after the path was gone, or changed under the video."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from glassbench.experiments import scenario
from glassbench.experiments.account.metrics import percentile, signal_delay
from glassbench.experiments.catalog.experiment import Check, Datasets, Experiment
from glassbench.experiments.catalog.frames import FRAME_INTERVAL, column, delay, frames, instants, video
from glassbench.experiments.engine.plan import Cell, Plan, checked
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.plots.style import FAINT, INK, arm_styles, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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
SRT_LATENCY, SRT_LIFETIME = 0.12, 1.02  # transport/srt/sending.py: max(latency, 1 s) + 20 ms

HANDOVER_ARMS = ("ours, datagrams", "ours, stream", "stock reno", "rtp", "udp")
HANDOVER_SEEDS = (1, 2, 3, 4)
_SLOT = 15.0  # seconds from handover to handover, netem/traces/generators/satellite.py
_SECONDS = 32.0


def probe_times(pto: float, count: int = 8) -> list[float]:
    """Seconds after the last packet at which a sender probes whom nobody answers: PTO, then twice as long, and so on
    (RFC 9002, 6.2.1)."""
    return [pto * (2**n - 1) for n in range(1, count + 1)]


@dataclass(frozen=True)
class Recovery:
    """One arm and outage. Seconds after its end: `arrival` of the first video, `fresh`, until a picture is shown that
    was captured after the end; `last_sent`: seconds from its begin until the last frame began to leave."""

    arm: str
    outage: float
    arrival: float
    fresh: float
    last_sent: float
    complete: float  # share of the frames that arrived whole, in time to be shown or not


@dataclass(frozen=True)
class Handover:
    """One arm: 95th percentiles of the signal delay in seconds, within a second from each handover, and elsewhere;
    medians over the seeds, because one drive in some has an obstacle in view for seconds."""

    arm: str
    near: float
    far: float


def _plans() -> tuple[Plan, ...]:
    outage = [_outage_cell(name, seconds) for name in ARMS for seconds in OUTAGES]
    handover = [_handover_cell(name, seed) for name in HANDOVER_ARMS for seed in HANDOVER_SEEDS]
    return (
        checked(Plan("outage", tuple(outage), frames=True)),
        checked(Plan("handover", tuple(handover), frames=True)),
    )


def _outage_cell(name: str, seconds: float) -> Cell:
    gone = {"element": "outage", "windows": [{"start": f"{BEGIN:g}s", "duration": f"{seconds * 1e3:g}ms"}]}
    link = {"element": "rate", "rate": "10Mbit/s", "queue": "150kB"}
    network = {"down": [gone, link, delay(RTT / 2)], "up": [gone, delay(RTT / 2)]}
    content: dict[str, Any] = {
        "name": "outage",
        "duration": f"{BEGIN + 2 * seconds + 3:g}s",
        "arms": [ARMS[name]],
        "video": video("1Mbit/s", deadline=f"{DEADLINE * 1e3:g}ms"),
        "network": network,
    }
    return Cell({"control": name, "outage": seconds}, scenario.build(content))


def _handover_cell(name: str, seed: int) -> Cell:
    content = {
        "name": "handover",
        "seed": seed,
        "duration": f"{_SECONDS:g}s",
        "arms": [ARMS[name]],
        "video": video("2Mbit/s"),
        "network": {"trace": "satellite"},
    }
    return Cell({"control": name}, scenario.build(content))


def recoveries(data: Dataset) -> list[Recovery]:
    """All arms and outages, in the order of the plan."""
    found = []
    for cell, arm, seconds in data.summary[["cell", "axis.control", "axis.outage"]].itertuples(index=False):
        table, end = frames(data, cell), BEGIN + float(seconds)
        captured, sent = column(table, "captured_at"), instants(table, "first_sent_at")
        arrived, shown = instants(table, "first_arrival_at"), instants(table, "displayed_at")
        found.append(
            Recovery(
                arm=str(arm),
                outage=float(seconds),
                arrival=float(np.min(arrived[arrived > end])) - end,
                fresh=float(np.min(shown[captured >= end])) - end,
                last_sent=float(np.max(sent[sent < end])) - BEGIN,
                complete=float(np.mean(table["complete_at"].notna())),
            )
        )
    return found


def handovers(data: Dataset) -> list[Handover]:
    """All arms, over all seeds."""
    found = []
    for arm in HANDOVER_ARMS:
        near, far = [], []
        for cell, seed in data.where(control=arm)[["cell", "seed"]].itertuples(index=False):
            table = frames(data, cell)
            since = (column(table, "captured_at") - first_handover(data, int(seed)) + 0.1) % _SLOT
            delays = signal_delay(table)
            near.append(percentile(delays[since < 1.1], 0.95))
            far.append(percentile(delays[since >= 1.1], 0.95))
        found.append(Handover(arm, percentile(np.array(near), 0.5), percentile(np.array(far), 0.5)))
    return found


def first_handover(data: Dataset, seed: int) -> float:
    """When the satellite first changes in the drive of this seed: packets are lost then, and delays jump. Seen in the
    arm `udp`: the start of the slot in which most of its packets were lost."""
    (cell,) = data.where(control="udp", seed=seed)["cell"]
    links = data.links([int(cell)])
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
    long = [_one(table, "stock reno", seconds) for seconds in (2.0, 4.0)]
    least = RTT + GRANULARITY + MAX_ACK_DELAY
    found = [_pto(row) for row in long]
    spread = abs(found[0] / found[1] - 1) if all(map(math.isfinite, found)) else math.inf
    return Check(
        claim="When nobody answers, probes come after PTO, 2 PTO, 4 PTO ...: one of them ends the silence",
        source="RFC 9002, 6.2.1: PTO = smoothed_rtt + max(4 rttvar, kGranularity) + max_ack_delay, doubled each time",
        kind="value",
        expected=f"the same PTO from both recoveries, within 1 %, from {least * 1e3:.0f} ms (no variation) to "
        f"{1.25 * least * 1e3:.0f} ms",
        measured=" and ".join(f"{pto * 1e3:.1f} ms" for pto in found) + " after 2 and 4 s",
        holds=spread <= 0.01 and all(least <= pto <= 1.25 * least for pto in found),
    )


def _pto(row: Recovery) -> float:
    """The PTO by which a probe left when the first packet after the outage did, if one fits; else infinite."""
    at = row.outage + row.arrival - RTT / 2 - row.last_sent
    least = RTT + GRANULARITY + MAX_ACK_DELAY
    fits = [at / (2**n - 1) for n in range(1, 12) if least <= at / (2**n - 1) <= 1.25 * least]
    return fits[0] if fits else math.inf


def _stock_recovery_is_bounded(table: Sequence[Recovery]) -> Check:
    rows = [_one(table, "stock reno", seconds) for seconds in OUTAGES]
    most = [row.outage - row.last_sent + 1.25 * (RTT + GRANULARITY + MAX_ACK_DELAY) + RTT / 2 for row in rows]
    return Check(
        claim="With backoff the silence at most doubles: up to the length of the outage once more",
        source="closed form: the n-th probe at PTO (2^n - 1), the next at most the elapsed time and a PTO away",
        kind="order",
        expected="first arrival at most " + ", ".join(f"{value:.2f}" for value in most) + " s after the end",
        measured=", ".join(f"{row.arrival:.2f}" for row in rows) + " s after " + _lengths(),
        holds=all(row.arrival <= bound for row, bound in zip(rows, most, strict=True)),
        note="it is a bound; which probe comes next is chance of the length",
    )


def _our_probes(table: Sequence[Recovery]) -> Check:
    rows = [row for row in table if row.arm.startswith("ours")]
    bound = PROBE_INTERVAL + 1.5 * RTT + ACK_DELAY + FRAME_INTERVAL
    most = max(row.arrival for row in rows)
    return Check(
        claim="With a probe every 100 ms media arrive soon after any outage",
        source="closed form: probe interval, a round trip for its ACK (5 ms late at most), half a one for the next "
        "frame, which is captured up to a frame interval later if those that waited have expired",
        kind="value",
        expected=f"at most {bound * 1e3:.0f} ms after the end, whatever its length",
        measured=f"at most {most * 1e3:.0f} ms",
        holds=most <= bound + 1e-6,
    )


def _ours_is_sooner_after_long_outages(table: Sequence[Recovery]) -> Check:
    pairs = [(_one(table, "ours, datagrams", s), _one(table, "stock reno", s)) for s in (2.0, 4.0)]
    return Check(
        claim="After a long outage fresh pictures come sooner without backoff and with deadlines than with stock QUIC",
        source="order only: RFC 9002, 6.2.1 backs off; a stream without deadlines sends the backlog first",
        kind="order",
        expected="less than half the time after 2 and 4 s",
        measured="; ".join(f"{a.fresh:.2f} against {b.fresh:.2f} s" for a, b in pairs),
        holds=all(a.fresh < b.fresh / 2 for a, b in pairs),
    )


def _srt_forgets(table: Sequence[Recovery]) -> Check:
    rows = [_one(table, "srt", seconds) for seconds in OUTAGES if seconds > SRT_LIFETIME]
    spread = max(row.fresh for row in rows) - min(row.fresh for row in rows)
    return Check(
        claim="SRT forgets what is too late: its recovery does not depend on how much longer the outage was",
        source="draft-sharabayko-srt-01, 4.6 (too-late packet drop)",
        kind="value",
        expected=f"fresh pictures after the same time for outages above {SRT_LIFETIME:g} s, within a frame interval",
        measured=", ".join(f"{row.fresh * 1e3:.0f} ms" for row in rows),
        holds=spread <= FRAME_INTERVAL,
    )


def _srt_repairs_what_it_kept(table: Sequence[Recovery]) -> Check:
    rows = [_one(table, "srt", seconds) for seconds in OUTAGES]
    return Check(
        claim="SRT sends again what it still keeps: up to a second of outage loses nothing, a longer one does",
        source="draft-sharabayko-srt-01, 4.6: the sender drops after max(1.25 latency, 1 s); libsrt: 1.02 s here",
        kind="sign",
        expected="all frames arrive whole for 0.25 and 0.5 s, fewer for 2 and 4 s",
        measured=", ".join(f"{row.complete:.0%}" for row in rows) + f" after {_lengths()}",
        holds=all(row.complete == 1.0 for row in rows if row.outage <= 0.5)
        and all(row.complete < 1.0 for row in rows if row.outage >= 2),
    )


def _no_state_no_wait(table: Sequence[Recovery]) -> Check:
    rows = [row for row in table if row.arm in ("udp", "rtp")]
    bound = FRAME_INTERVAL + RTT / 2 + 2e-3
    most = max(row.arrival for row in rows)
    return Check(
        claim="What needs no ACK sends on through the outage and arrives with the first frame after it",
        source="closed form: frame interval + RTT / 2, and 2 ms to serialise",
        kind="value",
        expected=f"at most {bound * 1e3:.0f} ms after the end",
        measured=f"at most {most * 1e3:.0f} ms (udp, rtp)",
        holds=most <= bound,
        note="a picture needs a keyframe, which takes a round trip more",
    )


def _handover_spikes(rows: Sequence[Handover]) -> Check:
    return Check(
        claim="Around the handover of a low orbit satellite delays rise, for any transport",
        source="Mohan et al., A Multifaceted Look at Starlink Performance, WWW 2024 (large changes of delay at each "
        "interval of 15 s)",
        kind="sign",
        expected="p95 of the signal delay in a typical drive higher within a second of a handover than elsewhere",
        measured="; ".join(f"{row.arm} {row.near * 1e3:.0f} and {row.far * 1e3:.0f} ms" for row in rows),
        holds=all(row.near > row.far for row in rows),
        note="the trace is a model of it; no size is compared",
    )


def _one(table: Sequence[Recovery], arm: str, outage: float) -> Recovery:
    (row,) = [row for row in table if (row.arm, row.outage) == (arm, outage)]
    return row


def _lengths() -> str:
    return ", ".join(f"{seconds:g}" for seconds in OUTAGES) + " s"


def _figure(data: Datasets) -> "Figure":
    figure = new_figure(12, 4.6)
    left, right = figure.subplots(1, 2, width_ratios=(1.5, 1))
    _draw_outages(left, recoveries(data["outage"]))
    _draw_handovers(right, handovers(data["handover"]))
    figure.suptitle("After an outage, and around a handover", x=0.01, ha="left", fontsize=10, color=INK)
    return figure


def _draw_outages(axes: "Axes", table: Sequence[Recovery]) -> None:
    axes.plot(OUTAGES, OUTAGES, color=FAINT, linewidth=1.2, label="as long as the outage")
    for arm, style in arm_styles(list(ARMS)).items():
        rows = [_one(table, arm, seconds) for seconds in OUTAGES]
        axes.plot(
            OUTAGES,
            [row.fresh for row in rows],
            color=style.color,
            linestyle=style.dashes,
            marker=style.marker,
            markersize=6,
            label=arm,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(OUTAGES, [f"{seconds:g}" for seconds in OUTAGES])
    axes.set_yticks([0.1, 0.2, 0.5, 1, 2, 4], ["0.1", "0.2", "0.5", "1", "2", "4"])
    axes.minorticks_off()
    axes.legend(frameon=False, fontsize=8, handlelength=3.2)
    axes.set_title("seconds from its end to a fresh picture (log scales)", loc="left", fontsize=9, color=INK)
    axes.set_xlabel("length of the outage, s")
    tidy(axes)


def _draw_handovers(axes: "Axes", rows: Sequence[Handover]) -> None:
    place = np.arange(len(rows))
    axes.barh(place - 0.2, [1e3 * row.far for row in rows], 0.38, color="#56B4E9", label="elsewhere")
    axes.barh(
        place + 0.2,
        [1e3 * row.near for row in rows],
        0.38,
        color="#D55E00",
        hatch="///",
        edgecolor="white",
        label="within a second of a handover",
    )
    axes.set_yticks(place, [row.arm for row in rows])
    axes.invert_yaxis()
    axes.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.4, -0.08), ncols=2)
    axes.set_title("satellite: p95 of the signal delay, ms", loc="left", fontsize=9, color=INK)
    tidy(axes)


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
