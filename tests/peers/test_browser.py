"""Chromium as a WebTransport client of our listening ends: datagrams and streams both ways, and frames come whole."""

import base64
import json
import select
import shutil
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from glassbench.netem.live.clock import LiveClock, monotonic_ns
from glassbench.netem.live.udp_socket import UdpSocket, open_socket
from glassbench.transport import registry
from glassbench.transport.contract import Closed, Event, Frame, FrameReceived, Track, TransportConfig
from glassbench.transport.framing import keyframe_request, record, split_frame

LOCAL = "127.0.0.1"
VIDEO = Track(1, "video", "h264", 0)
FRAGMENT_BYTES = 1000
PATIENCE = 60.0
CHROMIUM = next((name for name in ("chromium", "chromium-browser", "google-chrome") if shutil.which(name)), None)
FRAMES = [
    Frame(1, 0, number, 1002 + number / 32, number == 0, 0, 0, None, np.random.default_rng(number).bytes(900 * number))
    for number in range(20)
]

# What is sent stands in `/work`; what was heard goes to `/heard`.
PAGE = """<!doctype html><title>caller</title><script>
const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));
const rest = ms => new Promise(go => setTimeout(go, ms));

async function call(work) {
  const heard = {datagrams: 0, streams: []};
  const hash = {algorithm: "sha-256", value: bytes(work.hash)};
  const session = new WebTransport(work.url, {serverCertificateHashes: [hash]});
  await session.ready;
  const enough = Promise.all([
    (async () => {
      const reader = session.datagrams.readable.getReader();
      while (!heard.datagrams) { const {done} = await reader.read(); if (done) return; heard.datagrams++; }
    })(),
    (async () => {
      const {value: stream} = await session.incomingUnidirectionalStreams.getReader().read();
      heard.streams.push([...new Uint8Array(await new Response(stream).arrayBuffer())]);
    })(),
  ]);
  const writer = session.datagrams.writable.getWriter();
  for (const data of work.datagrams.map(bytes)) { await writer.write(data); await rest(2); }
  for (const data of work.streams.map(bytes)) {
    const stream = (await session.createUnidirectionalStream()).getWriter();
    await stream.write(data);
    await stream.close();
  }
  await enough;
  session.close({closeCode: 7, reason: "enough"});
  return heard;
}

(async () => {
  const heard = {};
  try {
    const work = await (await fetch("/work")).json();
    for (const [name, each] of Object.entries(work)) heard[name] = await call(each);
  } catch (error) { heard.error = String(error); }
  await fetch("/heard", {method: "POST", body: JSON.stringify(heard)});
})();
</script>"""


class Listening:
    """A listening end of ours on a socket, with a certificate that a browser takes."""

    def __init__(self, arm: str, key: ec.EllipticCurvePrivateKey, chosen: x509.Certificate) -> None:
        self._clock = LiveClock(monotonic_ns())
        self.udp = UdpSocket(open_socket(), self._clock)
        entry = registry.get(arm)
        options = registry.validate_options(arm, {"control": "gcc"})  # its reports are datagrams
        config = TransportConfig(self.udp.address, (LOCAL, 9), 1, (VIDEO,), 1452, options)
        self.end: Any = entry.make_receiver(config)
        self.end._configuration.certificate, self.end._configuration.private_key = chosen, key
        self.end.connect(now=self._clock.now())
        self.events: list[Event] = []

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def step(self) -> None:
        now = self._clock.now()
        self.end.handle_timer(now=now)
        self._drain(now)
        for data, peer, ecn, at in self.udp.receive():
            now = max(now, at)
            self.end.receive_datagram(data, peer, ecn, now=now)
            self._drain(now)

    def request_keyframe(self) -> None:
        self.end.request_keyframe(VIDEO.id, now=self._clock.now())

    def _drain(self, now: float) -> None:
        self.udp.send(self.end.datagrams_to_send(now=now))
        while (event := self.end.next_event()) is not None:
            self.events.append(event)


def for_a_browser() -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    """What `serverCertificateHashes` demands: a key on P-256, and at most 14 days. Without an extension Chromium does
    not read a certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "glassbench.test")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("glassbench.test")]), critical=False)
    builder = builder.serial_number(1).not_valid_before(now - timedelta(hours=1))
    return key, builder.not_valid_after(now + timedelta(days=10)).sign(key, SHA256())


@pytest.fixture
def page() -> Iterator[Callable[[dict[str, Any]], Any]]:
    """page(work): the address of a page that does this work, and a list that has what it heard once that is done."""
    heard: list[Any] = []
    answers: dict[str, bytes] = {"/": PAGE.encode()}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(200 if self.path in answers else 404, answers.get(self.path, b""))

        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self._answer(200, b"")

        def log_message(self, *_: object) -> None:
            pass

        def _answer(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", "application/json" if self.path == "/work" else "text/html")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer((LOCAL, 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()

    def serve(work: dict[str, Any]) -> Any:
        answers["/work"] = json.dumps(work).encode()
        return f"http://{LOCAL}:{server.server_address[1]}/", heard

    yield serve
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.long  # it takes seconds until Chromium is there
@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium; to run this: sudo apt install chromium")
def test_chromium_sends_frames_in_datagrams_and_streams_and_gets_ours(page: Any, bench: Any) -> None:
    key, chosen = for_a_browser()
    hash = base64.b64encode(chosen.fingerprint(SHA256())).decode()
    ends = {name: Listening(name, key, chosen) for name in ("webtransport-datagram", "webtransport-stream-per-frame")}
    text = {
        "webtransport-datagram": {
            "datagrams": [each for frame in FRAMES for each in split_frame(frame, FRAGMENT_BYTES)],
            "streams": [],
        },
        "webtransport-stream-per-frame": {"datagrams": [], "streams": [record(frame) for frame in FRAMES]},
    }
    url, heard = page(
        {
            name: {"url": f"https://{LOCAL}:{end.udp.address[1]}/glassbench", "hash": hash}
            | {way: [base64.b64encode(each).decode() for each in sent] for way, sent in text[name].items()}
            for name, end in ends.items()
        }
    )
    flags = f"--headless=new --no-sandbox --disable-gpu --no-first-run --user-data-dir={bench.folder / 'profile'}"
    nowhere_else = f"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE {LOCAL}"
    peer = bench.start(CHROMIUM, *flags.split(), nowhere_else, url)
    asked: set[str] = set()
    clock = LiveClock(monotonic_ns())
    until = clock.now() + PATIENCE
    while not (heard and all(end.of(Closed) for end in ends.values())):
        assert clock.now() < until, (
            f"waited in vain; {heard} {[end.end.stats() for end in ends.values()]} {peer.said[-500:]}"
        )
        assert not (heard and "error" in heard[0]), heard
        select.select([end.udp for end in ends.values()], [], [], 0.002)
        for name, end in ends.items():
            end.step()
            if name not in asked and len(end.of(FrameReceived)) == len(FRAMES):
                end.request_keyframe()
                asked.add(name)
    for name, end in ends.items():
        received = sorted((event.frame for event in end.of(FrameReceived)), key=lambda frame: frame.sequence)
        assert received == FRAMES, name
        assert [closed.error for closed in end.of(Closed)] == [None]
        assert end.end.stats()["malformed"] == 0
        assert heard[0][name]["datagrams"] >= 1, "our report"
        assert heard[0][name]["streams"] == [list(keyframe_request(VIDEO.id))]
        assert (end.end._session._end.code, end.end._session._end.reason) == (7, "enough")
        end.udp.close()
