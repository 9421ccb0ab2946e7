"""Sockets, driver and relay by the clock of the machine. Bounds are wide: these tests run on busy machines."""

import socket
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassbench.netem.elements.delay import Delay
from glassbench.netem.link_log import LinkLog
from glassbench.netem.live.clock import LiveClock, monotonic_ns
from glassbench.netem.live.driver import drive
from glassbench.netem.live.emulator import EmulatedLink, between, emulate
from glassbench.netem.live.lateness import Lateness
from glassbench.netem.live.relay_port import RelayPort
from glassbench.netem.live.udp_socket import UdpSocket, open_socket, trains
from glassbench.netem.packet import Address
from glassbench.netem.path import Path
from glassbench.netem.simulator import START_AT

DELAY = 0.05


@pytest.fixture
def clock() -> LiveClock:
    return LiveClock(monotonic_ns())


@pytest.fixture(params=["127.0.0.1", "::1"])
def pair(request: pytest.FixtureRequest, clock: LiveClock) -> Iterator[tuple[UdpSocket, UdpSocket]]:
    try:
        ends = [UdpSocket(open_socket(request.param), clock) for _ in range(2)]
    except OSError as error:
        pytest.skip(f"no {request.param} here: {error.strerror}")
    yield ends[0], ends[1]
    for end in ends:
        end.close()


def received(udp: UdpSocket, count: int) -> list[tuple[bytes, int]]:
    taken: list[tuple[bytes, int]] = []
    end = time.monotonic() + 10
    while len(taken) < count and time.monotonic() < end:
        udp.wait(0.1)
        taken += [(data, ecn) for data, _, ecn, _ in udp.receive()]
    return taken


def test_trains_of_one_size_and_others_arrive_as_they_were_sent(pair: tuple[UdpSocket, UdpSocket]) -> None:
    sender, receiver = pair
    sizes = [1200] * 130 + [300, 300, 1, 0, 0, 1200, 60_000, 1200, 1200]
    datagrams = [(bytes([number % 256]) * size, receiver.address, number // 50) for number, size in enumerate(sizes)]
    sender.send(datagrams)
    assert received(receiver, len(sizes)) == [(data, ecn) for data, _, ecn in datagrams]
    assert sender.unsent == 0


def test_a_port_that_nobody_has_any_more_ends_nothing(pair: tuple[UdpSocket, UdpSocket]) -> None:
    """ICMP: port unreachable."""
    sender, receiver = pair
    gone = receiver.address
    receiver.close()
    for _ in range(3):
        sender.send([(b"to nobody", gone, 0)])
        sender.wait(0.01)
        assert sender.receive() == []
    assert sender.unsent == 0
    sender.send([(b"to myself", sender.address, 1)])
    assert received(sender, 1) == [(b"to myself", 1)]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"", b"a", b"bb", b"cc", b"d" * 30_000]), st.sampled_from([1, 2]), st.integers(0, 1)
        ),
        max_size=200,
    )
)
def test_trains_keep_the_order_and_are_what_one_call_can_send(sent: list[tuple[bytes, int, int]]) -> None:
    datagrams = [(data, ("127.0.0.1", port), ecn) for data, port, ecn in sent]
    made = list(trains(datagrams))
    assert [(data, peer, ecn) for train, peer, ecn in made for data in train] == datagrams
    for train, _, _ in made:
        first = len(train[0])
        assert all(len(data) == first for data in train[:-1]) and len(train[-1]) <= first
        assert len(train) == 1 or (len(train) <= 64 and first * len(train) <= 65_507 and train[-1])


def test_session_time_begins_at_the_instant_of_virtual_time_and_does_not_go_back() -> None:
    clock = LiveClock(monotonic_ns())
    instants = [clock.now() for _ in range(1000)]
    assert START_AT <= instants[0] < START_AT + 5
    assert instants == sorted(instants)


def test_a_stamp_from_before_a_step_of_the_wall_clock_is_not_believed(clock: LiveClock) -> None:
    for step in (-3600, 3600):
        assert abs(clock.arrivals()(time.time_ns() + step * 10**9) - clock.now()) < 1


def test_ecn_bits_and_peers_arrive_over_ipv4_and_ipv6(pair: tuple[UdpSocket, UdpSocket]) -> None:
    a, b = pair
    a.send([(bytes([ecn]), b.address, ecn) for ecn in range(4)])
    assert received(b, 4) == [(bytes([ecn]), ecn) for ecn in range(4)]
    b.send([(b"back", a.address, 0)])
    a.wait(5)
    (arrival,) = a.receive()
    assert (arrival.data, arrival.peer) == (b"back", b.address)


def test_the_time_of_arrival_is_the_kernels_and_not_that_of_looking(
    pair: tuple[UdpSocket, UdpSocket], clock: LiveClock
) -> None:
    a, b = pair
    time.sleep(0.5)  # until the kernel stamps
    before = clock.now()
    a.send([(b"x", b.address, 0)])
    after = clock.now()
    time.sleep(0.3)
    (arrival,) = b.receive()
    assert before - 0.01 < arrival.at < after + 0.1 < clock.now()


def test_what_the_kernel_does_not_take_is_counted_and_nothing_is_raised(pair: tuple[UdpSocket, UdpSocket]) -> None:
    a, b = pair
    a.send([(bytes(70_000), b.address, 0), (b"small", b.address, 0)])
    assert a.unsent == 1
    assert received(b, 1) == [(b"small", 0)]


