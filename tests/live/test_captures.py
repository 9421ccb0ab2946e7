"""Captures of live runs are those of virtual ones: packets, keys and qlogs, as Wireshark reads them."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from experiments import run
from experiments.live.emulators import Emulator
from experiments.live.wiring import check_emulator
from experiments.scenario import Scenario, build
from netem.live.recording import MAX_BYTES, Recording
from netem.packet import Packet

VIDEO = {"source": "lognormal", "bitrate": "1Mbit/s"}


def scenario(*arms: str) -> Scenario:
    network = {"rate": "8Mbit/s", "delay": "20ms"}
    fields = {"name": "seen", "duration": "500ms", "video": VIDEO, "network": network}
    return build({**fields, "arms": list(arms)})


@pytest.fixture(params=["netns", "relay"])
def emulator(request: pytest.FixtureRequest) -> Emulator:
    try:
        check_emulator(request.param, scenario("rtp"))
    except OSError as error:
        pytest.skip(str(error))
    found: Emulator = request.param
    return found


def test_a_live_arm_has_its_packets_keys_and_qlogs(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.live.arm.MOST_LATE_MS", 1e6)
    found = run(scenario("quic-datagram", "rtp"), results=tmp_path, live=emulator, capture=True)
    assert [arm["outcome"] for arm in found.arms] == ["measured", "measured"]
    for arm, name in zip(found.arms, ("00-quic-datagram", "01-rtp"), strict=True):
        folder = found.path / "captures" / name
        assert (folder / "link.pcapng").stat().st_size > 50 * 500
        assert (folder / "tls-keys.log").exists() == (folder / "sender.sqlog").exists() == name.endswith("datagram")
        if shutil.which("tshark") is None:
            continue
        options = ["-T", "fields", "-e", "frame.interface_name", "-e", "_ws.col.Protocol", "-e", "_ws.expert.message"]
        command = ["tshark", "-r", str(folder / "link.pcapng"), "-n", *options]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        rows = [line.split("\t") for line in done.stdout.splitlines()]
        sent = [row for row in rows if row[0] == "down, sent"]
        assert len(sent) == arm["impairments"]["down"]["path"]["pushed"]
        assert len([row for row in rows if row[0] == "up, delivered"]) == arm["impairments"]["up"]["path"]["popped"]
        assert not [row for row in rows if "Malformed" in row[2] or "decrypt" in row[2].lower()]
        protocols = {row[1] for row in sent}
        assert protocols <= ({"QUIC", "TLSv1.3"} if "quic" in name else {"RTP", "RTCP", "H.264"}), protocols
    qlog = (found.path / "captures" / "00-quic-datagram" / "receiver.sqlog").read_text()
    assert json.loads(qlog.split("\n")[0].strip("\x1e"))["qlog_format"] == "JSON-SEQ"


def test_a_recording_keeps_a_bounded_amount_and_counts_the_rest() -> None:
    recording = Recording()
    packet = Packet(bytes(1000), ("a", 1), ("b", 2), 0, 1028, 0, 1.0, 1.0)
    recording.add("down", packet, delivered=False, at=1.0)
    packet.at = 7.0
    recording._bytes = MAX_BYTES
    recording.add("down", packet, delivered=False, at=2.0)
    assert [(way, delivered, at, kept.at) for way, delivered, at, kept in recording.seen] == [("down", False, 1.0, 1.0)]
    assert recording.left_out == 1
