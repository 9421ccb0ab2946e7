"""What the tests of captures share: a run of every arm with captures, and a pcapng reader that is not the writer."""

import json
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from glassbench import run
from glassbench.experiments.results.dataset import load
from glassbench.experiments.results.run import Run
from glassbench.experiments.scenario import Scenario, build
from glassbench.transport.registry import TRANSPORTS

ARMS = [*TRANSPORTS, "quic-stream:stack=stock,control=reno"]
PLAIN = {"udp", "rtp", "srt", "quic-datagram", "webtransport-stream-per-frame"}  # one of each kind of packet
OTHERS = [arm for arm in ARMS if arm not in PLAIN]
PARAMS = [pytest.param(arm, marks=[] if arm in PLAIN else [pytest.mark.long]) for arm in ARMS]


@dataclass(frozen=True)
class Seen:
    """A packet of a capture: where and when it was seen, its headers, and its UDP payload."""

    interface: str
    nanoseconds: int
    packet_id: int
    comment: str
    source: tuple[str, int]
    destination: tuple[str, int]
    ecn: int
    identification: int
    payload: bytes
    ip_bytes: int


@dataclass(frozen=True)
class Capture:
    """What a pcapng file holds."""

    comment: str
    application: str
    interfaces: list[str]
    packets: list[Seen]
    secrets: list[str]
    secrets_before: int  # packets that stand ahead of the first secrets

    def at(self, interface: str) -> list[Seen]:
        """The packets of one interface."""
        return [packet for packet in self.packets if packet.interface == interface]


def parse_pcapng(content: bytes) -> Capture:
    """Read a whole pcapng file by the draft; any oddity is an AssertionError."""
    comment = application = ""
    interfaces: list[str] = []
    packets: list[Seen] = []
    secrets: list[str] = []
    before = 0
    for kind, body in _blocks(content):
        if kind == 0x0A0D0D0A:
            assert struct.unpack_from("<IHHq", body) == (0x1A2B3C4D, 1, 0, -1)
            options = _options(body[16:])
            comment, application = options[1].decode(), options[4].decode()
        elif kind == 1:
            assert struct.unpack_from("<HHI", body) == (228, 0, 0)
            options = _options(body[8:])
            assert options[9] == b"\x09"
            interfaces.append(options[2].decode())
        elif kind == 6:
            packets.append(_packet(body, interfaces))
        elif kind == 10:
            tls, length = struct.unpack_from("<II", body)
            assert tls == 0x544C534B
            before = before if secrets else len(packets)
            secrets += [line for line in body[8 : 8 + length].decode().splitlines() if line]  # the others are room
        else:
            raise AssertionError(f"block of type {kind:#x}")
    return Capture(comment, application, interfaces, packets, secrets, before)


def _blocks(content: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(content):
        kind, length = struct.unpack_from("<II", content, at)
        assert length % 4 == 0 and at + length <= len(content)
        assert struct.unpack_from("<I", content, at + length - 4) == (length,)
        yield kind, content[at + 8 : at + length - 4]
        at += length


def _options(content: bytes) -> dict[int, bytes]:
    options, at = {}, 0
    while True:
        code, length = struct.unpack_from("<HH", content, at)
        if not code:
            assert (length, at + 4) == (0, len(content))
            return options
        options[code] = content[at + 4 : at + 4 + length]
        at += 4 + length + -length % 4


def _packet(body: bytes, interfaces: list[str]) -> Seen:
    interface, high, low, captured, original = struct.unpack_from("<IIIII", body)
    assert captured == original
    ip = body[20 : 20 + captured]
    options = _options(body[20 + captured + -captured % 4 :])
    version, tos, length, identification, flags, ttl, protocol, _ = struct.unpack_from("!BBHHHBBH", ip)
    assert (version, length, flags, protocol) == (0x45, captured, 0x4000, 17) and ttl
    assert ones_complement_sum(ip[:20]) == 0xFFFF
    source_port, destination_port, udp_length, checksum = struct.unpack_from("!HHHH", ip, 20)
    assert udp_length == captured - 20 and checksum != 0
    assert ones_complement_sum(ip[12:20] + struct.pack("!HH", 17, udp_length) + ip[20:]) == 0xFFFF
    return Seen(
        interfaces[interface],
        high << 32 | low,
        struct.unpack("<Q", options[5])[0],
        options.get(1, b"").decode(),
        (".".join(map(str, ip[12:16])), source_port),
        (".".join(map(str, ip[16:20])), destination_port),
        tos,
        identification,
        ip[28:],
        captured,
    )


def ones_complement_sum(data: bytes) -> int:
    """As RFC 1071 adds: word by word, with the carries brought around."""
    even = data + b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(even) // 2}H", even))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def parse_qlog(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The head and the events of a JSON text sequence (RFC 7464)."""
    start, *records = path.read_text(encoding="utf-8").split("\x1e")
    assert start == "" and all(record.endswith("\n") for record in records)
    head, *events = map(json.loads, records)
    return head, events


@pytest.fixture(scope="session")
def read_capture() -> Callable[[bytes], Capture]:
    """A whole file, block by block; any oddity fails the test."""
    return parse_pcapng


@pytest.fixture(scope="session")
def read_qlog() -> Callable[[Path], tuple[dict[str, Any], list[dict[str, Any]]]]:
    """The head and the events."""
    return parse_qlog


@pytest.fixture(params=PARAMS)
def arm(request: pytest.FixtureRequest) -> str:
    """Each arm."""
    return str(request.param)


@pytest.fixture(params=[param for param in PARAMS if str(param.values[0]).startswith(("quic", "webtransport"))])
def quic_arm(request: pytest.FixtureRequest) -> str:
    """Each arm over QUIC."""
    return str(request.param)


def scenario_of(arms: list[str]) -> Scenario:
    """A lossy path with a queue, with real H.264 so that dissectors find what they expect."""
    return build(
        {
            "name": "test",
            "seed": 3,
            "duration": "2s",
            "arms": arms,
            "video": {"source": "bikes", "bitrate": "1500kbit/s", "keyframe_interval": 30, "deadline": "600ms"},
            "chat": {"interval": "30ms"},
            "network": {"trace": "lte-driving", "queue": "60kB", "loss": "4%", "loss_duration": "10ms"},
        }
    )


@pytest.fixture(scope="session")
def scenario() -> Scenario:
    """The plain arms."""
    return scenario_of(sorted(PLAIN))


@pytest.fixture(scope="session")
def run_of(made_once: Callable[..., Path]) -> Callable[[str], Run]:
    """The run with captures that has an arm, made in worker processes: one of the plain arms, and one of the others."""

    def run_with(arm: str) -> Run:
        name, arms = ("captured", sorted(PLAIN)) if arm in PLAIN else ("captured others", OTHERS)
        folder = made_once(name, lambda results: run(scenario_of(arms), results=results, workers=2, capture=True))
        return load(folder / "test-seed3").run()

    return run_with


@pytest.fixture(scope="session")
def captured(run_of: Callable[[str], Run]) -> Run:
    """The run of the plain arms."""
    return run_of("udp")


@pytest.fixture(scope="session")
def folder_of(run_of: Callable[[str], Run]) -> Callable[[str], Path]:
    """The folder with the captures of an arm."""

    def folder_with(arm: str) -> Path:
        of = run_of(arm)
        names = [entry["arm"] for entry in of.records]
        return dict(zip(names, sorted((of.path / "captures").iterdir()), strict=True))[arm]

    return folder_with
