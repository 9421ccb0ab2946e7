"""After an outage little leaves at first: a burst of what had waited says little of the link."""

import math

from glassbench.transport.congestion.adaptive import AdaptiveController
from glassbench.transport.congestion.controller import Feedback, PacketResult, SentPacket
from glassbench.transport.congestion.slow_restart import SlowRestart

INTERVAL = 1 / 60


def packet(number: int, at: float, size_bytes: int = 1250) -> SentPacket:
    return SentPacket(
        number=number, at=at, size_bytes=size_bytes, in_flight_bytes=0, idle_at=0.0, train_at=0.0, train_bytes=0
    )


def arrived(one: SentPacket, received_at: float, at: float) -> Feedback:
    result = PacketResult(one, lost=False, received_at=received_at, app_limited=False)
    return Feedback(at=at, results=(result,), rtt=at - one.at, in_flight_bytes=0, has_receive_times=True)


def after(outage: float) -> int | None:
    """The budget when a link of 40 Mbit/s is back that let nothing through for `outage` seconds. What waited for it
    comes at once."""
    controller = AdaptiveController(max_datagram_bytes=1350)
    spacing = 0.00025
    for number in range(1600):  # 20 ms each way
        sent = packet(number, number * spacing)
        controller.on_sent(sent)
        controller.on_feedback(arrived(sent, sent.at + 0.02, sent.at + 0.04))
    waiting = [packet(1600 + number, 0.4 + number * outage / 80) for number in range(80)]
    for one in waiting:
        controller.on_sent(one)
    back = 0.42 + outage
    for number, one in enumerate(waiting):
        controller.on_feedback(arrived(one, back + number * spacing, back + 0.02 + number * spacing))
    now = back + 0.045
    return controller.frame_budget(in_flight_bytes=0, ready_at=now + 0.008, interval=INTERVAL, now=now)


def test_the_first_frame_after_an_outage_is_small() -> None:
    budget = after(2.0)
    assert budget is not None
    assert 2000 < budget <= 4400


def test_a_short_gap_changes_nothing() -> None:
    budget = after(0.1)
    assert budget is not None
    assert budget > 20_000


def test_what_was_sent_since_and_arrives_makes_room_until_it_is_enough() -> None:
    restart = SlowRestart()
    assert restart.room_bytes == math.inf
    restart.on_arrival(packet(0, 0.0), waited=0.5, enough_bytes=50_000, now=0.6)
    first = restart.room_bytes
    restart.on_arrival(packet(1, 0.59), waited=0.0, enough_bytes=50_000, now=0.61)
    assert restart.room_bytes == first  # it left before the link was back
    rounds = 0
    now = 0.7
    while restart.room_bytes < math.inf:
        rounds += 1
        for _ in range(int(restart.room_bytes / 1250)):
            restart.on_arrival(packet(2, now - 0.04), waited=0.001, enough_bytes=50_000, now=now)
        now += 0.1
    assert rounds == 4  # 4400 bytes doubled four times are more than 50,000
