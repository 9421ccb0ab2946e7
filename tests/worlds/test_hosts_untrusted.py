"""What the other host says is not believed: it never crashes an end, and never grows its memory without bound."""

import json
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassbench.experiments.account.assemble import link_table
from glassbench.experiments.scenario import ScenarioError, build
from glassbench.experiments.worlds.ends import Ends, Place
from glassbench.experiments.worlds.hosts.asked import Limits, ask_for, asked_for
from glassbench.experiments.worlds.hosts.control import Control, ControlError
from glassbench.experiments.worlds.hosts.key import Key, make_identity, matches
from glassbench.experiments.worlds.hosts.link_bytes import link_bytes
from glassbench.experiments.worlds.hosts.messages import (
    MAX_MESSAGE,
    Answer,
    Hello,
    Reported,
    ReportedCounts,
    Said,
    Start,
)
from glassbench.experiments.worlds.hosts.printable import printable
from glassbench.experiments.worlds.hosts.shared_socket import SharedSocket
from glassbench.netem.live.alignment_messages import Answerer
from glassbench.transport.registry import TRANSPORTS

TOKEN = "0123456789abcdef" * 2
NOWHERE = Place(("192.0.2.1", 9), ("192.0.2.1", 9))

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


class Connection:
    """Sends what it is given, in pieces, and then closes."""

    def __init__(self, data: bytes, piece: int) -> None:
        self._data, self._piece = data, piece

    def setblocking(self, blocking: bool) -> None: ...

    def pending(self) -> int:
        return 1

    def recv(self, size: int) -> bytes:
        said, self._data = self._data[: self._piece], self._data[self._piece :]
        return said


def control(data: bytes, piece: int = 64) -> Control:
    return Control(Connection(data, piece))  # type: ignore[arg-type]


def framed(*texts: str | bytes) -> bytes:
    data = [text.encode() if isinstance(text, str) else text for text in texts]
    return b"".join(struct.pack("!I", len(each)) + each for each in data)


KINDS = [Hello, Answer, Start, Said, Reported]


@given(data=st.binary(max_size=300), piece=st.integers(1, 300), kind=st.sampled_from(KINDS))
def test_bytes_of_anybody_are_a_message_or_a_control_error(data: bytes, piece: int, kind: Any) -> None:
    for said in (data, framed(data)):
        end = control(said, piece)
        with pytest.raises(ControlError):
            while True:
                assert isinstance(end.receive(kind, 1.0), kind)


@pytest.mark.parametrize("length", [MAX_MESSAGE + 1, 2**32 - 1])
def test_a_message_that_is_too_long_is_refused_by_its_length_alone(length: int) -> None:
    with pytest.raises(ControlError, match="accepted are 1000000"):
        control(struct.pack("!I", length) + b"{}").receive(Answer, 1.0)


def test_messages_come_out_as_they_went_in_however_they_are_cut() -> None:
    data = framed(*(json.dumps({"start": number}) for number in range(3)))
    for piece in (1, 3, 1000):
        end = control(data, piece)
        assert [end.receive(Start, 1.0).start for _ in range(3)] == [0, 1, 2]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Start, '{"start": NaN}'),
        (Start, '{"start": Infinity}'),
        (Start, '{"start": 1e999}'),
        (Start, '{"start": 9e99}'),
        (Start, '{"start": "1"}'),
        (Start, "[" * 100_000),
        (Hello, '{"token": "\\ud800"}'),
        (Hello, f'{{"token": "{TOKEN}", "version": 1e9, "scenario": {{}}}}'),
        (Said, f'{{"given_up": {{"0": [{",".join(["1"] * 300_000)}]}}}}'),
        (Said, '{"frames": {"0": -1}}'),
        (Said, json.dumps({"frames": dict.fromkeys(range(40), 1)})),
        (Reported, f'{{"records": [{",".join(["{}"] * 300_000)}]}}'),
        (Reported, '{"records": [{"track": 0, "sequence": 1e20}]}'),
        (Reported, '{"records": [{"track": 0, "sequence": 1, "complete_at": NaN}]}'),
        (Reported, '{"records": [{"track": 0, "sequence": 1, "outcome": "\\u001b"}]}'),
        (Reported, '{"counts": {"stats": {"\\u001b[2J": 1}}}'),
        (Reported, '{"counts": {"overflows": -1}}'),
        (Reported, '{"counts": {"sent_bytes": {"-1": 1}}}'),
    ],
)
def test_fields_are_checked_where_they_come_in(kind: Any, text: str) -> None:
    with pytest.raises(ControlError) as refused:
        control(framed(text), 10**6).receive(kind, 5.0)
    assert len(str(refused.value)) < 300


def test_a_sentence_of_the_other_end_steers_no_terminal() -> None:
    said = "\x1b]0;title\x07\x1b[2J\r\n\x9b1m\u202eabc\u2028 fine, b\u00fccher\ud7ff"
    answer = control(framed(json.dumps({"error": said}))).receive(Answer, 1.0)
    assert answer.error is not None and answer.error.isprintable()
    assert "fine, b\u00fccher" in answer.error
    assert printable("\ud800") == "\N{REPLACEMENT CHARACTER}"
    assert len(printable("x" * 10**6)) < 1010


