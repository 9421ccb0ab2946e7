"""The session over HTTP/3: asked for, answered, ended by capsule; error codes."""

import pytest
from aioquic.h3.connection import H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from hypothesis import given, settings
from hypothesis import strategies as st

from glassbench.transport.contract import Closed, Connected
from glassbench.transport.quic.capsules import MalformedCapsuleError, SessionEnd, session_end
from glassbench.transport.quic.webtransport import application_error_code, http_error_code

FIRST, LAST = 0x52E4A40FA8DB, 0x52E5AC983162


@given(st.integers(0, 2**32 - 1))
def test_error_codes_go_there_and_back(code):
    mapped = http_error_code(code)
    assert FIRST <= mapped <= LAST
    assert (mapped - 0x21) % 0x1F, "reserved for greasing (RFC 9114 section 8.1)"
    assert application_error_code(mapped) == code


def test_error_codes_have_the_values_of_the_draft():
    assert http_error_code(0) == FIRST
    assert http_error_code(0xFFFFFFFF) == LAST
    assert application_error_code(0x101) is None
    assert application_error_code(FIRST + 0x1E) is None


@given(st.integers(0, 2**32 - 1), st.text(max_size=200), st.lists(st.binary(max_size=40), max_size=3), st.data())
@settings(max_examples=60)
def test_the_end_is_found_behind_unknown_capsules_however_the_bytes_are_cut(code, reason, others, data):
    stream = b"".join(b"\x40\x99" + bytes([len(body)]) + body for body in others) + session_end(code, reason)
    reader = SessionEnd()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    ended = [reader.feed(piece) for piece in pieces]
    assert ended[-1]
    assert (reader.code, reader.reason) == (code, reason)


@given(st.lists(st.binary(max_size=60), max_size=20))
@settings(max_examples=60)
def test_random_capsules_raise_only_what_is_documented_and_are_not_collected(pieces):
    reader = SessionEnd()
    for piece in pieces:
        try:
            reader.feed(piece)
        except MalformedCapsuleError:
            return
        assert len(reader._buffer) <= 2048


def test_closing_sends_the_capsule_and_both_ends_close_in_order(call, video):
    session = call("webtransport-datagram").run(video(10), until=1005.0, close_at=1003.0)
    closed = session.of(Closed)
    assert [event.error for event in closed] == [None, None]
    assert closed[1].at < 1003.1
    assert session.receiver.transport._session._end.code == 0


def test_a_caller_whose_session_is_refused_says_so(call, video, monkeypatch):
    monkeypatch.setattr("glassbench.transport.quic.webtransport._asks_for_session", lambda headers: False)
    session = call("webtransport-datagram").run(video(10), until=1005.0)
    assert session.sender.of(Connected) == []
    (closed,) = session.sender.of(Closed)
    assert closed.error == "the listener answered 404 to our CONNECT"


class Requests:
    """A caller whose HTTP/3 requests can be chosen."""

    def __init__(self, hostile):
        self.quic, self.pair, self.listener = hostile.quic, hostile.pair, hostile.listener
        self.http = H3Connection(self.quic, enable_webtransport=True)
        self.heard = []

    def ask(self, **changes):
        stream_id = self.quic.get_next_available_stream_id()
        headers = {
            ":method": "CONNECT",
            ":scheme": "https",
            ":authority": "x",
            ":path": "/glassbench",
            ":protocol": "webtransport",
        } | {f":{name}": value for name, value in changes.items()}
        self.http.send_headers(stream_id, [(k.encode(), v.encode()) for k, v in headers.items() if v is not None])
        for _ in range(10):
            self.pair.step(3)
            while (event := self.quic.next_event()) is not None:
                self.heard += self.http.handle_event(event)
        return stream_id

    def status(self, stream_id):
        answers = [e for e in self.heard if isinstance(e, HeadersReceived) and e.stream_id == stream_id]
        return [dict(answer.headers)[b":status"] for answer in answers]


def test_the_listener_answers_200_to_one_session(hostile, events):
    requests = Requests(hostile("h3"))
    first, second = requests.ask(), requests.ask()
    assert requests.status(first) == [b"200"]
    assert requests.status(second) == [b"404"]
    assert [type(event) for event in events(requests.listener)] == [Connected]


@pytest.mark.parametrize(
    "changes", [{"path": "/other"}, {"protocol": "websocket"}, {"method": "GET", "protocol": None}]
)
def test_the_listener_refuses_what_is_no_session_of_ours(hostile, events, changes):
    requests = Requests(hostile("h3"))
    assert requests.status(requests.ask(**changes)) == [b"404"]
    assert events(requests.listener) == []


def test_the_session_ends_when_the_caller_says_so(hostile, events):
    requests = Requests(hostile("h3"))
    session = requests.ask()
    requests.http.send_data(session, session_end(5, "enough"), end_stream=True)
    requests.pair.step(30)
    closed = [event for event in events(requests.listener) if isinstance(event, Closed)]
    assert [event.error for event in closed] == [None]
    assert not any(isinstance(event, DataReceived) for event in requests.heard)
