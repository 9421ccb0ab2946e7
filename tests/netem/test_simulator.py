"""The simulator: routing, order, timers, and what it does with endpoints that misbehave."""

import numpy as np
import pytest

from glassbench.netem.elements.delay import Delay
from glassbench.netem.elements.fixed_rate import FixedRate
from glassbench.netem.elements.loss_episodes import LossEpisodes
from glassbench.netem.elements.random_delay import RandomDelay
from glassbench.netem.link_log import LinkLog
from glassbench.netem.packet import IP_UDP_HEADER_BYTES
from glassbench.netem.path import Path
from glassbench.netem.queues.drop_tail import DropTail
from glassbench.netem.simulator import START_AT, LivelockError, Simulator

A, B, C, R = ("10.0.0.1", 1), ("10.0.0.2", 2), ("10.0.0.4", 4), ("10.0.0.3", 3)


class Host:
    """Sends `plan`, a list of (instant, data, destination), with one timer; keeps what it receives."""

    def __init__(self, plan=()):
        self.plan = list(plan)
        self.received, self.woken, self.out = [], [], []

    def receive_datagram(self, data, peer, ecn=0, *, now):
        self.received.append((now, data, peer, ecn))

    def datagrams_to_send(self, *, now):
        out, self.out = self.out, []
        return out

    def get_timer(self):
        return self.plan[0][0] if self.plan else None

    def handle_timer(self, *, now):
        self.woken.append(now)
        while self.plan and self.plan[0][0] <= now:
            _, data, destination = self.plan.pop(0)
            self.out.append((data, destination, 2))


class Echo(Host):
    """Sends everything back at once."""

    def receive_datagram(self, data, peer, ecn=0, *, now):
        super().receive_datagram(data, peer, ecn, now=now)
        self.out.append((data, peer, ecn))


class Relay(Host):
    """Passes everything on to one address."""

    def __init__(self, to):
        super().__init__()
        self.to = to

    def receive_datagram(self, data, peer, ecn=0, *, now):
        self.out.append((data, self.to, ecn))


def pair(a, b, *, there, back=None, **options):
    simulator = Simulator(**options)
    simulator.add_node("a", A, a)
    simulator.add_node("b", B, b)
    simulator.add_route(A, B, [simulator.add_link(Path(there))])
    simulator.add_route(B, A, [simulator.add_link(Path(back if back is not None else there[:0]))])
    return simulator


@pytest.mark.parametrize("resolution", [0.0, 0.001])
def test_a_datagram_arrives_after_serialisation_with_headers_and_delay(resolution):
    a, b = Host([(START_AT + 1, b"x" * 1200, B)]), Host()
    link = [FixedRate(1e6, DropTail(limit_packets=10)), Delay(0.05)]
    simulator = pair(a, b, there=link, timer_resolution=resolution)
    simulator.run(until=START_AT + 2)
    ((at, data, peer, ecn),) = b.received
    assert at == pytest.approx(START_AT + 1 + (1200 + IP_UDP_HEADER_BYTES) * 8 / 1e6 + 0.05, abs=1e-9)
    assert (len(data), peer, ecn) == (1200, A, 2)
    assert simulator.now == START_AT + 2


def test_a_round_trip_takes_both_ways():
    a, b = Host([(START_AT + 1, b"ping", B)]), Echo()
    pair(a, b, there=[Delay(0.02)], back=[Delay(0.03)]).run(until=START_AT + 2)
    assert [at for at, *_ in a.received] == pytest.approx([START_AT + 1.05], abs=1e-9)


