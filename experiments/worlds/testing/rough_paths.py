"""What a transport must do where packets are lost, late, doubled, too many, or a stranger's."""

from collections import Counter

import numpy as np

from glassbench.experiments.worlds.testing.session import MEDIA_AT, ONE_WAY, RecordedSession
from glassbench.experiments.worlds.testing.subject import SETTLE, Subject, demand
from glassbench.netem.element import Element
from glassbench.netem.elements.delay import Delay
from glassbench.netem.elements.duplication import Duplication
from glassbench.netem.elements.fixed_rate import FixedRate
from glassbench.netem.elements.outage import Outage
from glassbench.netem.elements.random_loss import RandomLoss
from glassbench.netem.elements.reordering import Reordering
from glassbench.netem.queues.drop_tail import DropTail
from glassbench.netem.simulator import START_AT
from glassbench.transport.contract import Closed, Frame, FrameDropped, FrameLost, FrameSent, FrameStarted

_STRANGER = ("10.0.0.9", 9)
_LEAST_SHARE = 0.6  # of the frames, at 2 % loss each way: what needs more packets than one loses more of them
_MOST_WAITING = 32  # frames of a megabyte
_MOST_ANSWERS = 5000  # datagrams, to 800 of strangers


def lossy_path(subject: Subject) -> None:
    dice = [np.random.default_rng(stream) for stream in np.random.SeedSequence(3).spawn(4)]
    session = subject.session(
        forward=[
            RandomLoss(0.02, dice[0]),
            Duplication(0.02, dice[1]),
            Reordering(0.05, dice[2], lateness=0.008),
            Delay(ONE_WAY),
        ],
        backward=[RandomLoss(0.02, dice[3]), Delay(ONE_WAY)],
    )
    session.offer_chat()
    session.run(until=session.offer_video(90) + 2 * SETTLE)
    received = session.received()
    lost = Counter((event.track, event.sequence) for event in session.receiver.of(FrameLost))
    twice = [key for key, count in lost.items() if count > 1]
    demand(not twice, f"frames {twice} are told to be lost more than once")
    demand(not received.keys() & lost.keys(), f"frames {sorted(received.keys() & lost.keys())} are received and lost")
    share = len(received) / len(session.offered)
    demand(share >= _LEAST_SHARE, f"{share:.0%} of the frames arrive at 2 % loss, {_LEAST_SHARE:.0%} are the least")
    for end in session.ends:
        demand(not end.of(Closed), f"an end gives up: {end.of(Closed)}")
    _tells_once(session)


def outage(subject: Subject) -> None:
    def path() -> list[Element]:
        return [Outage([(3.0, 1.0)], epoch=START_AT), Delay(ONE_WAY)]

    session = subject.session(forward=path(), backward=path())
    last_at = session.offer_video(180, delta_bytes=2000)
    session.run(until=last_at + 2 * SETTLE)
    after = {key for key, frame in session.offered.items() if frame.captured_at > last_at - 1.0}
    missing = after - session.received().keys()
    demand(
        not missing, f"{len(missing)} of {len(after)} frames are missing that are captured 4 s after an outage of 1 s"
    )


def overload(subject: Subject) -> None:
    session = subject.session(forward=[FixedRate(500e3, DropTail(limit_bytes=30_000)), Delay(ONE_WAY)])
    session.run(until=session.offer_video(90, delta_bytes=20_000) + 2 * SETTLE)
    session.received()
    _tells_once(session)


def bounded(subject: Subject) -> None:
    session = subject.session(forward=[Outage([(2.0, 1000.0)], epoch=START_AT), Delay(ONE_WAY)])
    payload = b"\x00\x00\x00\x01\x41" + b"\x55" * 2**20
    for index in range(64):
        session.offer(Frame(1, 0, index, MEDIA_AT + 0.5, index == 0, 0, 1, None, payload))
    session.run(until=MEDIA_AT + 4.0)
    decided = {event.sequence for event in session.sender.of(FrameSent)}
    decided |= {event.sequence for event in session.sender.of(FrameDropped)}
    waiting = len(session.offered) - len(decided)
    demand(waiting <= _MOST_WAITING, f"{waiting} frames of a megabyte wait where nothing gets through")


def hostile_bytes(subject: Subject) -> None:
    _random_bytes_change_nothing(subject)
    _mutated_bytes_raise_nothing(subject)


def _random_bytes_change_nothing(subject: Subject) -> None:
    def disturbed(seed: int) -> RecordedSession:
        session = subject.session()
        session.offer_chat()
        dice = np.random.default_rng(seed)
        for index in range(300):
            for end in session.ends:
                data = dice.bytes(int(dice.integers(1400)))
                _feed(session, end is session.sender, START_AT + 0.5 + index * 0.01, data)
        return session.run(until=session.offer_video() + SETTLE)

    def story(session: RecordedSession) -> object:
        if subject.timer_resolution:  # each call arms the timers anew, so instants move
            return session.received()
        return session.sender.events, session.receiver.events

    clean = story(subject.over_a_clean_path)
    for seed in (1, 2):
        demand(
            story(disturbed(seed)) == clean, f"random datagrams of a stranger (seed {seed}) change what the ends tell"
        )


def _mutated_bytes_raise_nothing(subject: Subject) -> None:
    donor = subject.session()
    donor.offer_chat()
    donor.receiver.at(MEDIA_AT + 0.1, lambda now: donor.receiver.transport.request_keyframe(1, now=now))
    donor.run(until=donor.offer_video(10) + 0.5)
    session = subject.session(seed=8)
    dice = np.random.default_rng(5)
    for to_sender, datagrams in ((True, donor.receiver.sent), (False, donor.sender.sent)):
        for index in range(400 if datagrams else 0):
            data = bytearray(datagrams[int(dice.integers(len(datagrams)))])
            for _ in range(int(dice.integers(1, 4))):
                data[int(dice.integers(min(40, len(data))))] = int(dice.integers(256))
            cut = len(data) if index % 2 else int(dice.integers(len(data)))
            _feed(session, to_sender, START_AT + index * 0.005, bytes(data[:cut]))
    session.run(until=MEDIA_AT + 2.0)
    answers = len(session.sender.wire) + len(session.receiver.wire)
    demand(answers < _MOST_ANSWERS, f"800 mutated datagrams are answered by {answers}")


def _feed(session: RecordedSession, to_sender: bool, at: float, data: bytes) -> None:
    end = session.sender if to_sender else session.receiver
    end.at(at, lambda now: end.transport.receive_datagram(data, _STRANGER, now=now))


def _tells_once(session: RecordedSession) -> None:
    """Each event of a frame comes at most once."""
    told = Counter(
        (type(event).__name__, event.track, event.sequence)
        for event in session.sender.events
        if isinstance(event, FrameStarted | FrameSent | FrameDropped)
    )
    twice = [event for event, count in told.items() if count > 1]
    demand(not twice, f"these events are told more than once: {twice}")
