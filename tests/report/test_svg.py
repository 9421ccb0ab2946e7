"""Drawings inside a page: smaller than matplotlib's, and the same picture."""

import re

import numpy as np
import pytest
from matplotlib.figure import Figure

from glassbench.experiments.results.arm_style import PALETTE
from glassbench.experiments.results.plots.stage_breakdown import LOOKS
from glassbench.experiments.results.plots.style import INK
from glassbench.experiments.results.report.pictures import MEANING, _area
from glassbench.experiments.results.report.svg import drawn


def draw(name="d", **kinds):
    def make():
        figure = Figure(figsize=(4, 2))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set_xlim(0, 288)
        axes.set_ylim(144, 0)  # as in the drawing: one unit is one unit, downwards
        for kind, (x, y, keywords) in kinds.items():
            getattr(axes, kind)(x, y, **keywords)
        return figure

    return str(drawn(make, name=name, label='a <label> "quoted"'))


def test_dots_become_one_path_and_those_on_top_of_each_other_one_dot():
    x = [10.0, 10.1, *np.linspace(20, 200, 60)]
    svg = draw(plot=(x, [50.0] * len(x), {"linestyle": "", "marker": ".", "color": PALETTE[1]}))
    points = re.findall(r"M([\d.]+) ([\d.]+)h0", svg)
    assert len(points) == 61 and points[0] == ("10", "50") and points[-1] == ("200", "50")
    assert "stroke:var(--c1)" in svg and "<use" not in svg


def test_steps_keep_their_corners_and_lose_what_is_between():
    x, y = [0, 10, 10, 20, 30, 30, 40], [5, 5, 50, 50, 50, 7, 7]
    svg = draw(plot=(x, y, {"color": INK}))
    assert 'd="M0 5 10 5 10 50 30 50 30 7 40 7"' in svg


def test_a_slope_keeps_every_point():
    svg = draw(plot=([0, 10, 20, 30], [5, 6, 9, 5], {"color": INK}))
    assert 'd="M0 5 10 6 20 9 30 5"' in svg


def test_a_label_is_escaped_and_dollars_are_dollars():
    def make():
        figure = Figure(figsize=(4, 2))
        figure.text(0.5, 0.5, r"$\frac$ <b>")
        return figure

    svg = str(drawn(make, name="t", label='a <label> "quoted"'))
    assert r"$\frac$ &lt;b&gt;" in svg
    assert 'aria-label="a &lt;label&gt; &quot;quoted&quot;"' in svg


def test_control_characters_in_a_label_do_not_cost_the_picture():
    svg = draw(text=(5, 5, {"s": "a\x00b\x1bc", "color": INK}))
    assert "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c" in svg


def test_letters_that_matplotlib_cannot_draw_are_left_to_the_browser():
    def make():
        figure = Figure(figsize=(4, 2), layout="constrained")
        figure.suptitle("遅延")
        return figure

    assert "遅延" in str(drawn(make, name="t", label="x"))


def test_the_same_figure_is_the_same_text_and_names_keep_figures_apart():
    plot = {"plot": ([0, 50, 90], [5, 6, 9], {"color": INK, "marker": "s"})}
    assert draw(**plot) == draw(**plot)
    ids = [set(re.findall(r'id="([^"]+)"', draw(name, **plot))) for name in ("one", "two")]
    assert ids[0] and not ids[0] & ids[1]


@pytest.mark.parametrize("leftover", ["<metadata", "DejaVu", "<style", "xmlns", "#222222", "<!--"])
def test_nothing_is_left_of_matplotlibs_own_looks(leftover):
    assert leftover not in draw(text=(5, 5, {"s": "x", "color": INK}))


@pytest.mark.parametrize("stage", LOOKS)
def test_every_stage_has_a_swatch_and_words_that_of_a_black_box_too(stage: str) -> None:
    assert "<path" in _area(stage)
    assert MEANING[stage]
