"""Transport-wide feedback as Wireshark reads it: sequence numbers in the packets, and reports on them."""

import shutil
import subprocess
from pathlib import Path

import pytest

from glassbench import run
from glassbench.experiments.scenario import build

TSHARK = shutil.which("tshark")
FIELDS = {
    "base": "rtcp.rtpfb.transportcc.baseseq",
    "count": "rtcp.rtpfb.transportcc.statuscount",
    "reports": "rtcp.rtpfb.transportcc.pktcount",
    "deltas": "rtcp.rtpfb.transportcc.recv_delta",
    "bad": "rtcp.rtpfb.transportcc_bad",
    "sequence": "rtp.ext.rfc5285.data",
    "ids": "rtp.ext.rfc5285.id",
    "interface": "frame.interface_name",
    "malformed": "_ws.malformed",
    "severity": "_ws.expert.severity",
}


@pytest.mark.skipif(TSHARK is None, reason="needs tshark: apt-get install -y tshark")
def test_wireshark_reads_every_sequence_number_and_every_report(tmp_path: Path) -> None:
    assert TSHARK is not None
    scenario = build(
        {
            "name": "twcc",
            "seed": 3,
            "duration": "1s",
            "arms": ["rtp:control=gcc,feedback=twcc"],
            "video": {"source": "lognormal", "bitrate": "1Mbit/s"},
            "network": {"rate": "4Mbit/s", "queue": "40kB", "delay": "10ms", "loss": "10%"},
        }
    )
    done = run(scenario, results=tmp_path, workers=1, capture=True)
    (folder,) = (done.path / "captures").iterdir()
    command = [TSHARK, "-n", "-r", str(folder / "link.pcapng"), "-T", "fields"]
    command += [f"-e{name}" for name in FIELDS.values()]
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin:/usr/local/bin", "LC_ALL": "C.UTF-8"}
    ended = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    packets = [dict(zip(FIELDS, line.split("\t"), strict=True)) for line in ended.stdout.splitlines()]
    media = [packet for packet in packets if packet["interface"] == "down, sent" and packet["sequence"]]
    numbers = [int(packet["sequence"].split(",")[-1].replace(":", ""), 16) for packet in media]
    assert {packet["ids"] for packet in media} == {"1,2,3", "3"}
    assert numbers == list(range(len(media))) and len(media) > 50
    reports = [packet for packet in packets if packet["interface"] == "up, sent" and packet["base"]]
    assert [int(report["reports"]) for report in reports] == list(range(len(reports)))
    told = {int(report["base"]) + place for report in reports for place in range(int(report["count"]))}
    assert told == set(range(max(told) + 1)) and max(told) > 0.9 * len(media)
    assert all(report["deltas"] and not report["bad"] and not report["malformed"] for report in reports)
    error = "8388608"
    assert not any(error in report["severity"].split(",") for report in reports)
