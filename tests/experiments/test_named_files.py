"""The files that a scenario names are those of the fields that may name one."""

from pathlib import Path

import pytest

from glassbench.experiments.scenario import Scenario, build
from glassbench.experiments.scenario.named_files import digests, named_files


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in {"my.down": "1\n2\n", "my.up": "1\n3\n", "sizes.txt": "100\n", "ms.txt": "1\n"}.items():
        Path(name).write_text(text)
    return tmp_path


def scenario(**changes: object) -> Scenario:
    content = {
        "name": "named",
        "duration": "1s",
        "arms": ["udp", "rtp"],
        "video": {"source": "sizes:sizes.txt", "encode_cost": "recorded:ms.txt"},
        "network": {"trace": "my"},
    }
    return build({**content, **changes})


def test_sizes_costs_and_both_directions_of_a_trace_are_named_once(here: Path) -> None:
    long = {"down": [{"element": "trace", "trace": "my"}], "up": [{"element": "trace", "trace": "my.up"}]}
    named = named_files(scenario(), scenario(seed=2), scenario(network=long))
    assert named == [Path("sizes.txt"), Path("ms.txt"), Path("my.down"), Path("my.up")]


def test_a_file_that_is_called_as_an_arm_or_a_generator_is_not_named(here: Path) -> None:
    for name in ("udp", "rtp", "steps", "none", "named", "lognormal", "h264"):
        Path(name).write_text("of the user\n")
    modelled = scenario(video={"source": "lognormal", "decode_cost": "none"}, network={"trace": "steps"})
    assert named_files(modelled) == []
    assert list(digests([scenario()])) == ["sizes.txt", "ms.txt", "my.down"]
