"""Keyframes against the congestion window: how many round trips a frame takes that is larger than the window."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from glassbench.experiments.catalog.cells import delay, make_cell, make_plan, video
from glassbench.experiments.catalog.checks import ROUND_TRIPS, bounded, check, value
from glassbench.experiments.catalog.experiment import Check, Datasets, Experiment
from glassbench.experiments.catalog.figures import curve, finish, logarithmic, panels
from glassbench.experiments.catalog.frames import column, frames, instants, select
from glassbench.experiments.engine.plan import Cell, Plan
from glassbench.experiments.results.arm_style import arm_style
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.plots.style import FAINT

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
ARMS = {**WINDOWED, **UNLIMITED}
BITRATES = (0.5, 1.0, 2.0, 4.0)  # Mbit/s, of the running video
KEYFRAME_RATIO = 4.0  # of a keyframe to another frame, sender/size_model.py

_LARGEST_WINDOW = WINDOW_BYTES + HANDSHAKE_PACKETS * PACKET_BYTES
_HEADERS = 1.05  # bytes on the wire to a frame's


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
    """Keyframes within a running video: their bytes, and how many round trips a keyframe took beyond half of one
    (medians)."""

    arm: str
    bitrate: float
    size_bytes: float
    took: float


def _plans() -> tuple[Plan, ...]:
    arms = WINDOWED | UNLIMITED
    first = [_cell({"control": name, "size": size}, arms[name], _one_frame(size)) for name in arms for size in SIZES]
    running = [
        _cell({"control": name, "bitrate": rate}, arms[name], video(f"{rate:g}Mbit/s", keyframe_interval=60), 20)
        for name in ("stock reno", "ours", "rtp")
        for rate in BITRATES
    ]
    return (make_plan("first", first), make_plan("running", running))


def _one_frame(size: int) -> dict[str, Any]:
    """One frame a second. The first is a keyframe of about that size."""
    return video(f"{8 * size / KEYFRAME_RATIO:.0f}bit/s", fps=1)


def _cell(axes: dict[str, Any], arm: str, media: dict[str, Any], seconds: float = 1) -> Cell:
    path = [delay(RTT / 2)]
    return make_cell(axes, "iframe", seconds=seconds, arm=arm, media=media, network={"down": path, "up": path})


def first_frames(data: Dataset) -> list[First]:
    """The first frames, in the order of the plan."""
    every = []
    for cell, arm in data.summary[["cell", "axis.control"]].itertuples(index=False):
        table = frames(data, cell)
        took = (instants(table, "complete_at") - column(table, "captured_at"))[0] / RTT - 0.5
        every.append(First(str(arm), float(column(table, "size_bytes")[0]), float(took)))
    return every


def running_keyframes(data: Dataset) -> list[Running]:
    """The keyframes of running videos without the first two, as medians, in the order of the plan."""
    every = []
    for cell, arm, rate in data.summary[["cell", "axis.control", "axis.bitrate"]].itertuples(index=False):
        table = frames(data, cell)
        keyframes = table[table["keyframe"]].iloc[2:]
        took = (instants(keyframes, "complete_at") - column(keyframes, "captured_at")) / RTT - 0.5
        size = float(np.median(column(keyframes, "size_bytes")))
        every.append(Running(str(arm), float(rate), size, float(np.median(took))))
    return every


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
    rows = select(first, arm="stock reno")
    return check(
        "A first frame of S bytes takes as many round trips as windows that double need: log2(S / W + 1)",
        "closed form with RFC 9002, 7.2 (W of ten packets) and 7.3.1 (slow start)",
        "value",
        bounded(
            ROUND_TRIPS,
            _by_size(rows),
            at_least=[rounds(row.size_bytes, _LARGEST_WINDOW) - 1 for row in rows],
            at_most=[rounds(row.size_bytes * _HEADERS) for row in rows],
            of="complete in the last of n round trips",
            at="(W 10 to 15 packets for ACKs of the handshake, 5 % for headers)",
        ),
        note="aioquic paces a window over about a round trip, so the last byte leaves within the n-th",
    )


def _our_start_is_no_slower(first: Sequence[First]) -> Check:
    rows = {arm: select(first, arm=arm) for arm in ("ours, stream", "ours")}
    return check(
        "Our control starts no slower than slow start: its window at least doubles each round trip",
        "closed form with RFC 9002, 7.2 and 7.3.1; our control: ten packets, then threefold",
        "value",
        *(
            bounded(ROUND_TRIPS, _by_size(row), at_most=[rounds(f.size_bytes * _HEADERS) for f in row], of=arm)
            for arm, row in rows.items()
        ),
    )


def _larger_takes_longer(first: Sequence[First]) -> Check:
    slopes = {}
    for arm in WINDOWED:
        rows = [frame for frame in select(first, arm=arm) if frame.size_bytes > 2 * WINDOW_BYTES]
        octaves = [math.log2(frame.size_bytes) for frame in rows]
        forms = [math.log2(frame.size_bytes / WINDOW_BYTES + 1) for frame in rows]
        slopes[arm] = [float(np.polyfit(octaves, times, 1)[0]) for times in ([frame.took for frame in rows], forms)]
    (stock, want) = slopes.pop("stock reno")
    within = "(each frame ends anywhere within its last one: half a round trip at either end of four doublings)"
    return check(
        "Twice the size takes about one round trip more",
        "closed form: log2(S / W + 1)",
        "value",
        value(ROUND_TRIPS, stock, want, off=0.2, of="stock reno, for each doubling from two windows on", at=within),
        bounded(
            ROUND_TRIPS,
            {arm: got for arm, (got, _) in slopes.items()},
            at_most=[form + 0.2 for _, form in slopes.values()],
            of="our control",
        ),
    )


def _one_window_takes_no_round_trip(first: Sequence[First]) -> Check:
    rows = [f for f in first if f.arm in WINDOWED and f.size_bytes * _HEADERS < WINDOW_BYTES]
    return check(
        "A frame within the initial window waits for no ACK",
        "RFC 9002, 7.2",
        "value",
        bounded(
            ROUND_TRIPS,
            [frame.took for frame in rows],
            below=1,
            of=f"beyond the propagation, {len(rows)} frames up to {max(f.size_bytes for f in rows) / 1e3:.1f} kB",
        ),
        note="what there is comes from pacing, which ours does not do before it has met a limit",
    )


def _without_a_window(first: Sequence[First]) -> Check:
    rows = [frame for frame in first if frame.arm in UNLIMITED]
    most = max(f.size_bytes for f in rows) * 8 * _HEADERS / 1e9 / RTT
    return check(
        "What has no window (udp, rtp, srt in live mode) sends any keyframe at once",
        "closed form: nothing waits for an ACK; SRT paces at 1 Gbit/s",
        "value",
        bounded(ROUND_TRIPS, [frame.took for frame in rows], at_most=most, of="at every size"),
        note="on a path without a bottleneck; where there is one its queue takes the keyframe",
    )


def _a_window_that_was_not_used(running: Sequence[Running]) -> Check:
    rows = [row for row in select(running, arm="stock reno") if row.size_bytes > WINDOW_BYTES]
    return check(
        "A window that frames do not fill does not grow, so that a later keyframe over it takes a round trip",
        "RFC 9002, 7.8: the window SHOULD NOT be increased when it is underutilized",
        "order",
        bounded(ROUND_TRIPS, _by_size(rows), at_least=0.5, of="more for keyframes larger than the initial window"),
        note="stock reno, keyframes of four frames every 2 s; the RFC gives no figure",
    )


def _ours_is_bounded(running: Sequence[Running]) -> Check:
    rows = [row for row in select(running, arm="ours") if row.size_bytes > WINDOW_BYTES]
    anew = [math.log2(row.size_bytes / WINDOW_BYTES + 1) for row in rows]
    return check(
        "With our control a keyframe within a running video takes less than a first frame of its size",
        "closed form: log2(S / W + 1) is for a window that starts anew",
        "order",
        bounded(ROUND_TRIPS, _by_size(rows), below=anew, of="keyframes above the initial window"),
    )


def _by_size(rows: Sequence[First | Running]) -> dict[str, float]:
    return {f"{row.size_bytes / 1e3:.0f} kB": row.took for row in rows}


def _figure(data: Datasets) -> Figure:
    title = f"Round trips that a keyframe takes beyond its propagation (RTT {RTT * 1e3:g} ms, no bottleneck)"
    figure, (left, right) = panels(title, width_ratios=(1.6, 1))
    _draw_first(left, first_frames(data["first"]))
    _draw_running(right, running_keyframes(data["running"]))
    return figure


def _draw_first(axes: Axes, first: Sequence[First]) -> None:
    fine = np.geomspace(5e3, 1.1e6, 400)
    least = [rounds(size, _LARGEST_WINDOW) - 1 for size in fine.tolist()]
    most = [rounds(size * _HEADERS) for size in fine.tolist()]
    label = "slow start: within the last of its round trips"
    axes.fill_between(fine / 1e3, least, most, color=FAINT, alpha=0.4, linewidth=0, label=label)
    for arm in ARMS:
        _draw_times(axes, select(first, arm=arm))
    logarithmic(axes, x=[10, 30, 100, 300, 1000])
    finish(axes, "first frame of a connection", "size, kB (log scale)")


def _draw_running(axes: Axes, running: Sequence[Running]) -> None:
    for arm in dict.fromkeys(row.arm for row in running):
        _draw_times(axes, select(running, arm=arm))
    fine = np.linspace(5e3, 65e3, 100)
    axes.plot(fine / 1e3, np.log2(fine / WINDOW_BYTES + 1), color=FAINT, linewidth=1.2, label="slow start anew")
    axes.set_ylim(-0.1, 2.6)
    finish(axes, "keyframes of a running video (median)", "size, kB")


def _draw_times(axes: Axes, rows: Sequence[First | Running]) -> None:
    style = arm_style(ARMS[rows[0].arm])
    curve(axes, style, [row.size_bytes / 1e3 for row in rows], [row.took for row in rows], label=rows[0].arm)


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
