"""Captures of whole arms: they change no result, repeat byte by byte, and agree with what was measured."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from glassbench import load, run
from glassbench.experiments.results.captures import ArmCapture
from glassbench.experiments.results.run import Run
from glassbench.experiments.scenario import Scenario, build
from glassbench.netem.packet import Packet

FolderOf = Callable[[str], Path]
Read = Callable[[bytes], Any]

MEDIA_AT = 1002.0


def test_results_are_the_same_bytes_with_and_without(captured: Run, scenario: Scenario, tmp_path: Path) -> None:
    plain = run(scenario, results=tmp_path, workers=1).run()
    assert not (plain.path / "captures").exists()
    for name in ("ledger.parquet", "links.parquet", "summary.parquet"):
        assert (plain.path / name).read_bytes() == (captured.path / name).read_bytes(), name


def test_a_capture_repeats_byte_by_byte_in_another_process(captured: Run, scenario: Scenario, tmp_path: Path) -> None:
    """It does so with the keys of QUIC."""
    again = run(scenario, results=tmp_path, workers=1, capture=True).run()
    first, second = (
        {path.relative_to(folder): path.read_bytes() for path in sorted((folder / "captures").rglob("*.*"))}
        for folder in (captured.path, again.path)
    )
    assert first.keys() == second.keys()
    assert [path for path in first if first[path] != second[path]] == []


def test_another_seed_gives_other_keys(
    folder_of: FolderOf, scenario: Scenario, tmp_path: Path, read_capture: Read
) -> None:
    other = build({**scenario.dump(), "seed": 4, "arms": ["quic-datagram"], "duration": "100ms"})
    path = run(other, results=tmp_path, workers=1, capture=True).path / "captures" / "00-quic-datagram" / "link.pcapng"
    ours = read_capture((folder_of("quic-datagram") / "link.pcapng").read_bytes())
    assert not set(ours.secrets) & set(read_capture(path.read_bytes()).secrets)


def test_the_packets_are_those_that_were_counted(
    run_of: Callable[[str], Run], folder_of: FolderOf, arm: str, read_capture: Read
) -> None:
    captured = run_of(arm)
    capture = read_capture((folder_of(arm) / "link.pcapng").read_bytes())
    links = captured.links[captured.links["arm"] == arm]
    for direction in ("down", "up"):
        rows = links[links["direction"] == direction]
        for what in ("sent", "delivered"):
            seen = sum(packet.ip_bytes for packet in capture.at(f"{direction}, {what}"))
            assert seen == rows[f"{what}_bytes"].sum()
    applied = next(entry for entry in captured.records if entry["arm"] == arm)["impairments"]["down"]["path"]
    missing = len(capture.at("down, sent")) - len(capture.at("down, delivered"))
    assert missing == applied["lost"] + applied["dropped"] + applied["inside"] > 0


def test_what_is_delivered_was_sent_before(folder_of: FolderOf, arm: str, read_capture: Read) -> None:
    capture = read_capture((folder_of(arm) / "link.pcapng").read_bytes())
    assert capture.comment.startswith(f"{arm}, seed 3;")
    times = [packet.nanoseconds for packet in capture.packets]
    assert times == sorted(times) and times[0] >= 1000 * 10**9
    for direction in ("down", "up"):
        sent = {packet.packet_id: packet for packet in capture.at(f"{direction}, sent")}
        assert len(sent) == len(capture.at(f"{direction}, sent"))
        delivered = capture.at(f"{direction}, delivered")
        assert max(Counter(packet.packet_id for packet in delivered).values()) == 1
        for packet in delivered:
            origin = sent[packet.packet_id]
            assert (packet.payload, packet.identification) == (origin.payload, origin.identification)
            assert packet.nanoseconds > origin.nanoseconds


def test_captures_and_ledger_have_one_clock(
    run_of: Callable[[str], Run], folder_of: FolderOf, arm: str, read_capture: Read
) -> None:
    """The capture has a packet at the instant at which the first frame left."""
    ledger = run_of(arm).ledger
    first_sent_at = ledger[(ledger["arm"] == arm) & (ledger["track"] == 0)]["first_sent_at"].min()
    capture = read_capture((folder_of(arm) / "link.pcapng").read_bytes())
    nearest = min(abs(packet.nanoseconds / 1e9 - MEDIA_AT - first_sent_at) for packet in capture.at("down, sent"))
    assert nearest < 1e-6


def test_only_quic_has_secrets_and_qlogs_and_they_stand_first(
    folder_of: FolderOf, arm: str, read_capture: Read
) -> None:
    names = sorted(path.name for path in folder_of(arm).iterdir())
    capture = read_capture((folder_of(arm) / "link.pcapng").read_bytes())
    if arm.startswith(("quic", "webtransport")):
        assert names == ["link.pcapng", "receiver.sqlog", "sender.sqlog", "tls-keys.log"]
        assert len({line.split()[0] for line in capture.secrets}) == len(capture.secrets) == 4
        assert capture.secrets_before == 0
    else:
        assert names == ["link.pcapng"]
        assert capture.secrets == []


def test_hints_are_no_packets_of_the_link(folder_of: FolderOf, arm: str, read_capture: Read) -> None:
    capture = read_capture((folder_of(arm) / "link.pcapng").read_bytes())
    real = ["down, sent", "down, delivered", "up, sent", "up, delivered"]
    assert capture.interfaces[:4] == real
    hints = [packet for packet in capture.packets if packet.interface not in real]
    assert len(hints) == (arm in ("rtp", "srt"))
    assert all(packet.comment.startswith("Not sent") for packet in hints)
    assert not any(packet.comment for packet in capture.packets if packet.interface in real)


def test_an_unsupported_arm_leaves_nothing(scenario: Scenario, tmp_path: Path) -> None:
    content = scenario.dump()
    plan = build({**content, "arms": ["rtp:slices=2", "udp"], "video": {**content["video"], "codec": "hevc"}})
    done = run(plan, results=tmp_path, workers=1, capture=True).run()
    assert [entry["outcome"] for entry in done.records] == ["unsupported", "measured"]
    assert [path.name for path in (done.path / "captures").iterdir()] == ["01-udp"]


def test_opening_and_reporting_a_run_leaves_captures_alone(captured: Run) -> None:
    assert load(captured.path).complete
    assert sorted(path.name for path in captured.path.iterdir() if path.is_dir()) == ["captures"]


def test_packets_do_not_gather_in_memory(tmp_path: Path) -> None:
    capture = ArmCapture(tmp_path, "test")
    file, down = tmp_path / "link.pcapng", capture.link("down")
    for number in range(3000):
        packet = Packet(bytes(1000), ("10.0.0.1", 1), ("10.0.0.2", 2), 0, 1028, number, 0.0, 0.0)
        down.sent([packet], now=1000.0 + number)
        if number > 1100:  # the first ones wait for keys
            assert file.stat().st_size > number * 1028 - 2**17
    capture.close()
    assert file.stat().st_size > 3000 * 1028


KEYS = [
    "CLIENT_EARLY_TRAFFIC_SECRET 00 05",
    "SERVER_HANDSHAKE_TRAFFIC_SECRET 00 01",
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET 00 02",
    "SERVER_TRAFFIC_SECRET_0 00 03",
    "CLIENT_TRAFFIC_SECRET_0 00 04",
]


@pytest.mark.parametrize("packets", [0, 10, 1100])
@pytest.mark.parametrize("keys", [KEYS, KEYS[1:], KEYS[1:2], []])
def test_secrets_stand_ahead_of_the_first_packets(
    tmp_path: Path, packets: int, keys: list[str], read_capture: Read
) -> None:
    """The first packets are those of a handshake: after a thousand packets the handshake is over."""
    capture = ArmCapture(tmp_path, "test")
    packet = Packet(b"x", ("10.0.0.1", 1), ("10.0.0.2", 2), 0, 29, 0, 0.0, 0.0)
    up = capture.link("up")
    for _ in range(packets):
        up.sent([packet], now=1000.0)
    for line in [*keys, *keys]:
        capture.observer("sender", "media").on_keys(f"{line}\n")
    up.sent([packet], now=1001.0)
    capture.close()
    read = read_capture((tmp_path / "link.pcapng").read_bytes())
    assert len(read.packets) == packets + 1
    assert read.secrets == keys
    assert read.secrets_before == (packets if packets > 1024 and keys else 0)
