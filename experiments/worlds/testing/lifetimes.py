"""What a transport must do from its beginning to its end, whatever the order of calls."""

from glassbench.experiments.worlds.testing.session import MEDIA_AT, RECEIVER, SENDER
from glassbench.experiments.worlds.testing.subject import SETTLE, Subject, demand
from glassbench.netem.simulator import START_AT
from glassbench.transport.contract import Closed, Connected

_STRANGER = ("10.0.0.9", 9)
_MOST_WAKE_UPS = 5000  # of an end, in a second without media


def time_moves_on(subject: Subject) -> None:
    """No timer comes too often. The simulator finds a timer that stays in the past under any demand."""
    session = subject.session()
    session.offer_video(10)
    session.offer_video(10, start_at=MEDIA_AT + 60.0, first=10)
    for second in range(63):
        before = [end.wake_ups for end in session.ends]
        session.run(until=MEDIA_AT + second)
        wake_ups = max(end.wake_ups - earlier for end, earlier in zip(session.ends, before, strict=True))
        demand(wake_ups <= _MOST_WAKE_UPS, f"an end without much to do wakes up {wake_ups} times in a second")
    demand(session.received().keys() == session.offered.keys(), "frames are missing after a minute without media")
    for end in session.ends:
        demand(not end.of(Closed), f"in a minute without media an end closes: {end.of(Closed)}")


def odd_calls(subject: Subject) -> None:
    session = subject.session()
    for end in session.ends:
        transport = end.transport
        transport.handle_timer(now=START_AT - 1)
        demand(not transport.datagrams_to_send(now=START_AT - 1), "an end sends before it is told to connect")
        timer = transport.get_timer()
        demand(timer is None or timer >= START_AT - 1, f"before it connects, the timer of an end is {timer}")
        transport.receive_datagram(b"\x80", _STRANGER, now=START_AT - 1)
        transport.stats()
        end.at(START_AT + 0.5, lambda now, transport=transport: transport.connect(now=now))  # type: ignore[misc]
        for tenth in range(30):
            early = START_AT + tenth / 10
            end.at(early, lambda now, transport=transport: transport.handle_timer(now=now))  # type: ignore[misc]
    session.run(until=session.offer_video() + SETTLE)
    for end in session.ends:
        demand(len(end.of(Connected)) == 1, f"told twice to connect, an end connects {len(end.of(Connected))} times")
        waiting = end.transport.datagrams_to_send(now=session.simulator.now)
        demand(not waiting, f"{len(waiting)} datagrams come when they are asked for a second time at one instant")
    demand(session.received().keys() == session.offered.keys(), "frames are missing after calls in an odd order")
    _close_before_connect(subject)


def _close_before_connect(subject: Subject) -> None:
    session = subject.session()
    for end in session.ends:
        end.transport.close(now=START_AT)
    session.run(until=MEDIA_AT)


def close(subject: Subject) -> None:
    session = subject.session()
    last_at = session.offer_video()
    session.sender.at(last_at + 1.0, lambda now: session.sender.transport.close(now=now))
    session.run(until=last_at + 2.0)
    session.receiver.at(last_at + 2.0, lambda now: session.receiver.transport.close(now=now))
    session.simulator.settle("receiver")

    def all_calls(now: float) -> None:
        session.sender.transport.send_frame(session.offered[1, 0], now=now)
        session.sender.transport.receive_datagram(b"", RECEIVER, now=now)
        session.receiver.transport.request_keyframe(1, now=now)
        session.receiver.transport.receive_datagram(b"", SENDER, now=now)
        for end in session.ends:
            end.transport.close(now=now)
            end.transport.stats()

    session.sender.at(last_at + 3.0, all_calls)
    session.simulator.settle("sender")
    session.run(until=last_at + 60.0)
    demand(session.received().keys() == session.offered.keys(), "frames are missing after an orderly end")
    for end in session.ends:
        closed = end.of(Closed)
        demand(len(closed) == 1, f"an end that is over says so once, not {len(closed)} times")
        demand(closed[0].error is None, f"an orderly end has the error {closed[0].error!r}")
        demand(end.get_timer() is None, f"a minute after the end a timer is left, {end.get_timer()}")
