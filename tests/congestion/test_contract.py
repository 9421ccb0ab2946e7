"""What every controller of the table must do. A new one gets these tests by its line in `CONTROLLERS`."""

import math
import pickle

import numpy as np
import pytest

from glassbench.transport.congestion import CONTROLLERS

PACKET = 1200

every_controller = pytest.mark.parametrize("name", CONTROLLERS)


def assert_sound(flight):
    allowance = flight.allowance
    assert allowance.window_bytes >= 2 * PACKET
    assert allowance.burst_bytes >= 2 * PACKET
    assert allowance.unpaced_bytes >= 0
    for positive in (allowance.pacing_bps, allowance.target_bps, allowance.base_rtt):
        assert 0 < positive < math.inf


def history(path, seed, rounds):
    """Full and half-empty rounds, losses, pauses, marks: what a controller meets in its life, at random."""
    dice = np.random.default_rng(seed)
    for _ in range(rounds):
        numbers = path.send(max(1, min(200, int(path.window * dice.uniform(0.2, 1.2)))))
        path.now += path.rtt * dice.uniform(1, 1.5) + (dice.random() < 0.05) * 5
        fates = dice.random(len(numbers)) < dice.choice([0, 0, 0.02, 0.5], len(numbers))
        lost = [number for number, gone in zip(numbers, fates, strict=True) if gone]
        acked = [number for number, gone in zip(numbers, fates, strict=True) if not gone]
        marked = int(dice.random() < 0.1)
        if dice.random() < 0.1:
            path.flight.discard(numbers)
        path.flight.on_settled(acked, lost, rtt=path.rtt, probe_timeout=0.3, ce_packets=marked, now=path.now)
        if dice.random() < 0.05:
            path.flight.undo_losses(since=path.now - 1, now=path.now)
        if dice.random() < 0.05:
            path.flight.on_idle(now=path.now)
        assert_sound(path.flight)
        assert path.flight.bytes_in_flight == 0


@pytest.mark.sampled(3)
@every_controller
@pytest.mark.parametrize("seed", range(5))
def test_whatever_happens_the_allowance_makes_sense_and_bytes_in_flight_return(rounds, name, seed):
    path = rounds(name)
    assert_sound(path.flight)
    history(path, seed, 300)


@every_controller
def test_the_same_history_gives_the_same_allowance(rounds, name):
    paths = [rounds(name), rounds(name)]
    for path in paths:
        history(path, 1, 100)
    assert paths[0].flight.allowance == paths[1].flight.allowance


@pytest.mark.lengthy
@every_controller
def test_nothing_is_kept_that_grows_with_what_was_sent(rounds, name):
    path = rounds(name)
    history(path, 2, 100)
    before = len(pickle.dumps(path.flight))
    history(path, 3, 2000)
    assert len(pickle.dumps(path.flight)) < 2 * before + 2000


@every_controller
def test_loss_of_everything_for_long_leaves_something_to_try_with(rounds, name):
    path = rounds(name)
    path.run(3)
    for _ in range(200):
        path.settle(lost=path.send(5))
        path.now += path.rtt
    assert_sound(path.flight)
    assert path.flight.packets_allowed(now=path.now + 10) >= 1


@every_controller
def test_a_timer_of_the_past_is_not_left_behind(rounds, name):
    path = rounds(name)
    history(path, 4, 50)
    path.flight.handle_timer(now=path.now)
    at = path.flight.get_timer()
    assert at is None or at > path.now


@pytest.mark.parametrize("name", ["realtime", "reno", "cubic"])
def test_a_first_window_without_a_rate_is_that_of_rfc_9002_and_is_not_paced(rounds, name):
    path = rounds(name)
    assert path.flight.allowance.probe
    assert path.flight.packets_allowed(now=path.now) == 10
