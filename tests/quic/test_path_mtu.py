"""How large a datagram the path carries: 1200 bytes until more is known, and again when it carries less."""

from itertools import count
from typing import Any

import numpy as np
import pytest

from glassbench.netem.elements.delay import Delay
from glassbench.netem.elements.fixed_rate import FixedRate
from glassbench.netem.elements.outage import Outage
from glassbench.netem.elements.random_loss import RandomLoss
from glassbench.netem.elements.size_limit import SizeLimit
from glassbench.netem.queues.drop_tail import DropTail
from glassbench.transport.contract import Track
from glassbench.transport.quic.path_mtu import BASE_BYTES, PathMtu, SentSize

START_AT, MEDIA_AT = 1000.0, 1002.0
HEADERS = 28  # IPv4 and UDP
STOCK_RENO = {"stack": "stock", "control": "reno"}
STOCK_CUBIC = {"stack": "stock", "control": "cubic"}
DATAGRAMS = ["quic-datagram", "webtransport-datagram"]
ARMS = [*DATAGRAMS, "quic-stream", "webtransport-stream-per-frame"]


class Search:
    """A search over a path that carries `limit` bytes; each packet is acknowledged or lost before the next."""

    def __init__(self, most: int, limit: int) -> None:
        self.path, self.limit = PathMtu(most), limit
        self.now = START_AT
        self.numbers = count()
        self.asked: list[int] = []

    def run(self) -> "Search":
        while (size := self.path.probe_bytes(now=self.now)) is not None:
            self.asked.append(size)
            number = next(self.numbers)
            self.path.on_probe_sent(number, size)
            self.settle(SentSize(number, size))
            self.send(100)
        return self

    def send(self, *sizes: int) -> None:
        for size in sizes:
            self.settle(SentSize(next(self.numbers), size))

    def settle(self, packet: SentSize) -> None:
        passed = packet.size <= self.limit
        self.path.on_packets([packet] if passed else [], [] if passed else [packet], now=self.now)


def test_a_path_that_carries_the_largest_size_is_known_after_one_probe() -> None:
    search = Search(1452, 1500).run()
    assert search.asked == [1452]
    assert search.path.size_bytes == 1452


@pytest.mark.parametrize("most", [1232, 1452, 8952])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.77, 0.999])
def test_the_size_of_any_path_is_found_to_sixteen_bytes_and_never_exceeded(most: int, share: float) -> None:
    limit = BASE_BYTES + int(share * (most - BASE_BYTES))
    search = Search(most, limit).run()
    assert limit - 16 < search.path.size_bytes <= limit
    assert max(search.asked.count(size) for size in search.asked) == 3
    assert len(search.asked) <= 3 * 11


def test_a_path_of_the_base_is_asked_nothing() -> None:
    assert Search(BASE_BYTES, BASE_BYTES).run().asked == []


def test_a_lost_probe_is_not_repeated_before_the_path_is_alive() -> None:
    path = PathMtu(1452)
    path.on_probe_sent(0, 1452)
    path.on_packets([], [SentSize(0, 1452)], now=START_AT)
    assert path.probe_bytes(now=START_AT + 30) is None
    path.on_packets([SentSize(1, 30)], [], now=START_AT + 31)
    assert path.probe_bytes(now=START_AT + 31) == 1452


def test_a_smaller_size_is_questioned_again_after_ten_minutes() -> None:
    search = Search(1452, 1300).run()
    search.limit = 1500
    search.now += 599
    assert search.run().path.size_bytes < 1300
    search.now += 2
    assert search.run().path.size_bytes == 1452


def test_large_packets_lost_around_a_small_one_that_arrived_are_a_black_hole() -> None:
    search = Search(1452, 1500).run()
    search.limit = 1400
    search.send(1452, 1452, 100, 1452)
    assert search.path.black_holes == 0, "a packet after the loss has to arrive, or it may be an outage"
    search.send(100)
    assert (search.path.black_holes, search.path.size_bytes) == (1, BASE_BYTES)
    assert 1384 < search.run().path.size_bytes <= 1400


@pytest.mark.parametrize(
    ("why", "lost", "acked"),
    [
        ("an outage ends", [1, 2, 3, 4, 5], [6]),
        ("larger ones pass between", [1, 2, 4], [3, 5, 6]),
        ("a larger one passes after", [1, 2, 4], [3, 5]),
        ("too few", [1, 4], [2, 5]),
    ],
)
def test_losses_that_have_another_reason_are_none(why: str, lost: list[int], acked: list[int]) -> None:
    """Packet 3 of the second case and packet 5 of the third are large; in the other cases all packets that arrive are
    small."""
    large = {"larger ones pass between": 3, "a larger one passes after": 5}.get(why, 0)
    search = Search(1452, 1500).run()
    first = next(search.numbers)
    for number in sorted([*lost, *acked]):
        size = 1452 if number in lost or number == large else 100
        packet = SentSize(first + number, size)
        search.path.on_packets([packet] if number in acked else [], [packet] if number in lost else [], now=START_AT)
    assert (search.path.black_holes, search.path.size_bytes) == (0, 1452), why


# Whole connections.


def narrow(call: Any, arm: str, largest: int, at: float, *, delay: float = 0.02, **options: Any) -> Any:
    """A session over a path that carries `largest` bytes of UDP payload from `at` on, seconds after its start."""
    limit = SizeLimit(largest + HEADERS, START_AT + at)
    return call(arm, delay=delay, forward=[limit, Delay(delay)], **options)