@pytest.mark.parametrize(("host", "level", "option"), [("127.0.0.1", 0, 10), ("::1", 41, 23)])
def test_what_a_socket_sends_is_not_fragmented_whatever_the_kernel_was_told(host: str, level: int, option: int) -> None:
    """IP_MTU_DISCOVER and IPV6_MTU_DISCOVER of ip(7) and ipv6(7) are 3, "probe": the DF bit, and no cached path MTU."""
    try:
        plain = open_socket(host)
    except OSError as error:
        pytest.skip(f"no {host} here: {error.strerror}")
    with plain:
        assert plain.getsockopt(level, option) == 3


def test_a_message_that_a_port_is_closed_is_no_error(clock: LiveClock) -> None:
    a = UdpSocket(open_socket(), clock)
    gone = open_socket()
    address = gone.getsockname()
    gone.close()
    for _ in range(3):
        a.send([(b"x", address, 0)])
        assert a.receive() == []
    a.close()


class Echo:
    """An endpoint that sends back what it gets, and ticks."""

    def __init__(self) -> None:
        self.calls: list[float] = []
        self.ticks = 0
        self._out: list[tuple[bytes, Address, int]] = []
        self._at = START_AT

    def receive_datagram(self, data: bytes, peer: Address, ecn: int = 0, *, now: float) -> None:
        self.calls.append(now)
        self._out.append((data, peer, ecn))

    def datagrams_to_send(self, *, now: float) -> list[tuple[bytes, Address, int]]:
        out, self._out = self._out, []
        return out

    def get_timer(self) -> float:
        return self._at

    def handle_timer(self, *, now: float) -> None:
        self.calls.append(now)
        if now >= self._at:
            self.ticks += 1
            self._at = now + 0.01


def test_the_driver_answers_keeps_timers_and_never_goes_back_in_time(clock: LiveClock) -> None:
    served, asking = UdpSocket(open_socket(), clock), UdpSocket(open_socket(), clock)
    echo = Echo()
    until = clock.now() + 1.0

    def ask() -> None:
        for number in range(20):
            asking.send([(bytes([number]), served.address, 2)])
            time.sleep(0.01)

    thread = threading.Thread(target=ask)
    thread.start()
    ended_at, late, _ = drive(echo, served, clock, until=until, done=lambda now: False)
    thread.join()
    assert until <= ended_at < until + 1
    assert echo.calls == sorted(echo.calls)
    assert 5 < echo.ticks <= 101
    assert late.total == echo.ticks
    assert received(asking, 20) == [(bytes([number]), 2) for number in range(20)]
    served.close()
    asking.close()


class Link(NamedTuple):
    sender: UdpSocket
    receiver: UdpSocket
    down: EmulatedLink
    up: EmulatedLink
    ports: tuple[RelayPort, RelayPort]


@pytest.fixture
def link(pair: tuple[UdpSocket, UdpSocket], clock: LiveClock) -> Iterator[Link]:
    """A sender, a receiver, and both directions of a relay that delays by DELAY, running until the test is over."""
    sender, receiver = pair
    host = sender.address[0]
    to_sender, to_receiver = (UdpSocket(open_socket(host), clock, peer=end.address) for end in pair)

    def emulated() -> EmulatedLink:
        path = Path([Delay(DELAY)])
        return EmulatedLink(path, LinkLog(path, start_at=clock.now()))

    ports = (
        RelayPort(to_sender, other=receiver.address),
        RelayPort(to_receiver, other=sender.address),
    )
    down, up = emulated(), emulated()
    entries = between(*ports, down, up)
    over = threading.Event()
    options = {"until": clock.now() + 60, "done": over.is_set}
    thread = threading.Thread(target=emulate, args=(entries, [down, up], clock), kwargs=options)
    thread.start()
    yield Link(sender, receiver, down, up, ports)
    over.set()
    thread.join()
    to_sender.close()
    to_receiver.close()


def test_the_relay_delays_both_ways_keeps_order_and_ecn_and_counts(link: Link, clock: LiveClock) -> None:
    sender, receiver, down, up = link.sender, link.receiver, link.down, link.up
    sent_at = clock.now()
    sender.send([(bytes([number]), link.ports[0].udp.address, number % 4) for number in range(100)])
    assert received(receiver, 100) == [(bytes([number]), number % 4) for number in range(100)]
    assert clock.now() - sent_at >= DELAY
    receiver.send([(b"back", link.ports[1].udp.address, 0)])
    assert received(sender, 1) == [(b"back", 0)]
    assert (down.path.counts().pushed, down.path.counts().popped) == (100, 100)
    assert (up.path.counts().pushed, up.path.counts().popped) == (1, 1)
    assert down.lateness.total == 100 and down.lateness.largest >= 0


def test_strangers_are_counted_and_not_let_through(link: Link) -> None:
    sender, receiver = link.sender, link.receiver
    stranger = socket.socket(socket.AF_INET6 if ":" in sender.address[0] else socket.AF_INET, socket.SOCK_DGRAM)
    for _ in range(50):
        stranger.sendto(b"garbage", link.ports[0].udp.address)
    sender.send([(b"mine", link.ports[0].udp.address, 0)])
    assert received(receiver, 1) == [(b"mine", 0)]
    assert link.ports[0].foreign == 50
    stranger.close()


def test_percentiles_of_lateness_are_to_ten_microseconds_in_bounded_memory() -> None:
    late = Lateness()
    for number in range(100_000):
        late.add(number * 1e-8)
    late.add(5.0)
    late.add(-1.0)
    assert late.percentile(0.5) == pytest.approx(0.0005, abs=2e-5)
    assert late.percentile(0.99) == pytest.approx(0.00099, abs=2e-5)
    assert late.largest == 5.0
    assert late.summary()["packets"] == 100_002
    assert Lateness().percentile(0.99) == 0.0
