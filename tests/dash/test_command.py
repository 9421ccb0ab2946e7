"""`glass dash` as a command: its address, its token, its end, and what it refuses."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from glassbench.experiments.dash.serving import is_loopback

ROOT = Path(__file__).parents[2]
PROGRAM = "import sys; from glassbench.experiments.cli.main import main; sys.exit(main())"


def test_it_prints_its_address_answers_and_leaves_the_port_free(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-c", PROGRAM, "dash", str(tmp_path), "--port", "0", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True)
    try:
        assert process.stdout is not None
        address = json.loads(process.stdout.readline())["address"]
        with urllib.request.urlopen(address, timeout=30) as answer:
            assert b"Glassbench, live" in answer.read()
        port = int(address.rpartition(":")[2].strip("/"))
        watching = socket.create_connection(("127.0.0.1", port))
        watching.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert watching.recv(12) == b"HTTP/1.1 200"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out, err) == (0, "", "")
        watching.close()
        with socket.create_server(("127.0.0.1", port)):
            pass
    finally:
        process.kill()
        process.communicate()


def test_a_port_that_is_taken_is_one_sentence(glass: Callable[..., Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = glass("dash", "--port", str(port))
    sentence = f"error: cannot listen on 127.0.0.1 port {port}: Address already in use\n"
    assert (ended.code, ended.out, ended.err) == (2, "", sentence)


def test_a_file_in_place_of_a_folder_is_one_sentence(glass: Callable[..., Any]) -> None:
    Path("results").write_text("")
    ended = glass("dash")
    assert (ended.code, ended.err) == (
        2,
        "error: results is not a folder; results are kept in a folder such as results/\n",
    )


@pytest.mark.parametrize(
    ("host", "only_here"),
    [
        *((host, True) for host in ("127.0.0.1", "127.1.2.3", "::1", "localhost")),
        *((host, False) for host in ("0.0.0.0", "::", "192.0.2.1", "localhost.example")),
    ],
)
def test_what_is_no_loopback_takes_a_token(
    glass: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, host: str, only_here: bool
) -> None:
    assert is_loopback(host) is only_here
    tokens = []
    monkeypatch.setattr(
        "glassbench.experiments.dash.serving.serve", lambda folder, listener, token: tokens.append(token)
    )
    monkeypatch.setattr(
        "glassbench.experiments.worlds.hosts.door.listen", lambda host, port: socket.create_server(("127.0.0.1", 0))
    )
    ended = glass("dash", "--host", host)
    assert ended.code == 0
    [token] = tokens
    assert (token is None) is only_here
    assert token is None or (len(token) >= 20 and f"/{token}/" in ended.out)
    assert "note: there is no folder results yet" in ended.err
