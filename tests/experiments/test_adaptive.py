"""Encoders that follow the network, end to end in virtual time: the flagship, and controllers of others."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from glassbench.experiments.account.metrics import signal_delay
from glassbench.experiments.scenario import ScenarioError, build
from glassbench.experiments.worlds.reuse import Reuse
from glassbench.experiments.worlds.virtual import run_arm
from glassbench.receiver.quality import QualityMemo
from glassbench.sender.encode_cache import EncodeCache

FPS = 60


def run(arm: str, down: list[dict[str, Any]], *, duration: float, rtt: float, **video: Any) -> Any:
    delay = {"element": "delay", "delay": f"{rtt / 2 * 1e3:g}ms"}
    scenario = build(
        {
            "name": "adaptive",
            "duration": f"{duration:g}s",
            "arms": [arm],
            "video": {
                "source": "lognormal",
                "fps": FPS,
                "encode_cost": "fixed:8ms",
                "max_bitrate": "80Mbit/s",
                **video,
            },
            "network": {"down": [*down, delay], "up": [delay]},
        }
    )
    result = run_arm(scenario, scenario.arms[0], Reuse(EncodeCache(None), QualityMemo()), quality=False)
    assert result.outcome == "measured", result.reason
    return result


def link(rate: float, queue: str = "600kB") -> dict[str, Any]:
    return {"element": "rate", "rate": f"{rate:g}Mbit/s", "queue": queue}


def settled(ledger: pd.DataFrame, start: float) -> pd.DataFrame:
    return ledger[ledger["captured_at"] >= start]


def rate_of(frames: pd.DataFrame) -> float:
    """Mbit/s of what frames were told they may have."""
    return float(frames["target_bps"].mean()) / 1e6


def standing_queue(frames: pd.DataFrame, rate: float, rtt: float) -> float:
    """Seconds that most frames pass longer than alone on the link."""
    encoded = frames[frames["sequence"] >= 0]
    passing = encoded["complete_at"] - encoded["first_sent_at"] - rtt / 2
    return float((passing - encoded["size_bytes"] * 8 / (rate * 1e6)).quantile(0.95))


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("rate", "rtt"), [(1, 0.04), (3, 0.15), (10, 0.6), (30, 0.005)])
def test_on_a_constant_link_the_rate_is_that_of_the_link_and_hardly_anything_waits(rate: float, rtt: float) -> None:
    start = max(5.0, 12 * rtt)
    frames = settled(run("quic-adaptive", [link(rate)], duration=start + 2, rtt=rtt).ledger, start)
    assert rate_of(frames) >= 0.85 * rate
    assert standing_queue(frames, rate, rtt) <= 0.025
    assert (frames["fate"] == "displayed").all()


@pytest.mark.parametrize("rate", [0.5, pytest.param(10, marks=pytest.mark.lengthy)])
def test_on_a_steady_link_the_queue_does_not_grow_while_the_least_delays_are_forgotten(rate: float) -> None:
    frames = settled(run("quic-adaptive", [link(rate)], duration=40, rtt=0.04).ledger, 35)
    assert rate_of(frames) >= 0.85 * rate
    assert standing_queue(frames, rate, 0.04) <= 0.025
    assert (frames["fate"] == "displayed").all()


def test_after_small_frames_that_empty_the_queue_it_is_filled_no_further_than_before_on_a_long_path() -> None:
    frames = settled(run("quic-adaptive", [link(3)], duration=6, rtt=0.15).ledger, 4)
    assert frames["size_bytes"].min() < 0.5 * frames["size_bytes"].median()
    encoded = frames[frames["sequence"] >= 0]
    passing = encoded["complete_at"] - encoded["first_sent_at"] - 0.075
    assert (passing - encoded["size_bytes"] * 8 / 3e6).max() < 0.027


def test_after_a_pause_the_frames_are_as_large_as_the_link_has_room_for() -> None:
    delay = {"element": "delay", "delay": "75ms"}
    scenario = build(
        {
            "name": "pause",
            "duration": "4s",
            "arms": ["quic-adaptive"],
            "video": {"source": "lognormal", "fps": FPS, "encode_cost": "fixed:8ms"},
            "network": {"down": [link(5), delay], "up": [delay]},
            "flow": [{"name": "media", "pauses": [["2s", "2500ms"]]}],
        }
    )
    ledger = run_arm(scenario, scenario.arms[0], Reuse(EncodeCache(None), QualityMemo()), quality=False).ledger
    assert ledger is not None
    since = ledger["captured_at"] - ledger["captured_at"].min()
    after = ledger[(since > 2.45) & (since < 2.8)]
    assert len(after) > 15 and (after["sequence"] < 0).sum() <= 2
    assert after["size_bytes"].median() > 5000


@pytest.mark.parametrize("rate", [0.5, 5.0])
def test_an_encoder_that_begins_below_a_packet_a_frame_finds_the_rate(rate: float) -> None:
    result = run("quic-adaptive", [link(rate)], duration=3, rtt=0.04, bitrate="200kbit/s")
    frames = settled(result.ledger, 2.0)
    assert rate_of(frames) >= 0.85 * rate
    assert standing_queue(frames, rate, 0.04) < 0.025 + 1 / FPS


@pytest.mark.parametrize("rtt", [0.002, 0.04])
def test_where_no_link_has_a_limit_the_encoder_stays_at_the_rate_at_which_it_begins(rtt: float) -> None:
    result = run("quic-adaptive", [], duration=2, rtt=rtt, bitrate="4.5Mbit/s")
    assert rate_of(result.ledger) == pytest.approx(4.5, rel=0.01)


def test_the_encoder_follows_a_link_that_becomes_slower_and_faster_where_a_fixed_one_makes_a_queue(
    tmp_path: Any,
) -> None:
    trace = tmp_path / "steps.csv"
    trace.write_text("time_s,rate_mbps\n" + "".join(f"{at},{6 if at % 6 < 3 else 2}\n" for at in range(12)))
    down = [{"element": "trace", "trace": str(trace), "queue": "600kB"}]
    delays = {
        arm: np.quantile(signal_delay(run(arm, down, duration=12, rtt=0.04, bitrate="4Mbit/s").ledger), 0.95)
        for arm in ("quic-adaptive", "quic-datagram")
    }
    assert delays["quic-adaptive"] < 0.25  # what was on its way at 6 Mbit/s takes 0.2 s at 2
    assert delays["quic-datagram"] > 5 * delays["quic-adaptive"]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("outage", [5.0, 1.0, 0.2])
def test_after_an_outage_a_new_frame_is_on_the_screen_soon_and_the_rate_is_back(outage: float) -> None:
    windows = [{"start": "4s", "duration": f"{outage:g}s"}]
    down = [link(5), {"element": "outage", "windows": windows}]
    ledger = run("quic-adaptive", down, duration=8 + outage, rtt=0.04).ledger
    back = 4 + outage
    shown = ledger[ledger["displayed_at"] > back]
    assert shown["displayed_at"].min() - back < 0.04 + 0.1
    after = ledger[(ledger["captured_at"] > back + 2) & (ledger["captured_at"] < back + 3.5)]
    assert rate_of(after) > 0.8 * 5


def test_a_queue_of_few_packets_does_not_lose_frame_after_frame() -> None:
    ledger = settled(run("quic-adaptive", [link(10, "15kB")], duration=8, rtt=0.04).ledger, 4)
    assert (ledger["fate"] == "displayed").mean() > 0.9
    assert np.quantile(signal_delay(ledger), 0.95) < 0.15


def test_random_loss_of_two_percent_does_not_slow_the_encoder_down() -> None:
    down = [link(5), {"element": "random-loss", "probability": "2%"}]
    ledger = settled(run("quic-adaptive", down, duration=8, rtt=0.04).ledger, 4)
    assert rate_of(ledger) > 0.7 * 5


@pytest.mark.sampled(3)
@pytest.mark.parametrize("control", ["gcc", "scream", "bbr", "cubic", "reno", "realtime"])
def test_every_controller_leads_an_encoder_below_a_link_that_is_too_slow_for_its_start(control: str) -> None:
    arm = f"quic-datagram:control={control},encoder=follow"
    ledger = settled(run(arm, [link(2, "60kB")], duration=10, rtt=0.04, bitrate="6Mbit/s").ledger, 5)
    assert 0.2 < ledger["size_bytes"].sum() * 8 / 5 / 2e6 < 1.05
    assert np.quantile(signal_delay(ledger), 0.95) < 1.0


def test_probes_of_a_controller_are_padded() -> None:
    stats = run("quic-datagram:control=gcc,encoder=follow", [link(10)], duration=3, rtt=0.04).stats
    assert stats["sender"]["padding_packets"] > 0
    stats = run("quic-adaptive", [link(10)], duration=3, rtt=0.04).stats
    assert stats["sender"]["padding_packets"] == 0


def test_the_same_seed_gives_the_same_ledger() -> None:
    one, two = (run("webtransport-adaptive", [link(3)], duration=3, rtt=0.04).ledger for _ in range(2))
    pd.testing.assert_frame_equal(one, two)


@pytest.mark.parametrize(
    ("arm", "sentence"),
    [
        ("udp:encoder=follow", "transport udp: encoder=follow is not possible: it has no estimate"),
        (
            "quic-stream:stack=stock,control=cubic,encoder=follow",
            "transport quic-stream: encoder=follow is not possible: aioquic as it is",
        ),
        ("quic-datagram:encoder=maybe", "option 'encoder' must be fixed or follow, got 'maybe'"),
    ],
)
def test_an_arm_that_cannot_lead_an_encoder_is_refused_with_the_reason(arm: str, sentence: str) -> None:
    with pytest.raises(ScenarioError, match=sentence):
        run(arm, [link(5)], duration=1, rtt=0.04)


def test_an_encoder_that_keeps_to_no_budget_follows_by_its_ladder() -> None:
    result = run("quic-adaptive", [link(1)], duration=4, rtt=0.04, source="bikes", codec="vp8", fps=25)
    frames = settled(result.ledger, 1)
    assert (frames["fate"] == "displayed").mean() > 0.98
    assert 0.5 < frames["size_bytes"].sum() * 8 / 3 / 1e6 < 1.0
    assert set(frames["rendition"]) <= {"640x272", "480x204", "320x136"}
    assert result.stats["stamp_errors"] == result.stats["stamp_unreadable"] == 0


def test_frames_of_a_picture_that_was_made_smaller_cost_less_to_encode_and_to_decode() -> None:
    video = {"source": "bikes", "codec": "vp8", "fps": 25, "bitrate": "1Mbit/s", "encode_cost": None}
    frames = run("quic-adaptive", [link(0.2)], duration=4, rtt=0.04, **video).ledger
    frames = frames[frames["fate"] == "displayed"]
    decode = frames["displayed_at"] - frames["released_at"]
    encode = frames["encode_end_at"] - frames["encode_start_at"]
    sizes = sorted(set(frames["rendition"]), key=lambda name: int(name.split("x")[0]))
    assert len(sizes) > 1
    for costs_of in (encode, decode):
        medians = [costs_of[frames["rendition"] == name].median() for name in sizes]
        assert medians == sorted(medians) and medians[0] < medians[-1]


def test_an_arm_comes_back_from_its_own_text() -> None:
    scenario = build(
        {
            "name": "x",
            "duration": "1s",
            "arms": ["quic-adaptive:encoder=fixed", "quic-datagram:encoder=follow", "quic-adaptive"],
            "video": {"source": "lognormal"},
            "network": {"down": [link(5)], "up": []},
        }
    )
    assert [arm.encoder for arm in scenario.arms] == ["fixed", "follow", "follow"]
    assert build(scenario.dump()) == scenario


def over_a_drive(
    folder: Path, down: Iterable[float], up: Iterable[float], seconds: float, bitrate: str, *, source: str = "lognormal"
) -> pd.DataFrame:
    """The ledger of `quic-adaptive` over opportunities of 1504 bytes at these instants."""
    for name, instants in (("down", down), ("up", up)):
        (folder / f"drive.{name}").write_text("".join(f"{int(np.ceil(at * 1e3))}\n" for at in instants))
    scenario = build(
        {
            "name": "drive",
            "duration": f"{seconds:g}s",
            "arms": ["quic-adaptive"],
            "video": {"source": source, "fps": FPS, "bitrate": bitrate, "encode_cost": "fixed:8ms"},
            "network": {"trace": str(folder / "drive.down"), "trace_start": "0s", "delay": "20ms", "queue": "600kB"},
        }
    )
    ledger = run_arm(scenario, scenario.arms[0], Reuse(EncodeCache(None), QualityMemo()), quality=False).ledger
    assert ledger is not None
    return ledger


@pytest.mark.sampled(4)
@pytest.mark.parametrize("both_ways", [False, True])
@pytest.mark.parametrize("outage", [0.2, 1, 2, 5])
def test_after_an_outage_a_new_frame_is_shown_at_once_and_the_rate_is_back_in_two_seconds(
    outage: float, both_ways: bool, tmp_path: Path
) -> None:
    begins, ends, rate = 3.0, 3.0 + outage, 6e6
    spacing = 1504 * 8 / rate
    down = [*np.arange(spacing, begins, spacing), *np.arange(ends, ends + 4, spacing)]
    up = [at for at in np.arange(0.002, ends + 4, 0.002) if not (both_ways and begins < at < ends)]
    ledger = over_a_drive(tmp_path, down, up, ends + 3, "3Mbit/s")
    shown = ledger[ledger["displayed_at"] > ends]
    new = shown[shown["captured_at"] > begins]  # what was captured while the link was gone
    assert new["displayed_at"].min() < ends + 0.040 + 0.100
    later = ledger[(ledger["first_sent_at"] >= ends + 1.5) & (ledger["first_sent_at"] < ends + 2)]
    assert later["size_bytes"].sum() * 8 / 0.5 > 0.8 * rate


def test_what_waits_for_a_link_that_carries_a_packet_a_second_stays_little(tmp_path: Path) -> None:
    begins, ends = 4.0, 24.0
    down = [*np.arange(0.03, begins, 0.03), *np.arange(begins + 1, ends + 1, 1.0)]
    ledger = over_a_drive(tmp_path, down, np.arange(0.002, ends, 0.002), ends - 1, "400kbit/s")
    late = ledger[(ledger["captured_at"] > begins + 10) & (ledger["captured_at"] < ends - 5)]
    assert np.median(signal_delay(ledger)[late.index]) < 5.0


def test_pictures_that_are_smaller_than_they_may_be_leave_no_more_often_in_an_outage(tmp_path: Path) -> None:
    begins, ends = 2.0, 5.0
    down, up = [*np.arange(0.004, begins, 0.004), ends], np.arange(0.002, ends, 0.002)
    sent = []
    for source in ("lognormal", "bikes"):
        ledger = over_a_drive(tmp_path, down, up, ends, "2Mbit/s", source=source)
        sent.append((ledger["encode_start_at"] > begins + 0.5).sum())
    assert sent[1] <= 1.5 * sent[0]  # 2.5 times as many, when small ones were taken for none


def test_what_was_sent_into_a_silence_of_the_way_back_does_not_make_the_rate_grow(tmp_path: Path) -> None:
    begins, ends, rate = 4.0, 5.0, 3e6
    down = np.arange(1504 * 8 / rate, ends + 4, 1504 * 8 / rate)
    up = [at for at in np.arange(0.002, ends + 4, 0.002) if not begins < at < ends]
    ledger = over_a_drive(tmp_path, down, up, ends + 3, "2Mbit/s")
    after = ledger[(ledger["first_sent_at"] > ends) & (ledger["first_sent_at"] < ends + 0.5)]
    waits = after["complete_at"] - after["first_sent_at"]
    assert waits.max() < 0.1


def test_until_something_is_known_of_a_link_few_frames_wait_for_it() -> None:
    ledger = run("quic-adaptive", [link(0.3)], duration=3, rtt=0.04, bitrate="4.5Mbit/s").ledger
    assert (ledger["size_bytes"] > 5000).sum() <= 6