def test_a_relay_connects_two_hosts_that_have_no_link():
    a, b, relay = Host([(START_AT + 1, b"1", R), (START_AT + 2, b"2", R)]), Host(), Relay(B)
    simulator = Simulator()
    for name, address, endpoint in [("a", A, a), ("relay", R, relay), ("b", B, b)]:
        simulator.add_node(name, address, endpoint)
    simulator.add_route(A, R, [simulator.add_link(Path([Delay(0.01)]))])
    simulator.add_route(R, B, [simulator.add_link(Path([Delay(0.02)]))])
    simulator.run(until=START_AT + 3)
    assert [(at, data, peer) for at, data, peer, _ in b.received] == [
        (pytest.approx(START_AT + 1.03, abs=1e-9), b"1", R),
        (pytest.approx(START_AT + 2.03, abs=1e-9), b"2", R),
    ]
    assert {ends: route.sent_packets for ends, route in simulator.routes.items()} == {(A, R): 2, (R, B): 2}


def test_packets_to_an_address_without_a_link_are_counted():
    a = Host([(START_AT + 1, b"x", R), (START_AT + 1, b"x", B), (START_AT + 1, b"x", ("nowhere", 9))])
    b = Host()
    simulator = pair(a, b, there=[])
    simulator.run(until=START_AT + 2)
    assert simulator.unroutable == 2
    assert len(b.received) == 1


def test_conservation_holds_on_every_link_at_every_instant():
    rng = np.random.default_rng(1)
    plan = [(START_AT + at, b"x" * 1000, B) for at in np.sort(rng.uniform(0, 2, 400))]
    there = [LossEpisodes(0.1, 0.05, rng, epoch=START_AT), FixedRate(1e6, DropTail(limit_packets=9)), Delay(0.1)]
    a, b = Host(plan), Host()
    simulator = pair(a, b, there=there)
    for at in np.linspace(START_AT, START_AT + 3, 50):
        simulator.run(until=float(at))
        route = simulator.routes[A, B]
        counts = route.first.path.counts()
        assert route.sent_packets == route.first.entered_packets == counts.pushed == 400 - len(a.plan)
        assert counts.popped == len(b.received)
        assert counts.pushed == counts.popped + counts.dropped + counts.lost + counts.inside
    assert counts.dropped > 0 and counts.lost > 0 and counts.inside == 0


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5, 0.999])
def test_wake_ups_are_rounded_up_to_whole_milliseconds_after_arming(fraction):
    armed_at = START_AT + 0.1234567  # by a delivery, which is not rounded
    due_at = armed_at + 0.003 + fraction * 0.001

    class Lazy(Host):
        def receive_datagram(self, data, peer, ecn=0, *, now):
            super().receive_datagram(data, peer, ecn, now=now)
            self.plan.append((due_at, b"", A))

    for resolution, expected in [(0.0, due_at), (0.001, armed_at + (0.003 if fraction == 0 else 0.004))]:
        a, b = Host([(START_AT, b"x", B)]), Lazy()
        pair(a, b, there=[Delay(0.1234567)], timer_resolution=resolution).run(until=START_AT + 1)
        assert b.received[0][0] == pytest.approx(armed_at, abs=1e-9)
        assert b.woken == pytest.approx([expected], abs=1e-9)
        assert b.woken[0] >= due_at - 1e-9


def test_a_timer_in_the_past_fires_now_in_both_modes():
    for resolution in (0.0, 0.001):
        host = Host([(START_AT - 5, b"", B)])
        pair(host, Host(), there=[], timer_resolution=resolution).run(until=START_AT)
        assert host.woken == [START_AT]


def test_the_timer_is_armed_anew_after_every_call_as_an_event_loop_does():
    """A wait of 10 ms that a datagram interrupts after 9.6 ms is rounded from there: 0.4 ms become 1 ms."""
    b = Host([(START_AT + 0.010, b"", A)])
    pair(Host([(START_AT, b"x", B)]), b, there=[Delay(0.0096)], timer_resolution=0.001).run(until=START_AT + 1)
    assert b.woken == pytest.approx([START_AT + 0.0106], abs=1e-9)


