"""Paths that reorder: what arrives late is no loss, and the sender learns how late that may be."""

import numpy as np
import pytest

from glassbench.netem.elements.delay import Delay
from glassbench.netem.elements.fixed_rate import FixedRate
from glassbench.netem.elements.random_loss import RandomLoss
from glassbench.netem.elements.reordering import Reordering
from glassbench.netem.queues.drop_tail import DropTail
from glassbench.transport.congestion.suspects import Suspects

MEDIA_AT = 1002.0
RATE = 10e6


def backlog(call, video, control, *after, seconds=4):
    options = {"control": control, "queue_bytes": 10**7}
    path = [FixedRate(RATE, DropTail(limit_bytes=50_000)), Delay(0.02), *after]
    session = call("quic-datagram", options=options, delay=0.02, forward=path)
    return session.run(video(25 * seconds, 60_000, interval=0.04), until=MEDIA_AT + seconds)


def delivered_share(session, seconds):
    """Of the link's rate, in the last so many seconds."""
    frames = [e for e in session.received().values() if e.at > session.receiver.events[-1].at - seconds]
    return sum(len(event.frame.payload) for event in frames) * 8 / seconds / RATE


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("share", "lateness"), [(0.2, 0.03), (0.05, 0.008)])
@pytest.mark.parametrize("control", ["realtime", "reno", "cubic"])
def test_strong_reordering_costs_no_control_its_rate(call, video, control, share, lateness):
    dice = np.random.default_rng(1)
    session = backlog(call, video, control, Reordering(share, dice, lateness=lateness), seconds=6)
    assert delivered_share(session, 3) > 0.85
    stats = session.sender.transport.stats()
    assert 0 < stats["spurious_losses"] <= stats["lost_packets"]


def test_without_reordering_no_loss_is_spurious(call, video):
    session = backlog(call, video, "cubic", RandomLoss(0.01, np.random.default_rng(1)))
    stats = session.sender.transport.stats()
    assert stats["lost_packets"] > 20
    assert stats["spurious_losses"] == 0


def test_after_the_first_late_packets_no_more_are_taken_for_lost(call, video):
    path = Reordering(0.05, np.random.default_rng(1), lateness=0.008)
    session = call("quic-datagram", delay=0.02, forward=[Delay(0.02), path], options={"queue_bytes": 10**7})
    session.make(video(400, 20_000, interval=0.01))
    session.simulator.run(until=MEDIA_AT + 1)
    early = session.sender.transport.stats()["lost_packets"]
    session.simulator.run(until=MEDIA_AT + 4)
    assert early > 0
    assert session.sender.transport.stats()["lost_packets"] - early <= early / 2


def test_an_episode_of_which_all_arrive_began_with_its_first_loss():
    suspects = Suspects()
    for number in (5, 7, 8):
        suspects.add(number, 999.9, now=1000.0 + number / 100)
    assert {suspect.number for suspect in suspects.take([range(7, 9)])} == {7, 8}
    assert suspects
    assert [suspect.number for suspect in suspects.take([range(4, 6)])] == [5]
    assert not suspects
    assert suspects.episode_at == 1000.05


def test_what_was_concluded_up_to_a_real_loss_stands():
    suspects = Suspects()
    suspects.add(5, 999.9, now=1000.0)
    suspects.add(9, 1000.1, now=1000.2)
    suspects.forget(until=1000.1)
    assert not suspects.take([range(5, 6)])
    assert [suspect.number for suspect in suspects.take([range(9, 10)])] == [9]
    assert suspects.episode_at == 1000.2


def test_suspects_are_bounded():
    suspects = Suspects()
    for number in range(10_000):
        suspects.add(number, 1000.0, now=1000.0)
    assert len(suspects.take([range(10_000)])) == 4096
