"""Latency CDF and stage breakdown for the page: the panels of `experiments.plots`, each as a small drawing of its own
that a phone shows whole, with the key beside them as text."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from glassbench.experiments.account.number_text import share_text
from glassbench.experiments.results.arm_style import ArmStyle, arm_style
from glassbench.experiments.results.plots.latency_cdf import coinciding, draw_cdf, draw_tail
from glassbench.experiments.results.plots.stage_breakdown import (
    LOOKS,
    MEANING,
    SLOW,
    USUAL,
    draw_stages,
    mean_between,
    stages_of,
)
from glassbench.experiments.results.plots.style import new_figure
from glassbench.experiments.results.report.content import Figure, Mark, Picture
from glassbench.experiments.results.report.plain import plain
from glassbench.experiments.results.report.rows import WIDTH, row_labels
from glassbench.experiments.results.report.svg import colour, drawn, series, swatch

Frames = Mapping[str, pd.DataFrame]
"""Video frames by arm, as from `Run.video_by_arm`; not empty."""


def latency_figure(video: Frames, order: Sequence[str], *, of: str) -> Figure:
    """The CDF and its complement; `of` says whose frames these are."""
    video = {arm: video[arm] for arm in order}
    shown = {arm: int(np.isfinite(frames["g2g_ms"]).sum()) for arm, frames in video.items()}
    same = "".join(f" {' and '.join(group)} coincide." for group in coinciding(video) if len(group) > 1)
    said = ", ".join(f"{plain(arm)} {share_text(shown[arm], len(video[arm]))} shown" for arm in order)
    return Figure(
        caption=f"Glass-to-glass latency of {of}. First the share that was on the screen within x ms; a line that ends "
        "below 100 % has frames that were never shown. Then the share that was not, on a log scale, where the slow "
        f"and the missing frames are.{same}",
        pictures=(
            Picture(
                _lines("cdf", lambda axes: draw_cdf(axes, video), order, f"Latency CDF: {said}."),
                "Shown within x ms, % of captured frames",
            ),
            Picture(
                _lines("tail", lambda axes: draw_tail(axes, video), order, "The complement of the latency CDF."),
                "Not yet shown after x ms, %",
            ),
        ),
        key=tuple(
            Mark(line_swatch(arm_style(arm)), f"{arm}, {share_text(shown[arm], len(video[arm]))} shown", arm)
            for arm in order
        ),
    )


def stage_figure(video: Frames, order: Sequence[str], *, of: str) -> Figure:
    """Where the milliseconds went, for usual and for slow frames."""
    video = {arm: video[arm] for arm in order}
    height = 0.75 + 0.3 * len(video)
    return Figure(
        caption=f"Mean time in each stage, an arm a row, over {of} that were shown: of the middle half by latency, "
        "and of the slowest twentieth. The numbers are the sums in ms; a bar with an arrow goes on beyond the axis.",
        pictures=tuple(
            Picture(
                _panel(name, height, lambda axes, part=part: _stages(axes, video, part), _said(title, video, part)),  # type: ignore[misc]
                title,
            )
            for name, title, part in (
                ("usual", "Usual frames, ms", USUAL),
                ("slow", "The slowest 5 %, ms", SLOW),
            )
        ),
        key=tuple(
            Mark(_area(stage), MEANING[stage])
            for stage in stages_of(mean_between(each, *SLOW) for each in video.values())
        ),
    )


def _lines(name: str, draw: Callable[[Axes], None], arms: Sequence[str], label: str) -> Markup:
    """A panel with a line per arm, in this order."""

    def known(axes: Axes) -> None:
        draw(axes)
        for line, arm in zip(axes.lines, arms, strict=True):
            series(line, arm, arm=arm)

    return _panel(name, 3.1, known, label, ("ms", "%"))


def _panel(
    name: str, height: float, draw: Callable[[Axes], None], label: str, units: tuple[str, str] = ("", "")
) -> Markup:
    def make() -> Canvas:
        figure = new_figure(WIDTH, height)
        draw(figure.subplots())
        return figure

    return drawn(make, name=name, label=label, units=units)


def _stages(axes: Axes, video: Frames, part: tuple[float, float]) -> None:
    draw_stages(axes, video, part)
    axes.set_yticks(range(len(video)), row_labels(list(video)))
    axes.set_xlabel("")


def _said(title: str, video: Frames, part: tuple[float, float]) -> str:
    sums = [f"{plain(arm)} {mean_between(frames, *part).sum():.0f} ms" for arm, frames in video.items()]
    return f"Stages. {title}: together {', '.join(sums)}."


def line_swatch(style: ArmStyle) -> Markup:
    """How the line of an arm looks, for keys."""
    dashes = " ".join(f"{1.6 * part:g}" for part in style.dashes[1])
    dash = f";stroke-dasharray:{dashes}" if dashes else ""
    ink = colour(style.color)
    inside = ink if style.filled else "var(--paper)"
    return swatch(
        f'<path d="M0 6H28" style="fill:none;stroke:{ink};stroke-width:2{dash}"/>'
        f'<path d="{_MARKERS[style.marker]}" style="fill:{inside};stroke:{ink}"/>'
    )


# The markers of matplotlib, 7 units across, in the middle of a swatch.
_MARKERS = {
    "": "",
    "o": "M14 2.5a3.5 3.5 0 1 0 .01 0z",
    "s": "M10.5 2.5h7v7h-7z",
    "^": "M14 2l4 7.5h-8z",
    "D": "M14 1.5l4.5 4.5-4.5 4.5-4.5-4.5z",
    "v": "M14 10l4-7.5h-8z",
    "P": "M12.8 2h2.4v2.8h2.8v2.4h-2.8v2.8h-2.4v-2.8h-2.8v-2.4h2.8z",
    "<": "M10 6l7.5-4v8z",
    ">": "M18 6l-7.5-4v8z",
    "*": "M14 1.5l1.1 3.3h3.4l-2.8 2 1.1 3.3-2.8-2-2.8 2 1.1-3.3-2.8-2h3.4z",
    "p": "M14 2l3.8 2.8-1.5 4.4h-4.6l-1.5-4.4z",
    "h": "M14 2l3.5 2v4l-3.5 2-3.5-2v-4z",
    "X": "M11.5 2l2.5 2.5 2.5-2.5 1.5 1.5-2.5 2.5 2.5 2.5-1.5 1.5-2.5-2.5-2.5 2.5-1.5-1.5 2.5-2.5-2.5-2.5z",
}

# What the hatches of LOOKS look like, as lines in a swatch.
_HATCHES = {
    "": "",
    "....": "M5 4h1M11 4h1M17 4h1M23 4h1M8 8h1M14 8h1M20 8h1",
    "////": "M3 12l8-12M10 12l8-12M17 12l8-12",
    "\\\\\\\\": "M3 0l8 12M10 0l8 12M17 0l8 12",
    "----": "M0 3h28M0 6h28M0 9h28",
    "++": "M0 3h28M0 9h28M7 0v12M14 0v12M21 0v12",
    "xxxx": "M3 12l8-12M10 12l8-12M17 12l8-12M3 0l8 12M10 0l8 12M17 0l8 12",
}


def _area(stage: str) -> Markup:
    fill, hatch = LOOKS[stage]
    lines = f'<path d="{_HATCHES[hatch]}" style="fill:none;stroke:var(--ink);stroke-width:.8"/>' if hatch else ""
    box = f'<path d="M.5 .5h27v11h-27z" style="fill:{colour(fill)};stroke:var(--ink);stroke-width:.6"/>'
    return swatch(box + lines)
