"""Scenario files: what is read is given back, and what is wrong is one sentence with file, line, field and choice."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassbench.experiments.scenario import Scenario, ScenarioError, build, load, parse, shipped
from glassbench.experiments.scenario.bottleneck_specs import TraceSpec
from glassbench.experiments.scenario.delay_specs import DelaySpec
from glassbench.experiments.scenario.element_spec import Surroundings
from glassbench.experiments.scenario.elements import ELEMENTS
from glassbench.experiments.scenario.loss_specs import LossEpisodesSpec
from glassbench.experiments.scenario.queue_spec import QUEUES
from glassbench.experiments.scenario.session_spec import MAX_DURATION
from glassbench.experiments.scenario.shipped import SCENARIOS
from glassbench.experiments.scenario.toml_text import to_toml
from glassbench.experiments.worlds.links import open_links
from glassbench.netem.element import Element
from glassbench.netem.path import Path as NetworkPath
from glassbench.netem.simulator import START_AT
from glassbench.testing import check_element

Examples = dict[str, dict[str, Any]]

GOOD = """\
name = "test"
seed = 7
duration = "2s"
arms = [
  "udp",
  "srt:latency_ms=200",
  { transport = "srt", latency_ms = 50 },
  { transport = "quic-stream", stack = "stock", control = "reno", label = "baseline" },
]

[video]
source = "lognormal"
bitrate = "1Mbit/s"
deadline = "400ms"

[chat]
size = "100B"

