"""Endpoints by address: what is published comes back through servers of others. An address that is dead, or a server
that changes the pictures, is one sentence."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from glassbench.experiments.account.arm_result import ArmResult
from glassbench.experiments.scenario import ScenarioError, build
from glassbench.experiments.scenario.endpoint_url import parse
from glassbench.experiments.worlds.live.arm import run_arm
from glassbench.experiments.worlds.peers import nginx
from glassbench.experiments.worlds.peers.libsrt import Libsrt
from glassbench.experiments.worlds.peers.peer import PeerContext, PeerVideo
from glassbench.experiments.worlds.peers.rtmp import Rtmp
from glassbench.transport.contract import Unsupported

SCENARIO = {
    "name": "endpoint",
    "seed": 20,
    "duration": "2s",
    "network": {"rate": "10Mbit/s"},
    "video": {"source": "synthetic", "width": 320, "height": 180, "fps": 30, "bitrate": "1Mbit/s"},
}
ENOUGH = 0.7  # of the frames; players join later than on a path of ours
VIDEO = PeerVideo(320, 180, Fraction(30), "h264", 1_000_000, None)


@pytest.fixture(autouse=True)
def however_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests share their machine with others."""
    for name in ("LONGEST_PAUSE", "MOST_PAUSED"):
        monkeypatch.setattr(f"glassbench.experiments.worlds.live.arm.{name}", 1e6)


def measured(send: str, receive: str, **more: Any) -> ArmResult:
    arm = {"transport": "endpoint", "label": "mine", "send": send, "receive": receive}
    plan = build({**SCENARIO, "arms": [arm], **more})
    try:
        return run_arm(plan, plan.arms[0], None, emulator="host")
    except OSError as error:
        pytest.skip(str(error))


def assert_shown(result: ArmResult) -> None:
    assert result.outcome == "measured", (result.reason, result.stats["peer"])
    assert result.ledger is not None
    assert (result.ledger["fate"] == "displayed").mean() > ENOUGH, result.ledger["fate"].value_counts()
    assert set(result.ledger["fate"]) <= {"displayed", "missing", "dropped"}


@pytest.mark.long
@pytest.mark.quiet  # on a busy machine frames are left out
def test_a_stream_goes_through_a_server_of_rtmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        Rtmp.version()
    except Unsupported as error:
        pytest.skip(str(error))
    with rtmp_server(tmp_path, monkeypatch) as url:
        monkeypatch.setenv("STREAM_KEY", "a")
        result = measured(f"{url[:-1]}$STREAM_KEY", url)
        assert_shown(result)
        assert result.stats["peer"]["receiver"]["settings"]["codec"] == "h264"
        settings = result.stats["peer"]["sender"]["settings"]
        assert settings["endpoint"] == url.removesuffix("/live/a")
        assert settings["tcp_congestion"] in Path("/proc/sys/net/ipv4/tcp_available_congestion_control").read_text()
        assert settings["tcp_congestion"]


@pytest.mark.long
@pytest.mark.quiet
def test_a_stream_goes_through_srt_live_transmit() -> None:
    if shutil.which("srt-live-transmit") is None:
        pytest.skip("srt-live-transmit is not there: apt install srt-tools")
    try:
        Libsrt.version()
    except Unsupported as error:
        pytest.skip(str(error))
    with srt_relay() as (send, receive):
        result = measured(send, receive)
        assert_shown(result)
        assert result.stats["peer"]["receiver"]["settings"]["peerlatency"] >= 20


@pytest.mark.long
@pytest.mark.quiet
def test_a_stream_of_mpegts_goes_from_end_to_end_over_udp_and_over_srt_that_is_called() -> None:
    port = free_port()
    assert_shown(measured(f"udp://127.0.0.1:{port}", f"udp://127.0.0.1:{port}"))
    port = free_port()
    assert_shown(measured(f"srt://127.0.0.1:{port}?latency=20", f"srt://127.0.0.1:{port}?mode=listener&latency=20"))


@pytest.mark.parametrize(
    ("send", "reason"),
    [
        ("rtmp://127.0.0.1:{port}/live/a", "publish to rtmp://127.0.0.1:{port}: 127.0.0.1 port {port} does not answer"),
        ("srt://127.0.0.1:{port}", "publish to srt://127.0.0.1:{port}: connect: Connection setup failure"),
        ("http://127.0.0.1:{port}/whip", "http://127.0.0.1:{port} does not answer"),
    ],
)
@pytest.mark.long
def test_an_address_where_nobody_answers_is_one_sentence(send: str, reason: str) -> None:
    port = free_port()
    result = measured(send.format(port=port), f"rtp://127.0.0.1:{free_port()}")
    assert result.outcome == "failed"
    assert reason.format(port=port) in str(result.reason)
    assert "\n" not in str(result.reason)


