"""The receiving end for a page: frames, what is said beside them, and the rate that follows."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from glassbench.experiments.worlds.testing.end import RecordedEnd
from glassbench.netem.elements.delay import Delay
from glassbench.netem.path import Path
from glassbench.netem.simulator import Simulator
from glassbench.transport.contract import Closed, Frame, FrameLost, FrameReceived, Track, TransportConfig
from glassbench.transport.framing import MAX_MESSAGE_BYTES, message, record, split_frame
from glassbench.transport.quic.served import MAPPINGS, Mapping, served_receiver, visiting_receiver
from glassbench.transport.quic.service import Service, Visit
from glassbench.transport.quic.web_certificate import make_certificate

SERVER, PAGE = ("192.0.2.1", 4433), ("192.0.2.2", 5000)
TRACKS = (Track(id=0, name="video", media="vp8", priority=1),)
CERTIFICATE = make_certificate(["192.0.2.1"], datetime.now(UTC))
FRAMES = [Frame(0, 0, n, 1002 + n / 32, n == 0, 0, 1, None, bytes([n]) * 3000) for n in range(20)]
Call = tuple[float, Callable[[float], object]]


class Page:
    """Our receiver, and a caller whose streams and DATAGRAMs the test writes by hand, as a page would."""

    def __init__(self, mapping: Mapping) -> None:
        self.taken: list[bytes] = []
        service = Service(
            CERTIFICATE.certificate,
            CERTIFICATE.private_key,
            lambda headers: 200,
            lambda content, now: self.taken.append(content),
            lambda data, now: data[::-1] if data.startswith(b"?") else None,
        )
        visit = Visit(b"/send", b"http://localhost:8000", CERTIFICATE.fingerprint)
        self.receiving = served_receiver(TransportConfig(SERVER, PAGE, 1, TRACKS), service, lambda: mapping, 0)
        self.calling = visiting_receiver("datagram", TransportConfig(PAGE, SERVER, 2, TRACKS), visit)
        self.receiver, self.page = RecordedEnd(self.receiving), RecordedEnd(self.calling)

    def run(self, calls: Sequence[Call], *, until: float = 1006.0) -> "Page":
        simulator = Simulator()
        self.page.at(1000.0, lambda now: self.calling.connect(now=now))
        for at, call in calls:
            self.page.at(at, call)
        simulator.add_node("receiver", SERVER, self.receiver)
        simulator.add_node("page", PAGE, self.page)
        for one, other in ((SERVER, PAGE), (PAGE, SERVER)):
            simulator.add_route(one, other, [simulator.add_link(Path([Delay(0.01)]))])
        simulator.run(until=until)
        return self

    def stream(self, *parts: bytes, ends: bool = True) -> Callable[[float], object]:
        def call(now: float) -> None:
            assert self.calling._stack is not None and self.calling._session is not None
            stream_id = self.calling._session.open_stream()
            for place, part in enumerate(parts):
                last = ends and place == len(parts) - 1
                self.calling._stack.send_stream_data(stream_id, part, end_stream=last)

        return call

    def datagram(self, data: bytes) -> Callable[[float], object]:
        def call(now: float) -> None:
            assert self.calling._stack is not None and self.calling._session is not None
            self.calling._stack.send_datagram(self.calling._session.datagram(data), None)

        return call

    def sends(self, mapping: Mapping) -> list[Call]:
        if mapping == "datagram":
            return [(frame.captured_at, self.datagram(part)) for frame in FRAMES for part in split_frame(frame, 1100)]
        if mapping == "stream-per-frame":
            return [(frame.captured_at, self.stream(record(frame))) for frame in FRAMES]
        return [(FRAMES[0].captured_at, self.stream(*map(record, FRAMES)))]

    @property
    def received(self) -> list[Frame]:
        return [event.frame for event in self.receiver.of(FrameReceived)]


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_frames_of_a_page_arrive_by_every_mapping(mapping: Mapping) -> None:
    page = Page(mapping)
    page.run(page.sends(mapping))
    assert [replace(frame, expires_at=None) for frame in page.received] == FRAMES
    assert page.receiving.stats()["malformed"] == 0


def test_a_frame_of_which_a_datagram_is_missing_is_lost_and_those_after_it_arrive() -> None:
    page = Page("datagram")
    sends = page.sends("datagram")
    del sends[len(sends) // 2]
    page.run(sends)
    assert len(page.received) == len(FRAMES) - 1
    assert len(page.receiver.of(FrameLost)) == 1


def test_messages_and_questions_of_a_page_are_taken_beside_its_frames_and_nonsense_is_counted() -> None:
    page = Page("stream-per-frame")
    half = message(bytes(1000))
    page.run(
        [
            *page.sends("stream-per-frame"),
            (1003.0, page.stream(message(b"hello"))),
            (1003.1, page.stream(half[:10], half[10:])),
            (1003.2, page.stream(message(bytes(MAX_MESSAGE_BYTES + 1)))),
            (1003.3, page.stream(b"\x09nonsense" * 10)),
            (1003.4, page.stream(b"")),
            (1003.5, page.datagram(b"?abc")),
            (1003.6, page.datagram(b"abc")),
        ]
    )
    assert page.taken == [b"hello", bytes(1000)]
    assert len(page.received) == len(FRAMES)
    assert page.receiving.stats()["malformed"] == 3
    assert not page.receiver.of(Closed)


def test_messages_that_never_end_are_refused_and_take_no_more_memory() -> None:
    page = Page("stream")
    page.run([(1002 + n / 32, page.stream(message(bytes(60_000)), ends=False)) for n in range(12)])
    assert page.taken == []
    assert page.receiving.stats()["malformed"] >= 8
    assert sum(map(len, page.receiving._messages.values())) <= 4 * MAX_MESSAGE_BYTES


def test_what_the_receiver_says_comes_to_the_page_on_a_stream_of_its_own() -> None:
    page = Page("datagram")
    page.receiver.at(1003.0, lambda now: page.receiving.say(b'{"kind":"rate"}'))
    heard: list[bytes] = []
    page.calling._take_stream = lambda event, *, now: heard.append(event.data)  # type: ignore[method-assign]
    page.run([])
    assert heard == [message(b'{"kind":"rate"}')]


def test_the_rate_begins_with_what_is_asked_and_follows_what_left_and_arrived() -> None:
    page = Page("datagram")
    receiving = page.receiving
    assert receiving.rate_bps is None
    receiving.departed(0, 0.0, now=1002.0)  # before anything is asked it does nothing
    receiving.begin(1e6)
    assert receiving.rate_bps == 1e6
    late: list[Call] = []
    frames = [replace(FRAMES[0], sequence=n, captured_at=1002 + n / 32) for n in range(40)]
    for frame in frames:  # each waits longer than the one before
        delayed = frame.captured_at + 0.05 * frame.sequence
        late += [(delayed, page.datagram(part)) for part in split_frame(frame, 1100)]
        page.receiver.at(
            delayed + 0.1, lambda now, each=frame: receiving.departed(each.sequence, each.captured_at, now=now)
        )
    page.run(late)
    assert receiving.rate_bps < 0.9e6


def test_a_page_that_tells_of_frames_that_never_come_takes_no_memory() -> None:
    page = Page("datagram")
    page.run([])
    page.receiving.begin(1e6)
    for sequence in range(5000):
        page.receiving.departed(sequence, sequence / 30, now=1006.0)
    assert len(page.receiving._left) <= 257
    assert page.receiving.rate_bps is not None
