"""Checks of the replay on made-up drives, when published figures stand beside them, and a short one that runs."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from glassbench.experiments.catalog import named, salsify_replay
from glassbench.experiments.catalog.carry_out import carry_out
from glassbench.experiments.catalog.salsify_replay import ARMS, OURS, PUBLISHED, Drive

RECORDING = Path(__file__).parents[3] / "shared" / "traces" / "ATT-LTE-driving.down"


@pytest.fixture
def table() -> list[Drive]:
    ours = Drive(OURS, 0.16, 0.2, 0.074, 4.5, 0.95, True)
    return [ours, *(Drive(arm, 0.4, 0.5, 0.074, 4.0, 0.95, True) for arm in ARMS[1:])]


FAULTS = {
    salsify_replay._sooner_than_the_others: {"signal": 0.5},
    salsify_replay._also_by_pictures: {"picture": 0.6},
    salsify_replay._as_good_pictures: {"ssim": 0.93},
    salsify_replay._near_the_bound: {"signal": 0.2},
    salsify_replay._sooner_than_published: {"signal": 0.37},
}


@pytest.mark.parametrize("check", FAULTS)
def test_what_is_claimed_holds_and_a_sender_that_does_otherwise_breaks_it(check, table) -> None:
    assert check(table).holds
    assert not check([replace(table[0], **FAULTS[check]), *table[1:]]).holds


def test_a_low_rate_does_not_count_as_sooner_than_the_published_systems(table) -> None:
    assert not salsify_replay._sooner_than_published([replace(table[0], sent=1.0), *table[1:]]).holds


def test_an_arm_that_never_shows_enough_is_drawn_and_counts_as_later(table) -> None:
    table[-1] = replace(table[-1], signal=math.inf, picture=math.inf)
    assert salsify_replay._sooner_than_the_others(table).holds


def test_the_whole_drive_is_replayed_at_60_frames_a_second() -> None:
    (plan,) = named("salsify-replay").plans()
    for cell in plan.cells:
        assert (cell.scenario.duration, cell.scenario.video.fps) == (640, 60)
        assert (cell.scenario.video.width, cell.scenario.video.height) == (1280, 720)
        assert cell.scenario.video.deadline is None
    assert {cell.arm for cell in plan.cells} == set(ARMS)


def test_a_recording_is_replayed_from_its_first_second(tmp_path: Path) -> None:
    trace = tmp_path / "Mine.down"
    trace.write_text("".join(f"{at}\n" for at in range(1, 9000, 3)))
    (plan,) = salsify_replay.plans(str(trace), "bikes")
    assert plan.name == "mine-bikes" and {cell.scenario.network.trace_start for cell in plan.cells} == {0}


def test_published_figures_belong_to_their_recording_only(tmp_path: Path) -> None:
    other = tmp_path / "ATT-LTE-driving.down"
    other.write_text("1\n2\n3\n")
    assert not salsify_replay._is_recording("lte-driving") and not salsify_replay._is_recording(str(other))
    if not RECORDING.exists():
        pytest.skip("the recording is not here; it does not ship")
    assert salsify_replay._is_recording(str(RECORDING))


@pytest.mark.long  # tests/catalog/test_adaptive.py runs two seconds of a like one
def test_a_second_of_it_runs_is_checked_and_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(salsify_replay, "ARMS", (OURS, "rtp:control=gcc", "quic-datagram"))
    monkeypatch.setattr(salsify_replay, "SECONDS", 1.0)
    experiment = named("salsify-replay")
    outcome = carry_out(experiment, tmp_path, workers=1)
    table = salsify_replay.drives(outcome.datasets["lte-driving-bigbuckbunny"])
    assert [each.arm for each in table] == [OURS, "rtp:control=gcc", "quic-datagram"]
    assert len(outcome.checks) == 4 and not any(name in outcome.checks[-1].measured for name in PUBLISHED)
    assert len(experiment.figure(outcome.datasets).axes) == 2
