"""Feedback from one end to the other, in each format: reports on what came, to books on what left."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassbench.transport.contract import Track, TransportConfig
from glassbench.transport.framing import Malformed
from glassbench.transport.rtp import ccfb, rtcp, twcc
from glassbench.transport.rtp.arrivals import CONTROL_INTERVAL, Arrival, Arrivals
from glassbench.transport.rtp.books import Books, Settled
from glassbench.transport.rtp.feedback import FORMATS, FormatName, StreamNames
from glassbench.transport.rtp.packet import HEADER, parse
from glassbench.transport.rtp.receiver import RtpReceiver

MEDIA, RTX = 5, 6  # SSRCs
FORMAT = pytest.mark.parametrize("name", list(FORMATS))


class Ends:
    """Both ends of a session, without a network between them."""

    def __init__(self, name: FormatName) -> None:
        form = FORMATS[name]
        self.names = form.make_names()
        self.books = Books(form.clock_hz)
        self.reports = form.make_reports(Arrivals(CONTROL_INTERVAL, twice=True))

    def send(self, ssrc: int, sequence: int, *, now: float) -> tuple[int, bytes]:
        """A packet leaves: its number and its bytes."""
        number = self.books.on_sent(now=now)
        return number, self.names.send(HEADER.pack(0x80, 96, sequence, 0, ssrc) + b"data", number, now=now)

    def arrive(self, packet: bytes, *, now: float) -> None:
        """A packet comes."""
        self.reports.add(parse(packet), 0, now=now)

    def report(self, *, now: float) -> rtcp.Item:
        """What the sender reads of the report that is due."""
        (item,) = rtcp.parse(self.reports.take(7, MEDIA, now=now))
        return item

    def settle(self, item: rtcp.Item, *, now: float) -> Settled:
        report = self.names.read(item)
        assert report is not None
        return self.books.settle(report, now=now)


@FORMAT
@given(
    seed=st.integers(0, 2**32 - 1),
    loss=st.sampled_from([0.0, 0.05, 0.5]),
    lost_feedback=st.sampled_from([0.0, 0.3, 1.0]),
    jitter=st.sampled_from([0.0, 0.02]),
)
@settings(max_examples=15)
def test_every_packet_is_settled_exactly_once_with_loss_reordering_and_lost_and_late_feedback(
    name: FormatName, seed: int, loss: float, lost_feedback: float, jitter: float
) -> None:
    dice = np.random.default_rng(seed)
    ends = Ends(name)
    forward: list[tuple[float, int, bytes]] = []
    backward: list[tuple[float, rtcp.Item]] = []
    next_sequence = {MEDIA: 65000, RTX: 10}
    came: set[int] = set()
    settled: Counter[int] = Counter()
    for step in range(1, 3001):  # milliseconds: two seconds of packets, and one more
        now = 1000 + step / 1000
        if step < 2000:
            ssrc = RTX if dice.random() < 0.1 else MEDIA
            number, packet = ends.send(ssrc, next_sequence[ssrc] & 0xFFFF, now=now)
            next_sequence[ssrc] += 1
            if dice.random() >= loss:
                forward.append((now + 0.02 + jitter * dice.random(), number, packet))
        for entry in [entry for entry in forward if entry[0] <= now]:
            forward.remove(entry)
            came.add(entry[1])
            ends.arrive(entry[2], now=now)
        if ends.reports.report_at is not None and ends.reports.report_at <= now:
            item = ends.report(now=now)
            if dice.random() >= lost_feedback:
                backward.append((now + 0.02 + jitter * dice.random(), item))
        for feedback in [feedback for feedback in backward if feedback[0] <= now]:
            backward.remove(feedback)
            result = ends.settle(feedback[1], now=now)
            assert came.issuperset(result.arrived)
            if not jitter and not lost_feedback:
                assert came.isdisjoint(result.lost)
            settled.update(result.arrived + result.lost)
        settled.update(ends.books.give_up(now=now))
    assert settled == Counter(range(1999))
    assert ends.books.give_up_at() is None


@FORMAT
def test_round_trips_and_arrivals_are_told_as_they_were(name: FormatName) -> None:
    """In transport-wide feedback the round trip has the time in it for which the newest arrival waited, here 4 ms."""
    ends = Ends(name)
    packets = [ends.send(MEDIA, step, now=1000 + step / 1000)[1] for step in range(6)]
    for step, packet in enumerate(packets):
        ends.arrive(packet, now=1000.02 + step / 1000)
    result = ends.settle(ends.report(now=1000.029), now=1000.049)
    assert result.arrived == list(range(6))
    assert list(np.diff(list(result.received_at.values()))) == pytest.approx(5 * [0.001], abs=1e-3)
    assert result.rtt == pytest.approx(0.044 if name == "twcc" else 0.04, abs=1e-3)


def test_transport_wide_numbers_go_on_where_16_bits_end() -> None:
    ends = Ends("twcc")
    settled = []
    for step in range(70_000):
        now = 1000 + step / 100_000
        number, packet = ends.send(MEDIA, step & 0xFFFF, now=now)
        if number % 1000 in (7, 8):
            ends.arrive(packet, now=now)
        if number % 1000 == 9:
            settled += ends.settle(ends.report(now=now), now=now).arrived
    assert settled == [number for number in range(70_000) if number % 1000 in (7, 8)]


def streams(ssrc: int, sequences: Sequence[int]) -> rtcp.Item:
    body = ccfb.pack({ssrc: [Arrival(sequence, 1000.0, 0) for sequence in sequences]}, 0, now=1000.0)
    (item,) = rtcp.parse(rtcp.congestion_feedback(7, body))
    return item


def transport(sequences: Sequence[int]) -> rtcp.Item:
    body = twcc.pack([Arrival(sequence, 1000.0, 0) for sequence in sequences], 0)
    (item,) = rtcp.parse(rtcp.transport_feedback(7, MEDIA, body))
    return item


@pytest.mark.parametrize("sequences", [[1], [0, 1], [65535], [40000]])
@FORMAT
def test_a_report_of_a_packet_that_never_left_is_refused_as_a_whole(name: FormatName, sequences: list[int]) -> None:
    ends = Ends(name)
    ends.send(MEDIA, 0, now=1000.0)
    with pytest.raises(Malformed, match="came and never left"):
        ends.names.read(transport(sequences) if name == "twcc" else streams(MEDIA, sequences))
    assert ends.settle(transport([0]) if name == "twcc" else streams(MEDIA, [0]), now=1000.1).arrived == [0]


def test_of_streams_that_are_not_ours_nothing_is_read() -> None:
    ends = Ends("rfc8888")
    ends.send(MEDIA, 0, now=1000.0)
    assert ends.names.read(streams(MEDIA + 1, [0])) is None


def test_names_of_packets_are_forgotten_once_they_are_settled_for_good() -> None:
    names = StreamNames()
    for number in range(10_000):
        names.send(HEADER.pack(0x80, 96, number & 0xFFFF, 0, MEDIA), number, now=1000 + number / 100)
    assert len(names._numbers) == pytest.approx(200, abs=2)


def test_a_packet_without_the_extension_is_not_told_of() -> None:
    ends = Ends("twcc")
    ends.arrive(HEADER.pack(0x80, 96, 1, 0, MEDIA) + b"data", now=1000.0)
    assert ends.reports.report_at is None


@given(
    st.lists(
        st.tuples(st.sampled_from([0xBEDE, 0x1000, 0x100F, 0]), st.binary(max_size=24), st.integers(0, 3)), max_size=40
    )
)
@settings(max_examples=100)
def test_extensions_of_any_content_raise_nothing_at_the_receiver_and_its_reports_stay_small(blocks) -> None:
    options = {"control": "gcc", "feedback": "twcc"}
    sender, receiver = ("10.0.0.1", 5000), ("10.0.0.2", 5000)
    end = RtpReceiver(TransportConfig(receiver, sender, 1, (Track(1, "video", "h264", 1),), options=options))
    end.connect(now=1000.0)
    for sequence, (profile, content, short) in enumerate(blocks):
        now = 1000 + sequence / 200
        words = max(0, len(content) // 4 - short)  # the rest is then payload
        head = HEADER.pack(0x90, 96, sequence, sequence, MEDIA) + profile.to_bytes(2, "big") + words.to_bytes(2, "big")
        end.receive_datagram(head + content + b"\x41\x9adata", sender, now=now)
        end.handle_timer(now=now)
        for datagram in end.datagrams_to_send(now=now):
            assert len(datagram.data) <= 576
            assert rtcp.parse(datagram.data)
    assert end.stats()["malformed"] <= len(blocks)
