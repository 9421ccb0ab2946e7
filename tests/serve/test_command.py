"""`glass serve` as it is typed."""

import asyncio
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from glassbench.experiments.serve.web import listening_socket
from glassbench.transport.quic.web_certificate import make_certificate

CODE = "import sys; from glassbench.experiments.cli.main import main; sys.exit(main())"
COMMAND = [sys.executable, "-c", CODE, "serve"]


def typed(folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    """How it ended."""
    command = [*COMMAND, "--port", "0", *options]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=60, check=False)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--arm", "rtp"], "--arm: found rtp, accepted is one of webtransport-datagram"),
        (["--arm", "webtransport-datagram:control=gcc"], "control=gcc needs to know when packets arrive"),
        (["--source", "lognormal"], "--source: found 'lognormal', which has no pictures to watch"),
        (["--source", "nothing.mp4"], "--source:"),
        (["--source", "camera:/dev/none"], "camera /dev/none: No such file or directory; accepted is camera:DEVICE"),
        (["--source", "page:canvas"], "page:canvas was filmed by a page, and its pictures were not kept"),
        (["--poll", "Sooner?"], "--poll: found 'Sooner?', accepted is a question with two to eight answers"),
        (["--host", "0.0.0.0"], "found host 0.0.0.0 without --cert and --key"),
        (["--cert", "nothing.pem", "--key", "nothing.pem"], "nothing.pem"),
        (["--behind", "lte-driving", "--trace", "lte-driving"], "--behind and --trace are the same"),
        (["--behind", "nothing"], "--behind"),
        (["--set", "video.codec=h265"], "--set video.codec"),
    ],
)
def test_what_cannot_be_served_is_one_sentence(options: list[str], sentence: str, glass: Callable[..., Any]) -> None:
    done = glass("serve", "--port", "0", *options)
    assert done.code == 2, done.err
    assert done.err.startswith("error: ") and sentence in done.err, done.err
    assert "Traceback" not in done.err and done.err.count("\n") == 1


def test_a_port_that_is_taken_is_one_sentence(glass: Callable[..., Any]) -> None:
    with listening_socket("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        done = glass("serve", "--port", str(port))
    assert (done.code, done.err) == (
        2,
        f"error: cannot serve the page at 127.0.0.1 port {port}: Address already in use\n",
    )


@pytest.mark.sampled(2)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_stop_and_leaves_its_port(number: int, tmp_path: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    ) as server:
        try:
            assert server.stdout is not None and server.stderr is not None
            line = server.stdout.readline()
            match = re.fullmatch(r"watch at http://localhost:(\d+)/ \(Ctrl-C ends it\)\n", line)
            assert match is not None, line
            server.send_signal(number)
            assert server.wait(20) == 0
            assert server.stderr.read() == ""
            listening_socket("127.0.0.1", int(match[1])).close()
        finally:
            server.kill()


def test_it_ends_by_itself_after_its_duration(tmp_path: Path) -> None:
    began = time.monotonic()
    done = typed(tmp_path, "--duration", "1s")
    assert done.returncode == 0 and time.monotonic() - began >= 1.0


def test_its_address_is_told_as_json(tmp_path: Path) -> None:
    done = typed(tmp_path, "--duration", "1s", "--json")
    said = json.loads(done.stdout)
    assert said["url"].startswith("http://localhost:") and said["notes"] == []


@pytest.mark.browser
@pytest.mark.long
def test_another_host_is_served_by_https_with_the_certificate_of_the_user(
    tmp_path: Path, watching: Callable[..., Any]
) -> None:
    made = make_certificate(["127.0.0.2"], datetime.now(UTC))
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.write_bytes(made.certificate.public_bytes(Encoding.PEM))
    key.write_bytes(made.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    options = ["--port", "0", "--json", "--no-keep", "--host", "127.0.0.2", "--cert", str(cert), "--key", str(key)]

    async def watch(url: str) -> None:
        async with watching(url, ignore_https_errors=True) as (page, printed):
            while not (await page.inner_text("#latency")).endswith(" ms"):
                await asyncio.sleep(0.05)
            assert await page.evaluate("isSecureContext && crossOriginIsolated")
            assert printed == []

    with subprocess.Popen([*COMMAND, *options], stdout=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        assert process.stdout is not None
        try:
            url = json.loads(process.stdout.readline())["url"]
            assert url.startswith("https://127.0.0.2:")
            asyncio.run(asyncio.wait_for(watch(url), 60))
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


@pytest.mark.parametrize("command", [["compare"], ["compare", "--live", "--arm", "udp"]])
def test_what_compares_arms_takes_no_camera(command: list[str], glass: Callable[..., Any]) -> None:
    done = glass(*command, "--source", "camera", "--duration", "1s")
    assert done.code == 2
    assert "found 'camera', which gives other pictures each time; accepted is a source that repeats" in done.err
