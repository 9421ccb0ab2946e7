"""RTMP through nginx: what is repaired, what the server tells, and what it costs to leave it as it comes."""

import os
import re
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from xml.etree import ElementTree

import pytest

from glassbench.experiments.account.arm_result import ArmResult
from glassbench.experiments.account.ledger import stages
from glassbench.experiments.scenario import build
from glassbench.experiments.worlds.live.arm import run_arm
from glassbench.experiments.worlds.live.wiring import check_emulator
from glassbench.experiments.worlds.peers import nginx, peer
from glassbench.experiments.worlds.peers.rtmp import Rtmp
from glassbench.transport.contract import Unsupported

LOSSY = [{"element": "random-loss", "probability": "2 %"}, {"element": "delay", "delay": "10ms"}]
BACK = [{"element": "delay", "delay": "10ms"}]


def measured(arm: str, monkeypatch: pytest.MonkeyPatch, **video: Any) -> ArmResult:
    for name in ("MOST_LATE_MS", "LONGEST_PAUSE", "MOST_PAUSED"):
        monkeypatch.setattr(f"glassbench.experiments.worlds.live.arm.{name}", 1e6)
    content = {
        "name": "rtmp",
        "seed": 20,
        "duration": "6s",
        "network": {"down": LOSSY, "up": BACK},
        "video": {"source": "synthetic", "width": 320, "height": 180, "fps": 30, "bitrate": "2Mbit/s", **video},
        "arms": [arm],
    }
    plan = build(content)
    try:
        check_emulator("netns", plan)
        return run_arm(plan, plan.arms[0], None)
    except (Unsupported, OSError) as error:
        pytest.skip(str(error))


@pytest.mark.quiet
@pytest.mark.long
def test_losses_are_repaired_by_tcp_and_counted_with_its_congestion_controller(monkeypatch: pytest.MonkeyPatch) -> None:
    result = measured("rtmp:tcp=reno", monkeypatch)
    assert result.outcome == "measured", result.reason
    assert result.ledger is not None
    assert (result.ledger["fate"] == "displayed").mean() > 0.9
    told = result.stats["peer"]["sender"]["settings"]
    assert told["tcp_congestion"] == "reno"
    assert told["video"]["codec"] == "H264"
    assert result.stats["sender"]["retransmissions"] > 0
    assert result.stats["sender"]["messages_dropped"] == 0
    assert result.stats["sender"]["keyframe_requests"] == 0, "nobody can ask over RTMP"


@pytest.mark.quiet
@pytest.mark.long
def test_a_player_as_it_comes_shows_what_it_has_looked_at_seconds_later(monkeypatch: pytest.MonkeyPatch) -> None:
    result = measured("rtmp:tuned=false", monkeypatch, deadline="20s")
    assert result.outcome == "measured", result.reason
    assert result.ledger is not None
    shown = result.ledger[result.ledger["fate"] == "displayed"]
    assert len(shown) > 0.8 * len(result.ledger)
    assert stages(shown)["g2g_ms"].max() > 2000.0


@pytest.mark.quiet
@pytest.mark.long
def test_a_server_that_is_killed_ends_the_arm_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, descendants: Callable[[], dict[int, str]]
) -> None:
    def servers() -> list[int]:
        return [number for number, line in descendants().items() if line.startswith("nginx: ")]

    over = threading.Event()

    def kill() -> None:
        while not servers() and not over.wait(0.2):
            pass
        over.wait(3.0)  # it serves
        for server in servers():
            with suppress(ProcessLookupError):  # a worker ends with its master
                os.kill(server, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        result = measured("rtmp", monkeypatch)
    finally:
        over.set()
        killer.join()
    assert result.outcome == "failed"
    assert re.match("the (sender|receiver) of rtmp failed: ", str(result.reason))


def test_without_nginx_the_command_that_brings_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(peer, "_SERVERS", "/nonexistent")
    with pytest.raises(Unsupported, match="there is no nginx here: apt install nginx libnginx-mod-rtmp"):
        Rtmp.version()


def test_what_nginx_tells_of_a_stream_and_its_players_is_read() -> None:
    told = nginx._read(
        ElementTree.fromstring(
            "<rtmp><nginx_rtmp_version>1.1.4</nginx_rtmp_version><server><application><live><stream><bytes_in>7</bytes_in>"
            "<bytes_out>6</bytes_out><client><dropped>5</dropped></client><client><dropped>0</dropped><publishing/></client>"
            "<meta><video><codec>H264</codec><width>320</width></video></meta></stream></live></application></server></rtmp>"
        )
    )
    assert told.settings == {"nginx_rtmp_version": "1.1.4", "video": {"codec": "H264", "width": "320"}}
    assert told.counters == {"bytes_in": 7, "bytes_out": 6, "players": 1, "messages_dropped": 5}
    assert nginx._read(ElementTree.fromstring("<rtmp/>")).counters == {}