def ends(**fields: Any) -> Ends:
    content = {"name": "far", "duration": "2s", "arms": ["udp", "rtp"], "network": {}, **fields}
    plan = build({"video": {"source": "lognormal", "bitrate": "1Mbit/s"}, **content})
    return Ends(plan.media(plan.arms[-1]))


def test_what_a_sender_asks_for_is_what_the_receiver_builds() -> None:
    own = ends(video={"source": "synthetic", "width": 322, "height": 182, "fps": 24.5}, chat={}, playout="fixed:150ms")
    far = asked_for(ask_for(own), Limits())
    assert (far.arm, far.picture_size, far.announced()) == (own.arm, (322, 182), own.announced())
    assert (far.last, far.source.fps) == (own.last, own.source.fps)
    assert far.config("receiver", NOWHERE) == own.config("receiver", NOWHERE)


@settings(max_examples=50)
@given(scenario=st.dictionaries(st.sampled_from(["video", "arm", "stop", "duration", "name", "x"]), anything))
def test_a_flow_of_anybody_is_refused_in_a_sentence(scenario: dict[str, object]) -> None:
    with pytest.raises(ScenarioError):
        asked_for(scenario, Limits())
    with pytest.raises(ScenarioError):
        asked_for({**ask_for(ends()), "video": scenario}, Limits())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("source", "sizes:/dev/zero"),
        ("source", "/dev/zero"),
        ("source", "recorded.mp4"),
        ("source", "bikes"),
        ("encode_cost", "recorded:/dev/zero"),
        ("decode_cost", "recorded:/dev/zero"),
    ],
)
def test_a_receiver_opens_no_file_and_no_device_for_a_sender(
    field: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ask_for(ends())
    monkeypatch.setattr("builtins.open", None)
    monkeypatch.setattr("pathlib.Path.open", None)
    monkeypatch.setattr("pathlib.Path.exists", None)
    with pytest.raises(ScenarioError, match=rf"opens no files of its host: video.{field}"):
        asked_for({**asked, "video": {**asked["video"], field: value}}, Limits())
    for network in ({"trace": "/dev/zero"}, {"down": [{"element": "trace", "trace": "/dev/zero"}], "up": []}):
        with pytest.raises(ScenarioError, match="unknown field 'network'"):
            asked_for({**asked, "network": network}, Limits())
    with pytest.raises(ScenarioError, match="opens no files of its host: greedy"):
        asked_for({**asked, "greedy": True}, Limits())


@pytest.mark.parametrize(
    ("fields", "limits", "sentence"),
    [
        ({"duration": "601s"}, {"duration": 700.0}, "duration: found 601s; this receiver accepts 600s"),
        ({"video": {"source": "synthetic", "height": 4098}}, {"side": 5000}, "video.height: found 4098 pixels"),
        ({"video": {"source": "synthetic", "width": 4098}}, {"side": 5000}, "video.width: found 4098 pixels"),
        ({"video": {"source": "lognormal", "bitrate": "101Mbit/s"}}, {"rate": 2e8}, "found 101Mbit/s; this receiver"),
        ({"chat": {"size": "15kB", "interval": "1ms"}}, {"rate": 2e8}, "found 121Mbit/s; this receiver accepts"),
    ],
)
def test_what_a_sender_may_ask_for_has_limits_that_the_receiver_sets(
    fields: dict[str, Any], limits: dict[str, Any], sentence: str
) -> None:
    asked = ask_for(ends(**fields))
    with pytest.raises(ScenarioError, match=sentence):
        asked_for(asked, Limits())
    assert asked_for(asked, Limits(**limits)).arm.label == "rtp"


@pytest.mark.parametrize("name", TRANSPORTS)
def test_what_every_transport_counts_can_be_reported(name: str) -> None:
    own = ends(arms=[name])
    receiver = own.transport("receiver", own.config("receiver", NOWHERE))
    assert ReportedCounts(stats=dict(receiver.stats())).stats == receiver.stats()


def test_counts_that_are_reported_make_a_link_table() -> None:
    class Nothing:
        def receive_datagram(self, data, peer, ecn=0, *, now): ...

        def datagrams_to_send(self, *, now):
            return []

        def get_timer(self):
            return None

        def handle_timer(self, *, now): ...

    shared = SharedSocket(Nothing(), Answerer(bytes(16)), ("10.0.0.1", 1))
    table = link_table(
        link_bytes(shared, ReportedCounts(sent_bytes={10025: 700}, received_bytes={10021: 100, 9: 5}), 1003.0)
    )
    sums = table.groupby("direction")[["sent_bytes", "delivered_bytes"]].sum()
    assert sums.loc["up", "sent_bytes"] == 700 and sums.loc["down", "delivered_bytes"] == 100


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
