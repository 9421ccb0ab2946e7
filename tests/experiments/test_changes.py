"""What options of the command line and arguments of Python change of a scenario."""

from pathlib import Path
from typing import Any

import pytest

from glassbench.experiments.engine.changes import DELAY, WrongChange, adds_delay, changed
from glassbench.experiments.scenario import Scenario, build, shipped


@pytest.fixture
def adaptive() -> Scenario:
    return shipped("adaptive")


@pytest.mark.parametrize(
    ("word", "value", "field", "stands"),
    [
        ("source", "lognormal", ("video", "source"), "lognormal"),
        ("bitrate", "3Mbit/s", ("video", "bitrate"), "3Mbit/s"),
        ("fps", 50, ("video", "fps"), 50.0),
        ("duration", 2, ("duration",), "2s"),
        ("duration", "2s", ("duration",), "2s"),
        ("seed", 7, ("seed",), 7),
        ("trace", "steps", ("network", "trace"), "steps"),
        ("queue", "90kB", ("network", "queue"), {"discipline": "drop-tail", "bytes": "90kB"}),
        ("delay", "5ms", ("network", "delay"), "5ms"),
        ("jitter", "2ms", ("network", "jitter"), "2ms"),
        ("loss", "3%", ("network", "loss"), "3%"),
        ("fields", {"video.codec": "vp9"}, ("video", "codec"), "vp9"),
    ],
)
def test_a_word_changes_its_field_and_nothing_else(
    adaptive: Scenario, word: str, value: object, field: tuple[str, ...], stands: object
) -> None:
    before, after = adaptive.dump(), changed(adaptive, {word: value}).dump()  # type: ignore[misc]
    place: Any = after
    for step in field:
        place = place[step]
    assert place == stands
    *way, last = field
    table: Any = before
    other: Any = after
    for step in way:
        table, other = table[step], other[step]
    table.pop(last, None), other.pop(last)
    before.pop("name"), after.pop("name")
    assert after == before


def test_nothing_changed_is_the_same_scenario(adaptive: Scenario) -> None:
    assert changed(adaptive, {"trace": None, "fields": {}}) is adaptive


def test_a_constant_rate_takes_the_place_of_the_trace_and_has_a_delay(adaptive: Scenario) -> None:
    plan = changed(adaptive, {"rate": "5Mbit/s"})
    assert plan.network.trace is None and plan.network.dump()["delay"] == DELAY
    assert adds_delay(adaptive, plan, {"rate": "5Mbit/s"})
    own = changed(adaptive, {"rate": "5Mbit/s", "delay": "1ms"})
    assert own.network.dump()["delay"] == "1ms" and not adds_delay(adaptive, own, {"delay": "1ms"})


def test_a_trace_takes_the_place_of_a_constant_rate() -> None:
    plan = changed(shipped("fixed"), {"trace": "steps"})
    assert (plan.network.trace, plan.network.rate) == ("steps", None)


def test_a_field_without_a_value_is_taken_away(adaptive: Scenario) -> None:
    plan = changed(adaptive, {"fields": {"chat": None, "video.deadline": None}})
    assert plan.chat is None and plan.video.deadline is None


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"seed": 3}, "adaptive"),
        ({"trace": "drives/my drive.csv"}, "adaptive-my-drive"),
        ({"arms": "rtp:control=gcc"}, "adaptive-rtp-control-gcc"),
        ({"arms": ["udp", {"transport": "rtp", "label": "mine"}]}, "adaptive-udp-mine"),
        ({"arms": ["udp", "rtp", "srt", "quic-stream"]}, "adaptive-4-arms"),
        ({"arms": ["udp"], "fields": {"name": "own"}}, "own"),
    ],
)
def test_results_are_named_by_scenario_trace_and_arms(
    adaptive: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: Any, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("drives").mkdir()
    Path("drives/my drive.csv").write_text("time_s,rate_mbps\n0,5\n60,4\n")
    assert changed(adaptive, changes).name == name


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"loss": "120%"}, "loss: the share of time with loss must be below 100%"),
        ({"bitrate": "3"}, "bitrate: no unit in '3'"),
        ({"arms": ["rtp", "upd"]}, "arms: unknown transport 'upd' (did you mean 'udp'?)"),
        ({"fields": {"vido.codec": "vp9"}}, "vido.codec: unknown field 'vido' (did you mean 'video'?)"),
        ({"fields": {"video.codek": None}}, "video.codek: unknown field 'codek' (did you mean 'codec'?)"),
        ({"fields": {"network.down[0].rate": "3Mbit/s"}}, "network.down[0].rate: it is no field of this scenario"),
        ({"loss": "1%", "fields": {"network.loss": "2%"}}, "loss: it is given twice"),
        ({"trace": "steps", "rate": "3Mbit/s"}, "rate: 'trace' and 'rate' are both given"),
    ],
)
def test_a_wrong_change_is_one_sentence_that_names_its_word_or_field(
    adaptive: Scenario, changes: Any, sentence: str
) -> None:
    with pytest.raises(WrongChange) as error:
        changed(adaptive, changes)
    assert str(error.value).startswith(sentence)


@pytest.mark.parametrize(
    ("network", "sentence"),
    [
        ({"cell": {"rate": "3Mbit/s"}}, "loss: this network has segments (cell); say which one is meant by a field"),
        (
            {"down": [{"element": "rate", "rate": "3Mbit/s"}], "up": []},
            "loss: the network of this scenario is a list of elements; name the field of one",
        ),
    ],
)
def test_a_word_of_the_short_form_is_refused_where_the_network_has_another(
    network: dict[str, Any], sentence: str
) -> None:
    flow = [{"name": "media", "over": ["cell"]}] if "cell" in network else None
    content = {"name": "x", "duration": "1s", "arms": ["udp"], "video": {"source": "lognormal"}, "network": network}
    with pytest.raises(WrongChange) as error:
        changed(build(content | ({"flow": flow} if flow else {})), {"loss": "1%"})
    assert str(error.value).startswith(sentence)


def test_an_unknown_word_is_a_mistake_of_the_program_that_gives_it(adaptive: Scenario) -> None:
    with pytest.raises(TypeError, match="unexpected argument 'los'; accepted: arms, source"):
        changed(adaptive, {"los": "1%"})  # type: ignore[typeddict-unknown-key]
