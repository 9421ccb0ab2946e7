"""Our QUIC and HTTP/3 and those of ngtcp2, both ways: handshake, streams, loss, and how each closes."""

import select
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from glassbench.netem.live.clock import LiveClock, monotonic_ns
from glassbench.netem.live.udp_socket import UdpSocket, open_socket
from glassbench.transport import registry
from glassbench.transport.contract import Closed, Event, Track, TransportConfig
from glassbench.transport.quic.certificate import certificate, private_key

LOCAL = "127.0.0.1"
VIDEO = Track(1, "video", "h264", 0)
PATIENCE = 20.0
REQUESTS = 30


class OurEnd:
    """An end of ours on a socket, which the test drives."""

    def __init__(self, name: str, role: str, peer_port: int) -> None:
        self._clock = LiveClock(monotonic_ns())
        self._udp = UdpSocket(open_socket(), self._clock)
        self.port = self._udp.address[1]
        entry = registry.get(name)
        config = TransportConfig(
            self._udp.address, (LOCAL, peer_port), 1, (VIDEO,), 1452, registry.validate_options(name, {})
        )
        self.end = entry.make_sender(config) if role == "sender" else entry.make_receiver(config)
        self.events: list[Event] = []
        self.end.connect(now=self._clock.now())

    def run(self, done: Callable[[], object]) -> None:
        until = self._clock.now() + PATIENCE
        while not done():
            now = self._clock.now()
            assert now < until, f"waited in vain; {self.end.stats()}, {self.events}"
            self.end.handle_timer(now=now)
            self._drain(now)
            select.select([self._udp], [], [], 0.002)
            for data, peer, ecn, at in self._udp.receive():
                now = max(now, at)
                self.end.receive_datagram(data, peer, ecn, now=now)
                self._drain(now)

    def close(self) -> None:
        self._udp.close()

    @property
    def closed(self) -> Closed | None:
        return next((event for event in self.events if isinstance(event, Closed)), None)

    def _drain(self, now: float) -> None:
        self._udp.send(self.end.datagrams_to_send(now=now))
        while (event := self.end.next_event()) is not None:
            self.events.append(event)


@pytest.fixture
def our_end() -> Iterator[Callable[..., OurEnd]]:
    with ExitStack() as running:

        def make(name: str, role: str, peer_port: int = 9) -> OurEnd:
            end = OurEnd(name, role, peer_port)
            running.callback(end.close)
            return end

        yield make


def need(program: str, package: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"needs {program}: apt-get install -y {package}")


@pytest.mark.parametrize("loss", [0, 0.1])
def test_its_client_gets_an_answer_to_each_request_on_a_stream_of_its_own(
    our_end: Callable[..., OurEnd], bench: Any, loss: float
) -> None:
    """Our listener has WebTransport sessions alone, so the answer to all else is 404."""
    need("gtlsclient", "ngtcp2-client")
    end = our_end("webtransport-datagram", "receiver")
    peer = bench.start(
        *("gtlsclient", "--no-quic-dump", f"--tx-loss={loss}", f"--rx-loss={loss}", "--exit-on-all-streams-close"),
        *("-n", str(REQUESTS), LOCAL, str(end.port), f"https://{LOCAL}:{end.port}/nothing"),
    )
    end.run(lambda: peer.ended)
    assert peer.wait() == 0
    assert peer.said.count("[:status: 404]") == REQUESTS, peer.said
    assert end.end.stats()["malformed"] == 0
    if not loss:
        end.run(lambda: end.closed)
        assert end.closed == Closed(end.closed.at, None), "its farewell is understood"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("webtransport-datagram", "the listener speaks HTTP/3 without WebTransport"),
        ("quic-datagram", "connection closed: TLS alert no_application_protocol (code 0x178)"),
    ],
)
def test_our_caller_says_in_a_sentence_what_its_server_does_not_speak(
    our_end: Callable[..., OurEnd], bench: Any, name: str, why: str
) -> None:
    """With our certificate, so that it is not that."""
    need("gtlsserver", "ngtcp2-server")
    key, chain = bench.folder / "key.pem", bench.folder / "chain.pem"
    key.write_bytes(private_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    chain.write_bytes(certificate().public_bytes(Encoding.PEM))
    port = bench.free_port()
    peer = bench.start("gtlsserver", "--no-quic-dump", LOCAL, str(port), str(key), str(chain))
    peer.wait_for_port(port)
    end = our_end(name, "sender", port)
    end.run(lambda: end.closed)
    assert end.closed is not None and end.closed.error == why
    if name == "webtransport-datagram":
        bench.wait_for(lambda: "Draining period has started" in peer.said, "our farewell to be understood")
