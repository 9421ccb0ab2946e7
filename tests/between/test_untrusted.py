"""What the other host says is not believed: it never crashes an end, and never grows its memory without bound."""

import json
import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from experiments.between.control import MAX_REQUEST, Control, ControlError
from experiments.between.key import Key, make_identity, matches
from experiments.between.link_bytes import link_bytes
from experiments.between.receiving import VERSION, _asked_for
from experiments.between.sending import _counters, _record
from experiments.between.shared_socket import SharedSocket
from experiments.engine.runner import default_with
from experiments.measure.connection import Connection
from netem.live.alignment import Exchange, align
from netem.live.alignment_messages import Answerer
from transport.contract import Unsupported

ALIGNMENT = align([Exchange(1000.0, 2000.0, 2000.0, 1000.001), Exchange(1001.0, 2001.0, 2001.0, 1001.001)])

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


class Peer:
    """Says what it is given, in pieces, and then closes."""

    def __init__(self, data: bytes, piece: int) -> None:
        self._data, self._piece = data, piece

    def settimeout(self, seconds: float | None) -> None: ...

    def recv(self, size: int) -> bytes:
        said, self._data = self._data[: self._piece], self._data[self._piece :]
        return said


@given(data=st.binary(max_size=300), piece=st.integers(1, 300))
def test_bytes_of_anybody_are_a_message_or_a_control_error(data: bytes, piece: int) -> None:
    control = Control(Peer(data, piece), MAX_REQUEST)  # type: ignore[arg-type]
    try:
        while True:
            assert isinstance(control.receive(1.0), dict)
    except ControlError:
        pass


@pytest.mark.parametrize("length", [MAX_REQUEST + 1, 2**32 - 1])
def test_a_message_that_is_too_long_is_refused_by_its_length_alone(length: int) -> None:
    control = Control(Peer(struct.pack("!I", length) + b"{}", 64), MAX_REQUEST)  # type: ignore[arg-type]
    with pytest.raises(ControlError, match="accepted are 1000000"):
        control.receive(1.0)


def test_messages_come_out_as_they_went_in_however_they_are_cut() -> None:
    texts = [json.dumps({"number": number}).encode() for number in range(3)]
    data = b"".join(struct.pack("!I", len(text)) + text for text in texts)
    for piece in (1, 3, 1000):
        control = Control(Peer(data, piece), MAX_REQUEST)  # type: ignore[arg-type]
        assert [control.receive(1.0)["number"] for _ in range(3)] == [0, 1, 2]


@given(hello=st.dictionaries(st.sampled_from(["version", "scenario", "arm", "x"]), anything))
def test_a_hello_of_anybody_is_refused_in_a_sentence(hello: dict[str, object]) -> None:
    with pytest.raises((ValueError, KeyError, Unsupported)):
        _asked_for({**hello, "version": VERSION})


@pytest.mark.parametrize("field", ["source", "encode_cost"])
def test_a_receiver_opens_no_file_for_a_sender(field: str, tmp_path) -> None:
    secret = tmp_path / "secret.mp4"
    secret.write_bytes(b"secret")
    content = default_with(arms=["rtp"]).dump()
    named = str(secret) if field == "source" else f"recorded:{secret}"
    content = {**content, "network": {}, "video": {**content["video"], field: named}}
    with pytest.raises(ValueError, match="a receiver opens no files"):
        _asked_for({"version": VERSION, "scenario": content, "arm": "rtp"})


@given(content=anything)
def test_records_of_anybody_are_records_or_a_control_error(content: object) -> None:
    with pytest.raises(ControlError):
        _record(content, ALIGNMENT)


@given(content=anything | st.fixed_dictionaries({"connected_at": anything, "closed_at": anything, "error": anything}))
@example(content={"connected_at": 10**400, "closed_at": float("nan"), "error": "\x1b[2J" + "long" * 1000})
def test_what_anybody_says_of_the_connection_is_instants_and_a_printable_sentence(content: object) -> None:
    said = Connection.parse(content)
    assert all(at is None or abs(at) < 1e9 for at in (said.connected_at, said.closed_at))
    assert said.error is None or (said.error.isprintable() and len(said.error) <= 300)


@given(content=anything | st.dictionaries(st.text(max_size=8), anything, max_size=4))
def test_counters_of_anybody_are_counts(content: object) -> None:
    assert all(type(number) is int and number >= 0 for number in _counters(content).values())


@given(said=anything)
def test_counts_of_anybody_make_a_link_table(said: object) -> None:
    class Nothing:
        def receive_datagram(self, data, peer, ecn=0, *, now): ...

        def datagrams_to_send(self, *, now):
            return []

        def get_timer(self):
            return None

        def handle_timer(self, *, now): ...

    shared = SharedSocket(Nothing(), Answerer(bytes(16)), ("10.0.0.1", 1))
    table = link_bytes(shared, {"sent": said, "received": said}, 1003.0)
    assert (table["sent_bytes"] >= 0).all()


def test_a_key_is_read_back_and_fits_its_certificate_alone() -> None:
    token = bytes(range(16))
    key, _ = make_identity(token)
    other, _ = make_identity(token)
    assert Key.parse(str(key)) == key
    assert Key.parse(f" {str(key).upper()}\n") == key
    assert not matches(key, None)
    assert not matches(key, b"certificate")
    assert other.fingerprint != key.fingerprint
    for text in ("", "abc", str(key)[:-1], str(key) + "a", "!" * 77, "ä" * 77):
        with pytest.raises(ValueError, match="accepted is the whole key"):
            Key.parse(text)