@pytest.mark.long
def test_a_server_that_changes_the_size_of_pictures_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not there: apt install ffmpeg")
    taken, given = free_port(), free_port()
    out = f"-s 640x360 -tune zerolatency -f mpegts udp://127.0.0.1:{given}"
    command = f"ffmpeg -v quiet -f mpegts -i udp://127.0.0.1:{taken} {out}"
    with subprocess.Popen(command.split(), stdin=subprocess.DEVNULL) as between:
        try:
            result = measured(f"udp://127.0.0.1:{taken}", f"udp://127.0.0.1:{given}", duration="6s")
        finally:
            between.kill()
    assert result.outcome == "failed"
    assert "the pictures that come are 640x360, and 320x180 were sent" in str(result.reason)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://host/a", "found 'ftp://host/a', accepted are addresses that begin with one of rtmp://, srt://"),
        ("srt://host", "found 'srt://host', accepted is srt://HOST:PORT"),
        ("rtp://host:99999", "found 'rtp://host:99999', accepted is a host, and behind it a port of 1 to 65535"),
        ("srt://host:1?mode=rendezvous", "found the mode 'rendezvous'"),
        ("srt://host:1?latency=1s", "found the latency '1s'"),
        ("srt://host:1?pbkeylen=16", "found 'pbkeylen' in .*, accepted are latency, mode, passphrase, streamid"),
        ("rtmp://[host/a", r"found 'rtmp://\[host/a', accepted is a host"),
    ],
)
def test_an_address_that_cannot_be_is_refused_in_one_sentence(url: str, reason: str) -> None:
    arm = {"transport": "endpoint", "send": url, "receive": "rtp://127.0.0.1:5004"}
    with pytest.raises(ScenarioError, match=reason):
        build({**SCENARIO, "arms": [arm]})


def test_a_key_in_the_environment_does_not_stand_in_what_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAM_KEY", "sesame")
    url = parse("rtmp://me:$STREAM_KEY@host/live/$STREAM_KEY")
    assert (url.host, url.port, url.secret) == ("host", 1935, "sesame")
    assert url.text.endswith("/live/sesame")
    assert "sesame" not in url.shown


def test_an_endpoint_needs_the_world_of_this_network_and_others_cannot_be_in_it() -> None:
    plan = build({**SCENARIO, "arms": ["endpoint:send=rtp://127.0.0.1:9,receive=rtp://127.0.0.1:9", "libsrt", "udp"]})
    with pytest.raises(
        Unsupported, match="endpoint is reached over the network of this host as it is: --live --emulator"
    ):
        run_arm(plan, plan.arms[0], None)
    for arm in plan.arms[1:]:
        with pytest.raises(Unsupported, match="the emulator host is no link of ours: it is for endpoints by address"):
            run_arm(plan, arm, None, emulator="host")


def free_port() -> int:
    """A port of this host that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


@contextmanager
def rtmp_server(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a stream on nginx. Raises Unsupported without it."""
    monkeypatch.setattr(nginx, "_STATISTICS", free_port())
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener = socket.create_server(("127.0.0.1", 0))
    host, port = listener.getsockname()
    with here, there:
        context = PeerContext("sender", (host, port), ("", 0), {}, VIDEO, 1, 1.0, folder, here)
        server = nginx.Nginx(Rtmp.program("nginx"), Rtmp.module(), context, listener, server="", live="")
        try:
            yield f"rtmp://{host}:{port}/live/a"
        finally:
            server.stop()


@contextmanager
def srt_relay() -> Iterator[tuple[str, str]]:
    """Where srt-live-transmit takes a stream, and where it gives it."""
    taken, given = free_port(), free_port()
    command = [
        "srt-live-transmit",
        "-q",
        f"srt://127.0.0.1:{taken}?mode=listener",
        f"srt://127.0.0.1:{given}?mode=listener",
    ]
    relay = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"srt://127.0.0.1:{taken}?latency=20", f"srt://127.0.0.1:{given}?latency=20"
    finally:
        relay.kill()
        relay.wait()
