"""What a transport must do where nothing goes wrong."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from glassbench.demands import no_clock
from glassbench.experiments.worlds.testing.end import RecordedEnd
from glassbench.experiments.worlds.testing.session import CHAT, MEDIA_AT, ONE_WAY, VIDEO, RecordedSession
from glassbench.experiments.worlds.testing.subject import SETTLE, Subject, demand
from glassbench.netem.elements.delay import Delay
from glassbench.netem.elements.fixed_rate import FixedRate
from glassbench.netem.elements.random_loss import RandomLoss
from glassbench.netem.queues.drop_tail import DropTail
from glassbench.netem.simulator import START_AT
from glassbench.transport.contract import (
    Closed,
    Connected,
    FrameDropped,
    FrameLost,
    FrameReceived,
    FrameSent,
    FrameStarted,
    KeyframeRequested,
    Track,
    TransportConfig,
    Unsupported,
)
from glassbench.transport.registry import ANY_MEDIA

_LARGEST = 1452
_TICK = 1e-9
_LARGE_SETTLE = 5.0  # seconds: a congestion controller may begin with a rate far below what large frames need


def media(subject: Subject) -> None:
    entry = subject.entry
    demand({"h264", "data"} <= entry.media <= ANY_MEDIA, f"the entry carries {sorted(entry.media)}")
    for name in sorted(ANY_MEDIA):
        track = Track(1, "video", name, 1)
        config = TransportConfig(("10.0.0.1", 1), ("10.0.0.2", 2), 1, (track,), options=subject.options)
        for make in (entry.make_sender, entry.make_receiver):
            try:
                make(config)
                refusal = None
            except Unsupported as unsupported:
                refusal = str(unsupported)
            if name in entry.media:
                demand(refusal is None, f"{name}, which the entry carries, is refused: {refusal}")
            else:
                demand(refusal is not None and name in refusal, f"{name} is not refused with a reason: {refusal}")


def connects(subject: Subject) -> None:
    session = subject.session().run(until=MEDIA_AT)
    for end in session.ends:
        demand(len(end.of(Connected)) == 1, f"an end says {len(end.of(Connected))} times that it is connected")
        demand(not end.of(Closed), f"an end closed ahead of the media: {end.of(Closed)}")


def reads_no_clock(subject: Subject) -> None:
    with no_clock():
        session = subject.session()
        session.offer_chat(2)
        session.run(until=session.offer_video(12) + SETTLE)


def delivers(subject: Subject) -> None:
    session = subject.over_a_clean_path
    missing = session.offered.keys() - session.received().keys()
    demand(not missing, f"frames {sorted(missing)} do not arrive over a path without loss")
    demand(not session.receiver.of(FrameLost), f"over a path without loss {session.receiver.of(FrameLost)[:1]} is told")
    demand(not session.sender.of(FrameDropped), f"with room for all {session.sender.of(FrameDropped)[:1]} is told")


def events(subject: Subject) -> None:
    session = subject.over_a_clean_path
    for end in session.ends:
        instants = [event.at for event in end.events]
        demand(instants == sorted(instants), "events are not in the order of their instants")
    started = _once((event.track, event.sequence, event.at) for event in session.sender.of(FrameStarted))
    sent = _once((event.track, event.sequence, event.at) for event in session.sender.of(FrameSent))
    for key, frame in session.offered.items():
        demand(key in started and key in sent, f"of frame {key} it is not told that it started and was sent")
        story = (frame.captured_at, started[key], sent[key])
        demand(list(story) == sorted(story), f"frame {key} is captured, started and sent at {story}")
    demand(started.keys() | sent.keys() == session.offered.keys(), "a frame that was not offered is started or sent")
    for event in session.receiver.of(FrameReceived):
        key = event.frame.track, event.frame.sequence
        arrivals = (started[key] + ONE_WAY - _TICK, event.first_arrival_at, event.complete_at, event.at)
        demand(
            list(arrivals) == sorted(arrivals),
            f"frame {key} reaches the end of the path, arrives first, is complete and delivered at {arrivals}",
        )


def reproducible(subject: Subject) -> None:
    first, second = (_over_a_lossy_link(subject) for _ in range(2))
    for one, another, role in zip(first.ends, second.ends, ("sender", "receiver"), strict=True):
        demand(one.events == another.events, f"the {role} tells another story in the second run of one seed")
        same = [(at, len(data)) for at, data in one.wire] == [(at, len(data)) for at, data in another.wire]
        demand(same, f"the {role} sends other datagrams in the second run of one seed")


def datagram_size(subject: Subject) -> None:
    session = subject.over_a_clean_path
    largest = max(map(len, session.sender.sent + session.receiver.sent), default=0)
    demand(largest <= _LARGEST, f"a datagram has {largest} bytes, max_datagram_bytes is {_LARGEST}")


def large_frames(subject: Subject) -> None:
    session = subject.session(tracks=(replace(VIDEO, deadline=None), CHAT))
    session.run(until=session.offer_video(3, delta_bytes=120_000, interval=0.4) + _LARGE_SETTLE)
    missing = session.offered.keys() - session.received().keys()
    demand(not missing, f"frames {sorted(missing)} of up to half a megabyte do not arrive")


def keyframe_request(subject: Subject) -> None:
    session = subject.session()
    ask = session.receiver.transport.request_keyframe
    session.receiver.at(START_AT, lambda now: ask(1, now=now))  # ahead of the media: may be forgotten
    session.receiver.at(MEDIA_AT + 0.25, lambda now: ask(77, now=now))  # there is no such track
    session.receiver.at(MEDIA_AT + 0.5, lambda now: ask(1, now=now))
    session.run(until=session.offer_video() + SETTLE)
    requests = [event for event in session.sender.of(KeyframeRequested) if event.at > MEDIA_AT + 0.1]
    reached = len(requests) == 1 and requests[0].track == 1
    demand(reached, f"one keyframe of track 1 is asked for in time, the sender hears of {requests}")
    late = requests[0].at - MEDIA_AT - 0.5
    demand(ONE_WAY - _TICK <= late <= 5 * ONE_WAY, f"the request needs {late} s over a path of {ONE_WAY} s")
    demand(session.received().keys() == session.offered.keys(), "frames are missing after a request for a keyframe")


def counters(subject: Subject) -> None:
    session = subject.session(forward=[RandomLoss(0.05, np.random.default_rng(3)), Delay(ONE_WAY)])
    before = [_counters(end) for end in session.ends]
    for told in before:
        demand(not any(told.values()), f"counters begin with {told}")
    last_at = session.offer_video()
    for tenth in range(int((last_at + SETTLE - START_AT) * 10)):
        session.run(until=START_AT + tenth / 10)
        after = [_counters(end) for end in session.ends]
        for old, new in zip(before, after, strict=True):
            fallen = {name: (value, new.get(name)) for name, value in old.items() if new.get(name, 0) < value}
            demand(not fallen, f"counters fall: {fallen}")
        before = after
    for end, told in zip(session.ends, before, strict=True):
        sent = told.get("datagrams_sent", len(end.wire))
        demand(sent == len(end.wire), f"{len(end.wire)} datagrams were sent, datagrams_sent is {sent}")


def _counters(end: RecordedEnd) -> dict[str, int]:
    """What an end counts; its sizes, which are no counters, are left out."""
    stats = end.transport.stats()
    demand({type(value) for value in stats.values()} <= {int}, f"counters are whole numbers, found {dict(stats)}")
    return {name: value for name, value in stats.items() if not name.startswith("max_")}


def _over_a_lossy_link(subject: Subject) -> RecordedSession:
    dice = [np.random.default_rng(stream) for stream in np.random.SeedSequence(11).spawn(2)]
    session = subject.session(
        forward=[RandomLoss(0.02, dice[0]), FixedRate(2e6, DropTail(limit_bytes=60_000)), Delay(ONE_WAY)],
        backward=[RandomLoss(0.02, dice[1]), Delay(ONE_WAY)],
    )
    session.offer_chat()
    return session.run(until=session.offer_video() + SETTLE)


def _once(told: Iterable[tuple[int, int, float]]) -> dict[tuple[int, int], float]:
    """Instants by track and sequence, of which each is told once."""
    instants = [((track, sequence), at) for track, sequence, at in told]
    twice = [key for key, count in Counter(key for key, _ in instants).items() if count > 1]
    demand(not twice, f"of frames {twice} an event is told twice")
    return dict(instants)
