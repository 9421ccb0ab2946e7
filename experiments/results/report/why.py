"""The pictures that show why the verdict is what it is: by the delays that decide, arms below each other."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from numpy.typing import NDArray

from glassbench.experiments.account.metrics import glass_to_glass, picture_delay, signal_delay
from glassbench.experiments.account.number_text import number_text
from glassbench.experiments.account.percentile import percentile
from glassbench.experiments.results.arm_style import arm_style
from glassbench.experiments.results.figure_form import PageSize
from glassbench.experiments.results.plots.many_runs import draw_differences, draw_typical
from glassbench.experiments.results.plots.page import drawn_for
from glassbench.experiments.results.plots.style import new_figure
from glassbench.experiments.results.ranking import Ranking
from glassbench.experiments.results.report.content import Figure, Mark, Picture
from glassbench.experiments.results.report.pictures import line_swatch
from glassbench.experiments.results.report.plain import plain
from glassbench.experiments.results.report.rows import WIDTH, RowOfArm, draw_delays, height_of
from glassbench.experiments.results.report.svg import drawn, series
from glassbench.experiments.results.statistics import Comparison


def marks_of(arms: Sequence[str]) -> tuple[Mark, ...]:
    """The arms as a key, in this order."""
    return tuple(Mark(line_swatch(arm_style(arm)), arm, arm) for arm in arms)


def percentile_figure(video: Mapping[str, pd.DataFrame], order: Sequence[str], ranking: Ranking) -> Figure:
    """The delays of the frames of one run, by arm in this order; a panel for each delay that arms are judged by."""
    delays: dict[str, Callable[[pd.DataFrame], NDArray[np.float64]]] = {"Glass-to-glass latency": glass_to_glass}
    if ranking.by_signal:
        delays = {"Signal delay": signal_delay}
    if (floor := ranking.picture_floor) is not None:
        delays["Picture delay"] = lambda frames: picture_delay(frames, floor)
    pictures = []
    for number, (name, delay) in enumerate(delays.items()):
        rows = [_percentiles(arm, 1e3 * delay(video[arm])) for arm in order]
        if not any(np.isnan(row.middle) for row in rows):
            pictures.append(_rows(f"why{number}", f"{name}, ms", rows))
    return Figure(
        caption="Delays of all captured frames, soonest arm first: the median at the left end, the 95th percentile as "
        "the marker with its number, the 99th at the right end; log scale. An arrow stands for what is infinite.",
        pictures=tuple(pictures),
    )


def difference_figure(compared: Sequence[Comparison]) -> Figure:
    """How much later than the soonest arm each is, pair by pair of runs, and then each arm by itself; for each delay
    that arms are judged by."""
    unit = compared[0].unit
    pictures = [picture for each in compared for picture in _pair(each)]
    alone = f"the marker is the median {unit} with its 95 % interval, each dot one {unit}; log scale."
    paired = (
        f"First the differences, since all arms meet the same {unit}s: how much later than the soonest an arm is, a "
        f"dot a {unit}, and in a typical {unit} with its 95 % interval. One that holds zero may be chance. Then each "
        "arm by itself: "
    )
    return Figure(
        caption=f"{paired if len(pictures) > len(compared) else 'Each arm: '}{alone} A triangle lies beyond the axis.",
        pictures=tuple(pictures),
    )


def _pair(compared: Comparison) -> list[Picture]:
    name, unit = compared.name, compared.unit
    key = "".join(letter for letter in name if letter.isalnum())
    typical = [f"{plain(arm.arm)} {number_text(1e3 * arm.typical, '.0f')}" for arm in compared.arms]
    pictures = [
        _picture(f"typical-{key}", f"{name} in each {unit}, ms", typical, lambda axes: draw_typical(axes, compared))
    ]
    later = [
        f"{plain(arm.arm)} {number_text(1e3 * arm.against_best.difference, '+.0f')}"
        for arm in compared.arms
        if arm.against_best is not None
    ]
    if later:
        heading = f"{name}: later than {compared.best.arm}, in the same {unit}, ms"
        pictures.insert(0, _picture(f"later-{key}", heading, later, lambda axes: draw_differences(axes, compared), 2))
    return pictures


def _percentiles(arm: str, delays: NDArray[np.float64]) -> RowOfArm:
    low, middle, high = (float("nan") if np.isnan(delays).any() else percentile(delays, q) for q in (0.5, 0.95, 0.99))
    return RowOfArm(arm, middle, low, high, number_text(middle, ".0f"))


def _picture(
    name: str, heading: str, said: Sequence[str], draw: Callable[[Axes], Mapping[str, Sequence[Artist]]], lines: int = 1
) -> Picture:
    """A panel with a row for each of the arms of which `said` says something, each named in so many lines."""

    def make() -> Canvas:
        with drawn_for(PageSize.COLUMN):  # names above their rows: a phone has no room beside them
            figure = new_figure(WIDTH, 0.6 + (0.28 + 0.14 * lines) * len(said))
            artists = draw(axes := figure.subplots())
        for text in axes.texts:
            text.set(fontsize=8)
        for arm, of_arm in artists.items():
            for artist in of_arm:
                series(artist, arm=arm)
        return figure

    label = f"{plain(heading, 120)}: {', '.join(said)}."
    return Picture(drawn(make, name=name, label=label), heading)


def _rows(name: str, heading: str, rows: Sequence[RowOfArm]) -> Picture:
    said = ", ".join(f"{plain(row.arm)} {row.text}" for row in rows)

    def make() -> Canvas:
        figure = new_figure(WIDTH, height_of(len(rows)))
        draw_delays(figure.subplots(), rows)
        return figure

    return Picture(drawn(make, name=name, label=f"{plain(heading, 120)}: {said}."), heading)
