"""The line that says what scenarios hold, and that it stands wherever they are shown."""

from pathlib import Path
from typing import Any

import pytest

from glassbench.experiments.catalog import EXPERIMENTS
from glassbench.experiments.scenario import Scenario, build, shipped
from glassbench.experiments.scenario.elements import ELEMENTS
from glassbench.experiments.scenario.title import network_words, title


def scenario(network: dict[str, Any], **changes: Any) -> Scenario:
    video = {"source": "lognormal", "deadline": "400ms"}
    return build({"name": "x", "duration": "5s", "arms": ["udp"], "video": video, "network": network, **changes})


def path(*elements: dict[str, Any]) -> list[dict[str, Any]]:
    return list(elements)


RATE = {"element": "rate", "rate": "4Mbit/s", "queue": {"packets": 30}}
MEDIA = "lognormal, 5 s, 2 Mbit/s"


def test_the_default_names_clip_length_rate_network_deadline_loss_delay_and_queue() -> None:
    assert title(shipped("default")) == (
        "bikes, 30 s, 2 Mbit/s over lte-driving, deadline 1 s, loss 1 %, 20 ms each way, 600 kB"
    )


def test_sentences_name_what_carries_the_media_and_how_far_it_is() -> None:
    near, far = (scenario({"trace": "lte-driving", "delay": delay}) for delay in ("5ms", "50ms"))
    assert network_words(near) == "over lte-driving, 25 ms each way"
    assert network_words(near, far) == "over lte-driving"
    assert network_words(scenario({})) == "with no bottleneck, no delay"
    assert network_words(near, scenario({"rate": "4Mbit/s"})) == ""


@pytest.mark.parametrize(
    ("network", "said"),
    [
        ({}, ", no bottleneck, deadline 400 ms, no delay"),
        ({"rate": "4Mbit/s"}, " over 4 Mbit/s, deadline 400 ms, no delay, 150 kB"),
        ({"trace": "lte-driving", "delay": "5ms"}, " over lte-driving, deadline 400 ms, 25 ms each way, 150 kB"),
        (
            {"trace": "satellite", "delay": "5ms"},
            " over satellite, deadline 400 ms, the trace's loss, the trace's delay + 5 ms each way, 150 kB",
        ),
        (
            {"down": path(RATE, {"element": "random-loss", "probability": "2%"}, {"element": "delay", "delay": "10ms"}),
             "up": path({"element": "delay", "delay": "30ms"})},
            " over 4 Mbit/s down, deadline 400 ms, loss 2 % down, 10 ms down, 30 ms up, 30 packets down",
        ),
        (
            {"down": path({"element": "outage", "windows": [{"start": "1s", "duration": "2s"}]}), "up": []},
            ", no bottleneck, deadline 400 ms, outage of 2 s down, no delay",
        ),
    ],
    ids=["nothing", "no delay", "on top of a constant one", "on top of a recorded one", "two directions", "an outage"],
)  # fmt: skip
def test_the_network_is_named_and_what_it_has_not(network: dict[str, Any], said: str) -> None:
    assert title(scenario(network)) == MEDIA + said


def test_files_are_named_without_their_folders_and_recorded_sizes_without_a_rate(tmp_path: Path) -> None:
    (tmp_path / "my.down").write_text("1\n2\n30\n")
    (tmp_path / "sizes.txt").write_text("1000\n900\n")
    video = {"source": f"sizes:{tmp_path / 'sizes.txt'}"}
    line = title(scenario({"trace": str(tmp_path / "my.down")}, video=video, playout="fixed:100ms"))
    assert line == "sizes.txt, 5 s over my.down, no deadline, playout fixed:100ms, no delay, 150 kB"


def test_of_several_scenarios_only_what_they_share_is_said() -> None:
    near, far = (scenario({"rate": "4Mbit/s", "delay": delay}) for delay in ("10ms", "20ms"))
    assert title(near, near.model_copy(update={"seed": 9}), far) == f"{MEDIA} over 4 Mbit/s, deadline 400 ms, 150 kB"


@pytest.mark.long
def test_every_plan_of_the_catalog_has_a_title() -> None:
    for experiment in EXPERIMENTS.values():
        for plan in experiment.plans():
            line = title(*(cell.scenario for cell in plan.cells))
            assert any(what in line for what in ("lognormal", "synthetic", "bikes", "bigbuckbunny", "a bulk transfer"))


@pytest.mark.parametrize("kind", ELEMENTS)
def test_every_element_is_named(kind: str, examples: dict[str, dict[str, Any]]) -> None:
    elements = path(examples[kind])
    assert title(scenario({"down": elements, "up": elements})) != title(scenario({}))
