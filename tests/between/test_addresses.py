"""Addresses are parsed and not split: what is printed can be pasted, and every address of a name is tried."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from glassbench.experiments.cli.app import app
from glassbench.experiments.cli.errors import run_app
from glassbench.experiments.scenario import build
from glassbench.experiments.worlds.hosts.address import parse, resolve, written
from glassbench.experiments.worlds.hosts.connect import connect
from glassbench.experiments.worlds.hosts.control import ControlError
from glassbench.experiments.worlds.hosts.sending import run_arm as run_arm_between
from glassbench.experiments.worlds.remote import Remote
from glassbench.netem.live.clock import LiveClock, monotonic_ns
from glassbench.netem.live.socket_address import from_kernel, to_kernel, unmapped
from glassbench.netem.live.udp_socket import UdpSocket, open_socket


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("192.0.2.7", "192.0.2.7", 4400),
        ("192.0.2.7:80", "192.0.2.7", 80),
        ("far.example", "far.example", 4400),
        ("my_host.example.:80", "my_host.example.", 80),
        ("b\u00fccher.example", "b\u00fccher.example", 4400),
        ("::1", "::1", 4400),
        ("[::1]", "::1", 4400),
        ("[::1]:4600", "::1", 4600),
        ("::ffff:192.0.2.7", "::ffff:192.0.2.7", 4400),
        ("fe80::1%eth0", "fe80::1%eth0", 4400),
        ("[fe80::1%2]:65535", "fe80::1%2", 65535),
    ],
)
def test_a_host_and_a_port_are_read_and_written_back(text: str, host: str, port: int) -> None:
    assert parse(text, 4400) == (host, port)
    assert parse(written((host, port)), 1) == (host, port)


NO_HOST = ["", "-a", "a b", "a..b", "x" * 64, "\x1b[2J", "4400", "1.2.3", "256.1.1.1", "1.2.3.4.", "user@host"]
NO_PORT = [":80", "host:", "host:99999", "host:-1", "host:\u0663", "host:80:90", "host:80\n", "http://host"]
NO_IPV6 = [
    "[1.2.3.4]:80",
    "[::1",
    "::1]",
    "[::1]80",
    "[::1]:",
    "[]",
    "1:2:3",
    "fe80::1%",
    "fe80::1%eth0:80",
    "[fe80::1%\x1b]:80",
]


@pytest.mark.parametrize("text", [*NO_HOST, *NO_PORT, *NO_IPV6])
def test_what_is_neither_an_address_nor_host_and_port_is_refused_in_a_sentence(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match="accepted are HOST, HOST:PORT and"):
        parse(text, 4400)
    assert run_app(app, ["receive", "--", text]) == 2
    said = capsys.readouterr()
    assert "accepted are HOST, HOST:PORT and [IPV6-ADDRESS]:PORT" in " ".join(said.err.split())
    assert "\x1b" not in said.err


def test_a_link_local_address_needs_an_interface_that_there_is() -> None:
    with pytest.raises(ValueError, match="accepted is one with its interface, such as fe80::1%eth0"):
        parse("[fe80::1]:80", 4400)
    with pytest.raises(OSError, match=r"this host has no interface 'none0'; accepted are .*\blo\b"):
        resolve("fe80::1%none0", 80)


def test_a_zone_goes_through_the_kernel_and_back() -> None:
    assert from_kernel(("fe80::1", 80, 0, 1)) == ("fe80::1%1", 80)
    assert to_kernel(("fe80::1%1", 80)) == to_kernel(("fe80::1%lo", 80)) == ("fe80::1", 80, 0, 1)
    assert from_kernel(("::1", 80, 0, 0)) == ("::1", 80) == to_kernel(("::1", 80))
    assert from_kernel(("192.0.2.7", 80)) == ("192.0.2.7", 80)


def test_an_ipv4_address_is_itself_also_on_a_socket_of_ipv6() -> None:
    assert unmapped(("::ffff:192.0.2.7", 80)) == ("192.0.2.7", 80)
    for address in (("192.0.2.7", 80), ("fe80::1%2", 80)):
        assert unmapped(address) == address


def test_datagrams_pass_between_link_local_addresses() -> None:
    host = link_local()
    if host is None:
        pytest.skip("no interface of this machine has a link-local IPv6 address")
    clock = LiveClock(monotonic_ns())
    one, other = (UdpSocket(open_socket(host), clock) for _ in range(2))
    try:
        one.send([(b"question", other.address, 0)])
        other.wait(5.0)
        ((data, peer, _, _),) = other.receive()
        other.send([(b"answer", peer, 0)])
        one.wait(5.0)
        assert (data, peer) == (b"question", one.address)
        assert [arrival.data for arrival in one.receive()] == [b"answer"]
    finally:
        one.close()
        other.close()


def test_a_printed_ipv6_address_can_be_pasted_and_media_goes_where_control_was_answered(
    make_receiver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver = make_receiver(f"[{link_local() or '::1'}]:0")
    glass, send, address, option, key = receiver.command
    assert (glass, send, option) == ("glass", "send", "--key")
    (resolved,) = resolve(*parse(address, 1))
    monkeypatch.setattr(socket, "getaddrinfo", names(("127.0.0.1", 1), to_kernel(resolved)))
    video = {"source": "lognormal", "bitrate": "1Mbit/s"}
    plan = build({"name": "far", "duration": "300ms", "arms": ["udp"], "video": video, "network": {}})
    result = run_arm_between(plan, plan.arms[0], Remote("two.example", 1, key))
    assert result.outcome == "measured"
    assert result.ledger is not None and (result.ledger["fate"] == "displayed").any()


def test_where_nothing_answers_each_address_has_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", names(("::1", 1, 0, 0), ("127.0.0.1", 1)))
    with pytest.raises(ControlError, match=r"far.example port 1: at ::1: .*; at 127.0.0.1: Connection refused"):
        connect(Remote("far.example", 1, "a" * 77), capture=False)


def names(*addresses: Any) -> Callable[..., Any]:
    """A `getaddrinfo` that gives these addresses."""
    return lambda *_, **__: [(None, None, None, "", address) for address in addresses]


def link_local() -> str | None:
    """An address of this machine that needs a zone."""
    table = Path("/proc/net/if_inet6")
    rows = [row.split() for row in table.read_text().splitlines()] if table.exists() else []
    for digits, _, _, _, flags, interface in rows:
        if digits.startswith("fe80") and not int(flags, 16) & 0x40:  # IFA_F_TENTATIVE
            return f"{socket.inet_ntop(socket.AF_INET6, bytes.fromhex(digits))}%{interface}"
    return None
