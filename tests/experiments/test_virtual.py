"""Every arm in virtual time: the invariants of the ledger, common random numbers, and what the network did."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from glassbench.experiments.account.ledger import FATES, check, stages
from glassbench.experiments.account.ledger_error import LedgerError
from glassbench.experiments.scenario import Scenario
from glassbench.experiments.scenario.session_time import MEDIA_START
from glassbench.experiments.scenario.tracks import CHAT_TRACK, VIDEO_TRACK
from glassbench.experiments.worlds.links import check_conservation, open_links
from glassbench.experiments.worlds.reuse import Reuse
from glassbench.experiments.worlds.virtual import run_arm
from glassbench.experiments.worlds.world import Watch
from glassbench.netem.elements.jitter import Jitter
from glassbench.netem.elements.loss_episodes import LossEpisodes
from glassbench.netem.packet import Packet
from glassbench.netem.simulator import START_AT
from glassbench.receiver.quality import QualityMemo
from glassbench.receiver.vmaf import _Lane
from glassbench.transport.contract import TransportConfig, Unsupported
from glassbench.transport.registry import TRANSPORTS, TransportEntry

MakeScenario = Callable[..., Scenario]
ARMS = [*TRANSPORTS, "quic-stream:stack=stock,control=cubic", "quic-stream:stack=stock,control=reno"]


@pytest.mark.sampled(2)
@pytest.mark.parametrize("timer", ["exact", "1ms"])
@pytest.mark.parametrize("label", ARMS)
def test_every_arm_gives_a_ledger_whose_fates_and_stages_add_up(
    make_scenario: MakeScenario, reuse: Reuse, label: str, timer: str
) -> None:
    scenario = make_scenario(timer=timer)
    result = run_arm(scenario, scenario.arm(label), reuse)
    assert result.outcome == "measured"
    frames = result.ledger
    assert frames is not None and result.links is not None
    check(frames)
    video, chat = frames[frames["track"] == VIDEO_TRACK], frames[frames["track"] == CHAT_TRACK]
    assert len(video) == 60  # 2 s at 30 fps
    assert len(chat) == 20
    assert sum(result.summary["fates"].values()) == result.summary["captured"] == 60
    assert set(frames["fate"]) <= set(FATES)
    assert result.summary["displayed"] > 30
    shown = frames["fate"] == "displayed"
    table = stages(frames)[shown]
    total = table.drop(columns="g2g_ms").sum(axis=1, skipna=False)
    assert np.abs(total - table["g2g_ms"]).max() <= 1e-3  # 1 us
    assert (table["g2g_ms"] > 20).all()  # 20 ms of propagation
    # Every byte that was delivered went over the link, and what went over the link is in the table.
    assert (
        result.links.loc[result.links["direction"] == "down", "delivered_bytes"].sum()
        > frames.loc[frames["complete_at"].notna(), "size_bytes"].sum()
    )
    path = result.impairments["down"]["path"]
    assert path["lost"] > 0
    assert path["lost"] == result.links.loc[result.links["direction"] == "down", "lost_packets"].sum()


@pytest.mark.parametrize("label", ["udp", "rtp", "quic-datagram"])
def test_real_pictures_are_stamped_decoded_and_compared(make_scenario: MakeScenario, reuse: Reuse, label: str) -> None:
    scenario = make_scenario(video={"source": "bikes", "bitrate": "1Mbit/s", "deadline": "600ms"}, duration="1s")
    result = run_arm(scenario, scenario.arm(label), reuse)
    assert result.ledger is not None
    video = result.ledger[result.ledger["track"] == VIDEO_TRACK]
    shown = video[video["fate"] == "displayed"]
    assert len(video) == 25 and len(shown) > 10
    assert (shown["stamp_sequence"] == shown["sequence"]).all()
    assert (shown["stamp_captured_at"] == shown["captured_at"]).all()
    assert result.stats["stamp_errors"] == result.stats["stamp_unreadable"] == 0
    assert shown["own_ssim"].between(0, 1).all() and video.loc[video["fate"] != "displayed", "own_ssim"].isna().all()
    assert result.summary["picture_p95_ms"] >= result.summary["signal_p95_ms"]
    assert video["ssim"].between(0, 1).all() and video["psnr_db"].gt(3).all()
    assert result.summary["ssim"] == pytest.approx(video["ssim"].mean(), abs=1e-6)


WITH_VMAF = {"source": "bikes", "bitrate": "500kbit/s", "deadline": "600ms", "vmaf": "v0.6.1"}


def test_vmaf_is_measured_where_a_scenario_asks_for_it(
    make_scenario: MakeScenario, reuse: Reuse, needs_vmaf: None
) -> None:
    scenario = make_scenario(video=WITH_VMAF, duration="400ms")
    result, again = (run_arm(scenario, scenario.arm("udp"), Reuse(reuse.cache, QualityMemo())) for _ in range(2))
    assert result.ledger is not None and again.ledger is not None
    video = result.ledger[result.ledger["track"] == VIDEO_TRACK]
    assert video["vmaf"].between(0, 100).all()
    assert (video["own_vmaf"].isna() == (video["fate"] != "displayed")).all()
    assert result.summary["vmaf"] == pytest.approx(video["vmaf"].mean(), abs=1e-6)
    pd.testing.assert_frame_equal(result.ledger, again.ledger, check_exact=True)
    unasked = make_scenario(video={**WITH_VMAF, "vmaf": None}, duration="400ms")
    assert run_arm(unasked, unasked.arm("udp"), reuse).summary["vmaf"] is None


def test_an_arm_that_is_stopped_while_pictures_are_scored_is_incomplete_and_keeps_the_rest(
    make_scenario: MakeScenario, reuse: Reuse, monkeypatch: pytest.MonkeyPatch, needs_vmaf: None
) -> None:
    scenario = make_scenario(video={**WITH_VMAF, "bitrate": "400kbit/s"}, duration="400ms")
    scoring: list[bool] = []
    take = _Lane.take
    monkeypatch.setattr(_Lane, "take", lambda *given: (scoring.append(True), take(*given)))
    result = run_arm(scenario, scenario.arm("udp"), reuse, Watch(stop=lambda: len(scoring) >= 3))
    assert (result.outcome, result.reason) == ("incomplete", "interrupted while its pictures were scored")
    assert len(scoring) == 3 and result.summary["vmaf"] is None and 0 < result.summary["ssim"] < 1


def test_an_arm_whose_vmaf_cannot_be_measured_says_so_and_keeps_the_rest(
    make_scenario: MakeScenario, reuse: Reuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glassbench.receiver.vmaf._program", lambda: "/bin/false")
    scenario = make_scenario(video=WITH_VMAF, duration="400ms")
    result = run_arm(scenario, scenario.arm("udp"), reuse)
    assert result.ledger is not None and result.ledger["vmaf"].isna().all()
    assert result.summary["vmaf"] is None and 0 < result.summary["ssim"] < 1
    assert any(note.startswith("VMAF was not measured: FFmpeg did not score") for note in result.notes)


def test_a_lossless_fast_network_shows_every_frame_after_the_known_delays(
    make_scenario: MakeScenario, reuse: Reuse
) -> None:
    rate, delay, cost = 50e6, 0.030, 0.004
    scenario = make_scenario(
        arms=["udp"],
        chat={"interval": "100ms"},
        video={"source": "lognormal", "encode_cost": "fixed:4ms", "decode_cost": "fixed:4ms"},
        network={"rate": "50Mbit/s", "queue": "1MB", "delay": "30ms"},
    )
    result = run_arm(scenario, scenario.arm("udp"), reuse)
    assert result.ledger is not None
    frames = result.ledger[result.ledger["track"] == VIDEO_TRACK]
    table = stages(frames)
    assert (frames["fate"] == "displayed").all()
    assert table["encode_ms"].to_numpy() == pytest.approx(1e3 * cost, abs=1e-6)
    assert table["decode_ms"].to_numpy() == pytest.approx(1e3 * cost, abs=1e-6)
    packets = -(-frames["size_bytes"] // (1452 - 24))  # fragments of equal size, each with 24 bytes of our header
    wire = frames["size_bytes"] + packets * (24 + 28)
    serialisation = (wire * 8 / rate + delay).to_numpy() * 1e3
    total = (table["transit_ms"] + table["spread_ms"]).to_numpy()
    assert total == pytest.approx(serialisation, abs=1e-3)


def test_all_arms_meet_the_same_loss_episodes(
    make_scenario: MakeScenario, reuse: Reuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = make_scenario(
        network={"rate": "20Mbit/s", "queue": "1MB", "loss": "10%", "loss_duration": "30ms", "delay": "5ms"}
    )
    seen: list[tuple[float, bool]] = []
    loses = LossEpisodes.loses

    def spy(self: LossEpisodes, packet: Packet) -> bool:
        lost = loses(self, packet)
        if packet.destination[0] == "192.0.2.2":
            seen.append((packet.at, lost))
        return lost

    with monkeypatch.context() as patch:
        patch.setattr(LossEpisodes, "loses", spy)
        for label in ("udp", "rtp", "quic-stream"):
            before = len(seen)
            run_arm(scenario, scenario.arm(label), reuse)
            assert any(lost for _, lost in seen[before:])
    link = open_links(scenario, start_at=START_AT, media_start=MEDIA_START)["network", "down"]
    [episodes] = [element for element in link.path.elements if isinstance(element, LossEpisodes)]
    for at, lost in sorted(seen):  # in time over all arms: one process explains the losses of all of them
        assert episodes.loses(Packet(b"", ("a", 1), ("b", 2), 0, 100, 0, at, at)) == lost


LOSS = {"element": "loss-episodes", "mean_loss": "20%", "mean_duration": "50ms"}
RARER = {**LOSS, "mean_loss": "5%"}


def bad_moments(make_scenario: MakeScenario, down: list[dict[str, Any]], place: int, seed: int = 3) -> list[bool]:
    """Which of 2000 milliseconds the element at a place of the downlink loses."""
    scenario = make_scenario(network={"down": down, "up": []}, seed=seed)
    link = open_links(scenario, start_at=START_AT, media_start=MEDIA_START)["network", "down"]
    _, [element] = link.parts[place]
    assert isinstance(element, LossEpisodes)
    instants = START_AT + np.arange(2000) * 0.001
    return [element.loses(Packet(b"", ("a", 1), ("b", 2), 0, 100, 0, at, at)) for at in instants.tolist()]


@pytest.mark.parametrize(
    "other",
    [{"element": "jitter", "mean": "1ms"}, RARER, {**LOSS, "mean_loss": "0%"}, {**LOSS, "name": "other"}],
    ids=["another kind", "rarer", "never", "named"],
)
def test_another_element_changes_nobody_elses_dice(make_scenario: MakeScenario, other: dict[str, Any]) -> None:
    alone = bad_moments(make_scenario, [LOSS], 0)
    assert bad_moments(make_scenario, [other, LOSS], 1) == alone
    assert bad_moments(make_scenario, [LOSS, other], 0) == alone
    assert bad_moments(make_scenario, [other, LOSS, {**RARER, "mean_duration": "9ms"}], 1) == alone
    assert bad_moments(make_scenario, [LOSS], 0, seed=4) != alone


def test_equal_elements_have_dice_of_their_own(make_scenario: MakeScenario) -> None:
    alone, second, third = (bad_moments(make_scenario, [LOSS, LOSS, LOSS], place) for place in range(3))
    assert alone == bad_moments(make_scenario, [LOSS], 0)
    assert len({tuple(alone), tuple(second), tuple(third)}) == 3


def test_a_named_element_keeps_its_dice_while_its_fields_vary(make_scenario: MakeScenario) -> None:
    def delays(**fields: str) -> list[float]:
        jitter = {"element": "jitter", **fields}
        scenario = make_scenario(network={"down": [jitter], "up": []})
        [element] = open_links(scenario, start_at=START_AT, media_start=MEDIA_START)["network", "down"].path.elements
        assert isinstance(element, Jitter)
        return [element.delay_at(START_AT + n * 0.01) for n in range(100)]

    short, long = delays(name="air", mean="2ms"), delays(name="air", mean="6ms")
    assert [3 * delay for delay in short] == pytest.approx(long)
    assert [3 * delay for delay in delays(mean="2ms")] != pytest.approx(delays(mean="6ms"))


def test_the_trace_begins_with_the_first_capture(make_scenario: MakeScenario, reuse: Reuse) -> None:
    scenario = make_scenario(network={"trace": "steps"}, duration="2s", arms=["udp"])
    result = run_arm(scenario, scenario.arm("udp"), reuse)
    assert result.links is not None
    down = result.links[result.links["direction"] == "down"].set_index("at")["capacity_bytes"] * 8 / 0.1 / 1e6
    # The generated trace lasts 12 s (2 s of media and a margin): 4 Mbit/s until 4.8 s, and at its end, before 0 s.
    assert down.loc[-2.0] == pytest.approx(4)
    assert down.loc[0.0] == pytest.approx(4)
    assert down.loc[1.9] == pytest.approx(4)


def test_an_arm_that_is_stopped_gives_what_it_measured(make_scenario: MakeScenario, reuse: Reuse) -> None:
    scenario = make_scenario()
    shares: list[float] = []
    result = run_arm(scenario, scenario.arm("rtp"), reuse, Watch(shares.append, lambda: len(shares) >= 30))
    assert result.outcome == "incomplete"
    assert result.reason == "interrupted after 1.0 s of media"
    assert result.ledger is not None
    check(result.ledger)
    assert 28 <= (result.ledger["track"] == VIDEO_TRACK).sum() <= 31
    assert shares == sorted(shares) and shares[-1] < 1


def test_an_arm_stopped_before_its_first_capture_gives_empty_tables(make_scenario: MakeScenario, reuse: Reuse) -> None:
    scenario = make_scenario()
    result = run_arm(scenario, scenario.arm("udp"), reuse, Watch(stop=lambda: True))
    assert result.outcome == "incomplete"
    assert result.ledger is not None and len(result.ledger) == 0
    assert result.summary["captured"] == 0
    assert result.summary["g2g_p95_ms"] is None


def test_what_an_arm_cannot_do_is_said_with_its_reason(
    make_scenario: MakeScenario, reuse: Reuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(config: TransportConfig) -> Any:
        raise Unsupported("it carries no h264")

    entry = TRANSPORTS["udp"]
    refusing = TransportEntry("udp", "refuses", entry.options, refuse, refuse, frozenset())
    monkeypatch.setitem(TRANSPORTS.own, "udp", refusing)
    scenario = make_scenario()
    with pytest.raises(Unsupported, match="it carries no h264"):
        run_arm(scenario, scenario.arm("udp"), reuse)


def test_packets_that_are_not_conserved_are_a_defect(make_scenario: MakeScenario) -> None:
    link = open_links(make_scenario(), start_at=START_AT, media_start=MEDIA_START)["network", "down"]
    packet = Packet(b"", ("a", 1), ("b", 2), 0, 100, 0, START_AT, START_AT)
    link.path.push(packet)
    link.log.sent([packet])
    check_conservation(link, 1, now=START_AT)
    with pytest.raises(LedgerError, match="2 packets were sent down, 1 entered"):
        check_conservation(link, 2, now=START_AT)


def test_packets_are_counted_as_they_are_when_the_run_ends(make_scenario: MakeScenario) -> None:
    """One that is lost before the end, and could not have left by then, is looked at when it is counted."""
    delay = {"element": "delay", "delay": "50ms"}
    down = [delay, {"element": "random-loss", "probability": "100%"}, delay]
    scenario = make_scenario(network={"down": down, "up": [delay]})
    link = open_links(scenario, start_at=START_AT, media_start=MEDIA_START)["network", "down"]
    packet = Packet(b"", ("a", 1), ("b", 2), 0, 100, 0, START_AT, START_AT)
    link.path.push(packet)
    link.log.sent([packet])
    check_conservation(link, 1, now=START_AT + 0.06)


@pytest.mark.parametrize("playout", ["fixed:300ms", "adaptive"])
def test_playout_is_an_axis_of_its_own(make_scenario: MakeScenario, reuse: Reuse, playout: str) -> None:
    immediate = make_scenario(arms=["udp"], network={"rate": "9Mbit/s", "jitter": "5ms"})
    held = make_scenario(arms=["udp"], network={"rate": "9Mbit/s", "jitter": "5ms"}, playout=playout)
    soonest, later = (run_arm(one, one.arms[0], reuse) for one in (immediate, held))
    assert soonest.ledger is not None and later.ledger is not None
    columns = ["captured_at", "first_sent_at", "complete_at"]
    pd.testing.assert_frame_equal(soonest.ledger[columns], later.ledger[columns])
    waited = stages(later.ledger)["buffer_ms"].mean() - stages(soonest.ledger)["buffer_ms"].mean()
    assert waited > 5
    if playout == "fixed:300ms":
        video = later.ledger["track"] == VIDEO_TRACK
        assert stages(later.ledger)["g2g_ms"][video].to_numpy() == pytest.approx(300, abs=0.01)


def test_a_trace_brings_the_delay_and_the_loss_that_it_records(make_scenario: MakeScenario) -> None:
    def kinds(scenario: Scenario) -> list[str]:
        link = open_links(scenario, start_at=START_AT, media_start=MEDIA_START)["network", "down"]
        return [type(element).__name__ for element in link.path.elements]

    scenario = make_scenario(network={"trace": "satellite"})
    assert kinds(scenario) == ["FluidLink", "ScheduledLoss", "ScheduledDelay"]
    assert kinds(scenario.floor()) == ["FluidLink", "ScheduledDelay"]


def test_a_mahimahi_line_per_millisecond_is_12_032_mbit_per_second(
    make_scenario: MakeScenario, reuse: Reuse, tmp_path: Path
) -> None:
    file = tmp_path / "constant.down"
    file.write_text("".join(f"{ms}\n" for ms in range(1, 1001)))
    scenario = make_scenario(network={"trace": str(file)}, arms=["udp"])
    links = run_arm(scenario, scenario.arm("udp"), reuse).links
    assert links is not None
    whole = links[links["at"] < 2.0]["capacity_bytes"]
    assert (whole * 8 / 0.1 / 1e6).to_numpy() == pytest.approx(12.032)


@pytest.mark.parametrize(("label", "playout"), [("udp", "fixed:5s"), ("srt:latency_ms=5000", "immediate")])
def test_a_run_waits_for_what_is_held_on_purpose(
    make_scenario: MakeScenario, reuse: Reuse, label: str, playout: str
) -> None:
    video = {"source": "lognormal", "bitrate": "1500kbit/s"}
    scenario = make_scenario(arms=[label], video=video, network={"delay": "20ms"}, playout=playout, duration="1s")
    result = run_arm(scenario, scenario.arms[0], reuse)
    assert result.summary["displayed"] == result.summary["captured"] == 30
    assert result.summary["g2g_p99_ms"] == pytest.approx(5000, abs=30)


STOCK = [
    "quic-stream:stack=stock,control=cubic",
    "quic-stream-per-frame:stack=stock,control=reno",
    "quic-datagram:stack=stock,control=reno",
]
GIVES_NOTHING_UP = ["udp", "rtp", "srt", *STOCK]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("label", [*GIVES_NOTHING_UP, "quic-stream-per-gop", "quic-stream-per-frame", "quic-datagram"])
def test_a_deadline_means_the_same_for_every_arm(
    make_scenario: MakeScenario, reuse: Reuse, tmp_path: Path, label: str
) -> None:
    trace = tmp_path / "stall.csv"  # a second in which hardly anything arrives, and everything later
    trace.write_text("time_s,rate_mbps\n0,6\n0.8,0.1\n1.8,6\n10,6\n")
    scenario = make_scenario(
        arms=[label],
        duration="3s",
        video={"source": "lognormal", "bitrate": "1500kbit/s", "deadline": "300ms"},
        chat={"interval": "100ms", "deadline": "100ms"},
        network={"trace": str(trace), "trace_start": "0s", "queue": "1MB", "delay": "10ms"},
    )
    frames = run_arm(scenario, scenario.arm(label), reuse).ledger
    assert frames is not None
    video, chat = frames[frames["track"] == VIDEO_TRACK], frames[frames["track"] == CHAT_TRACK]
    for track, deadline, ready_at in ((video, 0.3, "decoded_at"), (chat, 0.1, "delivered_at")):
        late, shown = track[track["fate"] == "late"], track[track["fate"] == "displayed"]
        assert len(late) > 2
        assert (late[ready_at] - late["captured_at"] > deadline).all()
        assert late["displayed_at"].isna().all()
        assert (shown["displayed_at"] - shown["captured_at"] <= deadline + 1e-9).all()
    assert video["fate"].iloc[-1] == "displayed", "what was late broke no chain"
    assert set(video["fate"]) == (
        {"displayed", "late"} if label in GIVES_NOTHING_UP else {"displayed", "late", "expired"}
    )
