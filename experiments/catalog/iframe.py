"""Keyframes against the congestion window: how many round trips a frame takes that is larger than the window."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from glassbench.experiments import scenario
from glassbench.experiments.catalog.experiment import Check, Datasets, Experiment
from glassbench.experiments.catalog.frames import column, delay, frames, instants, video
from glassbench.experiments.engine.plan import Cell, Plan, checked
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.plots.style import FAINT, INK, arm_styles, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RTT = 0.1  # seconds
PACKET_BYTES = 1200  # RFC 9000, 14.1; aioquic as it is never sends larger ones
WINDOW_BYTES = 10 * PACKET_BYTES  # RFC 9002, 7.2
HANDSHAKE_PACKETS = 5  # whose ACKs may have added to the window, at most
SIZES = (7_000, 14_000, 25_000, 50_000, 90_000, 160_000, 300_000, 550_000, 1_000_000)  # bytes, about
WINDOWED = {
    "stock reno": "quic-stream:stack=stock,control=reno",
    "ours, stream": "quic-stream",
    "ours": "quic-datagram",
}
UNLIMITED = {"rtp": "rtp", "srt": "srt:latency_ms=0", "udp": "udp"}
BITRATES = (0.5, 1.0, 2.0, 4.0)  # Mbit/s, of the running video
KEYFRAME_RATIO = 4.0  # of a keyframe to another frame, sender/size_model.py


def rounds(size_bytes: float, window_bytes: float = WINDOW_BYTES) -> int:
    """Round trips in which slow start sends so many bytes: windows W, 2W, 4W ... carry (2^n - 1) W in n of them."""
    return math.ceil(math.log2(size_bytes / window_bytes + 1))


@dataclass(frozen=True)
class First:
    """The first frame of a connection: its size, and how long after half a round trip it was complete, in RTT."""

    arm: str
    size_bytes: float
    took: float


@dataclass(frozen=True)
class Running:
    """Keyframes within a running video: bytes, and round trips that a keyframe took more than half of one (medians)."""

    arm: str
    bitrate: float
    size_bytes: float
    took: float


def _plans() -> tuple[Plan, ...]:
    arms = WINDOWED | UNLIMITED
    first = [_cell({"control": name, "size": size}, arms[name], _one_frame(size)) for name in arms for size in SIZES]
    running = [
        _cell({"control": name, "bitrate": rate}, arms[name], video(f"{rate:g}Mbit/s", keyframe_interval=60), "20s")
        for name in ("stock reno", "ours", "rtp")
        for rate in BITRATES
    ]
    return (
        checked(Plan("first", tuple(first), frames=True)),
        checked(Plan("running", tuple(running), frames=True)),
    )


def _one_frame(size: int) -> dict[str, Any]:
    """One frame a second, the first of which is a keyframe of about that size."""
    return video(f"{8 * size / KEYFRAME_RATIO:.0f}bit/s", fps=1)


def _cell(axes: dict[str, Any], arm: str, media: dict[str, Any], duration: str = "1s") -> Cell:
    path = [delay(RTT / 2)]
    content = {
        "name": "iframe",
        "duration": duration,
        "arms": [arm],
        "video": media,
        "network": {"down": path, "up": path},
    }
    return Cell(axes, scenario.build(content))


def first_frames(data: Dataset) -> list[First]:
    """The first frames, in the order of the plan."""
    found = []
    for cell, arm in data.summary[["cell", "axis.control"]].itertuples(index=False):
        table = frames(data, cell)
        took = (instants(table, "complete_at") - column(table, "captured_at"))[0] / RTT - 0.5
        found.append(First(str(arm), float(column(table, "size_bytes")[0]), float(took)))
    return found


def running_keyframes(data: Dataset) -> list[Running]:
    """Keyframes of running videos but the first two, medians, in the order of the plan."""
    found = []
    for cell, arm, rate in data.summary[["cell", "axis.control", "axis.bitrate"]].itertuples(index=False):
        table = frames(data, cell)
        keyframes = table[table["keyframe"]].iloc[2:]
        took = (instants(keyframes, "complete_at") - column(keyframes, "captured_at")) / RTT - 0.5
        size = float(np.median(column(keyframes, "size_bytes")))
        found.append(Running(str(arm), float(rate), size, float(np.median(took))))
    return found


def _checks(data: Datasets) -> list[Check]:
    first, running = first_frames(data["first"]), running_keyframes(data["running"])
    return [
        _slow_start(first),
        _our_start_is_no_slower(first),
        _larger_takes_longer(first),
        _one_window_takes_no_round_trip(first),
        _without_a_window(first),
        _a_window_that_was_not_used(running),
        _ours_is_bounded(running),
    ]


def _slow_start(first: Sequence[First]) -> Check:
    rows = [frame for frame in first if frame.arm == "stock reno"]
    outside = []
    for frame in rows:
        most, least = rounds(frame.size_bytes * 1.05), rounds(frame.size_bytes, _largest_window())
        if not least - 1 <= frame.took <= most:
            outside.append(f"{frame.size_bytes / 1e3:.0f} kB: {frame.took:.2f}")
    return Check(
        claim="A first frame of S bytes takes as many round trips as windows that double need: log2(S / W + 1)",
        source="closed form with RFC 9002, 7.2 (W of ten packets) and 7.3.1 (slow start)",
        kind="value",
        expected="complete in the last of n round trips at each size; W 10 to 15 packets (ACKs of the handshake), 5 % "
        "for headers",
        measured=_texts(rows) + (f"; outside: {', '.join(outside)}" if outside else ""),
        holds=not outside,
        note="aioquic paces a window over about a round trip, so the last byte leaves within the n-th",
    )


def _largest_window() -> float:
    return WINDOW_BYTES + HANDSHAKE_PACKETS * PACKET_BYTES


def _our_start_is_no_slower(first: Sequence[First]) -> Check:
    rows = [frame for frame in first if frame.arm in ("ours, stream", "ours")]
    late = [f for f in rows if f.took > rounds(f.size_bytes * 1.05)]
    return Check(
        claim="Our control starts no slower than slow start: its window at least doubles each round trip",
        source="closed form with RFC 9002, 7.2 and 7.3.1; our control: ten packets, then threefold",
        kind="value",
        expected="complete within n round trips at each size, stream and datagrams",
        measured=_texts([f for f in rows if f.arm == "ours"]) + (f"; late: {_texts(late)}" if late else ""),
        holds=not late,
    )


def _larger_takes_longer(first: Sequence[First]) -> Check:
    slopes, wanted = {}, []
    for arm in WINDOWED:
        rows = [frame for frame in first if frame.arm == arm and frame.size_bytes > 2 * WINDOW_BYTES]
        octaves = [math.log2(frame.size_bytes) for frame in rows]
        forms = [math.log2(frame.size_bytes / WINDOW_BYTES + 1) for frame in rows]
        slopes[arm] = float(np.polyfit(octaves, [frame.took for frame in rows], 1)[0])
        wanted.append(float(np.polyfit(octaves, forms, 1)[0]))
    return Check(
        claim="Twice the size takes about one round trip more",
        source="closed form: log2(S / W + 1)",
        kind="value",
        expected=f"{wanted[0]:.2f} round trips for each doubling from two windows on, within 0.2 (each frame ends "
        "anywhere within its last one: half a round trip at either end of four doublings); ours no more than that",
        measured=", ".join(f"{arm} {slope:.2f}" for arm, slope in slopes.items()),
        holds=all(
            slope <= want + 0.2 and (arm != "stock reno" or slope >= want - 0.2)
            for (arm, slope), want in zip(slopes.items(), wanted, strict=True)
        ),
    )


def _one_window_takes_no_round_trip(first: Sequence[First]) -> Check:
    rows = [f for f in first if f.arm in WINDOWED and f.size_bytes * 1.05 < WINDOW_BYTES]
    most = max(frame.took for frame in rows)
    return Check(
        claim="A frame within the initial window waits for no ACK",
        source="RFC 9002, 7.2",
        kind="value",
        expected="complete within less than one round trip beyond the propagation",
        measured=f"at most {most:.2f} RTT ({len(rows)} frames up to {max(f.size_bytes for f in rows) / 1e3:.1f} kB)",
        holds=most < 1,
        note="what there is comes from pacing, which ours does not do before it has met a limit",
    )


def _without_a_window(first: Sequence[First]) -> Check:
    rows = [frame for frame in first if frame.arm in UNLIMITED]
    most = max(frame.took for frame in rows)
    return Check(
        claim="What has no window (udp, rtp, srt in live mode) sends any keyframe at once",
        source="closed form: nothing waits for an ACK; SRT paces at 1 Gbit/s",
        kind="value",
        expected=f"within {max(f.size_bytes for f in rows) * 8.4 / 1e9 / RTT:.2f} RTT at every size",
        measured=f"at most {most:.3f} RTT",
        holds=most <= max(f.size_bytes for f in rows) * 8.4 / 1e9 / RTT,
        note="on a path without a bottleneck; where there is one its queue takes the keyframe",
    )


def _a_window_that_was_not_used(running: Sequence[Running]) -> Check:
    rows = [row for row in running if row.arm == "stock reno"]
    return Check(
        claim="A window that frames do not fill does not grow, so that a later keyframe over it takes a round trip",
        source="RFC 9002, 7.8: the window SHOULD NOT be increased when it is underutilized",
        kind="order",
        expected="keyframes larger than the initial window take at least half a round trip more",
        measured=", ".join(f"{row.size_bytes / 1e3:.0f} kB: {row.took:.2f}" for row in rows) + " RTT",
        holds=all(row.took >= 0.5 for row in rows if row.size_bytes > WINDOW_BYTES),
        note="stock reno, keyframes of four frames every 2 s; the RFC gives no figure",
    )


def _ours_is_bounded(running: Sequence[Running]) -> Check:
    rows = [row for row in running if row.arm == "ours"]
    return Check(
        claim="With our control a keyframe within a running video takes less than a first frame of its size",
        source="closed form: log2(S / W + 1) is for a window that starts anew",
        kind="order",
        expected="fewer round trips than slow start for keyframes above the initial window",
        measured=", ".join(f"{row.size_bytes / 1e3:.0f} kB: {row.took:.2f}" for row in rows) + " RTT",
        holds=all(
            row.took < math.log2(row.size_bytes / WINDOW_BYTES + 1) for row in rows if row.size_bytes > WINDOW_BYTES
        ),
    )


def _texts(rows: Sequence[First]) -> str:
    return ", ".join(f"{row.size_bytes / 1e3:.0f} kB: {row.took:.2f}" for row in rows) + " RTT"


def _figure(data: Datasets) -> "Figure":
    figure = new_figure(12, 4.6)
    left, right = figure.subplots(1, 2, width_ratios=(1.6, 1))
    _draw_first(left, first_frames(data["first"]))
    _draw_running(right, running_keyframes(data["running"]))
    figure.suptitle(
        f"Round trips that a keyframe takes beyond its propagation (RTT {RTT * 1e3:g} ms, no bottleneck)",
        x=0.01,
        ha="left",
        fontsize=10,
        color=INK,
    )
    return figure


def _draw_first(axes: "Axes", first: Sequence[First]) -> None:
    fine = np.geomspace(5e3, 1.1e6, 400)
    axes.fill_between(
        fine / 1e3,
        [rounds(size, _largest_window()) - 1 for size in fine.tolist()],
        [rounds(size * 1.05) for size in fine.tolist()],
        color=FAINT,
        alpha=0.4,
        linewidth=0,
        label="slow start: within the last of its round trips",
    )
    for arm, style in arm_styles([*WINDOWED, *UNLIMITED]).items():
        rows = [frame for frame in first if frame.arm == arm]
        axes.plot(
            [frame.size_bytes / 1e3 for frame in rows],
            [frame.took for frame in rows],
            color=style.color,
            linestyle=style.dashes,
            marker=style.marker,
            markersize=5,
            fillstyle="none" if arm in UNLIMITED else "full",
            label=arm,
        )
    axes.set_xscale("log")
    axes.set_xticks([10, 30, 100, 300, 1000], ["10", "30", "100", "300", "1000"])
    axes.legend(frameon=False, fontsize=8, handlelength=3.2)
    axes.set_title("first frame of a connection", loc="left", fontsize=9, color=INK)
    axes.set_xlabel("size, kB (log scale)")
    tidy(axes)


def _draw_running(axes: "Axes", running: Sequence[Running]) -> None:
    for arm, style in arm_styles(list(dict.fromkeys(row.arm for row in running))).items():
        rows = [row for row in running if row.arm == arm]
        axes.plot(
            [row.size_bytes / 1e3 for row in rows],
            [row.took for row in rows],
            color=style.color,
            linestyle=style.dashes,
            marker=style.marker,
            markersize=6,
            label=arm,
        )
    fine = np.linspace(5e3, 65e3, 100)
    axes.plot(fine / 1e3, np.log2(fine / WINDOW_BYTES + 1), color=FAINT, linewidth=1.2, label="slow start anew")
    axes.set_ylim(-0.1, 2.6)
    axes.legend(frameon=False, fontsize=8, handlelength=3.2)
    axes.set_title("keyframes of a running video (median)", loc="left", fontsize=9, color=INK)
    axes.set_xlabel("size, kB")
    tidy(axes)


EXPERIMENT = Experiment(
    name="iframe-v1",
    question="How many round trips does a keyframe take that is larger than the congestion window?",
    expectation="The first one log2(S / W + 1), as slow start doubles the window; a later one fewer, and none where "
    "there is no window.",
    source="RFC 9002, 7.2, 7.3.1 and 7.8",
    plans=_plans,
    checks=_checks,
    figure=_figure,
)
