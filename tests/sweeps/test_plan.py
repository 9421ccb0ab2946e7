"""Plans: grids, paths of fields and what is wrong with them, duplicates, fingerprints."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassbench.experiments import scenario
from glassbench.experiments.engine.plan import MAX_CELLS, Plan, PlanError, WrongField, grid, joined, with_fields
from glassbench.experiments.scenario import Scenario
from glassbench.experiments.scenario.spec import FLOOR

MakeScenario = Callable[..., Scenario]
MakePlan = Callable[..., Plan]

LONG = {
    "down": [
        {"element": "rate", "rate": "5Mbit/s"},
        {"element": "loss-episodes", "mean_loss": "1%", "mean_duration": "9ms"},
    ],
    "up": [],
}


def test_a_grid_is_every_combination_in_the_order_of_axes_seeds_and_arms(make_plan: MakePlan) -> None:
    plan = make_plan(axes={"network.delay": ["5ms", "40ms"], "playout": ["immediate", "fixed:100ms"]})
    places = [(*cell.axes.values(), cell.scenario.seed, cell.arm) for cell in plan.cells]
    assert places == list(
        itertools.product(["5ms", "40ms"], ["immediate", "fixed:100ms"], [3, 4], ["udp", "rtp", FLOOR])
    )
    for cell in plan.cells:
        assert len(cell.scenario.arms) == 1
        assert cell.scenario.playout == cell.axes["playout"]
        if cell.arm != FLOOR:
            assert cell.scenario.dump()["network"]["delay"] == cell.axes["network.delay"]


def test_without_axes_and_seeds_a_grid_has_the_arms_of_the_scenario(make_scenario: MakeScenario) -> None:
    plan = grid("x", make_scenario(seed=9))
    assert [(dict(cell.axes), cell.arm, cell.scenario.seed) for cell in plan.cells] == [({}, "udp", 9), ({}, "rtp", 9)]


@pytest.mark.parametrize(
    ("path", "value", "look"),
    [
        ("video.bitrate", "3Mbit/s", lambda dump: dump["video"]["bitrate"]),
        ("network.down[1].mean_loss", "7%", lambda dump: dump["network"]["down"][1]["mean_loss"]),
        ("arms[0].transport", "rtp", lambda dump: dump["arms"][0]["transport"]),
        ("chat.size", "300B", lambda dump: dump["chat"]["size"]),
        ("mtu", 1400, lambda dump: dump["mtu"]),
        ("network.down[0].queue.bytes", "9kB", lambda dump: dump["network"]["down"][0]["queue"]["bytes"]),
    ],
)
def test_a_path_reaches_any_field(make_scenario: MakeScenario, path: str, value: Any, look: Callable[..., Any]) -> None:
    assert look(with_fields(make_scenario(network=LONG, chat={}), {path: value}).dump()) == value


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("network.down[2].mean_loss", "1%", "network.down[2].mean_loss: it is no field of this scenario"),
        ("network.down[-1].mean_loss", "1%", "network.down[-1].mean_loss: it is no path of a field"),
        ("network.down[x]", "1%", "network.down[x]: it is no path of a field"),
        ("network.down[1]x", "1%", "network.down[1]x: it is no path of a field"),
        ("network.down[0][0]", "1%", "network.down[0][0]: it is no field of this scenario"),
        ("network.down.rate", "1%", "network.down.rate: it is no field of this scenario"),
        ("network..down", "1%", "network..down: it is no path of a field"),
        ("", "1%", ": it is no path of a field"),
        ("playout.kind", "x", "playout.kind: it is no field of this scenario"),
        ("video.bitrat", "1Mbit/s", "video.bitrat: unknown field 'bitrat' (did you mean 'bitrate'?)"),
        ("video.bitrate", "1", "video.bitrate: no unit in '1'"),
        ("mtu", True, "mtu: must be a valid integer"),
        ("network.rate", "1Mbit/s", "network.rate: 'rate' is of the short form"),
    ],
)
def test_a_wrong_path_or_value_is_one_sentence(
    make_scenario: MakeScenario, path: str, value: Any, sentence: str
) -> None:
    with pytest.raises(WrongField) as error:
        with_fields(make_scenario(network=LONG), {path: value})
    assert str(error.value).startswith(sentence)
    assert error.value.path == path


def test_the_field_that_is_blamed_is_the_wrong_one_and_what_only_goes_together_is_accepted(
    make_scenario: MakeScenario,
) -> None:
    plain = make_scenario(network={"rate": "5Mbit/s"})
    together = with_fields(plain, {"network.loss_duration": "9ms", "network.loss": "2%"})
    assert together.network.loss_duration == pytest.approx(0.009)
    with pytest.raises(WrongField) as error:
        with_fields(plain, {"network.loss": "200%", "network.delay": "5ms"})
    assert error.value.path == "network.loss"
    with pytest.raises(WrongField, match=r"one bottleneck|network.rate|network.trace"):
        with_fields(plain, {"network.trace": "steps", "playout": "immediate"})


@settings(max_examples=200)
@given(
    path=st.text(alphabet="network.down[]01eo-x", max_size=20),
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.dates(),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    ),
)
def test_any_path_and_value_is_taken_or_refused_with_one_sentence(path: str, value: Any) -> None:
    base = {"name": "x", "duration": "1s", "arms": ["udp"], "video": {"source": "lognormal"}, "network": LONG}
    try:
        plan = grid("x", scenario.build(base), axes={path: [value]})
    except PlanError as error:
        assert "\n" not in str(error) or "\n" in path
    else:
        assert len(plan.cells) == 1 and plan.fingerprint


@pytest.mark.parametrize("axis", ["seed", "name", "arms"])
def test_what_is_given_beside_the_axes_is_no_axis(make_plan: MakePlan, axis: str) -> None:
    with pytest.raises(WrongField, match=f"^{axis}: it is no axis: "):
        make_plan(axes={axis: [1, 2]})


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"axes": {"network.delay": ["5ms", "5ms"]}}, r"arm 'udp' with seed 3 stands twice \(network.delay=5ms\)"),
        ({"seeds": [3, 3]}, "arm 'udp' with seed 3 stands twice"),
        ({"axes": {"video.fps": [30, 30.0]}}, "stands twice"),
        ({"axes": {"network.delay": []}}, f"a plan has 1 to {MAX_CELLS} cells, these axes, arms and seeds make 0"),
        ({"seeds": range(10**6)}, f"a plan has 1 to {MAX_CELLS} cells, .* make 6000000"),
        ({"seeds": [-1]}, r"a seed is a whole number from 0 to 2\^63-1, found -1"),
        ({"seeds": [1.5]}, r"a seed is a whole number from 0 to 2\^63-1, found 1.5"),
    ],
)
def test_a_grid_that_makes_no_plan_is_one_sentence(make_plan: MakePlan, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(PlanError, match=sentence):
        make_plan(**options)


def test_plans_are_joined_unless_a_cell_stands_in_both(make_plan: MakePlan) -> None:
    first, second = make_plan(seeds=[1]), make_plan(seeds=[2])
    assert joined("both", [first, second]).cells == first.cells + second.cells
    with pytest.raises(PlanError, match="stands twice"):
        joined("both", [first, first])


def test_the_fingerprint_tells_apart_what_gives_another_dataset(
    make_plan: MakePlan, make_scenario: MakeScenario
) -> None:
    variants = [
        make_plan(),
        make_plan(seeds=[3, 5]),
        make_plan(seeds=[4, 3]),
        make_plan(frames=False),
        make_plan(quality=True),
        make_plan(floor=False),
        make_plan(axes={"network.delay": ["5ms", "41ms"]}),
        make_plan(make_scenario(duration="500ms")),
    ]
    assert len({plan.fingerprint for plan in variants}) == len(variants)
    assert make_plan().fingerprint == variants[0].fingerprint
