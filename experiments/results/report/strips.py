"""What happened when: strips over time, one an arm, all on the same axis. A page breaks between strips, not in one."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FuncFormatter, MaxNLocator

from glassbench.experiments.account.metrics import freezes
from glassbench.experiments.results.arm_style import VERMILION, arm_style
from glassbench.experiments.results.plots.rate_strips import (
    Rates,
    draw_queue,
    draw_rates,
    queue_limits,
    rate_limit,
    rates_by_arm,
    strip_heading,
)
from glassbench.experiments.results.plots.style import FAINT, INK, tidy
from glassbench.experiments.results.plots.timeline import draw_arm, draw_capacity, latency_limits, time_limits
from glassbench.experiments.results.report.content import Figure, Mark, Picture
from glassbench.experiments.results.report.plain import plain
from glassbench.experiments.results.report.svg import drawn, series, swatch
from glassbench.experiments.results.run import Run

Frames = Mapping[str, pd.DataFrame]

_WIDTH = 520  # units: 72 to the inch
_LEFT, _RIGHT, _BOTTOM, _TOP = 40, 44, 15, 5
_QUEUE = "#D9D9D9"
_FREEZE = VERMILION
_VEIL = 0.55  # the line shows through
_BINS = 300  # means of the picture quality over the length of a strip, at most; not finer than _BIN
_BIN = 0.2  # seconds


def timeline_figure(run: Run, order: Sequence[str], *, of: str) -> Figure:
    """Capacity of the downlink, and below it every frame of each arm before the backlog of its queue."""
    video = run.video_by_arm()
    ends = time_limits(video)
    limits = latency_limits(video)
    deepest = _deepest(run)
    strips = [
        Picture(
            _strip(
                "capacity",
                84,
                ends,
                lambda axes: _capacity(axes, run),
                "Capacity of the downlink over time.",
                unit="Mbit/s",
            ),
            "Downlink capacity and the mean rate of the encoded video, Mbit/s",
        )
    ]
    for number, arm in enumerate(order):
        frames = video[arm]
        never = int(np.isinf(frames["g2g_ms"]).sum())

        def draw(axes: Axes, arm: str = arm, frames: pd.DataFrame = frames) -> None:
            _backlog(axes, run, arm, deepest)
            draw_arm(axes, frames, arm_style(arm).color, *limits)
            series(axes.lines[0], arm)

        heading = f"{arm}: {never} of {len(frames)} frames never shown"
        strips.append(Picture(_strip(f"arm{number}", 84, ends, draw, plain(heading, 120), unit="ms"), heading, arm))
    return Figure(
        caption=f"Every frame of {of} by its capture time in seconds. Left scale: glass-to-glass latency in ms (log "
        "scale). Right scale: the largest backlog of the downlink's queues in each 100 ms, in kB.",
        pictures=tuple(strips),
        wide=True,
        key=(
            Mark(swatch('<path d="M6 6h0M14 5h0M22 7h0" style="stroke:var(--ink);stroke-width:4;stroke-linecap:round"/>'
                        ), "a frame that was shown"),
            Mark(swatch('<path d="M9 1v10M14 1v10M19 1v10" style="stroke:var(--ink);stroke-width:1.6"/>'),
             "a frame that was never shown, at the upper edge"),
            Mark(swatch('<path d="M0 11l7-7 7 3 7-5 7 9z" style="fill:var(--mid)"/>'), "backlog of the queue"),
        ),
    )  # fmt: skip


def rate_figure(run: Run, order: Sequence[str], *, of: str) -> Figure:
    """What each encoder was told, what was sent, and how long it queued."""
    video = run.video_by_arm()
    ends = time_limits(video)
    rates = rates_by_arm(run, order)
    top, limits = rate_limit(rates), queue_limits(rates)
    strips = []
    for number, (arm, one) in enumerate(rates.items()):
        heading = strip_heading(arm, one, video[arm])
        said = plain(heading, 120)
        above = partial(_rates, arm=arm, rates=one, top=top)
        below = partial(_queue, arm=arm, rates=one, limits=limits)
        strips.append(
            Picture(_strip(f"rate{number}", 72, ends, above, f"Rates of {said}", unit="Mbit/s"), heading, arm)
        )
        strips.append(
            Picture(_strip(f"queue{number}", 48, ends, below, f"Queueing delay of {said}", unit="ms"), "", arm)
        )
    return Figure(
        caption=f"Rates in {of}, in Mbit/s over its seconds, and below them the queueing delay in ms (log scale).",
        pictures=tuple(strips),
        wide=True,
        key=(
            Mark(swatch('<path d="M0 2h28v10h-28z" style="fill:var(--mid)"/>'), "capacity of the downlink"),
            Mark(swatch('<path d="M0 8h9v-5h10v4h9" style="fill:none;stroke:var(--ink);stroke-width:1.8"/>'),
             "sent, with headers and repair"),
            Mark(swatch('<path d="M0 6h28" style="stroke:var(--ink);stroke-width:1.4;stroke-dasharray:4 2"/>'),
             "target of the encoder"),
            Mark(swatch('<path d="M9 1v5M14 1v5M19 1v5" style="stroke:var(--ink)"/>'), "captures that were skipped"),
            Mark(swatch('<path d="M0 9h9v-4h10v2h9v5h-28z" style="fill:var(--a5);opacity:.55"/>'), "queueing delay"),
        ),
    )  # fmt: skip


def screen_figure(run: Run, order: Sequence[str], *, of: str) -> Figure:
    """What was on the screen: freezes, and the picture quality if there were pictures."""
    video = run.video_by_arm()
    start, end = time_limits(video)
    freezes_by_arm = {arm: freezes(video[arm]) for arm in order}
    end = max(
        [end, *(at + length for arm_freezes in freezes_by_arm.values() for at, length in arm_freezes)]
    )  # frames may come after the last
    quality = any(frames["ssim"].notna().any() for frames in video.values())
    least = min((float(frames["ssim"].min()) for frames in video.values() if frames["ssim"].notna().any()), default=0.0)
    strips = []
    for number, arm in enumerate(order):
        frames = video[arm]
        arm_freezes = freezes_by_arm[arm]

        def draw(
            axes: Axes,
            arm: str = arm,
            frames: pd.DataFrame = frames,
            arm_freezes: Sequence[tuple[float, float]] = arm_freezes,
        ) -> None:
            _screen(axes, frames, arm_freezes, least if quality else None)
            for line in axes.lines:
                series(line, arm)

        together = sum(length for _, length in arm_freezes)
        heading = f"{arm}: {len(arm_freezes)} freeze{'' if len(arm_freezes) == 1 else 's'}, {together:.2f} s"
        strip = _strip(f"screen{number}", 64 if quality else 44, (start, end), draw, plain(heading, 120), unit="SSIM")
        strips.append(Picture(strip, heading, arm))
    line = swatch('<path d="M0 8l7-5 7 2 7-3 7 4" style="fill:none;stroke:var(--ink);stroke-width:1.6"/>')
    block = swatch('<path d="M8 0h12v12h-12z" style="fill:var(--a5);opacity:.55"/>')
    return Figure(
        caption=f"What was on the screen in {of}, over its seconds."
        + (
            " The line is the mean SSIM against what the camera saw at that moment, so a picture that stands still "
            "costs quality although it was perfect."
            if quality
            else " There were no pictures in it (a size model), so there is no quality."
        ),
        pictures=tuple(strips),
        wide=True,
        key=(
            *((Mark(line, "SSIM, 1 is the same picture"),) if quality else ()),
            Mark(block, "the picture stood still"),
        ),
    )


def _strip(
    name: str, height: int, ends: tuple[float, float], draw: Callable[[Axes], None], label: str, *, unit: str
) -> Markup:
    def make() -> Canvas:
        canvas = Canvas(figsize=(_WIDTH / 72, height / 72))
        axes = canvas.add_axes(
            (
                _LEFT / _WIDTH,
                _BOTTOM / height,
                (_WIDTH - _LEFT - _RIGHT) / _WIDTH,
                (height - _BOTTOM - _TOP) / height,
            )
        )
        draw(axes)
        axes.set_xlim(ends)
        return canvas

    return drawn(make, name=name, label=label, units=("s", unit))


def _capacity(axes: Axes, run: Run) -> None:
    draw_capacity(axes, run)
    for line, name in zip(axes.lines, ("capacity", "video"), strict=False):
        series(line, name)
    axes.set_title("", loc="left")
    axes.yaxis.set_major_locator(MaxNLocator(4))


def _rates(axes: Axes, *, arm: str, rates: Rates, top: float) -> None:
    draw_rates(axes, rates, top, arm_style(arm).color)
    for line, what in zip(axes.lines, ("sent", "told"), strict=False):
        series(line, f"{what}: {arm}")


def _queue(axes: Axes, *, arm: str, rates: Rates, limits: tuple[float, float]) -> None:
    draw_queue(axes, rates, *limits)
    series(axes.lines[0], f"queue: {arm}")


def _backlog(axes: Axes, run: Run, arm: str, deepest: float) -> None:
    rows = run.downlink[run.downlink["arm"] == arm]
    behind = axes.twinx()
    behind.fill_between(rows["at"], rows["backlog_bytes"] / 1e3, step="post", color=_QUEUE, linewidth=0)
    behind.set_ylim(0, deepest)
    behind.yaxis.set_major_locator(MaxNLocator(3))
    behind.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} kB" if value else ""))
    behind.spines[["top", "left", "right", "bottom"]].set_visible(False)
    behind.tick_params(labelsize=8, length=3, color=FAINT)
    axes.set_zorder(behind.get_zorder() + 1)


def _deepest(run: Run) -> float:
    """The upper end of the queue scale, in kB."""
    down = run.downlink["backlog_bytes"]
    return max(1.0, 1.05 * float(down.max()) / 1e3) if len(down) else 1.0


def _screen(axes: Axes, frames: pd.DataFrame, arm_freezes: Sequence[tuple[float, float]], least: float | None) -> None:
    if arm_freezes:
        axes.broken_barh(
            list(arm_freezes), (0, 1), transform=axes.get_xaxis_transform(), color=_FREEZE, alpha=_VEIL, linewidth=0
        )
    if least is None:
        axes.set_yticks([])
    else:
        at, mean = _means(frames)
        axes.plot(at, mean, color=INK, linewidth=1.1)
        axes.set_ylim(least - 0.05 * (1 - least), 1.02)
        axes.yaxis.set_major_locator(MaxNLocator(3))
    tidy(axes)


def _means(frames: pd.DataFrame) -> tuple[list[float], list[float]]:
    """Mean SSIM of frames captured within the same bin, at the middle of it; a bin without any is a gap."""
    captured = frames["captured_at"].to_numpy(dtype=np.float64)
    size = max(_BIN, float(captured.max()) / _BINS)
    bins = (captured // size).astype(int)
    mean = frames["ssim"].groupby(bins).mean()
    return [float((place + 0.5) * size) for place in mean.index], mean.tolist()