[network]
trace = "lte-driving"
queue = { discipline = "codel", target = "10ms" }
delay = "5ms"
loss = "1%"
"""


def test_all_fields_arrive_as_si_values() -> None:
    scenario = parse(GOOD, "x.toml")
    assert (scenario.name, scenario.seed, scenario.duration, scenario.mtu) == ("test", 7, 2.0, 1500)
    assert [arm.label for arm in scenario.arms] == ["udp", "srt:latency_ms=200", "srt:latency_ms=50", "baseline"]
    assert scenario.arms[1].options == (("latency_ms", 200),)
    assert scenario.video.bitrate == 1e6
    assert scenario.video.deadline == 0.4
    assert scenario.video.track().media == "h264"
    assert scenario.chat is not None and scenario.chat.size == 100
    assert scenario.max_datagram_bytes == 1452
    assert scenario.timer_resolution == 0.0


def test_the_short_form_stands_for_elements_in_both_directions() -> None:
    down, up = parse(GOOD, "x.toml").network.paths()
    assert [type(element) for element in down] == [TraceSpec, LossEpisodesSpec, DelaySpec]
    assert down == up
    assert [getattr(element, "name", None) for element in down] == ["trace", "loss", None]


def test_the_loss_free_network_keeps_bottleneck_queue_and_delay() -> None:
    floor = parse(GOOD, "x.toml").floor()
    assert [arm.transport for arm in floor.arms] == ["udp"]
    down, _ = floor.network.paths()
    assert [type(element) for element in down] == [TraceSpec, DelaySpec]
    assert isinstance(down[0], TraceSpec) and not down[0].loss
    assert down[0].queue == parse(GOOD, "x.toml").network.queue


@pytest.mark.parametrize("name", list(SCENARIOS))
def test_shipped_scenarios_are_valid_and_are_given_back_equal(name: str) -> None:
    scenario = shipped(name)
    assert build(scenario.dump()) == scenario
    assert parse(to_toml(scenario.dump()), "dump") == scenario
    assert parse(to_toml(scenario.floor().dump()), "dump") == scenario.floor()
    assert hash(build(scenario.dump())) == hash(scenario)


def test_every_element_is_given_back_equal(examples: Examples) -> None:
    one_of_each = [*(examples[kind] for kind in ELEMENTS), {"element": "delay", "delay": "0s"}]
    scenario = build({**_plain(), "network": {"down": one_of_each, "up": list(reversed(one_of_each))}})
    assert parse(to_toml(scenario.dump()), "dump") == scenario


@pytest.mark.parametrize("kind", ELEMENTS)
def test_what_an_element_builds_keeps_the_contract(kind: str, examples: Examples) -> None:
    keeps_order = kind != "reordering" and not examples[kind].get("reorder")
    check_element(lambda rng: NetworkPath(_built(examples[kind], rng)), keeps_order=keeps_order)


@pytest.mark.parametrize("discipline", QUEUES)
def test_a_bottleneck_keeps_the_contract_with_every_queue(discipline: str, examples: Examples) -> None:
    table = {"element": "rate", "rate": "2Mbit/s", "queue": examples[discipline]}
    check_element(lambda rng: NetworkPath(_built(table, rng)))


def _built(table: dict[str, Any], rng: np.random.Generator) -> list[Element]:
    spec = ELEMENTS[table["element"]].model_validate(table)
    return spec.build(Surroundings("down", START_AT, START_AT, trace_seed=1, trace_duration=10.0), rng)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**63 - 1),
    duration=st.integers(1, 10**9).map(lambda us: us / 1e6),
    loss=st.floats(0, 0.99),
    latency=st.integers(1, 5000),
    kinds=st.lists(st.sampled_from(list(ELEMENTS)), max_size=4),
)
def test_what_is_dumped_is_rebuilt_equal(
    seed: int, duration: float, loss: float, latency: int, kinds: list[str], examples: Examples
) -> None:
    down = [
        *(examples[kind] for kind in kinds),
        {"element": "random-loss", "probability": f"{loss:.17f}".rstrip("0") + "%"},
    ]
    content = {
        **_plain(),
        "seed": seed,
        "duration": f"{round(duration * 1e6)}us",
        "arms": [f"srt:latency_ms={latency}"],
    }
    scenario = build({**content, "network": {"down": down, "up": []}})
    assert scenario.duration == duration
    assert parse(to_toml(scenario.dump()), "dump") == scenario


def test_the_only_arm_is_named_if_it_is_wrong_and_not_the_list() -> None:
    content = {name: value for name, value in _plain().items() if name != "arms"}
    with pytest.raises(ScenarioError, match=r"^x\.toml:2: arms\[0\]: unknown transport 'upd'"):
        parse('arms = [\n  "upd",\n]\n' + to_toml(content), "x.toml")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('"udp",', '"upd",', "x.toml:5: arms[0]: unknown transport 'upd' (did you mean 'udp'?); accepted: udp, rtp"),
        ('"srt:latency_ms=200"', '"srt:latency=200"', "x.toml:6: arms[1]: transport srt: unknown option 'latency'"),
        ('"srt:latency_ms=200"', '"srt:latency_ms"', "x.toml:6: arms[1]: options of an arm are name=value, found"),
        ('"srt:latency_ms=200"', '"udp"', "x.toml:6: arms[1]: two arms are labelled 'udp'"),
        ("latency_ms = 50", 'latency_ms = "fast"', "x.toml:7: arms[2].latency_ms: transport srt: option"),
        ('"udp",', "5,", "x.toml:5: arms[0]: an arm is a text such as"),
        ('transport = "srt", ', "", "x.toml:7: arms[2]: an arm needs the field 'transport'"),
        ("seed = 7", "sede = 7", "x.toml:2: sede: unknown field 'sede' (did you mean 'seed'?); accepted: name, seed"),
        ("seed = 7", "seed = -7", "x.toml:2: seed: must be greater than or equal to 0, found -7"),
        ("seed = 7", 'seed = "7"', "x.toml:2: seed: must be a valid integer, found '7'"),
        ("seed = 7", "mtu = 100", "x.toml:2: mtu: must be greater than or equal to 1280, found 100"),
        ("seed = 7", 'timer = "2ms"', "x.toml:2: timer: must be 'exact' or '1ms', found '2ms'"),
        (
            "seed = 7",
            'playout = "fixed:500ms"',
            "x.toml:2: playout: playout 'fixed:500ms' shows every frame after its deadline of 400 ms, so none is shown",
        ),
        ("seed = 7", 'playout = "later"', "x.toml:2: playout: unknown playout 'later'; accepted are immediate"),
        ('"2s"', '"2 fortnights"', "x.toml:3: duration: unknown unit 'fortnights' in '2 fortnights'; a dur"),
        ('"2s"', "2", "x.toml:3: duration: a duration needs a text with a unit such as '20ms', found 2"),
        ('"2s"', '"0s"', "x.toml:3: duration: a duration must be above 0 here, found '0s'"),
        ('"2s"', '"2000min"', "x.toml:3: duration: a run has at most 3600 s, found 120000 s"),
        ('name = "test"', 'name = "../test"', "x.toml:1: name: string must match pattern"),
        ('duration = "2s"', "", "x.toml:1: the field 'duration' is missing"),
        ('source = "lognormal"', 'sauce = "lognormal"', "x.toml:12: video.sauce: unknown field 'sauce' (did you"),
        ('source = "lognormal"', "", "x.toml:11: video: the field 'source' is missing"),
        ('"lognormal"', '"nowhere.mp4"', "x.toml:12: video.source: unknown source 'nowhere.mp4'"),
        ('"1Mbit/s"', '"1Mb"', "x.toml:13: video.bitrate: unknown unit 'Mb' in '1Mb'; a bit rate takes bit/s, kbit/s"),
        ('"1Mbit/s"', '"1bit/s"', "x.toml:13: video.bitrate: bitrate must be 10 kbit/s to 1 Gbit/s"),
        ('deadline = "400ms"', 'codec = "h265"', "x.toml:14: video.codec: unknown codec 'h265' (did you mean 'h264'"),
        ('deadline = "400ms"', 'encode_cost = "free"', "x.toml:14: video.encode_cost: unknown encode cost 'free'"),
        ('deadline = "400ms"', 'preset = "best"', "x.toml:14: video.preset: unknown preset 'best' for h264; accepted"),
        ('deadline = "400ms"', "temporal_layers = 3", "x.toml:14: video.temporal_layers: temporal_layers must be at"),
        ('deadline = "400ms"', "temporal_layers = 4", "x.toml:14: video.temporal_layers: must be less than or"),
        ('deadline = "400ms"', "fps = 0", "x.toml:14: video.fps: must be greater than or equal to 1, found 0"),
        ('size = "100B"', 'size = "100ms"', "x.toml:17: chat.size: unknown unit 'ms' in '100ms'; a size takes B, kB"),
        ('size = "100B"', 'interval = "1us"', "x.toml:17: chat.interval: the interval of messages must be 1 ms to 1 h"),
        ('"lte-driving"', '"lte-walking"', "x.toml:20: network.trace: lte-walking: found neither a file"),
        ('"codel"', '"coddle"', "x.toml:21: network.queue.discipline: unknown discipline 'coddle' (did you"),
        ('"10ms"', '"10"', "x.toml:21: network.queue.target: no unit in '10'; a duration takes us, ms, s, min"),
        ('delay = "5ms"', 'rate = "5Mbit/s"', "x.toml:22: network.rate: 'trace' and 'rate' are both given"),
        ('delay = "5ms"', "down = []", "x.toml:20: network.trace: 'trace' is of the short form"),
        ('loss = "1%"', 'loss = "100%"', "x.toml:23: network.loss: the share of time with loss must be below 100%"),
        ('loss = "1%"', 'loss_duration = "1s"', "x.toml:23: network.loss_duration: 'loss_duration' needs 'loss'"),
        ('loss = "1%"', 'trace_start = "1s"', "x.toml:23: network.trace_start: needs a recorded trace that changes"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence_with_line_field_and_choice(old: str, new: str, sentence: str) -> None:
    assert old in GOOD
    with pytest.raises(ScenarioError) as error:
        parse(GOOD.replace(old, new, 1), "x.toml")
    assert str(error.value).startswith(sentence)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("element", "sentence"),
    [
        (
            {"element": "dealy", "delay": "1ms"},
            "network.down[0].element: unknown element 'dealy' (did you mean 'delay'?)",
        ),
        ({"delay": "1ms"}, "network.down[0]: has no field 'element'; accepted: trace, rate"),
        ("delay", "network.down[0]: needs a table such as { element ="),
        ({"element": "delay", "dealy": "1ms"}, "network.down[0].dealy: unknown field 'dealy' (did you mean 'delay'?)"),
        ({"element": "delay"}, "network.down[0]: the field 'delay' is missing"),
        ({"element": "rate", "rate": "1Mbit/s", "queue": {}}, "network.down[0].queue: a drop-tail queue needs a limit"),
        (
            {"element": "gilbert-elliott", "mean_loss": "50%", "mean_burst": 0.5},
            "network.down[0].mean_burst: mean_burst: found 0.5 packets, accepted is 1 or more",
        ),
        (
            {"element": "random-delay", "mean": "1ms", "deviation": "1ms", "distribution": "gauss"},
            "network.down[0].distribution: distribution: found 'gauss', accepted are normal",
        ),
    ],
)
def test_a_mistake_in_an_element_names_its_place(element: object, sentence: str) -> None:
    with pytest.raises(ScenarioError) as error:
        build({**_plain(), "network": {"down": [element], "up": []}})
    assert str(error.value).startswith(sentence)


def test_elements_of_a_kind_and_direction_have_names_of_their_own() -> None:
    loss = {"element": "random-loss", "name": "air", "probability": "1%"}
    build({**_plain(), "network": {"down": [loss, {**loss, "element": "duplication"}], "up": [loss]}})
    with pytest.raises(ScenarioError) as error:
        build({**_plain(), "network": {"down": [loss, loss], "up": []}})
    assert str(error.value) == (
        "network.down[1].name: two elements 'random-loss' are named 'air'; give one another name"
    )


def test_a_run_that_would_not_fit_into_memory_is_refused() -> None:
    long = {**_plain(), "duration": "1000s", "video": {"source": "bikes", "bitrate": "100Mbit/s"}}
    with pytest.raises(
        ScenarioError, match="duration: at this bitrate a run with pictures has at most 80 s, found 1000 s"
    ):
        build(long)
    assert build({**long, "video": {"source": "lognormal", "bitrate": "100Mbit/s"}}).duration == 1000


FOLLOWS = {
    "name": "follows",
    "duration": "900s",
    "arms": ["udp", "quic-adaptive"],
    "video": {"source": "bikes"},
    "network": {"rate": "100Mbit/s"},
}


def test_a_run_whose_encoder_may_send_more_than_fits_into_memory_is_refused() -> None:
    sentence = (
        "duration: an encoder that follows the network may send 2.25 GB here, and a run with pictures keeps at most "
        "1 GB; accepted are 400 s, or a lower video.max_bitrate"
    )
    with pytest.raises(ScenarioError, match=re.escape(sentence)):
        build(FOLLOWS)
    with pytest.raises(ScenarioError, match=r"may send 1\.12 GB here"):
        build({**FOLLOWS, "network": {"rate": "10Mbit/s"}})


@pytest.mark.parametrize(
    "changes",
    [
        {"duration": "400s"},
        {"arms": ["udp", "quic-adaptive:encoder=fixed"]},
        {"video": {"source": "lognormal"}},
        {"video": {"source": "bikes", "max_bitrate": "8Mbit/s"}},
        {"network": {"rate": "8Mbit/s"}},
        {
            "network": {"first": {"rate": "100Mbit/s"}, "last": {"rate": "8Mbit/s"}},
            "flow": [{"name": "media", "over": ["first", "last"]}],
        },
    ],
    ids=["short", "fixed", "sizes", "max_bitrate", "rate", "a segment"],
)
def test_what_an_encoder_that_follows_can_send_is_bounded_by_its_most_and_by_the_network(
    changes: dict[str, object],
) -> None:
    build({**FOLLOWS, **changes})


def test_a_recorded_trace_bounds_what_an_encoder_that_follows_can_send_and_a_generated_one_does_not(
    tmp_path: Path,
) -> None:
    slow, fast = tmp_path / "slow.csv", tmp_path / "fast.csv"
    slow.write_text("time_s,rate_mbps\n0,4\n75,10\n150,10\n")
    fast.write_text("time_s,rate_mbps\n0,20\n100,3\n1000,3\n")
    build({**FOLLOWS, "network": {"trace": str(slow)}})
    down = [{"element": "trace", "trace": str(fast)}]
    build({**FOLLOWS, "network": {"down": down, "up": down}})
    up = [{"element": "trace", "trace": str(slow)}]  # at whose end both repeat
    with pytest.raises(ScenarioError, match=r"may send 1\.\d+ GB here"):
        build({**FOLLOWS, "network": {"down": down, "up": up}})
    with pytest.raises(ScenarioError, match=r"may send 2\.25 GB here"):
        build({**FOLLOWS, "network": {"trace": "lte-driving"}})


def test_of_several_mistakes_the_first_in_the_file_is_told() -> None:
    text = GOOD.replace('"100B"', '"100"').replace("seed = 7", "seed = true")
    with pytest.raises(ScenarioError, match=r"^x.toml:2: seed"):
        parse(text, "x.toml")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"name = ", "is not valid TOML: Invalid value (at end of document)"),
        (b"\xff\xfe", "is not a text in UTF-8"),
        (b"x = " + b"[" * 5000 + b"]" * 5000, "is nested too deeply"),
        (b"#" * (2**20 + 1), "is larger than 1048576 bytes"),
        (b"", "the field 'name' is missing"),
    ],
)
def test_a_file_that_is_no_scenario_is_refused(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(content)
    with pytest.raises(ScenarioError) as error:
        load(path)
    assert sentence in str(error.value)
    assert str(path) in str(error.value)


def test_a_file_that_is_not_there_is_refused_naming_the_shipped_ones(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"neither a scenario file nor a shipped scenario \(default, "):
        load(tmp_path / "x.toml")
    with pytest.raises(ScenarioError, match="cannot read scenario"):
        load(tmp_path)


@settings(max_examples=60)
@given(st.data())
def test_any_change_of_one_line_gives_a_scenario_or_one_sentence(data: st.DataObject) -> None:
    lines = GOOD.splitlines()
    index = data.draw(st.integers(0, len(lines) - 1))
    junk = st.text(alphabet="ab01=\"'[]{},.#% ", max_size=10)
    lines[index] = data.draw(st.sampled_from([lines[index][:-1], lines[index] + lines[index], ""]) | junk)
    try:
        scenario = parse("\n".join(lines), "x.toml")
    except ScenarioError as error:
        assert "\n" not in str(error)
    else:
        assert isinstance(scenario, Scenario)


def _plain() -> dict[str, object]:
    return {
        "name": "test",
        "duration": "2s",
        "arms": ["udp"],
        "video": {"source": "lognormal"},
        "network": {"rate": "5Mbit/s"},
    }


def test_the_longest_scenario_fits_a_generated_trace() -> None:
    scenario = build({**_plain(), "duration": f"{MAX_DURATION:g}s", "network": {"trace": "steps"}})
    link = open_links(scenario, start_at=0.0, media_start=2.0)["network", "down"]
    (capacity,) = link.capacities
    assert capacity(MAX_DURATION, MAX_DURATION + 1.0) > 0


def test_a_trace_file_that_has_changed_is_read_anew(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    content = {**_plain(), "network": {"trace": str(file)}}

    def mbps() -> float:
        link = open_links(build(content), start_at=0.0, media_start=2.0)["network", "down"]
        return link.capacities[0](2.0, 3.0) * 8 / 1e6

    file.write_text("time_s,rate_mbps\n0,2\n")
    assert mbps() == pytest.approx(2.0)
    file.write_text("time_s,rate_mbps\n0,12\n")
    assert mbps() == pytest.approx(12.0)
    file.write_text("time_s,rate_mbps\n")
    with pytest.raises(ScenarioError, match="found no row after the header"):
        build(content)
