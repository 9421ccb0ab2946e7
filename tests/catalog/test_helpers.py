"""What experiments of the catalog share: cells, points by their fields, chance, and the look of pictures."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from glassbench.experiments.catalog.cells import delay, make_cell, make_plan, replay, video
from glassbench.experiments.catalog.chance import beyond, deviation
from glassbench.experiments.catalog.figures import curve, finish, logarithmic, panels
from glassbench.experiments.catalog.frames import only, select
from glassbench.experiments.results.arm_style import arm_style


@dataclass(frozen=True)
class Place:
    arm: str
    rtt: float


PLACES = [Place("udp", 0.1), Place("udp", 0.2), Place("srt", 0.1)]


def test_points_are_chosen_by_their_fields_in_their_order() -> None:
    assert select(PLACES, arm="udp") == PLACES[:2]
    assert select(PLACES, arm="udp", rtt=0.2) == [only(PLACES, arm="udp", rtt=0.2)] == [PLACES[1]]


@pytest.mark.parametrize("fields", [{"arm": "udp"}, {"arm": "rtp"}])
def test_no_point_and_several_are_no_one_point(fields) -> None:
    with pytest.raises(ValueError):
        only(PLACES, **fields)


def test_a_cell_is_one_arm_over_its_path() -> None:
    path = {"down": [delay(0.025)], "up": [delay(0.025)]}
    cell = make_cell({"rtt": 0.05}, "made-up", arm="udp", seconds=1.5, media=video("1Mbit/s"), network=path, seed=7)
    assert cell.axes == {"rtt": 0.05}
    assert (cell.scenario.duration, cell.scenario.seed) == (1.5, 7)
    assert [arm.transport for arm in cell.scenario.arms] == ["udp"]
    assert [element.kind for element in cell.scenario.network.paths()[0]] == ["delay"]
    assert make_plan("made-up", [cell]).frames


def test_a_share_of_many_is_off_by_chance_less_than_a_share_of_few() -> None:
    assert deviation(0.1, 900) == pytest.approx(0.01)
    assert deviation(0.1, 90_000) == pytest.approx(0.001)


def test_a_count_is_beyond_its_bounds_on_either_side_and_by_more_than_one() -> None:
    assert beyond(30, 25, 100) == beyond(101, 25, 100) == beyond(24, 25, 100) == 0
    assert beyond(121, 25, 100) == pytest.approx(2)
    assert beyond(14, 25, 100) == pytest.approx(2)


def test_panels_share_one_title_and_curves_the_style_of_their_arm() -> None:
    figure, axes = panels("title", 3)
    assert len(axes) == 3 and figure.get_suptitle() == "title"
    style = arm_style("udp")
    curve(axes[0], style, [1, 2], [10, 20], label="udp", linestyle="")
    (line,) = axes[0].lines
    assert (line.get_color(), line.get_marker(), line.get_linestyle()) == (style.color, style.marker, "None")


def test_logarithmic_ticks_are_plain_numbers_or_have_names() -> None:
    _, (left, right) = panels("title")
    logarithmic(left, x=[0.5, 1000], y={0.01: "none", 1: "1"})
    assert [label.get_text() for label in left.get_xticklabels()] == ["0.5", "1000"]
    assert [label.get_text() for label in left.get_yticklabels()] == ["none", "1"]
    logarithmic(right, y=[1, 10])
    assert (right.get_xscale(), right.get_yscale()) == ("linear", "log")


def test_a_panel_has_its_title_and_a_legend_unless_it_shares_one() -> None:
    _, (left, right) = panels("title")
    for axes, legend in ((left, True), (right, False)):
        curve(axes, arm_style("udp"), np.arange(3), np.arange(3), label="udp")
        finish(axes, "panel", "seconds", legend=legend)
        assert (axes.get_title(loc="left"), axes.get_xlabel()) == ("panel", "seconds")
        assert (axes.get_legend() is not None) == legend


def test_a_panel_says_which_of_its_lines_lie_on_each_other() -> None:
    _, (left, right) = panels("title")
    for axes, lift in ((left, 0.0), (right, 5.0)):
        for arm, up in (("udp", 0.0), ("rtp", lift), ("srt", 2.0)):
            curve(axes, arm_style(arm), [1, 2], [1 + up, 10 + up], label=arm)
        finish(axes, "panel")
    assert left.get_title(loc="left") == "panel; udp and rtp coincide"
    assert right.get_title(loc="left") == "panel"


def test_the_title_of_a_narrow_panel_has_shorter_lines_than_that_of_a_wide_one() -> None:
    _, (wide, narrow) = panels("title", 2, width_ratios=(3, 1))
    finish(wide, "many short words " * 10, legend=False)
    finish(narrow, "many short words " * 10, legend=False)
    longest = [max(map(len, axes.get_title(loc="left").splitlines())) for axes in (wide, narrow)]
    assert longest[0] > 2 * longest[1]


@pytest.mark.parametrize("recorded_back", [True, False])
def test_a_drive_whose_way_back_was_not_recorded_has_a_constant_one_and_not_the_fades_of_the_way_there(
    tmp_path: Path, recorded_back: bool
) -> None:
    lines = "".join(f"{at}\n" for at in range(1, 9000, 3))
    for name in ("Drive.down", "Drive.up") if recorded_back else ("Drive.down",):
        (tmp_path / name).write_text(lines)
    network = replay(str(tmp_path / "Drive.down"), start=2.5)
    cell = make_cell({}, "replay", arm="udp", seconds=1, media=video("1Mbit/s"), network=network)
    assert [each.element for each in cell.scenario.network.down] == ["trace", "delay"]
    assert [each.element for each in cell.scenario.network.up] == ["trace" if recorded_back else "rate", "delay"]
    assert cell.scenario.network.trace_start == 2.5


def test_a_generated_drive_is_replayed_with_its_own_delays_from_its_beginning() -> None:
    assert replay("steps", start=0.0) == {"trace": "steps", "queue": "600kB"}
