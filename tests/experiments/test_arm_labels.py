"""The name of an arm: what was typed, or its label."""

import pytest

from glassbench.experiments.scenario import ScenarioError, build
from glassbench.experiments.scenario.arm_spec import ArmSpec, parse_arm

SCENARIO = {"name": "labels", "duration": "1s", "video": {"source": "lognormal"}, "network": {"rate": "5Mbit/s"}}


def test_a_typed_arm_is_named_as_it_was_typed_or_by_its_label() -> None:
    assert parse_arm("srt:latency_ms=200").label == "srt:latency_ms=200"
    arm = parse_arm("srt:latency_ms=200,label=patient")
    assert (arm.label, dict(arm.options)) == ("patient", {"latency_ms": 200})


@pytest.mark.parametrize("label", ["x" * 201, "a\nb", ""])
def test_a_label_that_no_table_can_show_is_refused_however_it_was_given(label: str) -> None:
    for arm in (f"srt:latency_ms=200,label={label}", {"transport": "srt", "label": label}):
        with pytest.raises(ScenarioError, match="a label is a printable text of up to 200 characters"):
            build({**SCENARIO, "arms": [arm]})


def test_a_scenario_that_can_be_built_can_be_built_again_from_its_dump() -> None:
    arms = ["udp", "srt:label=b", f"external:label=mine,send=/{'x' * 300},receive=./b"]
    plan = build({**SCENARIO, "arms": arms})
    assert build(plan.dump()) == plan
    assert [arm.label for arm in plan.arms if isinstance(arm, ArmSpec)] == ["udp", "b", "mine"]
