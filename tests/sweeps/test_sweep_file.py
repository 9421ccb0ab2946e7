"""Sweep files: what they mean, and every mistake with its file, line and field."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassbench.experiments.engine.sweep import SweepError, load_sweep, parse_sweep
from glassbench.experiments.scenario.spec import FLOOR
from glassbench.experiments.scenario.toml_text import to_toml

DOCUMENT = (Path(__file__).parents[2] / "docs" / "sweeps.md").read_text(encoding="utf-8")

SWEEP = """\
name = "try"
scenario = "loss"
arms = ["rtp", "udp"]
seeds = 3
[grid]
network.delay = ["5ms", "50ms"]
"network.loss" = [
  "0%",
  "2%",
]
"""


def test_a_sweep_is_the_grid_of_its_scenario_with_other_arms() -> None:
    plan = parse_sweep(SWEEP, "s.toml")
    assert len(plan.cells) == 2 * 2 * 3 * 3
    assert plan.cells[0].axes == {"network.delay": "5ms", "network.loss": "0%"}
    assert [cell.arm for cell in plan.cells[:4]] == ["rtp", "udp", FLOOR, "rtp"]
    assert sorted({cell.scenario.seed for cell in plan.cells}) == [1, 2, 3]
    assert (plan.name, plan.frames, plan.quality) == ("try", False, False)


def test_seeds_may_be_listed_the_floor_left_out_frames_kept_and_indices_used() -> None:
    text = SWEEP.replace("seeds = 3", "seeds = [9, 4]\nfloor = false\nframes = true\nquality = true")
    plan = parse_sweep(text + '"arms[0].max_retries" = [1, 3]\n', "s.toml")
    assert len(plan.cells) == 2 * 2 * 2 * 2 * 2
    assert [cell.scenario.seed for cell in plan.cells[:3]] == [9, 9, 4]
    assert plan.cells[0].scenario.arms[0].options == (("max_retries", 1),)
    assert plan.frames and plan.quality


@pytest.mark.parametrize(
    ("lines", "measured"),
    [
        ('arms = ["udp"]', False),
        ('arms = ["udp", "quic-adaptive"]', True),
        ('arms = ["udp", "quic-adaptive"]\nquality = false', False),
    ],
)
def test_pictures_are_measured_where_they_decide_unless_the_sweep_says_otherwise(lines: str, measured: bool) -> None:
    text = f'name = "x"\nscenario = "default"\n{lines}\n'
    assert parse_sweep(text, "x.toml").quality is measured


def test_a_scenario_file_and_a_sweep_without_a_grid() -> None:
    from glassbench.experiments import scenario

    Path("my.toml").write_text(to_toml(scenario.shipped("steps").dump()))
    Path("s.toml").write_text('name = "x"\nscenario = "my.toml"\nseeds = 2\n')
    plan = load_sweep("s.toml")
    arms = [*scenario.shipped("steps").arms]
    assert len(plan.cells) == 2 * (len(arms) + 1)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('"50ms"]', '"50"]', "s.toml:6: grid.network.delay[1]: no unit in '50'; a duration takes us, ms, s, min"),
        ('"2%"', '"200%"', "s.toml:9: grid.network.loss[1]: the share of time with loss must be below 100%"),
        ('"2%"', "2", "s.toml:9: grid.network.loss[1]: a share needs a text with a unit such as '1%', found 2"),
        ("network.delay", "network.delai", "s.toml:6: grid.network.delai[0]: unknown field 'delai' (did you mean"),
        ("network.delay", "network.down[1].delay", "s.toml is not valid TOML: "),
        (
            "network.delay",
            '"network.down[1].delay"',
            "s.toml:6: grid.network.down[1].delay: it is no field of this scenario",
        ),
        ('"network.loss"', '"network.delay"', "s.toml:7: grid.network.delay: the field 'network.delay' stands twice"),
        ("network.delay", "seed", "s.toml:6: grid.seed: it is no axis: seeds are given beside the axes"),
        ("network.delay", "arms", "s.toml:6: grid.arms: it is no axis: arms are those of the scenario"),
        ('["5ms", "50ms"]', '"5ms"', "s.toml:6: grid.network.delay: needs a list of the values to try, such as"),
        ('["5ms", "50ms"]', "[]", "s.toml:6: grid.network.delay: needs a list of the values to try, such as"),
        ('["5ms", "50ms"]', "{}", "s.toml:6: grid.network.delay: needs a list of the values to try, such as"),
        ('["5ms", "50ms"]', "[2026-01-01]", "s.toml:6: grid.network.delay[0]: a duration needs a text with a unit"),
        ('["5ms", "50ms"]', '["5ms", "5ms"]', "s.toml: arm 'rtp' with seed 1 stands twice (network.delay=5ms"),
        ("network.delay", "network.rate", "s.toml:6: grid.network.rate[0]: unknown unit 'ms' in '5ms'; a bit rate"),
        (
            'network.delay = ["5ms", "50ms"]',
            'network.trace = ["steps"]',
            "s.toml:6: grid.network.trace[0]: network.rate: ",
        ),
        ("seeds = 3", "seeds = 0", "s.toml:4: seeds: seeds are their number, such as 20, or a list of whole numbers"),
        ("seeds = 3", "seeds = [1, 1]", "s.toml:4: seeds: seeds are their number, such as 20, or a list"),
        ("seeds = 3", "seeds = true", "s.toml:4: seeds: seeds are their number, such as 20, or a list"),
        ("seeds = 3", "seeds = 90000", "s.toml: a plan has 1 to 100000 cells, these axes, arms and seeds make 1080000"),
        ("seeds = 3", "sedes = 3", "s.toml:4: sedes: unknown field 'sedes' (did you mean 'seeds'?)"),
        ("seeds = 3", 'floor = "yes"', "s.toml:4: floor: must be a valid boolean, found 'yes'"),
        ('["rtp", "udp"]', '["rtp", "tcp"]', "s.toml:3: arms[1]: unknown transport 'tcp'"),
        ('["rtp", "udp"]', '["rtp", "rtp"]', "s.toml:3: arms: arms[1]: two arms are labelled 'rtp'"),
        ('["rtp", "udp"]', "[]", "s.toml:3: arms: "),
        ('"loss"', '"lost"', "s.toml:2: scenario: lost is neither a scenario file nor a shipped scenario"),
        ('"loss"', "3", "s.toml:2: scenario: a scenario is a text: the name of a shipped one, or a scenario file"),
        ('"loss"', '"bad.toml"', "s.toml:2: scenario: bad.toml:1: "),
        ('scenario = "loss"', "", "s.toml:1: the field 'scenario' is missing"),
        ('name = "try"', 'name = "../x"', "s.toml:1: name: "),
        (
            SWEEP[SWEEP.index("[grid]") :],
            "grid = 3\n",
            "s.toml:5: grid: a grid is a table of fields and lists of values, found 3",
        ),
        ("[grid]", "[grid", "s.toml is not valid TOML: "),
    ],
)
def test_a_mistake_is_one_sentence_with_line_and_field(old: str, new: str, sentence: str) -> None:
    Path("bad.toml").write_text("seed = -1\n")
    assert old in SWEEP
    with pytest.raises(SweepError) as error:
        parse_sweep(SWEEP.replace(old, new, 1), "s.toml")
    assert str(error.value).startswith(sentence)
    assert "\n" not in str(error.value).removesuffix("\n")


def test_a_file_that_is_none_is_one_sentence() -> None:
    for path, content in (("gone.toml", None), ("folder", "/"), ("bytes.toml", b"\xff"), ("big.toml", b"#" * 2**21)):
        if content == "/":
            Path(path).mkdir()
        elif isinstance(content, bytes):
            Path(path).write_bytes(content)
        with pytest.raises(SweepError, match=path):
            load_sweep(path)


PLAIN = st.booleans() | st.integers(-3, 10**6) | st.floats(allow_nan=False) | st.text(max_size=8)
VALUES = PLAIN | st.lists(PLAIN, max_size=3) | st.dictionaries(st.text(min_size=1, max_size=6), PLAIN, max_size=3)


@settings(max_examples=150)
@given(
    fields=st.dictionaries(
        st.sampled_from(["name", "scenario", "arms", "seeds", "grid", "frames", "quality", "floor", "x"]), VALUES
    ),
    grid=st.dictionaries(st.sampled_from(["network.delay", "network", "video", "a[0]", "mtu", "playout", ""]), VALUES),
)
def test_any_content_is_a_plan_or_one_sentence(fields: dict[str, Any], grid: dict[str, Any]) -> None:
    content = {"name": "x", "scenario": "loss", "grid": grid, **fields}
    try:
        text = to_toml(content)
    except (TypeError, ValueError):
        return
    try:
        parse_sweep(text, "s.toml")
    except SweepError as error:
        assert str(error).startswith("s.toml")


def test_the_example_of_the_document_is_the_file_that_ships_and_a_plan_and_its_sentences_are_real() -> None:
    example = (Path(__file__).parents[2] / "docs" / "sweep-rtt-loss.toml").read_text(encoding="utf-8")
    assert f"```toml\n{example}```" in DOCUMENT
    plan = parse_sweep(example, "sweep-rtt-loss.toml")
    assert f"{len(plan.cells)} cells" in DOCUMENT
    with pytest.raises(SweepError) as error:
        parse_sweep(example.replace('"50ms"', '"50"', 1), "my-sweep.toml")
    assert f"error: {error.value}\n" in DOCUMENT


def test_the_sweep_of_temporal_layers_is_a_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(__file__).parents[2]
    monkeypatch.chdir(root)
    assert len(load_sweep(root / "docs" / "sweep-layers.toml").cells) == 18
