"""What a stranger can do with HTTP/3 and capsules: nothing crashes, it is counted, others are served."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from aioquic.buffer import encode_uint_var
from aioquic.h3.connection import FrameType, H3Connection, Setting, StreamType, encode_frame, encode_settings

from glassbench.transport.quic.capsules import CLOSE_WEBTRANSPORT_SESSION, session_end
from glassbench.transport.quic.served import MAPPINGS

DATAGRAM_CAPSULE = 0x00  # RFC 9297 section 3.5


def run(made: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(made, 60))


def capsule(kind: int, body: bytes, *, claims: int | None = None) -> bytes:
    return encode_uint_var(kind) + encode_uint_var(len(body) if claims is None else claims) + body


def data(content: bytes) -> bytes:
    return encode_frame(FrameType.DATA, content)


class Stranger:
    """A visitor of the server that watches, and what it can do besides."""

    def __init__(self, visitor: Any) -> None:
        self.visitor = visitor
        self.stack = visitor.end._stack
        self.http: H3Connection = visitor.end._session._http
        self.connect = visitor.end._session._id

    def on_connect(self, raw: bytes, *, ends: bool = False) -> None:
        """Write on the CONNECT stream."""
        self.stack.send_stream_data(self.connect, raw, end_stream=ends)

    def stream(self, raw: bytes, *, ends: bool = False) -> None:
        self.stack.send_stream_data(
            self.stack.get_next_available_stream_id(is_unidirectional=True), raw, end_stream=ends
        )

    def request(self, raw: bytes, *, ends: bool = False) -> None:
        self.stack.send_stream_data(self.stack.get_next_available_stream_id(), raw, end_stream=ends)

    def datagram(self, raw: bytes) -> None:
        self.stack.send_datagram(raw, None)

    def control(self, raw: bytes) -> None:
        self.stack.send_stream_data(self.http._local_control_stream_id, raw, end_stream=False)

    def encoder(self, raw: bytes) -> None:
        self.stack.send_stream_data(self.http._local_encoder_stream_id, raw, end_stream=False)

    def decoder(self, raw: bytes) -> None:
        self.stack.send_stream_data(self.http._local_decoder_stream_id, raw, end_stream=False)


HEADERS = encode_frame(FrameType.HEADERS, b"\x00\x00\xd1\xd7")  # :method GET, :scheme https, of the static table
Act = Callable[[Stranger], None]
COUNTED: dict[str, Act] = {
    "a close capsule without a code": lambda one: one.on_connect(data(capsule(CLOSE_WEBTRANSPORT_SESSION, b"abc"))),
    "a close capsule of a gigabyte": lambda one: one.on_connect(
        data(capsule(CLOSE_WEBTRANSPORT_SESSION, b"", claims=2**30))
    ),
    "trailers": lambda one: one.http.send_headers(one.connect, [(b"later", b"yes")]),
    "headers after trailers": lambda one: [
        one.http.send_headers(one.connect, [(b"later", b"yes")]),
        one.on_connect(HEADERS),
    ],
    "settings on the session's stream": lambda one: one.on_connect(
        encode_frame(FrameType.SETTINGS, encode_settings({Setting.H3_DATAGRAM: 1}))
    ),
    "a promise": lambda one: one.on_connect(encode_frame(FrameType.PUSH_PROMISE, b"\x00")),
    "a frame of HTTP/2": lambda one: one.on_connect(encode_frame(0x6, b"12345678")),
    "a frame that the end of the stream cuts": lambda one: one.on_connect(b"\x00\x40\xffabc", ends=True),
    "headers that are none": lambda one: one.request(encode_frame(FrameType.HEADERS, b"\xff" * 40)),
    "headers without a method": lambda one: one.request(encode_frame(FrameType.HEADERS, b"\x00\x00")),
    "data before headers": lambda one: one.request(data(b"abc")),
    "headers without end": lambda one: one.request(encode_uint_var(1) + encode_uint_var(2**40) + bytes(70_000)),
    "a request for a page": lambda one: one.http.send_headers(
        one.stack.get_next_available_stream_id(),
        [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"x"), (b":path", b"/")],
        end_stream=True,
    ),
    "a second control stream": lambda one: one.stream(encode_uint_var(StreamType.CONTROL)),
    "a second encoder": lambda one: one.stream(encode_uint_var(StreamType.QPACK_ENCODER) + b"x"),
    "a push stream": lambda one: one.stream(encode_uint_var(StreamType.PUSH) + b"\x00"),
    "settings again": lambda one: one.control(encode_frame(FrameType.SETTINGS, b"")),
    "data on the control stream": lambda one: one.control(data(b"abc")),
    "settings of a gigabyte": lambda one: one.control(encode_uint_var(FrameType.SETTINGS) + encode_uint_var(2**30)),
    "the end of the control stream": lambda one: one.stack.send_stream_data(
        one.http._local_control_stream_id, b"", end_stream=True
    ),
    "the reset of the control stream": lambda one: one.stack.reset_stream(one.http._local_control_stream_id, 7),
    "a table that was not agreed on": lambda one: one.encoder(b"\x3f\xff\xff\xff\xff\x0f"),
    "acknowledgements of headers that were not sent": lambda one: one.decoder(b"\xff\x7f" * 4),
    "a stream of another session": lambda one: one.stream(encode_uint_var(0x54) + encode_uint_var(400) + b"hello"),
    "a stream both ways of another session": lambda one: one.request(
        encode_uint_var(0x41) + encode_uint_var(400) + b"hello"
    ),
    "a datagram of another session": lambda one: one.datagram(encode_uint_var(100) + b"hello"),
    "a datagram of no session": lambda one: one.datagram(b""),
    "a datagram whose session is cut off": lambda one: one.datagram(b"\xc0\x01"),
}  # fmt: skip
IGNORED: dict[str, Act] = {
    "capsules of unknown types": lambda one: one.on_connect(data(capsule(0x99, bytes(3000)) + capsule(2**61, b""))),
    "an unknown capsule without end": lambda one: one.on_connect(data(capsule(0x99, bytes(900), claims=2**60))),
    "a datagram in a capsule": lambda one: one.on_connect(data(capsule(DATAGRAM_CAPSULE, b"hello"))),
    "a capsule that is cut off": lambda one: one.on_connect(data(b"\xc0")),
    "a capsule a byte a frame": lambda one: [
        one.on_connect(data(bytes([each]))) for each in capsule(0x99, bytes(100))
    ],
    "frames of unknown types": lambda one: one.on_connect(encode_frame(0x21, bytes(500)) + encode_frame(0xF0700, b"")),
    "a stream of an unknown type": lambda one: one.stream(encode_uint_var(0x2121) + bytes(5000)),
    "streams without a type": lambda one: [one.stream(b"") for _ in range(20)],
}  # fmt: skip
ENDING: dict[str, Act] = {
    "a close capsule, and another": lambda one: one.on_connect(data(session_end(0, "") + session_end(7, "again"))),
    "capsules after the close": lambda one: one.on_connect(data(session_end(0, "") + capsule(0x99, bytes(5000)))),
    "garbage after the close": lambda one: [one.on_connect(data(session_end(0, ""))), one.on_connect(b"\xff" * 900)],
    "words after the close": lambda one: [one.on_connect(data(session_end(0, ""))), one.visitor.say(b'{"kind": "x"}')],
    "the end of the session's stream": lambda one: one.on_connect(b"", ends=True),
    "the reset of the session's stream": lambda one: one.stack.reset_stream(one.connect, 7),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("what", [*COUNTED, *IGNORED, *ENDING])
def test_what_http_does_not_allow_is_counted_and_disturbs_nobody_else(running: Callable[..., Any], what: str) -> None:
    async def watch() -> None:
        async with running() as one:
            good, stranger = await one.visit(), await one.visit()
            for each in (good, stranger):
                await each.until(lambda each=each: len(each.frames) > 3)
            before = one.server.refusals()["nonsense"]
            {**COUNTED, **IGNORED, **ENDING}[what](Stranger(stranger))
            stranger._go()
            seen = len(good.frames)
            await good.until(lambda: len(good.frames) > seen + 6)
            if what in COUNTED:
                await good.until(lambda: one.server.refusals()["nonsense"] > before)
            elif what in IGNORED:
                assert one.server.refusals()["nonsense"] == before
                seen = len(stranger.frames)
                await stranger.until(lambda: len(stranger.frames) > seen + 6)
            else:
                await good.until(lambda: one.said[-1] == "viewer 2 left; 1 watch")
            for viewer in one.server.viewers:
                assert sum(len(each.buffer) for each in viewer._end._session._http._stream.values()) < 100_000
            assert good.closed == []
            good.leave()

    run(watch())


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_a_caller_that_stops_our_streams_harms_nobody_else(running: Callable[..., Any], mapping: str) -> None:
    async def watch() -> None:
        async with running() as one:
            good, stranger = await one.visit(mapping), await one.visit(mapping)
            for each in (good, stranger):
                await each.until(lambda each=each: len(each.frames) > 3)
            stack = stranger.end._stack
            for _ in range(20):
                for number in [*stack._streams]:
                    if number % 4 == 3 and number > 11:  # of media and words; the first three are of HTTP/3
                        with contextlib.suppress(ValueError):
                            stack.stop_stream(number, 7)
                stranger._go()
                await asyncio.sleep(0.02)
            seen = len(good.frames)
            await good.until(lambda: len(good.frames) > seen + 10)
            assert good.closed == []
            good.leave()

    run(watch())


def test_one_who_stops_the_stream_of_the_session_has_ended_it(running: Callable[..., Any]) -> None:
    async def watch() -> None:
        async with running() as one:
            good, stranger = await one.visit(), await one.visit()
            for each in (good, stranger):
                await each.until(lambda each=each: len(each.frames) > 3)
            stranger.end._stack.stop_stream(stranger.end._session._id, 7)
            stranger.say(b"{}")  # with it leaves the frame that stops
            stranger.stop_reading()
            await good.until(lambda: one.said[-1] == "viewer 2 left; 1 watch")
            good.leave()

    run(watch())