@pytest.mark.parametrize("arm", ARMS)
def test_a_connection_begins_at_1200_bytes_and_knows_the_path_when_the_media_begin(call, video, arm):
    session = narrow(call, arm, 1500, 0.0)
    session.run(video(5, 5000), until=MEDIA_AT + 1)
    sizes = [len(data) for data in session.sender.sent]
    assert sizes[0] == BASE_BYTES
    assert max(sizes) == 1452
    assert all(event.at - event.frame.captured_at < 0.021 for event in session.received().values())
    stats = session.sender.transport.stats()
    assert (stats["mtu_probes"], stats["black_holes"], stats["max_datagram_bytes"]) == (1, 0, 1452)
    assert max(len(data) for data in session.receiver.sent) <= BASE_BYTES


@pytest.mark.parametrize("largest", [1200, 1372])
@pytest.mark.parametrize("arm", ARMS)
def test_on_a_path_that_carries_less_every_frame_arrives_without_a_wait(call, video, arm, largest):
    session = narrow(call, arm, largest, 0.0)
    session.run(video(20, 5000), until=MEDIA_AT + 1)
    assert len(session.received()) == 20
    assert all(event.at - event.frame.captured_at < 0.021 for event in session.received().values())
    assert largest - 16 < session.sender.transport.stats()["max_datagram_bytes"] <= largest


@pytest.mark.parametrize("arm", ["quic-datagram", "quic-stream"])
@pytest.mark.parametrize("options", [STOCK_RENO, STOCK_CUBIC])
def test_aioquic_as_it_is_stays_at_1200_bytes(call, video, arm, options):
    session = narrow(call, arm, 1500, 0.0, options=options)
    session.run(video(5, 8000), until=MEDIA_AT + 1)
    assert len(session.received()) == 5
    assert max(len(data) for data in session.sender.sent) == BASE_BYTES


@pytest.mark.parametrize(
    ("largest", "size"),
    [(1200, lambda n: 8000), (1252, lambda n: 60_000 if n % 20 == 15 else 700), (1372, lambda n: 8000)],
)
@pytest.mark.parametrize("arm", ARMS)
def test_a_path_that_shrinks_under_the_media_loses_no_frame_and_is_found_out_in_half_a_second(
    call, video, arm, largest, size
):
    session = narrow(call, arm, largest, 2.5)
    session.run(video(60, size), until=MEDIA_AT + 3)
    assert sorted(session.received()) == list(range(60))
    assert session.sender.transport.stats()["black_holes"] == 1
    later = [event for event in session.received().values() if event.frame.captured_at > MEDIA_AT + 1.3]
    assert max(event.at - event.frame.captured_at for event in later) < 0.12
    assert max(event.at - event.frame.captured_at for event in session.received().values()) < 0.5


@pytest.mark.parametrize("arm", DATAGRAMS)
def test_frames_cut_for_the_larger_path_are_cut_anew_within_their_deadline(call, video, arm):
    tracks = (Track(1, "video", "h264", 2, 0.6), Track(2, "chat", "data", 0))
    session = narrow(call, arm, 1372, 2.5, tracks=tracks)
    session.run(video(40, 8000, deadline=0.6), until=MEDIA_AT + 3)
    received = session.received()
    assert len(received) == 40
    for event in received.values():
        assert event.frame.payload == bytes([event.frame.sequence % 251]) * 8000
        assert event.frame.captured_at < event.first_arrival_at <= event.complete_at


@pytest.mark.parametrize("arm", DATAGRAMS)
def test_a_frame_that_is_cut_anew_is_counted_as_media_once(call, video, arm):
    session = narrow(call, arm, 1372, 2.5, tracks=(Track(1, "video", "h264", 2, 0.6), Track(2, "chat", "data", 0)))
    session.run(video(40, 30_000, deadline=0.6), until=MEDIA_AT + 3)
    stats = session.sender.transport.stats()
    assert stats["repair_bytes"] > 30_000
    assert 1 < stats["media_bytes"] / (40 * 30_000) < 1.03


@pytest.mark.parametrize("arm", DATAGRAMS)
def test_without_repair_a_narrower_path_costs_only_what_was_sent_before_it_was_known(call, video, arm):
    session = narrow(call, arm, 1372, 2.5, options={"repair": False})
    session.run(video(50, lambda n: 8000 if n % 3 else 600), until=MEDIA_AT + 3)
    lost = set(range(50)) - session.received().keys()
    assert lost and max(lost) < 35


@pytest.mark.parametrize("arm", ["quic-datagram", "quic-stream-per-frame"])
def test_outages_and_congestion_are_no_black_holes(call, video, arm):
    windows = [(2.3 + n * 0.4, 0.15) for n in range(4)]
    session = call(arm, forward=[Outage(windows, epoch=START_AT), Delay(0.02)])
    session.run(video(60, 8000), until=MEDIA_AT + 3)
    assert session.sender.transport.stats()["black_holes"] == 0
    lossy = [RandomLoss(0.1, np.random.default_rng(3)), FixedRate(1.5e6, DropTail(limit_bytes=15_000)), Delay(0.02)]
    congested = call(arm, forward=lossy)
    congested.run(video(60, lambda n: 20_000 if n % 10 == 0 else 700), until=MEDIA_AT + 4)
    assert congested.sender.transport.stats()["lost_packets"] > 10
    assert congested.sender.transport.stats()["black_holes"] == 0


def test_a_lost_probe_is_no_congestion_and_no_lost_packet(call, video):
    session = narrow(call, "quic-datagram", 1200, 0.0)
    session.run(video(20, 5000), until=MEDIA_AT + 1)
    stats = session.sender.transport.stats()
    assert stats["mtu_probes"] > 6
    assert stats["lost_packets"] == 0
    assert session.sender.transport._stack.control.flight.allowance.probe
