"""The bound of an arm: no arm is below it, and it belongs to the network and the window of the run."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from glassbench.experiments.account.bound import bound_of
from glassbench.experiments.account.metrics import signal_delay
from glassbench.experiments.scenario import Scenario, build, shipped
from glassbench.experiments.scenario.shipped import SCENARIOS
from glassbench.experiments.worlds.reuse import Reuse
from glassbench.experiments.worlds.virtual import run_arm
from glassbench.receiver.quality import QualityMemo
from glassbench.sender.encode_cache import EncodeCache

VIDEO = {"source": "lognormal", "fps": 20.0, "encode_cost": "fixed:5ms", "decode_cost": "fixed:2ms"}


def scenario(network: dict[str, Any], **more: Any) -> Scenario:
    table = {"name": "x", "duration": "2s", "arms": ["udp"], "video": VIDEO, "network": network}
    return build({**table, **more})


def frames(count: int = 4, size: int = 500) -> pd.DataFrame:
    """A ledger of frames that waited for nothing."""
    captured = np.arange(count) / 20
    instants = {"encode_start_at": captured, "encode_end_at": captured + 0.005, "queued_at": captured + 0.005}
    instants |= {"released_at": captured + 0.1, "displayed_at": captured + 0.102}
    return pd.DataFrame({"captured_at": captured, "size_bytes": size, **instants})


def of(case: Scenario, ledger: pd.DataFrame | None = None) -> list[float]:
    bound = bound_of(case, case.routes()[0], frames() if ledger is None else ledger)
    return (1e3 * bound).round(3).tolist()


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", list(SCENARIOS))
def test_no_arm_of_a_shipped_scenario_is_below_its_bound(name: str) -> None:
    content = shipped(name).dump()
    case = build({**content, "duration": "4s", "video": {"deadline": "1s", **VIDEO}})
    for arm in case.arms[:2]:
        result = run_arm(case, arm, Reuse(EncodeCache(None), QualityMemo()), quality=False)
        assert result.ledger is not None
        video = result.ledger[(result.ledger["flow"] == "media") & (result.ledger["track"] == 0)]
        bound = bound_of(case, case.routes()[0], video)
        assert (signal_delay(video) >= bound).all()
        assert result.summary["bound_ratio"] >= 1
        assert result.summary["signal_bound_p95_ms"] == pytest.approx(
            1e3 * np.sort(bound)[int(0.95 * len(bound)) - 1], abs=1
        )


def test_a_frame_in_slices_has_to_wait_for_the_encoder_with_its_last_one_only() -> None:
    sliced = frames(size=500).assign(queued_at=lambda ledger: ledger["encode_start_at"] + 0.001)
    assert of(scenario({"rate": "1Mbit/s", "delay": "20ms"}), sliced) == [5 + 0.008 + 20 + 2] * 4


def test_rate_and_delay_of_a_fixed_link_add_up() -> None:
    assert of(scenario({"rate": "1Mbit/s", "delay": "20ms"})) == [5 + 4 + 20 + 2] * 4
    assert of(scenario({"delay": "20ms"})) == [5 + 20 + 2] * 4
    assert of(scenario({"rate": "1Mbit/s", "jitter": "20ms", "loss": "1%"})) == [5 + 4 + 2] * 4


def test_of_several_bottlenecks_the_largest_bound_holds() -> None:
    cell, core = {"rate": "1Mbit/s", "delay": "20ms"}, {"rate": "4Mbit/s", "delay": "10ms"}
    flow = [{"name": "media", "over": ["core", "cell"]}]
    assert of(scenario({"cell": cell, "core": core}, flow=flow)) == [5 + 4 + 30 + 2] * 4


def test_delay_ahead_of_the_link_makes_a_frame_miss_an_opportunity(tmp_path: Path) -> None:
    trace = tmp_path / "x.down"
    trace.write_text("".join(f"{mark}\n" for mark in sorted([*range(10, 1001, 10), 705])))
    replay = {"element": "trace", "trace": str(trace)}
    delay = {"element": "delay", "delay": "6ms"}
    behind = {"trace_start": "0ms", "down": [replay, delay], "up": [delay]}
    ahead = {"trace_start": "0ms", "down": [delay, replay], "up": [delay]}
    assert of(scenario(behind)) == [10 + 6 + 2] * 4
    assert of(scenario(ahead)) == [20 + 2] * 4
    assert of(scenario({**behind, "trace_start": "4ms"})) == [6 + 6 + 2] * 4  # the window of the run
    assert of(scenario(behind), frames(size=1505)) == [20 + 6 + 2] * 4


def test_what_a_black_box_does_not_know_costs_nothing() -> None:
    unknown = frames().assign(encode_start_at=np.nan, encode_end_at=np.nan, released_at=np.nan)
    assert of(scenario({"rate": "1Mbit/s", "delay": "20ms"}), unknown) == pytest.approx([20.008] * 4)


def test_without_video_there_is_no_bound() -> None:
    assert of(scenario({"rate": "1Mbit/s"}), frames(0)) == []
