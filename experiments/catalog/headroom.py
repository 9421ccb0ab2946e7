"""Headroom: the latency that the path alone costs while the offered rate comes near its capacity, and exceeds it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from glassbench.experiments.account.percentile import percentile
from glassbench.experiments.catalog.cells import NO_ANSWERS, delay, make_cell, make_plan, video
from glassbench.experiments.catalog.checks import FRAMES, MS, RATIO, US, Unit, bounded, check, order, value
from glassbench.experiments.catalog.experiment import Check, Datasets, Experiment
from glassbench.experiments.catalog.figures import curve, finish, logarithmic, panels
from glassbench.experiments.catalog.frames import FRAME_INTERVAL, FloatArray, column, only, select
from glassbench.experiments.engine.plan import Cell, Plan
from glassbench.experiments.results.arm_style import series_styles
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.plots.style import FAINT
from glassbench.netem.packet import IP_UDP_HEADER_BYTES
from glassbench.transport.framing import FRAGMENT_HEADER_BYTES

LOADS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.05, 1.1, 1.2)  # bitrate / capacity
KEYFRAMES = {"none": 100_000, "every 2 s": 60}  # frames from one to the next
BITRATE = 2e6
DELAY, QUEUE_BYTES = 0.01, 150_000  # seconds of propagation; of the bottleneck
SIGMA = 0.25  # of the logarithm of a frame's size, sender/size_model.py
MTU = 1500


def wire_bytes(size_bytes: FloatArray, *, max_datagram_bytes: int = MTU - 48) -> FloatArray:
    """Bytes on the wire for frames of the arm `udp`: its fragments with our header and those of UDP and IPv4."""
    fragments: FloatArray = np.ceil(size_bytes / (max_datagram_bytes - FRAGMENT_HEADER_BYTES))
    return size_bytes + fragments * (FRAGMENT_HEADER_BYTES + IP_UDP_HEADER_BYTES)


def departures(arrivals: FloatArray, service: FloatArray) -> FloatArray:
    """When each job has left a first-in-first-out server: D(n) = max(A(n), D(n-1)) + S(n) (Lindley 1952)."""
    left, at = np.empty_like(arrivals), -np.inf
    for index, (arrival, seconds) in enumerate(zip(arrivals.tolist(), service.tolist(), strict=True)):
        left[index] = at = max(arrival, at) + seconds
    return left


def frames_that_wait(keyframe: float, frame: float, interval: float) -> float:
    """How many frames after a keyframe meet a queue, if serialising takes `keyframe` and `frame` seconds on average.

    The keyframe leaves keyframe - interval seconds of work to the next frame, and each frame reduces it by interval -
    frame (the mean first passage of a random walk, Wald's equation without the overshoot).
    """
    return (keyframe - interval) / (interval - frame)


def keyframe_knee(*, ratio: float = 4.0, interval: int = 60, sigma: float = SIGMA) -> float:
    """The utilization at which the p95 is twice that of serialising alone, for a keyframe of `ratio` frames, one in
    `interval`.

    Of `interval` frames 5 % are slower than the p95, so it is the k-th frame after the keyframe, k = 0.05 x interval.
    With a service time S of the other frames and T from frame to frame it takes ratio S + k S - k T. Twice the p95 of
    serialising alone is 2 S exp(1.645 sigma - sigma^2 / 2). Where both are equal, S gives the utilization, together
    with the keyframe's share.
    """
    k = math.floor(0.05 * interval)
    quantile = math.exp(1.645 * sigma - sigma**2 / 2)
    return k / (ratio + k - 2 * quantile) * (interval - 1 + ratio) / interval


@dataclass(frozen=True)
class LinkAtLoad:
    """One load and keyframe interval. Per frame, in seconds: when it was captured, `service` (time to serialise it),
    `sojourn` and `ahead` (from capture until it or its first datagram had arrived, without propagation; NaN if it was
    dropped)."""

    load: float
    keyframes: str
    capacity: float
    utilization: float  # bytes on the wire over capacity
    captured: FloatArray
    service: FloatArray
    sojourn: FloatArray
    ahead: FloatArray
    keyframe: NDArray[np.bool_]

    def p(self, share: float) -> float:
        return percentile(np.where(np.isnan(self.sojourn), np.inf, self.sojourn), share)

    @property
    def waits(self) -> FloatArray:
        """Seconds of queue that each frame met."""
        return self.sojourn - self.service


def _plans() -> tuple[Plan, ...]:
    cells = [_cell(load, keyframes) for keyframes in KEYFRAMES for load in LOADS]
    return (make_plan("headroom", cells),)


def _cell(load: float, keyframes: str) -> Cell:
    rate = {"element": "rate", "rate": f"{BITRATE / load / 1e6:.6f}Mbit/s", "queue": f"{QUEUE_BYTES}B"}
    return make_cell(
        {"load": load, "keyframes": keyframes},
        "headroom",
        seconds=60,
        arm="udp",
        mtu=MTU,
        media=video(f"{BITRATE / 1e6:g}Mbit/s", keyframe_interval=KEYFRAMES[keyframes]),
        # Nothing comes back: requests for keyframes would raise the offered rate.
        network={"down": [rate, delay(DELAY)], "up": [NO_ANSWERS]},
    )


def points(data: Dataset) -> list[LinkAtLoad]:
    """All points, in the order of the plan."""
    numbers = data.summary[["cell", "axis.load", "axis.keyframes", "sent_mbps"]]
    every = []
    for cell, load, keyframes, sent in numbers.itertuples(index=False):
        capacity = round(BITRATE / load / 1e6, 6) * 1e6
        ledger = data.frames("ledger", [cell])
        captured, size = column(ledger, "captured_at"), column(ledger, "size_bytes")
        every.append(
            LinkAtLoad(
                load=float(load),
                keyframes=str(keyframes),
                capacity=capacity,
                utilization=float(sent) * 1e6 / capacity,
                captured=captured,
                service=wire_bytes(size) * 8 / capacity,
                sojourn=column(ledger, "complete_at") - captured - DELAY,
                ahead=column(ledger, "first_arrival_at") - captured - DELAY,
                keyframe=ledger["keyframe"].to_numpy(dtype=np.bool_),
            )
        )
    return every


def knee(row: Sequence[LinkAtLoad]) -> float:
    """The lowest utilization from which on the p95 is over twice what serialising the frames takes without a queue. It
    is linear between points."""
    ratios = [point.p(0.95) / percentile(point.service, 0.95) for point in row]
    over = next(index for index in range(len(row)) if min(ratios[index:]) > 2)
    if over == 0:
        return row[0].utilization
    low, high = row[over - 1].utilization, row[over].utilization
    share = (2 - ratios[over - 1]) / (ratios[over] - ratios[over - 1]) if np.isfinite(ratios[over]) else 1.0
    return low + share * (high - low)


def _checks(data: Datasets) -> list[Check]:
    every = points(data["headroom"])
    plain, bursty = (select(every, keyframes=name) for name in KEYFRAMES)
    return [
        _frames_follow_lindley(every),
        _idle_link_costs_the_load(plain),
        _wait_is_below_kingman(plain),
        _keyframes_are_drained_by_the_headroom(bursty),
        _keyframes_need_more_headroom(plain, bursty),
        _overload_grows(plain),
        _overload_ends_at_the_queue(plain),
    ]


def _frames_follow_lindley(every: Sequence[LinkAtLoad]) -> Check:
    off = [np.abs(departures(p.captured, p.service) - p.captured - p.sojourn) for p in every if p.utilization < 1]
    return check(
        "Below capacity each frame arrives when a first-in-first-out server says",
        "closed form: D(n) = max(A(n), D(n-1)) + S(n) (Lindley 1952)",
        "value",
        bounded(US, np.concatenate(off), at_most=5e-6, of=f"off that instant, of {sum(map(len, off))} frames"),
    )


def _idle_link_costs_the_load(plain: Sequence[LinkAtLoad]) -> Check:
    point = plain[0]
    want = point.utilization * FRAME_INTERVAL * float(np.exp(-(SIGMA**2) / 2))
    return check(
        "With much headroom a frame costs its own serialisation only: the utilization, in frame intervals",
        "closed form: D/D/1, median of log-normal sizes = mean x exp(-sigma^2 / 2)",
        "value",
        value(MS, point.p(0.5), want, within=0.03, of=f"median at {point.utilization:.2f} x 33.3 ms x 0.97"),
    )


def _wait_is_below_kingman(plain: Sequence[LinkAtLoad]) -> Check:
    waits, bounds = {}, []
    for point in (p for p in plain if p.utilization < 1):
        service = point.service[1:]  # without the first keyframe
        waits[f"{point.utilization:.2f}"] = float(np.mean(_after_first_keyframe(point)))
        bounds.append(float(np.var(service)) / (2 * FRAME_INTERVAL * (1 - float(np.mean(service)) / FRAME_INTERVAL)))
    return check(
        "The mean wait in the queue stays below the bound for independent frame sizes",
        "Kingman 1962: var(S) / (2 T (1 - u)) for regular arrivals",
        "order",
        bounded(MS, waits, at_most=bounds, of="mean wait by utilization"),
        note="it is a bound, and nearly reached only close to 1",
    )


def _after_first_keyframe(point: LinkAtLoad) -> FloatArray:
    """The waits from the first frame on that met no queue: the run starts with a keyframe, which this model does not
    have."""
    waits = point.waits
    idle = np.flatnonzero(waits[1:] < 1e-6)
    return waits[1 + int(idle[0]) :] if len(idle) else waits[1:]


def _keyframes_are_drained_by_the_headroom(bursty: Sequence[LinkAtLoad]) -> Check:
    point = only(bursty, load=0.8)
    keys = np.flatnonzero(point.keyframe)[1:-1]
    runs = [int(np.argmax(point.waits[key + 1 :] < 1e-6)) for key in keys]
    key, frame = float(np.mean(point.service[keys])), float(np.mean(point.service[~point.keyframe]))
    want = frames_that_wait(key, frame, FRAME_INTERVAL)
    of = f"mean over {len(keys)} keyframes at a utilization of {point.utilization:.2f}"
    return check(
        "A keyframe delays the frames after it until the headroom has drained it",
        "closed form: (K - T) / (T - S) frames (Wald's equation for the random walk of the backlog)",
        "value",
        value(FRAMES, float(np.mean(runs)), want, within=0.15, of=of),
        note="without the overshoot, half a frame's wait, which makes runs a little longer",
    )


def _keyframes_need_more_headroom(plain: Sequence[LinkAtLoad], bursty: Sequence[LinkAtLoad]) -> Check:
    without, with_keyframes = knee(plain), knee(bursty)
    return check(
        "The headroom rule: p95 doubles at a much lower utilization if there are keyframes",
        "closed form: the third frame after a keyframe is the p95 of 60 and takes 4 S + 3 S - 3 T",
        "value",
        value(RATIO, with_keyframes, keyframe_knee(), off=0.05, of="doubled at, with a keyframe every 2 s"),
        order(RATIO, {"with": with_keyframes, "without": without}),
        note="the closed form takes all frames after a keyframe for mean ones",
    )


def _overload_grows(plain: Sequence[LinkAtLoad]) -> Check:
    slopes, excess = [], []
    for point in (p for p in plain if p.load in (1.1, 1.2)):
        filling = np.flatnonzero(np.maximum.accumulate(point.ahead) < 0.8 * QUEUE_BYTES * 8 / point.capacity)[1:]
        first, last = filling[0], filling[-1]
        seconds = float(point.captured[last] - point.captured[first])
        slopes.append(float(point.ahead[last] - point.ahead[first]) / seconds)
        excess.append(float(np.sum(point.service[first:last])) / seconds - 1)
    return check(
        "Above capacity the delay grows by the excess: u - 1 seconds a second",
        "closed form: fluid queue",
        "value",
        value(Unit("s/s"), slopes, excess, within=0.05, of="by the sizes of the frames"),
    )


def _overload_ends_at_the_queue(plain: Sequence[LinkAtLoad]) -> Check:
    rows = [p for p in plain if p.utilization > 1]
    got = [float(np.nanmax(p.sojourn)) for p in rows]
    want = [QUEUE_BYTES * 8 / p.capacity for p in rows]
    tolerated = "(the packet on the wire, and the one that did not fit)"
    return check(
        "... until the drop-tail queue is full: then the delay is its size over the rate",
        "closed form: queue bytes x 8 / capacity",
        "value",
        value(MS, got, want, within=0.02, of="the slowest frame that arrived", at=tolerated),
    )


def _figure(data: Datasets) -> Figure:
    every = points(data["headroom"])
    figure, (left, right) = panels("Headroom: delay of the path alone (udp, 30 fps)", size=(13, 4.8))
    _draw_below(left, [p for p in every if p.utilization < 1])
    _draw_above(right, [p for p in every if p.keyframes == "none" and p.utilization > 1])
    return figure


def _draw_below(axes: Axes, every: Sequence[LinkAtLoad]) -> None:
    for name, style in zip(KEYFRAMES, series_styles(KEYFRAMES), strict=True):
        row = select(every, keyframes=name)
        for share, width in ((0.5, 0.8), (0.95, 1.8)):
            delays = [p.p(share) * 1e3 for p in row]
            look = {"linewidth": width, "markersize": 3 * width, "label": f"p{share * 100:g}, keyframes {name}"}
            curve(axes, style, [p.utilization for p in row], delays, **look)
    alone = [load * FRAME_INTERVAL * 1e3 for load in (0.3, 1.0)]
    axes.plot((0.3, 1.0), alone, color=FAINT, linewidth=1.2, label="a mean frame without a queue")
    logarithmic(axes, y=[10, 20, 50, 100, 200, 500])
    finish(axes, "from capture to arrival, without propagation, ms (log scale)", "offered rate / capacity")


def _draw_above(axes: Axes, overloads: Sequence[LinkAtLoad]) -> None:
    for point, style in zip(overloads, series_styles(overloads), strict=True):
        label = f"{point.utilization:.2f} of capacity; full queue {QUEUE_BYTES * 8e3 / point.capacity:.0f} ms"
        look = {"markersize": 4, "markevery": 0.12, "label": label}
        curve(axes, style, point.captured[::15], point.ahead[::15] * 1e3, **look)
    finish(axes, "above capacity: queue met by each frame, ms", "captured at, s")


EXPERIMENT = Experiment(
    name="headroom-v1",
    question="How much of a link's capacity may video use before its delay grows?",
    expectation="Up to about 0.95 of it with frames of like size, about 0.75 with a keyframe every two seconds; "
    "above 1 the delay grows until the queue is full.",
    source="Lindley 1952, Kingman 1962, fluid queue",
    plans=_plans,
    checks=_checks,
    figure=_figure,
)
