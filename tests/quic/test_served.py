"""An end that listens and sends, and one that calls and watches: what a browser needs, without one."""

from collections.abc import Callable
from collections.abc import Mapping as Dictionary
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from aioquic.buffer import encode_uint_var
from aioquic.h3.connection import encode_frame
from hypothesis import given, settings
from hypothesis import strategies as st

from glassbench.experiments.worlds.testing.end import RecordedEnd
from glassbench.netem.elements.delay import Delay
from glassbench.netem.path import Path
from glassbench.netem.simulator import Simulator
from glassbench.transport.contract import (
    Closed,
    Connected,
    Frame,
    FrameReceived,
    FrameSent,
    KeyframeRequested,
    Track,
    TransportConfig,
    Unsupported,
)
from glassbench.transport.framing import MAX_MESSAGE_BYTES, keyframe_request, message
from glassbench.transport.quic.served import MAPPINGS, Mapping, served_sender, visiting_receiver
from glassbench.transport.quic.service import Service, Visit
from glassbench.transport.quic.web_certificate import make_certificate

SERVER, VIEWER = ("192.0.2.1", 4433), ("192.0.2.2", 5000)
Planned = tuple[str, float, Callable[[float], object]]
TRACKS = (Track(id=1, name="video", media="h264", priority=1), Track(id=2, name="words", media="data", priority=2))
CERTIFICATE = make_certificate(["localhost", "192.0.2.1"], datetime.now(UTC))
FRAMES = [Frame(1, 0, n, 1002 + n / 32, n == 0, 0, 1, None, bytes([n]) * 3000) for n in range(20)]


class Served:
    """A server and one viewer in the simulator."""

    def __init__(
        self, mapping: Mapping, *, path: bytes = b"/watch?token=good", options: Dictionary[str, object] | None = None
    ) -> None:
        self.asked: list[Dictionary[bytes, bytes]] = []
        self.taken: list[bytes] = []
        service = Service(
            CERTIFICATE.certificate,
            CERTIFICATE.private_key,
            self._admit,
            lambda content, now: self.taken.append(content),
            lambda data, now: data[::-1] if data.startswith(b"?") else None,
        )
        visit = Visit(path, b"http://localhost:8000", CERTIFICATE.fingerprint)
        there = TransportConfig(SERVER, VIEWER, 1, TRACKS, options=options or {})
        here = TransportConfig(VIEWER, SERVER, 2, TRACKS)
        self.serving = served_sender(there, service, lambda: mapping)
        self.visiting = visiting_receiver(mapping, here, visit)
        self.sender, self.viewer = RecordedEnd(self.serving), RecordedEnd(self.visiting)

    def run(self, *calls: Planned) -> "Served":
        simulator = Simulator()
        self.viewer.at(1000.0, lambda now: self.visiting.connect(now=now))
        for end, at, call in calls:
            getattr(self, end).at(at, call)
        simulator.add_node("server", SERVER, self.sender)
        simulator.add_node("viewer", VIEWER, self.viewer)
        for one, other in ((SERVER, VIEWER), (VIEWER, SERVER)):
            simulator.add_route(one, other, [simulator.add_link(Path([Delay(0.01)]))])
        simulator.run(until=1006.0)
        return self

    def say(self, stream: bytes) -> Callable[[float], object]:
        """A call by which the viewer sends a stream of its own."""

        def call(now: float) -> None:
            end = self.visiting
            assert end._stack is not None and end._session is not None
            end._stack.send_stream_data(end._session.open_stream(), stream, end_stream=True)

        return call

    def _admit(self, headers: Dictionary[bytes, bytes]) -> int:
        self.asked.append(headers)
        return 200 if headers[b":path"] == b"/watch?token=good" else 401


def sending(served: Served) -> list[Planned]:
    return [
        ("sender", frame.captured_at, lambda now, each=frame: served.serving.send_frame(each, now=now))
        for frame in FRAMES
    ]


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_who_listens_sends_to_who_calls_by_every_mapping(mapping: Mapping) -> None:
    served = Served(mapping)
    served.run(
        *sending(served),
        ("viewer", 1003.0, lambda now: served.visiting.request_keyframe(1, now=now)),
        ("viewer", 1005.0, lambda now: served.visiting.close(now=now)),
    )
    received = [event.frame for event in served.viewer.of(FrameReceived)]
    assert [replace(frame, expires_at=None) for frame in received] == FRAMES
    assert len(served.sender.of(FrameSent)) == len(FRAMES)
    assert [event.track for event in served.sender.of(KeyframeRequested)] == [1]
    assert [event.error for event in served.sender.of(Closed)] == [None]
    assert served.asked[0][b"origin"] == b"http://localhost:8000"
    stats = served.serving.stats()
    assert stats["malformed"] == 0
    assert stats["max_datagram_bytes"] == 1452, "the listener looks for the size of the path"


def test_a_caller_that_is_not_admitted_gets_the_status_and_nothing_else() -> None:
    served = Served("datagram", path=b"/watch?token=bad")
    served.run(*sending(served))
    (closed,) = served.viewer.of(Closed)
    assert closed.error == "the listener answered 401 to our CONNECT"
    assert not served.viewer.of(FrameReceived) and not served.sender.of(Connected)


