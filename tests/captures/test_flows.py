"""Captures of several flows: the keys of each stand ahead of its packets, however late it connects."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from glassbench import run
from glassbench.experiments.results.captures import ArmCapture
from glassbench.experiments.scenario import Scenario, build
from glassbench.netem.packet import Packet

TSHARK = shutil.which("tshark")
LATER = {"name": "later", "transport": "quic-stream:control=cubic", "source": "greedy", "start": "1500ms"}
BACK = {"name": "back", "transport": "webtransport-datagram", "from": "x", "to": "sender", "start": "700ms"}
LABELS = ["SERVER_HANDSHAKE_TRAFFIC_SECRET", "CLIENT_HANDSHAKE_TRAFFIC_SECRET"]
LABELS += ["SERVER_TRAFFIC_SECRET_0", "CLIENT_TRAFFIC_SECRET_0"]

Read = Callable[[bytes], Any]


def scenario(arm: str = "quic-datagram") -> Scenario:
    network = {"rate": "4Mbit/s", "queue": "40kB", "delay": "10ms", "far": {"delay": "15ms"}}
    video = {"source": "lognormal", "bitrate": "1Mbit/s"}
    flows = [LATER, {**BACK, "over": ["far", "network"]}]
    fields = {"name": "flows", "seed": 3, "duration": "2s", "arms": [arm], "video": video, "network": network}
    return build({**fields, "flow": flows})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    done = run(scenario(), results=tmp_path_factory.mktemp("results"), workers=1, capture=True)
    (folder,) = (done.path / "captures").iterdir()
    return folder


def test_each_flow_has_its_files_links_and_keys(folder: Path, read_capture: Read) -> None:
    names = [f"{flow}{end}.sqlog" for flow in ("", "later-", "back-") for end in ("sender", "receiver")]
    assert sorted(path.name for path in folder.iterdir()) == sorted(["link.pcapng", "tls-keys.log", *names])
    capture = read_capture((folder / "link.pcapng").read_bytes())
    links = [f"{link}, {seen}" for link in ("down", "up", "far down", "far up") for seen in ("sent", "delivered")]
    assert capture.interfaces == links
    assert len(capture.secrets) == 12 and capture.secrets_before == 0
    assert capture.secrets == (folder / "tls-keys.log").read_text().splitlines()
    assert len({packet.packet_id for packet in capture.at("down, sent")}) == len(capture.at("down, sent"))
    hosts = {packet.source[0] for packet in capture.packets}
    assert hosts == {f"192.0.2.{number}" for number in range(1, 7)}


@pytest.mark.skipif(TSHARK is None, reason="needs tshark: apt-get install -y tshark")
def test_wireshark_decrypts_every_packet_of_every_flow(folder: Path, tmp_path: Path) -> None:
    assert TSHARK is not None
    fields = ["ip.src", "frame.protocols", "quic.frame_type", "quic.decryption_failed", "_ws.expert.message"]
    command = [TSHARK, "-n", "-r", str(folder / "link.pcapng"), "-T", "fields", *[f"-e{name}" for name in fields]]
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin:/usr/local/bin", "LC_ALL": "C.UTF-8"}
    ended = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    packets = [dict(zip(fields, line.split("\t"), strict=True)) for line in ended.stdout.splitlines()]
    assert {packet["ip.src"] for packet in packets} == {f"192.0.2.{number}" for number in range(1, 7)}
    for packet in packets:
        assert "quic" in packet["frame.protocols"].split(":"), packet
        assert packet["quic.frame_type"] and not packet["quic.decryption_failed"], packet
        assert "ecrypt" not in packet["_ws.expert.message"], packet


def test_the_same_scenario_gives_the_same_capture(folder: Path, tmp_path: Path) -> None:
    done = run(scenario(), results=tmp_path, workers=1, capture=True)
    (again,) = (done.path / "captures").iterdir()
    for path in folder.iterdir():
        assert (again / path.name).read_bytes() == path.read_bytes(), path.name


@pytest.mark.parametrize("packets", [10, 1100])
@pytest.mark.parametrize("flows", [1, 2, 21])
def test_keys_that_come_late_go_ahead_of_all_packets(
    tmp_path: Path, packets: int, flows: int, read_capture: Read
) -> None:
    capture = ArmCapture(tmp_path, "test")
    down = capture.link("down")
    observers = [capture.observer("sender", f"flow{number}") for number in range(flows)]
    keys = [[f"{label} {number:064x} {0:096x}" for label in LABELS] for number in range(flows)]
    for number, (observer, lines) in enumerate(zip(observers, keys, strict=True)):
        for count in range(packets):
            packet = Packet(b"x", ("10.0.0.1", 1), ("10.0.0.2", 2), 0, 29, count, 0.0, 0.0, number)
            down.sent([packet], now=1000.0)
        observer.on_keys("".join(f"{line}\n" for line in lines))
    capture.close()
    read = read_capture((tmp_path / "link.pcapng").read_bytes())
    assert len(read.packets) == packets * flows
    assert read.secrets == [line for lines in keys for line in lines]
    assert read.secrets_before == (packets if flows == 1 and packets > 1024 else 0)
    assert (tmp_path / "link.pcapng").stat().st_size < 200 + packets * flows * 100 + flows * 1024


def test_flows_without_keys_have_empty_room(tmp_path: Path, read_capture: Read) -> None:
    capture = ArmCapture(tmp_path, "test")
    for flow in ("media", "other"):
        capture.observer("sender", flow)
    capture.close()
    assert read_capture((tmp_path / "link.pcapng").read_bytes()).secrets == []
