"""Captures of live runs are those of virtual ones: packets, keys and qlogs, as Wireshark reads them."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from glassbench import run
from glassbench.experiments.results.captures import open_capture
from glassbench.experiments.scenario import Scenario, build
from glassbench.experiments.worlds.live.emulators import Emulator
from glassbench.experiments.worlds.live.replay import Told, replay
from glassbench.experiments.worlds.live.wiring import check_emulator
from glassbench.netem.ip_header import checksum, with_ecn
from glassbench.netem.live.recording import MAX_BYTES, Recording
from glassbench.netem.packet import Packet

VIDEO = {"source": "lognormal", "bitrate": "1Mbit/s"}


def scenario(*arms: str) -> Scenario:
    network = {"rate": "8Mbit/s", "delay": "20ms"}
    fields = {"name": "seen", "duration": "500ms", "video": VIDEO, "network": network}
    return build({**fields, "arms": list(arms)})


@pytest.fixture
def emulator(request: pytest.FixtureRequest) -> Emulator:
    try:
        check_emulator(request.param, scenario("rtp"))
    except OSError as error:
        pytest.skip(str(error))
    asked: Emulator = request.param
    return asked


@pytest.mark.parametrize(
    ("emulator", "name"),
    [("netns", "quic-datagram"), pytest.param("relay", "rtp", marks=pytest.mark.long)],
    indirect=["emulator"],
)
def test_a_live_arm_has_its_packets_keys_and_qlogs(
    emulator: Emulator, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glassbench.experiments.worlds.live.arm.MOST_LATE_MS", 1e6)
    monkeypatch.setattr("glassbench.experiments.worlds.live.arm.LONGEST_PAUSE", 1e6)
    monkeypatch.setattr("glassbench.experiments.worlds.live.arm.MOST_PAUSED", 1e6)
    measured = run(scenario(name), results=tmp_path, world=emulator, capture=True).run()
    (arm,) = measured.records
    assert arm["outcome"] == "measured"
    folder = measured.path / "captures" / f"00-{name}"
    assert (folder / "link.pcapng").stat().st_size > 50 * 500
    of_quic = name.startswith("quic")
    assert (folder / "tls-keys.log").exists() == (folder / "sender.sqlog").exists() == of_quic
    if of_quic:
        first = (folder / "receiver.sqlog").read_text().split("\n")[0]
        assert json.loads(first.strip("\x1e"))["qlog_format"] == "JSON-SEQ"
    if shutil.which("tshark") is None:
        pytest.skip("no tshark here: apt install tshark")
    options = ["-T", "fields", "-e", "frame.interface_name", "-e", "_ws.col.Protocol", "-e", "_ws.expert.message"]
    command = ["tshark", "-r", str(folder / "link.pcapng"), "-n", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    sent = [row for row in rows if row[0] == "down, sent"]
    assert len(sent) == arm["impairments"]["down"]["path"]["pushed"]
    assert len([row for row in rows if row[0] == "up, delivered"]) == arm["impairments"]["up"]["path"]["popped"]
    assert not [row for row in rows if "Malformed" in row[2] or "decrypt" in row[2].lower()]
    protocols = {row[1] for row in sent}
    assert protocols <= ({"QUIC", "TLSv1.3"} if of_quic else {"RTP", "RTCP", "H.264"}), protocols


def test_a_recording_keeps_a_bounded_amount_and_counts_the_rest() -> None:
    recording = Recording()
    packet = Packet(bytes(1000), ("a", 1), ("b", 2), 0, 1028, 0, 1.0, 1.0)
    recording.add("down", packet, delivered=False, at=1.0)
    packet.at = 7.0
    recording._bytes = MAX_BYTES
    recording.add("down", packet, delivered=False, at=2.0)
    assert [(way, delivered, at, kept.at) for way, delivered, at, kept in recording.seen] == [("down", False, 1.0, 1.0)]
    assert recording.left_out == 1


def test_a_flood_that_is_only_seen_to_arrive_is_bounded_by_its_bytes() -> None:
    recording = Recording()
    flood = Packet(bytes(60_000), ("a", 1), ("b", 2), 0, 60_028, 0, 1.0, 1.0)
    for _ in range(MAX_BYTES // 60_000 + 10):
        recording.add("up", flood, delivered=True, at=1.0)
    assert 10 <= recording.left_out < 100


def test_packets_of_every_protocol_are_in_a_capture_as_they_passed_with_their_marks(tmp_path: Path) -> None:
    """Streams of others go over TCP. This SYN was ECT(0) when it was sent, and CE when it was delivered."""
    header = bytearray.fromhex("45020028000740004006") + bytes(2) + bytes((10, 0, 0, 1, 10, 0, 0, 2))
    header[10:12] = checksum(bytes(header)).to_bytes(2, "big")
    syn = bytes(header) + bytes.fromhex("c0001f90000000010000000050022000") + bytes(4)
    recording = Recording()
    for at, delivered, ecn in ((1.0, False, 2), (1.02, True, 3)):
        recording.add("down", Packet(syn, ("", 0), ("", 0), ecn, len(syn), 0, 1.0, at), delivered=delivered, at=at)
    six = Packet(b"\x60" + bytes(39), ("", 0), ("", 0), 0, 40, 1, 1.0, 1.0)
    recording.add("down", six, delivered=False, at=1.0)
    with open_capture(tmp_path / "captures", "title") as capture:
        assert capture is not None
        assert replay(capture, recording, ["down"], {}) == []
    content = (tmp_path / "captures" / "link.pcapng").read_bytes()
    marked = with_ecn(syn, 3)
    assert content.count(syn) == content.count(marked) == 1 and checksum(marked[:20]) == 0
    assert six.data not in content


def test_what_is_not_in_a_capture_is_said(tmp_path: Path) -> None:
    recording, told = Recording(left_out=3), Told()
    told.on_keys("x" * 10)
    told.on_qlog("y" * MAX_BYTES)
    with open_capture(tmp_path / "captures", "title") as capture:
        assert capture is not None
        said = replay(capture, recording, ["down", "up"], {("media", "sender"): told})
    assert said == [
        "a capture is full: 3 packets are not in it",
        "a capture is full: 1 records of its qlogs are not in it",
    ]
    assert told.said == [("keys", "x" * 10)]
