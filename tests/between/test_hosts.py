"""`glass receive` and `glass send` as processes, over loopback and behind emulated links."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from glassbench import load, run
from glassbench.experiments.results.report.page import page
from glassbench.experiments.results.report.report import report_of
from glassbench.experiments.scenario import build, shipped
from glassbench.experiments.scenario.session_time import MEDIA_START
from glassbench.experiments.worlds.hosts.control import ControlError
from glassbench.experiments.worlds.remote import Remote
from glassbench.experiments.worlds.table import OtherHost
from glassbench.netem.live.lab import Lab
from glassbench.netem.live.lab_plan import lan
from glassbench.netem.live.namespaces import NamespacesRefused

ROOT = Path(__file__).parents[2]
GLASS = [sys.executable, "-c", "import sys; from glassbench.experiments.cli.main import main; sys.exit(main())"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "src")}


@pytest.mark.quiet
def test_arms_are_measured_one_after_the_other_with_a_bound_of_the_clocks(receiver: Any, send: Any) -> None:
    done = send(receiver.port, receiver.key, "--arm", "udp", "--arm", "quic-datagram", "--duration", "1s")
    assert done.code == 0, done.err
    assert "clocks of both hosts: aligned to" in done.out
    (folder,) = Path("results").iterdir()
    run = load(folder).run()
    assert run.manifest["world"] == "real time, between hosts"
    assert receiver.key not in (folder / "manifest.json").read_text()
    for arm in run.records:
        assert arm["outcome"] == "measured"
        between, connection = arm["stats"]["between"], arm["stats"]["connection"]
        assert all(-2 < connection[end]["connected_at"] < 0 for end in ("sender", "receiver"))
        assert not [note for note in arm["notes"] if "shown" in note or "closed" in note]
        assert 0 < between["clock_bound_ms"] < 5  # one clock on both sides, and a machine that others use
        frames = run.ledger[(run.ledger["arm"] == arm["arm"]) & (run.ledger["track"] == 0)]
        assert len(frames) == 30
        shown = frames[frames["fate"] == "displayed"]
        assert len(shown) > 15
        assert (shown["first_arrival_at"] >= shown["first_sent_at"] - 1e-9).all()
    down = run.links[(run.links["direction"] == "down") & (run.links["arm"] == "udp")]
    assert down["sent_bytes"].sum() > 30 * 1000
    assert down["delivered_bytes"].sum() <= down["sent_bytes"].sum()
    assert "receiving udp" in receiver.log() and "received quic-datagram" in receiver.log()
    assert receiver.end() == 0


def test_an_arm_that_shows_nothing_keeps_and_says_why(receiver: Any, send: Any) -> None:
    """SRT holds each frame for longer than the deadline of 1 s allows."""
    done = send(receiver.port, receiver.key, "--arm", "srt:latency_ms=1500", "--duration", "1s")
    assert done.code == 0, done.err
    said = r"none of 30 frames was shown: \d+ arrived after the deadline of 1 s"
    assert re.search(f"note: {said}", " ".join(done.out.split()))
    (folder,) = Path("results").iterdir()
    run = load(folder).run()
    (arm,) = run.records
    assert arm["outcome"] == "measured"
    assert arm["stats"]["connection"]["sender"]["connected_at"] < 0
    assert [note for note in arm["notes"] if re.match(said, note)]
    assert not [note for note in arm["notes"] if "INVALID" in note or "nan" in note]
    assert re.search(said, page(report_of(run.dataset)))


def test_a_capture_has_every_packet_that_the_sender_saw_and_tshark_reads_it(receiver: Any, send: Any) -> None:
    if shutil.which("tshark") is None:
        pytest.skip("no tshark here: apt install tshark")
    arms = ("--arm", "rtp", "--arm", "quic-datagram")
    done = send(receiver.port, receiver.key, *arms, "--duration", "1s", "--capture")
    assert done.code == 0, done.err
    (folder,) = Path("results").iterdir()
    run = load(folder).run()
    files = {path.name: {file.name for file in path.iterdir()} for path in (folder / "captures").iterdir()}
    quic = {"link.pcapng", "tls-keys.log", "sender.sqlog"}
    assert files == {"00-rtp": {"link.pcapng"}, "01-quic-datagram": quic}
    for place, protocols in (("00-rtp", {"RTP", "RTCP", "H.264"}), ("01-quic-datagram", {"QUIC", "TLSv1.3"})):
        rows = dissect(folder / "captures" / place / "link.pcapng")
        links = run.links[run.links["arm"] == place.split("-", 1)[1]].groupby("direction")
        for seen, way, column in (("down, sent", "down", "sent_bytes"), ("up, delivered", "up", "delivered_bytes")):
            there = [row for row in rows if row["frame.interface_name"] == seen]
            sizes = [int(row["ip.len"]) for row in there if float(row["frame.time_epoch"]) >= MEDIA_START]
            assert sum(sizes) == links[column].sum()[way] > 0
        passed = [row for row in rows if not row["frame.interface_name"].startswith("not sent")]
        assert {row["_ws.col.Protocol"] for row in passed} <= protocols
        assert {(row["ip.src"], row["ip.dst"]) for row in passed} == {("127.0.0.1", "127.0.0.1")}
        assert not [row for row in rows if re.search("Malformed|decrypt", row["_ws.expert.message"])]


def dissect(file: Path) -> list[dict[str, str]]:
    """A row per packet."""
    fields = ["frame.interface_name", "frame.time_epoch", "ip.len", "ip.src", "ip.dst"]
    fields += ["_ws.col.Protocol", "_ws.expert.message"]
    command = ["tshark", "-r", str(file), "-n", "-T", "fields", *(word for field in fields for word in ("-e", field))]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [dict(zip(fields, line.split("\t"), strict=True)) for line in lines]


def test_an_arm_that_is_not_supported_leaves_no_capture(receiver: Any, tmp_path: Path) -> None:
    video = {"source": "lognormal", "codec": "av1", "bitrate": "1Mbit/s"}
    plan = build({"name": "far", "duration": "1s", "arms": ["rtp:slices=2"], "video": video, "network": {}})
    world = OtherHost(Remote("127.0.0.1", receiver.port, receiver.key))
    done = run(plan, results=tmp_path / "results", world=world, capture=True).run()
    assert [arm["outcome"] for arm in done.records] == ["unsupported"]
    assert not list((done.path / "captures").glob("*"))


def test_packets_of_a_receiver_by_ipv6_are_refused_before_anything_is_sent() -> None:
    with pytest.raises(ControlError, match="packets are captured of IPv4 only, and the receiver was found at ::1"):
        OtherHost(Remote("::1", 1, "key")).check(shipped("fixed"), capture=True)


def test_a_wrong_key_another_certificate_and_nobody_are_said_in_a_sentence(receiver: Any, send: Any) -> None:
    wrong_token = ("b" if receiver.key[0] == "a" else "a") + receiver.key[1:]
    other_host = receiver.key[:-4] + ("bbbb" if receiver.key.endswith("aaaa") else "aaaa")
    for port, key, sentence in (
        (receiver.port, "nonsense", "accepted is the whole key that glass receive printed"),
        (receiver.port, other_host, "it has another certificate"),
        (1, receiver.key, "Connection refused"),
    ):
        done = send(port, key, "--arm", "udp", "--duration", "1s")
        assert (done.code, done.out) == (2, ""), done.err
        assert done.err.startswith("error: ") and sentence in " ".join(done.err.split())
        assert not Path("results").exists()
    done = send(receiver.port, wrong_token, "--arm", "udp", "--duration", "1s")
    assert done.code == 1
    assert "went away" in done.out
    assert "it has not the key" in receiver.log()


def test_a_port_that_is_taken_is_said_in_a_sentence(receiver: Any, glass: Any) -> None:
    code, out, err = glass("receive", f"127.0.0.1:{receiver.port}")
    assert (code, out) == (2, "")
    assert err == f"error: cannot listen on 127.0.0.1 port {receiver.port}: Address already in use\n"


def test_strangers_and_garbage_on_the_media_port_are_counted_and_change_nothing(receiver: Any, send: Any) -> None:
    for greeting in (b"GET / HTTP/1.1\r\n\r\n", b"", os.urandom(5000)):
        with socket.create_connection(("127.0.0.1", receiver.port), 10) as stranger:
            stranger.sendall(greeting)
    over = threading.Event()

    def flood() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            while not over.wait(0.001):
                stranger.sendto(os.urandom(200), ("127.0.0.1", receiver.port))
                stranger.sendto(b"\x0cALN" + os.urandom(42), ("127.0.0.1", receiver.port))

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        done = send(receiver.port, receiver.key, "--arm", "rtp", "--duration", "1s")
    finally:
        over.set()
        thread.join()
    assert done.code == 0, done.err
    (folder,) = Path("results").iterdir()
    run = load(folder).run()
    assert (run.ledger["fate"] == "displayed").sum() > 15
    assert run.records[0]["stats"]["between"]["receiver"]["foreign"] > 100


@pytest.mark.long
def test_a_receiver_that_is_killed_fails_its_arm_and_a_new_one_serves_again(
    receiver: Any, send: Any, make_receiver: Any
) -> None:
    def kill() -> None:
        end = time.monotonic() + 60
        while "receiving" not in receiver.log() and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(2.5)
        os.kill(receiver.process.pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    done = send(receiver.port, receiver.key, "--arm", "udp", "--duration", "20s")
    killer.join()
    assert done.code == 1
    assert re.search(r"udp: failed: ControlError: the (other end went away|receiver ended)", done.out)
    again = make_receiver()
    done = send(again.port, again.key, "--arm", "udp", "--duration", "500ms")
    assert (done.code, again.end()) == (0, 0)


def test_an_interrupted_sender_keeps_what_was_measured_and_the_receiver_goes_on(
    receiver: Any, tmp_path: Path, send: Any
) -> None:
    options = ["--key", receiver.key, "--source", "lognormal", "--arm", "udp", "--duration", "10min", "--json"]
    sender = subprocess.Popen(
        [*GLASS, "send", f"127.0.0.1:{receiver.port}", *options],
        env=ENVIRONMENT,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    end = time.monotonic() + 60
    while "receiving" not in receiver.log() and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(6)
    sender.send_signal(signal.SIGINT)
    out, err = sender.communicate(timeout=60)
    assert sender.returncode == 130, err
    assert json.loads(out)["arms"][0]["outcome"] == "incomplete"
    (folder,) = (tmp_path / "results").iterdir()
    assert (load(folder).ledger["fate"] == "displayed").sum() > 10
    done = send(receiver.port, receiver.key, "--arm", "udp", "--duration", "500ms")
    assert done.code == 0, done.err


def test_two_hosts_behind_an_emulated_link_see_its_delay(tmp_path: Path) -> None:
    try:
        with ExitStack() as cleanup:
            Lab(lan({"a": [], "b": []}), cleanup)
    except NamespacesRefused as error:
        pytest.skip(str(error))
    glass = " ".join(
        [sys.executable, "-c", '"import sys; from glassbench.experiments.cli.main import main; sys.exit(main())"']
    )
    far = f"{glass} receive 198.18.1.1 > key.txt 2> log.txt"
    near = (
        "while ! grep -q -- --key key.txt; do sleep 0.1; done; "
        f"{glass} send 198.18.1.1 --key $(sed -n 's/.*--key //p' key.txt) --source lognormal --arm rtp --duration 1s"
    )
    done = subprocess.run(
        [*GLASS, "shell", "--delay", "40ms", "--far", far, "--", "sh", "-c", near],
        env=ENVIRONMENT,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "results").iterdir()
    run = load(folder).run()
    shown = run.ledger[(run.ledger["fate"] == "displayed") & (run.ledger["track"] == 0)]
    bound = run.records[0]["stats"]["between"]["clock_bound_ms"] / 1e3
    transit = shown["first_arrival_at"] - shown["first_sent_at"]
    assert 0.04 - bound <= transit.min() < 0.06
    assert 0.04 < bound < 0.06  # nobody can know an asymmetry better than half the round trip
