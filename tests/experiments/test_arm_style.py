"""How arms look: by their names alone, told apart by whoever sees colours or not."""

from itertools import combinations

import pytest
from coloraide import Color

from glassbench.experiments.results.arm_style import DASHES, MARKERS, PALETTE, arm_style, series_styles
from glassbench.experiments.scenario import load
from glassbench.experiments.scenario.shipped import SCENARIOS
from glassbench.transport.registry import TRANSPORTS

LEAST_CONTRAST = 3.0  # WCAG 2.2, 1.4.11: of graphics against what is behind them
LEAST_DIFFERENCE = 12.0  # CIEDE2000; 2.3 is just noticeable, side by side


def test_an_arm_looks_the_same_always_whatever_stands_beside_it() -> None:
    style = arm_style("rtp:control=gcc")
    assert (style.color, style.dashes, style.filled) == ("#D55E00", (0, (5, 1.5)), False)
    assert arm_style("srt:latency_ms=60").marker == "h"
    assert arm_style("my own label").color == "#00A86E"


def test_options_in_another_order_are_the_same_arm() -> None:
    assert arm_style("quic-datagram:control=gcc,encoder=follow") == arm_style(
        "quic-datagram:encoder=follow,control=gcc"
    )


def test_each_transport_has_a_style_of_its_own_and_its_options_do_not_change_its_colour() -> None:
    assert len({arm_style(name) for name in TRANSPORTS}) == len(TRANSPORTS)
    assert all(arm_style(f"{name}:loss=7").color == arm_style(name).color for name in TRANSPORTS)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_no_two_arms_of_a_shipped_scenario_look_alike_in_grey(scenario: str) -> None:
    styles = [arm_style(arm.label) for arm in load(scenario).arms]
    assert len({(style.dashes, style.marker, style.filled) for style in styles}) == len(styles)


def test_a_name_that_nobody_foresaw_has_a_style() -> None:
    for name in ("", ":", "a:b", "\ud800", "mine:gain=2", "x" * 200):
        style = arm_style(name)
        assert style.color in PALETTE and style.dashes in DASHES and style.marker in MARKERS


def test_series_that_are_no_arms_are_told_apart_by_their_order() -> None:
    styles = series_styles(range(8))
    assert len({style.color for style in styles}) == len({style.marker for style in styles}) == 8


@pytest.mark.parametrize("vision", ["common", "protan", "deutan"])
def test_colours_are_told_apart_in_this_vision(vision: str) -> None:
    seen = [Color(color) if vision == "common" else Color(color).filter(vision, method="machado") for color in PALETTE]
    assert min(one.delta_e(other, method="2000") for one, other in combinations(seen, 2)) >= LEAST_DIFFERENCE


def test_each_colour_stands_out_against_white() -> None:
    assert min(Color(color).contrast("white", method="wcag21") for color in PALETTE) >= LEAST_CONTRAST