def test_at_one_instant_deliveries_come_before_timers_and_nodes_in_the_order_they_were_added():
    order = []

    class Noisy(Host):
        def __init__(self, name, plan):
            super().__init__(plan)
            self.name = name

        def receive_datagram(self, data, peer, ecn=0, *, now):
            order.append((self.name, "datagram"))

        def handle_timer(self, *, now):
            order.append((self.name, "timer"))
            super().handle_timer(now=now)

    at = START_AT + 0.5
    hosts = {
        "c": Noisy("c", [(at, b"", A)]),
        "a": Noisy("a", [(START_AT, b"", B), (at, b"", B)]),
        "b": Noisy("b", [(at, b"", A)]),
    }
    simulator = Simulator()
    for (name, host), address in zip(hosts.items(), [R, A, B], strict=True):
        simulator.add_node(name, address, host)
    simulator.add_route(A, B, [simulator.add_link(Path([Delay(0.5)]))])
    simulator.run(until=at)
    assert order == [("a", "timer"), ("b", "datagram"), ("c", "timer"), ("a", "timer"), ("b", "timer")]


def scripted(seed, resolution, pieces):
    """A busy run: echoes over a lossy bottleneck with reordering; all that the hosts saw."""
    rngs = np.random.default_rng(seed).spawn(4)
    times = START_AT + np.sort(rngs[0].uniform(0, 5, 500))
    a, b = (
        Host(
            [(float(at), bytes(int(size)), B) for at, size in zip(times, rngs[0].integers(1, 1400, 500), strict=True)]
        ),
        Echo(),
    )
    there = [
        LossEpisodes(0.05, 0.05, rngs[1], epoch=START_AT),
        FixedRate(1e6, DropTail(limit_bytes=20_000)),
        Delay(0.01),
    ]
    back = [RandomDelay("lognormal", 0.02, 0.02, rngs[2], reorder=True)]
    simulator = pair(a, b, there=there, back=back, timer_resolution=resolution)
    for until in np.linspace(START_AT, START_AT + 6, pieces + 1)[1:]:
        simulator.run(until=float(until))
    return a.received, b.received, a.woken


@pytest.mark.parametrize("resolution", [0.0, 0.001])
def test_equal_calls_give_equal_runs_also_in_pieces_and_another_seed_does_not(resolution):
    once = scripted(1, resolution, pieces=1)
    assert len(once[0]) > 300
    assert scripted(1, resolution, pieces=1) == once
    assert scripted(1, resolution, pieces=777) == once
    assert scripted(2, resolution, pieces=1) != once


@pytest.mark.parametrize("resolution", [0.0, 0.001])
def test_a_timer_that_stays_in_the_past_raises_and_names_the_node(resolution):
    class Stuck(Host):
        def get_timer(self):
            return START_AT + 1

        def handle_timer(self, *, now):
            pass

    simulator = pair(Stuck(), Host(), there=[], timer_resolution=resolution)
    with pytest.raises(LivelockError, match="node 'a' was called 10000 times"):
        simulator.run(until=START_AT + 2)


def test_datagrams_that_circle_without_delay_raise_and_name_the_node():
    simulator = pair(Echo([(START_AT, b"x", B)]), Echo(), there=[])
    with pytest.raises(LivelockError, match=r"node '[ab]'"):
        simulator.run(until=START_AT + 1)


def test_a_large_burst_at_one_instant_is_not_a_livelock():
    a, b = Host([(START_AT, b"x", B)] * 9000), Host()
    pair(a, b, there=[Delay(0.01)]).run(until=START_AT + 1)
    assert len(b.received) == 9000


def test_settle_looks_at_an_endpoint_that_was_called_from_outside():
    a, b = Host(), Host()
    simulator = pair(a, b, there=[Delay(0.01)])
    simulator.run(until=START_AT + 1)
    a.plan.append((START_AT + 1.5, b"later", B))
    a.out.append((b"now", B, 0))
    simulator.settle("a")
    simulator.run(until=START_AT + 2)
    assert [(data, at) for at, data, *_ in b.received] == [
        (b"now", pytest.approx(START_AT + 1.01, abs=1e-9)),
        (b"later", pytest.approx(START_AT + 1.51, abs=1e-9)),
    ]


