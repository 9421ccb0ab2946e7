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

NOT_SENT = 'frame.interface_name contains "not sent"'


@pytest.fixture
def fields(folder_of: FolderOf, tmp_path: Path) -> Callable[..., list[list[str]]]:
    """Fields of the packets of an arm that a display filter leaves."""
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin:/usr/local/bin", "LC_ALL": "C.UTF-8"}

    def read(arm: str, what: str, *names: str) -> list[list[str]]:
        assert TSHARK is not None
        command = [TSHARK, "-n", "-r", str(folder_of(arm) / "link.pcapng"), "-Y", what, "-T", "fields"]
        for name in names:
            command += ["-e", name]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return [line.split("\t") for line in ended.stdout.splitlines()]

    return read


Fields = Callable[..., list[list[str]]]


def test_every_packet_is_recognised(fields: Fields, arm: str) -> None:
    protocol = {"udp": "data", "rtp": "rtp || rtcp", "srt": "srt"}.get(arm, "quic")
    every = fields(arm, f"!({NOT_SENT})", "frame.number")
    assert len(every) > 300
    assert fields(arm, f"({protocol}) && !({NOT_SENT})", "frame.number") == every


def test_headers_are_in_order(fields: Fields, arm: str) -> None:
    assert fields(arm, "_ws.malformed || _ws.expert.severity == error", "frame.number", "_ws.expert.message") == []


def test_quic_is_decrypted(fields: Fields, quic_arm: str) -> None:
    packets = len(fields(quic_arm, "quic", "frame.number"))
    assert len(fields(quic_arm, "quic.frame_type", "frame.number")) == packets
    assert fields(quic_arm, "quic.decryption_failed", "frame.number") == []


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


@pytest.mark.parametrize("arm", ["webtransport-datagram", "webtransport-stream-per-frame"])
def test_http3_is_under_webtransport(fields: Fields, arm: str) -> None:
    assert fields(arm, "http3.settings", "frame.number")
    assert fields(arm, "http3.frame_type == 1", "frame.number")  # HEADERS: the extended CONNECT


def test_rtp_has_its_payload_types_and_video(fields: Fields) -> None:
    assert {row[0] for row in fields("rtp", "rtp", "rtp.p_type")} == {"96", "97", "98", "99"}
    assert len(fields("rtp", "h264", "frame.number")) > 200
    assert len({row[0] for row in fields("rtp", "rtp.p_type == 96", "rtp.ssrc")}) == 1


def test_rtcp_has_reports_and_feedback(fields: Fields) -> None:
    types = Counter(kind for (row,) in fields("rtp", "rtcp", "rtcp.pt") for kind in row.split(","))
    sender_report, receiver_report, description, transport_feedback, extended_report = "200", "201", "202", "205", "207"
    for kind in (sender_report, receiver_report, description, transport_feedback, extended_report):
        assert types[kind] > 0, kind


def test_srt_has_handshake_control_and_data(fields: Fields) -> None:
    handshakes = fields("srt", f"srt.hs.version && !({NOT_SENT})", "srt.hs.version")
    assert {row[0].split(",")[0] for row in handshakes} == {"4", "5"}
    assert fields("srt", "srt.hs.agent_latency", "srt.hs.agent_latency")
    kinds = {int(row[0], 0) for row in fields("srt", f"srt.type && !({NOT_SENT})", "srt.type")}
    handshake, ack, nak, ackack = 0, 2, 3, 6
    assert kinds >= {handshake, ack, nak, ackack}
    assert len(fields("srt", "srt.iscontrol == 0", "frame.number")) > 300


def test_loss_and_the_way_through_the_queue_can_be_seen(fields: Fields, arm: str) -> None:
    rows = fields(arm, f"!({NOT_SENT})", "frame.interface_name", "frame.packet_id", "frame.time_epoch", "ip.id")
    sent, delivered = (
        {row[1]: float(row[2]) for row in rows if row[0] == f"down, {what}"} for what in ("sent", "delivered")
    )
    assert sent.keys() > delivered.keys()
    delays = [at - sent[number] for number, at in delivered.items()]
    assert 0 < min(delays) < max(delays) < 5
    assert min(sent.values()) >= 1000


def test_checksums_are_right_to_wireshark(folder_of: FolderOf, arm: str, tmp_path: Path) -> None:
    assert TSHARK is not None
    command = [TSHARK, "-n", "-r", str(folder_of(arm) / "link.pcapng"), "-o", "ip.check_checksum:TRUE"]
    command += [
        "-o",
        "udp.check_checksum:TRUE",
        "-T",
        "fields",
        "-e",
        "ip.checksum.status",
        "-e",
        "udp.checksum.status",
    ]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, env={"HOME": str(tmp_path)})
    good = "1"
    assert set(ended.stdout.split("\n")) == {f"{good}\t{good}", ""}
