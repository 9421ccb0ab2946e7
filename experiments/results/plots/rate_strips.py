"""What each encoder was told, what was sent, and how long it queued: a strip an arm, before what the link could
carry."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from glassbench.experiments.account.reports import LINK_WINDOW
from glassbench.experiments.results.arm_style import arm_style
from glassbench.experiments.results.plots.frames import ranked_video
from glassbench.experiments.results.plots.page import page
from glassbench.experiments.results.plots.style import AREAS, INK, headline, log_scale, page_figure, strip_title, tidy
from glassbench.experiments.results.plots.timeline import time_limits
from glassbench.experiments.results.run import Run
from glassbench.experiments.results.subject import subject
from glassbench.experiments.scenario.flow_spec import MEDIA

CAPACITY, QUEUE = "#D9D9D9", AREAS[5]

_SENT_WIDTH, _TOLD_WIDTH, _QUEUE_WIDTH = 1.3, 0.9, 1.0
_TOLD = (0, (4, 1.5))  # dashes
_VEIL = 0.35  # of the area below the line of the queue
_BIN, _BINS = 0.2, 300  # seconds over which a rate is taken, and how many there are at most over a whole run
_LEAST_QUEUE = 1.0  # ms; less is drawn as nothing: a logarithmic axis has no zero
_LIMIT = 2.5  # the axis ends at so many times the highest rate that was sent, whatever more the link could carry

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Rates:
    """One arm over time. All rates are in Mbit/s, all instants in seconds from the first capture.

    `edges` are those of equal bins. For each bin there is the `capacity` of the downlink, NaN without a bottleneck;
    what was `sent` on the wire, headers, repair and padding included; and the longest `queue` in ms. `told` is what the
    encoder was told at the instants `told_at`, and `skipped_at` are the captures that were not encoded.
    """

    edges: FloatArray
    capacity: FloatArray
    sent: FloatArray
    queue: FloatArray
    told_at: FloatArray
    told: FloatArray
    skipped_at: FloatArray


def rate_strips(run: Run) -> Figure:
    """Per arm, soonest first: the capacity of the downlink, the rate that the encoder was told and the rate that was
    sent, and below them the queueing delay. All strips share their axes.

    Of more arms than the page has rows for the first are drawn, those before others whose encoder follows the network.
    """
    video = ranked_video(run)
    rates = rates_by_arm(run, _most_telling(run, list(video)))
    figure = page_figure(1.4 + 1.25 * len(rates) if not page().stacked else 1.8 + 0.8 * len(rates))
    heights = {"height_ratios": [1.8, 1.0] * len(rates)}
    rows = figure.subplots(2 * len(rates), 1, sharex=True, gridspec_kw=heights)
    top, limits = rate_limit(rates), queue_limits(rates)
    for above, below, (arm, one) in zip(rows[::2], rows[1::2], rates.items(), strict=True):
        draw_rates(above, one, top, arm_style(arm).color)
        draw_queue(below, one, *limits)
        strip_title(above, strip_heading(arm, one, video[arm]))
        above.set_ylabel("Mbit/s", fontsize="x-small", color=INK)
        below.set_ylabel("ms", fontsize="x-small", color=INK)
        above.tick_params(bottom=False)
    figure.align_ylabels(rows)
    rows[-1].set_xlabel("time since the first capture, s", fontsize="small")
    rows[-1].set_xlim(time_limits(video))
    columns = 1 if page().stacked else 3 if page().height else 5
    figure.legend(handles=_key(), loc="outside lower center", ncols=columns, frameon=False, fontsize="small")
    part = "" if len(rates) == len(video) else f", {len(rates)} of {len(video)} arms"
    headline(figure, f"What was told, sent and queued{part}: {run.name}", subject(run))
    return figure


def rates_by_arm(run: Run, arms: Sequence[str]) -> dict[str, Rates]:
    """The rates of arms that have video frames, in bins that are the same for all."""
    video = run.video_by_arm()
    end = max(float(frames["captured_at"].max()) for frames in video.values())
    size = LINK_WINDOW * math.ceil(max(_BIN, end / _BINS) / LINK_WINDOW - 1e-9)
    edges = np.arange(max(1, math.ceil(end / size)) + 1, dtype=np.float64) * size
    return {arm: _rates(run, arm, video[arm], edges) for arm in arms}


def strip_heading(arm: str, rates: Rates, frames: pd.DataFrame) -> str:
    """What stands over a strip."""
    skipped = f": {len(rates.skipped_at)} of {len(frames)} captures skipped" if len(rates.skipped_at) else ""
    return f"{arm}{skipped}"


def rate_limit(rates: Mapping[str, Rates]) -> float:
    """The upper end of the axis of rates that all arms share, in Mbit/s."""
    sent = max(float(one.sent.max()) for one in rates.values())
    most = max([sent, *(float(np.nanmax(one.capacity, initial=0.0)) for one in rates.values())])
    return 1.15 * min(most, _LIMIT * sent) or 1.0  # the ticks are above the lines


def queue_limits(rates: Mapping[str, Rates]) -> tuple[float, float]:
    """Ends of the axis of queueing delays that all arms share, in ms."""
    longest = max(float(np.nanmax(one.queue, initial=0.0)) for one in rates.values())
    return _LEAST_QUEUE, max(100.0, 1.5 * longest)


def draw_rates(axes: Axes, rates: Rates, top: float, color: str) -> None:
    """What the link could carry as an area, what was sent as a line of the arm's color, what the encoder was told as a
    dashed one, and a tick at the upper edge for each capture that was skipped."""
    capacity = _to_last_edge(rates.capacity)
    axes.fill_between(rates.edges, capacity, step="post", color=CAPACITY, linewidth=0)
    axes.step(rates.edges, _to_last_edge(rates.sent), where="post", color=color, linewidth=_SENT_WIDTH * page().line)
    if len(rates.told):
        told_at = np.append(rates.told_at, rates.edges[-1])
        axes.step(told_at, _to_last_edge(rates.told), where="post", color=INK, linewidth=_TOLD_WIDTH, linestyle=_TOLD)
    at = rates.skipped_at
    axes.vlines(at, np.full(len(at), 0.9), 1.0, transform=axes.get_xaxis_transform(), color=INK, linewidth=0.5)
    axes.set_ylim(0, top)
    axes.yaxis.set_major_locator(MaxNLocator(3))
    tidy(axes)


def draw_queue(axes: Axes, rates: Rates, bottom: float, top: float) -> None:
    """The queueing delay in ms on a log scale."""
    log_scale(axes, axes.yaxis, bottom, top, most=2 if page().height or page().stacked else 4)
    queue = _to_last_edge(np.maximum(rates.queue, bottom))
    axes.fill_between(rates.edges, queue, bottom, step="post", color=QUEUE, alpha=_VEIL, linewidth=0)
    axes.step(rates.edges, queue, where="post", color=QUEUE, linewidth=_QUEUE_WIDTH)
    tidy(axes)


def _key() -> list[Artist]:
    """What the marks mean."""
    return [
        Patch(color=CAPACITY, label="capacity of the downlink"),
        Line2D([], [], color=INK, linewidth=2 * _SENT_WIDTH, label="sent, with headers and repair (colour of the arm)"),
        Line2D([], [], color=INK, linewidth=_TOLD_WIDTH, linestyle=_TOLD, label="target of the encoder"),
        Line2D([], [], color=INK, linestyle="", marker="|", markersize=6, label="capture that was skipped"),
        Patch(facecolor=(QUEUE, _VEIL), edgecolor=QUEUE, label="queueing delay (log scale)"),
    ]


def _rates(run: Run, arm: str, frames: pd.DataFrame, edges: FloatArray) -> Rates:
    down, flows = run.downlink[run.downlink["arm"] == arm], run.flows
    own = flows[(flows["arm"] == arm) & (flows["flow"] == MEDIA) & (flows["direction"] == "down")]
    own = own[own["segment"].isin(down["segment"].unique())]
    size = edges[1] - edges[0]
    mbps = 8e-6 / size
    encoded = frames[frames["target_bps"].notna() & frames["encode_start_at"].notna()]
    return Rates(
        edges,
        _binned(down["at"], down["capacity_bytes"] * mbps, edges, "sum"),
        np.nan_to_num(_binned(own["at"], own["sent_bytes"] * mbps, edges, "sum")),
        _queue(down, frames, edges),
        encoded["encode_start_at"].to_numpy(),
        encoded["target_bps"].to_numpy() / 1e6,
        frames.loc[frames["fate"] == "skipped", "captured_at"].to_numpy(),
    )


def _queue(down: pd.DataFrame, frames: pd.DataFrame, edges: FloatArray) -> FloatArray:
    """The longest queueing delay of each bin in ms.

    It is the time that the link needs for the largest backlog of a window. Where nobody knows what the link could
    carry, it is the transit of the first packet of a frame beyond the least of the run.
    """
    if len(down) and down["capacity_bytes"].notna().all():
        carried = np.append(0.0, down["capacity_bytes"].cumsum())  # until the start of each window, and its end
        backlog = down["backlog_bytes"].to_numpy()
        goal = carried[:-1] + backlog
        after = np.clip(np.searchsorted(carried, goal), 1, len(down))
        passing = carried[after] - carried[after - 1]
        part = np.clip((goal - carried[after - 1]) / np.maximum(passing, 1e-9), 0.0, 1.0)
        seconds = (after - 1 + part - np.arange(len(down))) * LINK_WINDOW
        queue = np.where(backlog > 0, seconds, 0.0)
        return _binned(down["at"], pd.Series(queue * 1e3, index=down.index), edges, "max")
    transit = frames["first_arrival_at"] - frames["first_sent_at"]
    return _binned(frames["first_sent_at"], (transit - transit.min()) * 1e3, edges, "max")


def _binned(at: pd.Series, values: pd.Series, edges: FloatArray, how: str) -> FloatArray:
    """Sum or maximum of the values in each bin; NaN for a bin without any."""
    places = pd.Series(np.digitize(at + 1e-9, edges) - 1, index=at.index)
    known = values.notna() & at.notna()
    by_bin = values[known].groupby(places[known]).agg(how)
    return by_bin.reindex(range(len(edges) - 1)).to_numpy(dtype=np.float64)


def _most_telling(run: Run, arms: list[str]) -> list[str]:
    """As many of these arms as the page has rows for, in their order unless some are left out."""
    most = page().rows // 2 if page().height or page().stacked else page().rows  # an arm has two rows
    if len(arms) <= most:
        return arms
    following = run.following()
    return sorted(arms, key=lambda arm: arm not in following)[:most]


def _to_last_edge(values: FloatArray) -> FloatArray:
    """The values of steps, and once more the last one, which goes on to the end."""
    return np.append(values, values[-1:])