def test_flows_share_the_queue_of_a_link_and_each_has_its_own_delay():
    rng = np.random.default_rng(2)
    plans = [[(START_AT + at, bytes(1000), B) for at in np.sort(rng.uniform(0, 2, 300))] for _ in range(2)]
    plans[1] = [(at, data, R) for at, data, _ in plans[1]]
    hosts = {address: Host(plan) for address, plan in zip((A, C), plans, strict=True)} | {B: Host(), R: Host()}
    simulator = Simulator()
    for name, (address, host) in enumerate(hosts.items()):
        simulator.add_node(str(name), address, host)
    bottleneck = FixedRate(2e6, DropTail(limit_packets=9))
    path = Path([bottleneck])
    log = LinkLog(path, start_at=START_AT, interval=0.1, flows=2)
    shared = simulator.add_link(path, log=log)
    near, far = simulator.add_link(Path([Delay(0.01)])), simulator.add_link(Path([Delay(0.2)]))
    simulator.add_route(A, B, [near, shared], flow=0)
    simulator.add_route(C, R, [shared, far], flow=1)
    simulator.run(until=START_AT + 4)
    for host, peer, own in ((hosts[B], A, 0.01), (hosts[R], C, 0.2)):
        delays = [at - sent for (at, _, _, _), (sent, _, _) in zip(host.received, plans[peer == C], strict=False)]
        assert {sender for _, _, sender, _ in host.received} == {peer}
        assert min(delays) == pytest.approx(own + 1028 * 8 / 2e6, abs=1e-6)
    table = log.table(simulator.now)
    counts = path.counts()
    missing = [int(flow.missing_packets.sum()) for flow in table.flows]
    assert min(missing) > 0 and sum(missing) == counts.dropped
    for flow, host, gone in zip(table.flows, (hosts[B], hosts[R]), missing, strict=True):
        assert flow.sent_bytes.sum() == 300 * 1028
        assert flow.delivered_bytes.sum() == len(host.received) * 1028 == (300 - gone) * 1028
    assert sum(flow.sent_bytes for flow in table.flows).tolist() == table.sent_bytes.tolist()
    assert sum(flow.delivered_bytes for flow in table.flows).tolist() == table.delivered_bytes.tolist()


def test_a_link_without_a_log_does_not_keep_what_is_gone():
    plan = [(START_AT + 0.001 * number, bytes(1000), B) for number in range(500)]
    a, b = Host(plan), Host()
    path = Path([FixedRate(1e6, DropTail(limit_packets=2))])
    simulator = Simulator()
    simulator.add_node("a", A, a)
    simulator.add_node("b", B, b)
    simulator.add_route(A, B, [simulator.add_link(path)])
    simulator.run(until=START_AT + 1)
    assert path.counts().dropped > 300 and path.gone == []


def test_wrong_use_is_refused_in_one_sentence():
    simulator = pair(Host(), Host(), there=[])
    with pytest.raises(ValueError, match="taken by 'a'"):
        simulator.add_node("c", A, Host())
    with pytest.raises(ValueError, match="taken by 'b'"):
        simulator.add_node("b", R, Host())
    with pytest.raises(ValueError, match="no node has the address"):
        simulator.add_route(A, R, [simulator.add_link(Path([]))])
    with pytest.raises(ValueError, match="there is one already"):
        simulator.add_route(A, B, [simulator.add_link(Path([]))])
    twice = simulator.add_link(Path([]))
    with pytest.raises(ValueError, match="flow 0 passes one of its links already"):
        simulator.add_route(B, B, [twice, twice])
    with pytest.raises(ValueError, match=r"it is 1000\.0 already"):
        simulator.run(until=START_AT - 1)
    with pytest.raises(ValueError, match="timer_resolution"):
        Simulator(timer_resolution=-0.001)
    with pytest.raises(KeyError):
        simulator.settle("nobody")
