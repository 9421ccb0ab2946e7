"""What stacks of others add to a path that loses nothing, live: their floors, and what their settings cost."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from glassbench.experiments.catalog.cells import delay, make_cell, make_plan
from glassbench.experiments.catalog.checks import MS, RATIO, bounded, check, order, value
from glassbench.experiments.catalog.experiment import Check, Datasets, Experiment
from glassbench.experiments.catalog.figures import curve, finish, panels
from glassbench.experiments.engine.plan import Cell, Plan
from glassbench.experiments.results.arm_style import series_styles
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.plots.style import FAINT, INK

FLOOR = "udp"
DEFAULTS = {
    "gstreamer": "gstreamer:sync=true",
    "ffmpeg:carrier=mpegts": "ffmpeg:carrier=mpegts,tuned=false",
    "mpegts-udp": "mpegts-udp:tuned=false",
    "aiortc": "aiortc:release=stock",
    "libwebrtc": "libwebrtc:playout=stock",
    "browser-webrtc": "browser-webrtc:playout=stock",
    "libsrt:latency_ms=0": "libsrt",
    "rtmp": "rtmp:tuned=false",
    "hls.js": "hls.js:tuned=false",
    "dash.js": "dash.js:tuned=false",
}
"""Arms that were set up for little delay, and the same stacks as they come."""
STACKS = (
    *DEFAULTS,
    "libsrt:latency_ms=0,reader=block",
    "gstreamer:element=webrtcbin",
    "turn",
    "sfu",
    "ffmpeg",
    "rist:latency_ms=20",
    "moq",
    "moq:delivery=datagrams",
    "browser-webtransport",
    "ll-hls",
    "ll-dash",
)
OURS = ("rtp", "srt:latency_ms=0", "quic-datagram", "quic-stream-per-frame", "webtransport-datagram")
SEEDS = range(20, 23)
SECONDS, SECONDS_OF_SLOW = 3, 5
SLOW_TO_BEGIN = (
    "rtmp:tuned=false",
    "ffmpeg:carrier=mpegts,tuned=false",
    "libwebrtc",
    "libwebrtc:playout=stock",
    "turn",
    "sfu",
)
"""Arms that look at seconds of a stream before they show it, or leave out pictures while they look for their rate."""

LATENCIES_MS = (20, 60, 120)
BUFFERED = ("srt", "libsrt", "rist")
SEGMENTS_MS = (500, 1000, 2000)
SEGMENTED = ("ll-hls", "ll-dash")
GROUPS = (15, 30, 60)  # frames

_DRAFT = "draft-sharabayko-srt-01, section 4.5"
_HLS = "draft-pantos-hls-rfc8216bis, appendix B; DASH-IF: Low-latency Modes for DASH"
_MOQ = "draft-ietf-moq-transport: objects are forwarded as they come"


def _plans() -> tuple[Plan, ...]:
    arms = (FLOOR, *OURS, *STACKS, *(arm for arm in DEFAULTS.values() if arm not in STACKS))
    floors = [_cell({"stack": arm}, arm, seed) for arm in arms for seed in SEEDS]
    slopes = [
        _cell({"stack": FLOOR, "setting": 0}, FLOOR, SEEDS[0]),
        *(_slope(stack, f"{stack}:latency_ms={ms}", stack, ms) for stack in BUFFERED for ms in LATENCIES_MS),
        *(
            _slope(f"{stack}, {words}", f"{stack}:segment_ms={ms},chunk_frames={frames}", stack, ms)
            for stack in SEGMENTED
            for words, frames in (("segments", 0), ("frames", 1))
            for ms in SEGMENTS_MS
        ),
        *(_slope("moq", "moq", "moq", frames, keyframe_interval=frames) for frames in GROUPS),
    ]
    return make_plan("floors", floors, frames=False), make_plan("slopes", slopes, frames=False)


def _slope(name: str, arm: str, label: str, setting: int, **media: object) -> Cell:
    return _cell({"stack": name, "setting": setting}, f"{arm},label={label}" if ":" in arm else arm, SEEDS[0], **media)


def _cell(axes: Mapping[str, str | int], arm: str, seed: int, **media: object) -> Cell:
    way = delay(0.001)
    return make_cell(
        axes,
        "stack-floors",
        seconds=SECONDS_OF_SLOW if arm in SLOW_TO_BEGIN else SECONDS,
        seed=seed,
        arm=arm,
        # Players that were not tuned are many seconds behind.
        media={"source": "synthetic", "bitrate": "2Mbit/s", "deadline": "20s", **media},
        network={"down": [{"element": "rate", "rate": "20Mbit/s"}, way], "up": [way]},
    )


def floors(data: Dataset) -> dict[str, float]:
    """The median of p50 over the seeds, in ms, by arm; those that were not measured are left out."""
    summary = data.summary
    measured = summary[summary["outcome"] == "measured"]
    return {str(arm): float(ms) for arm, ms in measured.groupby("axis.stack")["g2g_p50_ms"].median().items()}


def slopes(data: Dataset) -> dict[str, dict[int, float]]:
    """p50 above `udp`, in ms, by stack and setting."""
    rows = data.summary[["axis.stack", "axis.setting", "g2g_p50_ms"]]
    table: dict[str, dict[int, float]] = {}
    for stack, setting, ms in rows.astype({"g2g_p50_ms": "float64"}).itertuples(index=False):
        table.setdefault(str(stack), {})[int(setting)] = float(ms)
    floor = table.pop(FLOOR)[0]
    return {stack: {setting: ms - floor for setting, ms in points.items()} for stack, points in table.items()}


def _checks(data: Datasets) -> list[Check]:
    floor, slope = floors(data["floors"]), slopes(data["slopes"])
    return [
        *(_adds_its_latency(stack, slope) for stack in BUFFERED),
        *(_segments_grow(stack, slope) for stack in SEGMENTED),
        *(_frames_do_not(stack, slope) for stack in SEGMENTED),
        _moq_is_flat(slope),
        _defaults_are_later(floor),
        _nobody_is_before_udp(floor),
    ]


def _ms(points: Mapping[int, float], settings: Sequence[int]) -> list[float]:
    return [points.get(setting, float("nan")) / 1e3 for setting in settings]


def _adds_its_latency(stack: str, slope: Mapping[str, Mapping[int, float]]) -> Check:
    return check(
        f"{stack} adds to the floor of udp its latency, and no more",
        _DRAFT if stack != "rist" else "librist: a message is given when the buffer says so",
        "value",
        value(
            MS,
            _ms(slope[stack], LATENCIES_MS),
            {f"latency {ms} ms": ms / 1e3 for ms in LATENCIES_MS},
            off=0.004,
            of="p50 above udp",
        ),
    )


def _segments_grow(stack: str, slope: Mapping[str, Mapping[int, float]]) -> Check:
    return check(
        f"What {stack} delivers in whole segments is later the longer they are",
        _HLS,
        "order",
        order(
            MS,
            {
                f"{ms} ms": seconds
                for ms, seconds in zip(SEGMENTS_MS, _ms(slope[f"{stack}, segments"], SEGMENTS_MS), strict=True)
            },
            of="p50 above udp",
        ),
    )


def _frames_do_not(stack: str, slope: Mapping[str, Mapping[int, float]]) -> Check:
    return check(
        f"With chunks of one frame the length of a segment makes no difference to {stack}",
        _HLS,
        "order",
        bounded(MS, float(np.ptp(_ms(slope[f"{stack}, frames"], SEGMENTS_MS))), at_most=0.01, of="range of p50"),
    )


def _moq_is_flat(slope: Mapping[str, Mapping[int, float]]) -> Check:
    return check(
        "The length of a group makes no difference to MoQ",
        _MOQ,
        "order",
        bounded(MS, float(np.ptp(_ms(slope["moq"], GROUPS))), at_most=0.005, of="range of p50"),
    )


def _defaults_are_later(floor: Mapping[str, float]) -> Check:
    ratios = {
        untuned: floor.get(untuned, float("nan")) / floor.get(tuned, float("nan"))
        for tuned, untuned in DEFAULTS.items()
    }
    return check(
        "What was set up for little delay is sooner than the same stack as it comes",
        "the documentation of each: the options exist for that",
        "sign",
        bounded(RATIO, ratios, above=1.0, of="p50 as it comes over p50 tuned"),
    )


def _nobody_is_before_udp(floor: Mapping[str, float]) -> Check:
    above = [ms - floor.get(FLOOR, float("nan")) for arm, ms in floor.items() if arm != FLOOR]
    return check(
        "Nothing is sooner than udp where nothing is lost",
        "propagation: udp adds nothing to it",
        "order",
        bounded(MS, [ms / 1e3 for ms in above], at_least=-0.003, of="p50 above udp", at="(what two runs differ by)"),
    )


def _figure(data: Datasets) -> Figure:
    floor, slope = floors(data["floors"]), slopes(data["slopes"])
    figure, (left, right) = panels(
        "What stacks add to udp on a path that loses nothing", 2, size=(13, 7.5), width_ratios=(1.25, 1)
    )
    base = floor.get(FLOOR, float("nan"))
    names = sorted((arm for arm in floor if arm != FLOOR), key=lambda arm: floor[arm], reverse=True)
    above = [max(floor[arm] - base, 0.1) for arm in names]
    left.plot(above, range(len(names)), "o", color=INK, markersize=5)
    left.hlines(range(len(names)), 0.1, above, color=FAINT, linewidth=1)
    left.set_yticks(range(len(names)), names, fontsize="x-small")
    left.set_xscale("log")
    left.set_xticks([0.1, 1, 10, 100, 1000, 10000], ["0.1", "1", "10", "100", "1000", "10000"])
    finish(left, "p50 above udp", "ms (left edge: 0.1 or less)", legend=False)
    lines = {stack: points for stack, points in slope.items() if stack != "moq"}
    for stack, style in zip(lines, series_styles(lines), strict=True):
        curve(right, style, list(lines[stack]), [max(ms, 0.1) for ms in lines[stack].values()], label=stack)
    right.set(xscale="log", yscale="log")
    right.set_xticks([20, 60, 120, 500, 1000, 2000], ["20", "60", "120", "500", "1000", "2000"])
    right.set_yticks([1, 10, 100, 1000], ["1", "10", "100", "1000"])
    right.minorticks_off()
    finish(right, "p50 above udp by the setting: ms", "latency, or length of a segment, ms", fontsize="x-small")
    return figure


EXPERIMENT = Experiment(
    name="stack-floors-v1",
    question="What do stacks of others add to a path that loses nothing, and what do their settings cost?",
    expectation="SRT adds its latency; segments cost what they last, chunks of one frame do not; groups of MoQ cost "
    "nothing; stacks as they come are later than tuned ones.",
    source=f"{_DRAFT}; {_HLS}; {_MOQ}",
    plans=_plans,
    checks=_checks,
    figure=_figure,
    live=True,
)
