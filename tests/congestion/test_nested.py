"""A media controller inside a window: what may leave is the lesser, and each of the two hears what it would alone."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from glassbench.testing import check_controller
from glassbench.transport.congestion import CONTROLLERS, nested_entry
from glassbench.transport.congestion.controller import Allowance, Feedback, FramePlanner, SentPacket
from glassbench.transport.congestion.flight import Flight
from glassbench.transport.congestion.nested import NestedController, NestedPlanner

PACKET = 1200
MEDIA = [name for name, entry in CONTROLLERS.own.items() if not entry.is_window]
WINDOWS = [name for name, entry in CONTROLLERS.own.items() if entry.is_window]
PAIRS = [(media, window) for media in MEDIA for window in WINDOWS]


@dataclass
class Told:
    """A controller that allows what it is told to, and writes down what it hears."""

    allowance: Allowance
    timer: float | None = None
    sent: list[SentPacket] = field(default_factory=list)
    heard: list[Feedback] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)

    def on_sent(self, packet):
        packet.memo = (id(self), packet.number)
        self.sent.append(packet)

    def on_feedback(self, feedback):
        assert all(result.packet.memo == (id(self), result.packet.number) for result in feedback.results)
        self.heard.append(feedback)

    def undo_losses(self, *, since, now):
        self.calls.append(f"undo {since}")

    def resize(self, max_datagram_bytes):
        self.calls.append(f"resize {max_datagram_bytes}")

    def get_timer(self):
        return self.timer

    def handle_timer(self, *, now):
        self.calls.append(f"timer {now}")


@dataclass
class Planner(Told):
    budget: int | None = None

    def frame_budget(self, *, in_flight_bytes, ready_at, interval, now):
        return self.budget


def allowance(**given):
    usual = {"window_bytes": 100 * PACKET, "unpaced_bytes": 0, "pacing_bps": 8e6, "burst_bytes": 2 * PACKET}
    return Allowance(**{**usual, "target_bps": 4e6, "base_rtt": 0.1, "probe": False, **given})


def of(media, window):
    kind = NestedPlanner if isinstance(media, FramePlanner) else NestedController
    nest = kind(media, window, max_datagram_bytes=PACKET)
    return nest, Flight(nest, max_datagram_bytes=PACKET)


def send(flight, packets, *, now=1000.0, first=0):
    for number in range(first, first + packets):
        flight.on_sent(number, PACKET, now=now)


def settle(flight, acked=(), lost=(), *, rtt=0.1, now=1000.1):
    flight.on_settled(acked, lost, rtt=rtt, probe_timeout=0.3, now=now)


@pytest.mark.parametrize(
    ("media", "window"),
    [
        pytest.param("gcc", "cubic", marks=pytest.mark.long),
        pytest.param("realtime", "bbr", marks=pytest.mark.lengthy),
        pytest.param("scream", "reno", marks=pytest.mark.lengthy),
    ],
)
def test_each_pair_keeps_the_contract_of_a_controller(media, window):
    check_controller(nested_entry(media, window).make)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("media", "window"), PAIRS)
def test_never_more_is_in_flight_than_either_allows(media, window):
    dice = np.random.default_rng(3)
    flight = Flight(nested_entry(media, window).make(max_datagram_bytes=PACKET), max_datagram_bytes=PACKET)
    parts = [part.controller for part in flight.controller._parts]
    waiting, number, now, full = [], 0, 1000.0, 0
    for _ in range(2000):
        now += 0.002
        due = [each for at, each in waiting if at <= now]
        waiting = [(at, each) for at, each in waiting if at > now]
        lost = [each for each in due if dice.random() < 0.02]
        acked = [each for each in due if each not in lost]
        times = dict.fromkeys(acked, now - 0.02)
        flight.on_settled(acked, lost, rtt=0.04, probe_timeout=0.2, received_at=times, now=now)
        flight.handle_timer(now=now)
        for _ in range(flight.packets_allowed(now=now)):
            flight.on_sent(number, PACKET, now=now)
            waiting.append((now + 0.04, number))
            number += 1
            assert flight.bytes_in_flight <= min(part.allowance.window_bytes for part in parts)
        full += flight.bytes_in_flight + PACKET > parts[1].allowance.window_bytes
    assert number > 300
    assert full > 100 or window == "bbr"  # so the window was what held back


def test_what_may_leave_is_the_lesser_and_the_target_is_not_more_than_a_window_a_round_trip():
    media = Told(allowance(target_bps=4e6, pacing_bps=1e6, burst_bytes=9000))
    window = Told(allowance(window_bytes=20_000, pacing_bps=8e6, probe=True, target_bps=1.0))
    nest, flight = of(media, window)
    assert nest.allowance.target_bps == pytest.approx(20_000 * 8 / 0.1)  # its round trip until one is measured
    send(flight, 1)
    settle(flight, [0], rtt=0.4, now=1000.4)
    assert nest.allowance == allowance(
        window_bytes=20_000, pacing_bps=1e6, burst_bytes=2 * PACKET, target_bps=20_000 * 8 / 0.4
    )
    window.allowance = allowance(window_bytes=10**7)
    assert nest.allowance.target_bps == 4e6


def test_a_rate_at_which_nothing_is_paced_holds_the_other_back_no_more():
    media = Told(allowance(unpaced_bytes=100 * PACKET, pacing_bps=1.0))
    nest, _ = of(media, Told(allowance(pacing_bps=8e6)))
    assert nest.allowance.pacing_bps == 8e6


def test_a_probe_is_padded_only_if_the_window_lets_it_leave_at_its_rate():
    media, window = Told(allowance(padding_bps=5e6)), Told(allowance(pacing_bps=6e6))
    nest, _ = of(media, window)
    assert nest.allowance.padding_bps == 5e6
    window.allowance = allowance(pacing_bps=4e6)
    assert nest.allowance.padding_bps == 0


def test_each_hears_whether_its_own_window_was_full_and_the_window_takes_the_other_for_an_idle_application():
    media, window = Told(allowance(window_bytes=4 * PACKET)), Told(allowance(window_bytes=8 * PACKET))
    _, flight = of(media, window)
    send(flight, 4)
    assert [packet.idle_at for packet in window.sent] == [1000.0] * 4
    assert [packet.idle_at for packet in media.sent] == [-1.0] * 4
    settle(flight, range(3), [3])
    ((inner,), (outer,)) = media.heard, window.heard
    assert [result.app_limited for result in inner.results] == [False] * 4
    assert [result.app_limited for result in outer.results] == [True] * 4
    assert [result.lost for result in outer.results] == [False, False, False, True]
    media.allowance = allowance()
    send(flight, 8, now=1000.2, first=4)
    assert window.sent[-1].idle_at == -1.0
    settle(flight, range(4, 12), now=1000.3)
    assert not any(result.app_limited for result in window.heard[-1].results)
    assert all(result.app_limited for result in media.heard[-1].results)


def test_both_are_resized_and_undo_losses_and_only_what_is_due_is_woken():
    media, window = Told(allowance(), timer=1001.0), Told(allowance(), timer=1002.0)
    nest, flight = of(media, window)
    flight.resize(1400)
    flight.undo_losses(since=999.0, now=1000.0)
    assert media.calls == window.calls == ["resize 1400", "undo 999.0"]
    assert nest.get_timer() == 1001.0
    flight.handle_timer(now=1001.5)
    assert (media.calls[2:], window.calls[2:]) == (["timer 1001.5"], [])


@pytest.mark.parametrize(
    ("planned", "in_flight_bytes", "budget"),
    [
        (5000, 0, 5000),
        (15_000, 0, 10_000),  # the whole window
        (None, 0, 10_000),
        (5000, 8000, 3562),  # of what is in flight, 1562 bytes arrive until then
        (250, 10_600, 250),  # a small frame still has room
        (5000, 10_900, 0),  # less than a quarter of what the window carries in an interval
        (0, 0, 0),
    ],
)
def test_a_planned_frame_has_no_more_than_the_room_of_the_window(planned, in_flight_bytes, budget):
    planner = Planner(allowance(), budget=planned)
    nest, _ = of(planner, Told(allowance(window_bytes=10_000)))  # 100 kB/s over 0.1 s
    asked = {"in_flight_bytes": in_flight_bytes, "ready_at": 1000.0 + 1 / 64, "interval": 1 / 30, "now": 1000.0}
    assert nest.frame_budget(**asked) == budget


def test_only_a_controller_that_plans_frames_does_so_in_a_window():
    made = {name: nested_entry(name, "cubic").make(max_datagram_bytes=PACKET) for name in MEDIA}
    assert {name for name, nest in made.items() if isinstance(nest, FramePlanner)} == {"adaptive"}


def test_a_pair_needs_what_either_needs():
    for media, window in PAIRS:
        assert nested_entry(media, window).needs == CONTROLLERS[media].needs | CONTROLLERS[window].needs