def test_a_viewer_that_expects_another_certificate_leaves() -> None:
    served = Served("datagram")
    served.visiting._visit = Visit(b"/watch?token=good", b"", bytes(32))
    served.run(*sending(served))
    (closed,) = served.viewer.of(Closed)
    assert "the certificate is not the pinned one" in str(closed.error)


def test_messages_and_datagrams_of_a_viewer_are_taken_and_what_is_none_is_counted() -> None:
    served = Served("stream")
    served.run(
        ("viewer", 1003.0, served.say(message(b"hello"))),
        ("viewer", 1003.1, served.say(message(bytes(MAX_MESSAGE_BYTES)))),
        ("viewer", 1003.2, served.say(message(bytes(MAX_MESSAGE_BYTES + 1)))),
        ("viewer", 1003.3, served.say(b"\x09nonsense")),
        ("viewer", 1003.4, served.say(b"")),
        ("viewer", 1003.5, lambda now: send_datagram(served, b"?abc")),
        ("viewer", 1003.6, lambda now: send_datagram(served, b"abc")),
    )
    assert served.taken == [b"hello", bytes(MAX_MESSAGE_BYTES)]
    assert served.serving.stats()["malformed"] == 4
    assert served.viewer.of(Closed) == [], "others go on"


def test_messages_that_do_not_end_are_bounded() -> None:
    served = Served("stream")

    def begin(now: float) -> None:
        end = served.visiting
        assert end._stack is not None and end._session is not None
        for _ in range(60):
            end._stack.send_stream_data(end._session.open_stream(), message(bytes(60_000)))

    served.run(("viewer", 1003.0, begin))
    assert sum(map(len, served.serving._requests.values())) <= 4 * MAX_MESSAGE_BYTES
    assert served.serving.stats()["malformed"] > 40


KINDS = "connect", "data", "capsule", "stream", "request", "datagram", "control", "encoder", "decoder", "reset", "stop"
RAW = st.binary(max_size=60) | st.builds(
    lambda kind, size, body: encode_uint_var(kind) + encode_uint_var(size) + body,
    st.sampled_from([0, 1, 3, 4, 5, 7, 0xD, 0x21, 0x41, 0x54, 0x2843]),
    st.integers(0, 40) | st.just(2**60),
    st.binary(max_size=40),
)


@given(st.lists(st.tuples(st.sampled_from(KINDS), RAW, st.booleans()), min_size=1, max_size=12))
@settings(max_examples=25, deadline=None)
def test_whatever_a_caller_does_with_http_raises_nothing_and_is_not_collected(
    acts: list[tuple[str, bytes, bool]],
) -> None:
    served = Served("stream")
    served.run(
        *sending(served),
        *(
            ("viewer", 1002.2 + number / 50, lambda now, each=each: misbehave(served.visiting, *each))
            for number, each in enumerate(acts)
        ),
    )
    http = served.serving._session._http  # type: ignore[union-attr]
    assert sum(len(each.buffer) for each in http._stream.values()) < 2000
    assert served.asked and served.sender.of(Connected)


def misbehave(end: Any, kind: str, raw: bytes, ends: bool) -> None:
    """An act of a caller that may be none that HTTP/3 allows."""
    stack, http, session = end._stack, end._session._http, end._session._id
    with suppress(ValueError, RuntimeError):  # its own stack keeps it from what it has made impossible
        if kind in ("connect", "data", "capsule"):
            framed = capsule(raw) if kind == "capsule" else raw
            stack.send_stream_data(session, framed if kind == "connect" else encode_frame(0, framed), ends)
        elif kind in ("stream", "request"):
            stack.send_stream_data(stack.get_next_available_stream_id(kind == "stream"), raw, ends)
        elif kind == "datagram":
            stack.send_datagram(raw, None)
        elif kind in ("control", "encoder", "decoder"):
            stack.send_stream_data(getattr(http, f"_local_{kind}_stream_id"), raw, ends)
        elif kind == "reset":
            stack.reset_stream(session, 7)
        else:
            for number in [session] if ends else [each for each in stack._streams if each % 4 == 3]:  # 3: of the server
                stack.stop_stream(number, 7)


def capsule(body: bytes) -> bytes:
    return encode_uint_var(0x2843) + encode_uint_var(len(body)) + body


def test_a_controller_that_needs_receive_times_is_not_for_pages() -> None:
    with pytest.raises(Unsupported, match="a page does not see them"):
        Served("datagram", options={"control": "gcc"})


def send_datagram(served: Served, data: bytes) -> None:
    end = served.visiting
    assert end._stack is not None and end._session is not None
    end._stack.send_datagram(end._session.datagram(data), None)


def test_a_request_whose_stream_ends_later_is_one_request_and_nothing_malformed() -> None:
    served = Served("datagram")
    streams: list[int] = []

    def ask(now: float) -> None:
        assert served.visiting._stack is not None and served.visiting._session is not None
        streams.append(served.visiting._session.open_stream())
        served.visiting._stack.send_stream_data(streams[0], keyframe_request(1), end_stream=False)

    def end(now: float) -> None:
        assert served.visiting._stack is not None
        served.visiting._stack.send_stream_data(streams[0], b"", end_stream=True)

    served.run(*sending(served), ("viewer", 1003.0, ask), ("viewer", 1003.5, end))
    assert [event.track for event in served.sender.of(KeyframeRequested)] == [1]
    assert served.serving.stats()["malformed"] == 0
    assert not served.serving._asked
