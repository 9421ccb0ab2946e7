"""Captures as Wireshark sees them, without any setting of the user."""

import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

FolderOf = Callable[[str], Path]
TSHARK = shutil.which("tshark")

pytestmark = pytest.mark.skipif(TSHARK is None, reason="needs tshark: apt-get install -y tshark")


# What the tests look at. A field that a packet has not is empty; one that it has several times is a list with commas.
FIELDS = [
    *("frame.number", "frame.interface_name", "frame.packet_id", "frame.time_epoch", "frame.protocols", "ip.id"),
    *("ip.checksum.status", "udp.checksum.status", "_ws.malformed", "_ws.expert.severity", "_ws.expert.message"),
    *("quic.frame_type", "quic.decryption_failed", "http3.settings", "http3.frame_type"),
    *("rtp.p_type", "rtp.ssrc", "rtcp.pt"),
    *("srt.hs.version", "srt.hs.agent_latency", "srt.type", "srt.iscontrol"),
]
CHECKSUMS = ["-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"]  # which Wireshark leaves out by default

Packet = dict[str, str]
Packets = Callable[[str], list[Packet]]


@pytest.fixture
def packets(folder_of: FolderOf, made_once: Callable[..., Path], tmp_path: Path) -> Packets:
    """The packets of an arm as Wireshark reads them, once for all tests."""

    def dissect(arm: str, target: Path) -> None:
        assert TSHARK is not None
        environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin:/usr/local/bin", "LC_ALL": "C.UTF-8"}
        command = [TSHARK, "-n", "-r", str(folder_of(arm) / "link.pcapng"), *CHECKSUMS, "-T", "fields"]
        for name in FIELDS:
            command += ["-e", name]
        target.mkdir()
        with (target / "fields").open("w") as out:
            subprocess.run(command, env=environment, stdout=out, check=True)

    def read(arm: str) -> list[Packet]:
        folder = made_once(f"fields of {arm}", lambda target: dissect(arm, target))
        lines = (folder / "fields").read_text(encoding="utf-8").splitlines()
        return [dict(zip(FIELDS, line.split("\t"), strict=True)) for line in lines]

    return read


def sent_by_an_end(packets: list[Packet]) -> list[Packet]:
    return [packet for packet in packets if "not sent" not in packet["frame.interface_name"]]


def test_every_packet_is_recognised(packets: Packets, arm: str) -> None:
    accepted = {"udp": {"data"}, "rtp": {"rtp", "rtcp"}, "srt": {"srt"}}.get(arm, {"quic"})
    sent = sent_by_an_end(packets(arm))
    assert len(sent) > 300
    assert all(accepted & set(packet["frame.protocols"].split(":")) for packet in sent)


def test_headers_are_in_order(packets: Packets, arm: str) -> None:
    """Of an error Wireshark says so: its severity is 8388608."""
    for packet in packets(arm):
        assert not packet["_ws.malformed"], packet
        assert "8388608" not in packet["_ws.expert.severity"].split(","), packet


def test_quic_is_decrypted(packets: Packets, quic_arm: str) -> None:
    of_quic = [packet for packet in packets(quic_arm) if "quic" in packet["frame.protocols"].split(":")]
    assert of_quic
    assert all(packet["quic.frame_type"] and not packet["quic.decryption_failed"] for packet in of_quic)


def test_keys_beside_decrypt_a_capture_without_keys(folder_of: FolderOf, quic_arm: str, tmp_path: Path) -> None:
    assert TSHARK is not None
    editcap = shutil.which("editcap")
    if editcap is None:
        pytest.skip("needs editcap: apt-get install -y wireshark-common")
    bare = tmp_path / "bare.pcapng"
    subprocess.run([editcap, "--discard-all-secrets", folder_of(quic_arm) / "link.pcapng", bare], check=True)

    def decrypted(*options: str) -> int:
        command = [TSHARK, "-n", *options, "-r", str(bare), "-Y", "quic.frame_type == 2", "-T", "fields", "-e", "ip.id"]
        ended = subprocess.run(command, capture_output=True, text=True, check=True, env={"HOME": str(tmp_path)})
        return len(ended.stdout.splitlines())

    assert decrypted("-o", f"tls.keylog_file:{folder_of(quic_arm) / 'tls-keys.log'}") > decrypted() + 50


@pytest.mark.parametrize(
    "arm", [pytest.param("webtransport-datagram", marks=pytest.mark.long), "webtransport-stream-per-frame"]
)
def test_http3_is_under_webtransport(packets: Packets, arm: str) -> None:
    of_arm = packets(arm)
    assert any(packet["http3.settings"] for packet in of_arm)
    headers = "1"
    assert any(headers in packet["http3.frame_type"].split(",") for packet in of_arm)  # the extended CONNECT


def test_rtp_has_its_payload_types_and_video(packets: Packets) -> None:
    of_rtp = [packet for packet in packets("rtp") if packet["rtp.p_type"]]
    assert {packet["rtp.p_type"] for packet in of_rtp} == {"96", "97", "98", "99"}
    assert sum("h264" in packet["frame.protocols"].split(":") for packet in of_rtp) > 200
    assert len({packet["rtp.ssrc"] for packet in of_rtp if packet["rtp.p_type"] == "96"}) == 1


def test_rtcp_has_reports_and_feedback(packets: Packets) -> None:
    types = Counter(kind for packet in packets("rtp") for kind in packet["rtcp.pt"].split(","))
    sender_report, receiver_report, description, transport_feedback, extended_report = "200", "201", "202", "205", "207"
    for kind in (sender_report, receiver_report, description, transport_feedback, extended_report):
        assert types[kind] > 0, kind


def test_srt_has_handshake_control_and_data(packets: Packets) -> None:
    sent = sent_by_an_end(packets("srt"))
    assert {packet["srt.hs.version"].split(",")[0] for packet in sent} == {"", "4", "5"}
    assert any(packet["srt.hs.agent_latency"] for packet in sent)
    kinds = {int(packet["srt.type"], 0) for packet in sent if packet["srt.type"]}
    handshake, ack, nak, ackack = 0, 2, 3, 6
    assert kinds >= {handshake, ack, nak, ackack}
    assert sum(packet["srt.iscontrol"] in ("0", "False") for packet in sent) > 300


def test_loss_and_the_way_through_the_queue_can_be_seen(packets: Packets, arm: str) -> None:
    sent, delivered = (
        {
            packet["frame.packet_id"]: float(packet["frame.time_epoch"])
            for packet in packets(arm)
            if packet["frame.interface_name"] == f"down, {what}"
        }
        for what in ("sent", "delivered")
    )
    assert sent.keys() > delivered.keys()
    delays = [at - sent[number] for number, at in delivered.items()]
    assert 0 < min(delays) < max(delays) < 5
    assert min(sent.values()) >= 1000


def test_checksums_are_right_to_wireshark(packets: Packets, arm: str) -> None:
    good = "1"
    assert {(packet["ip.checksum.status"], packet["udp.checksum.status"]) for packet in packets(arm)} == {(good, good)}
