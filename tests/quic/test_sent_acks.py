"""A receiver of any length of time keeps a bounded number of its own acknowledgements."""

from types import SimpleNamespace

from glassbench.experiments.scenario import build
from glassbench.experiments.worlds.virtual import _Session
from glassbench.experiments.worlds.world import Watch
from glassbench.sender.encode_cache import EncodeCache
from glassbench.transport.quic.sent_acks import KEPT, forget_old_acks


def space_of(in_flight):
    return SimpleNamespace(sent_packets={number: SimpleNamespace(in_flight=flies) for number, flies in in_flight})


def test_the_oldest_acknowledgements_are_forgotten_and_nothing_that_is_in_flight():
    space = space_of((number, number % 10 == 0) for number in range(2 * KEPT))
    forget_old_acks(space)
    kept = list(space.sent_packets)
    assert [number for number in kept if number % 10 == 0] == list(range(0, 2 * KEPT, 10))
    assert len([number for number in kept if number % 10]) == KEPT
    assert kept[-1] == 2 * KEPT - 1


def test_few_are_left_alone():
    space = space_of((number, False) for number in range(2 * KEPT - 1))
    forget_old_acks(space)
    assert len(space.sent_packets) == 2 * KEPT - 1


def test_a_long_stream_of_datagrams_leaves_a_bounded_receiver(monkeypatch):
    monkeypatch.setattr("glassbench.transport.quic.sent_acks.KEPT", 100)
    video = {"source": "lognormal", "bitrate": "2Mbit/s"}
    plan = build(
        {"name": "x", "duration": "10s", "arms": ["quic-datagram"], "video": video, "network": {"delay": "5ms"}}
    )
    with EncodeCache(None) as cache:
        session = _Session(plan, plan.arms[0], cache, None)
        assert session.run(Watch())
        stack = session._flows[0].receiver._transport._stack
    assert stack._loss.spaces[-1].largest_acked_packet < 400  # few of its packets asked for an acknowledgement
    assert len(stack._loss.spaces[-1].sent_packets) <= 200
