"""libsrt as an arm: what it repairs, what its statistics say, and its options."""

from typing import Any

import pytest

from glassbench.experiments.account.arm_result import ArmResult
from glassbench.experiments.scenario import ScenarioError, build
from glassbench.experiments.worlds.live.arm import run_arm
from glassbench.experiments.worlds.live.wiring import check_emulator
from glassbench.transport.contract import Unsupported

LOSSY = {
    "down": [{"element": "random-loss", "probability": "5 %"}, {"element": "delay", "delay": "10ms"}],
    "up": [{"element": "delay", "delay": "10ms"}],
}


def measured(arm: str, monkeypatch: pytest.MonkeyPatch) -> ArmResult:
    for name in ("MOST_LATE_MS", "LONGEST_PAUSE", "MOST_PAUSED"):
        monkeypatch.setattr(f"glassbench.experiments.worlds.live.arm.{name}", 1e6)
    plan = build({**scenario(arm), "network": LOSSY})
    try:
        check_emulator("netns", plan)
        return run_arm(plan, plan.arms[0], None)
    except (Unsupported, OSError) as error:
        pytest.skip(str(error))


def scenario(arm: str) -> dict[str, Any]:
    return {
        "name": "libsrt",
        "seed": 20,
        "duration": "2s",
        "network": {"rate": "10Mbit/s"},
        "video": {"source": "lognormal", "fps": 30, "bitrate": "2Mbit/s"},
        "arms": [arm],
    }


@pytest.mark.quiet  # a busy machine is late with repairs
def test_it_repairs_losses_within_its_latency_and_both_ends_have_statistics(monkeypatch: pytest.MonkeyPatch) -> None:
    result = measured("libsrt:latency_ms=200,streamid=glass,passphrase=a_long_secret", monkeypatch)
    assert result.outcome == "measured", result.reason
    assert result.ledger is not None
    assert (result.ledger["fate"] == "displayed").mean() > 0.95, "5 % of loss, four round trips of latency"
    sent, received = result.stats["sender"], result.stats["receiver"]
    assert sent["retransmissions"] > 0 and sent["packets_sent"] > 300
    assert received["packets_received"] > 300 and received["naks_sent"] > 0, "it was read before the peer closed"
    settings = result.stats["peer"]["receiver"]["settings"]
    assert (settings["rcvlatency"], settings["tlpktdrop"]) == (200, True)
    assert result.stats["peer"]["sender"]["settings"]["streamid"] == "glass"
    assert [result.stats["peer"][end]["settings"]["encryption"] for end in ("sender", "receiver")] == ["secured"] * 2


@pytest.mark.long
@pytest.mark.quiet
def test_a_packet_filter_brings_back_losses_without_being_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, filtered = (measured(f"libsrt:latency_ms=0,{more}tlpktdrop=true", monkeypatch) for more in ("", "fec=5x5,"))
    for result in (plain, filtered):
        assert result.outcome == "measured", result.reason
    shown = [(result.ledger["fate"] == "displayed").mean() for result in (plain, filtered) if result.ledger is not None]
    assert shown[1] > shown[0]
    told = [filtered.stats["peer"][end]["settings"]["packetfilter"] for end in ("sender", "receiver")]
    assert all("cols:5" in one and "rows:5" in one for one in told)
    assert [plain.stats["peer"][end]["settings"]["encryption"] for end in ("sender", "receiver")] == ["none"] * 2


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("latency_ms=-1", "latency_ms must be 0 to 60000, got -1"),
        ("reader=epoll", "option 'reader' must be 'poll' or 'block', got 'epoll'"),
        ("passphrase=short", "passphrase has 10 to 79 characters, got 5"),
        ("fec=5", "option 'fec' must be str, got 5"),
        ("fec=0x5", "fec is columns and rows of 1 to 100 such as '10x5', got '0x5'"),
        ("control=gcc", "unknown option 'control'; accepted are latency_ms, tlpktdrop, reader, fec"),
        ("encoder=follow", "how libsrt leads an encoder is its own affair"),
    ],
)
def test_a_bad_option_is_one_sentence(option: str, sentence: str) -> None:
    with pytest.raises(ScenarioError) as raised:
        build(scenario(f"libsrt:{option}"))
    assert sentence in str(raised.value)
