"""The check of transports rejects, by name, what is wrong with one; each fault is planted in `udp`, which is right."""

import re
from collections import deque
from dataclasses import replace
from time import monotonic

import numpy as np
import pytest

from glassbench.experiments.worlds.testing.check_transport import DEMANDS
from glassbench.testing import Broken, check_transport
from glassbench.transport.contract import (
    Closed,
    Connected,
    Datagram,
    FrameLost,
    FrameReceived,
    FrameSent,
    KeyframeRequested,
)
from glassbench.transport.registry import TRANSPORTS
from glassbench.transport.udp import UdpReceiver, UdpSender

UDP = TRANSPORTS["udp"]


class Around:
    """An end around another: a fault overrides what it does otherwise."""

    def __init__(self, inner):
        self.inner = inner

    def __getattr__(self, name):
        return getattr(self.inner, name)


class ReadsAClock(Around):
    def handle_timer(self, *, now):
        monotonic()
        self.inner.handle_timer(now=now)


class ConnectsTwice(Around):
    told = None

    def next_event(self):
        event, self.told = (self.told, None) if self.told else (self.inner.next_event(), None)
        if isinstance(event, Connected):
            self.told = event if not self.__dict__.get("done") else None
            self.done = True
        return event


class TellsTwice(Around):
    """Of each event of a kind a second one, right behind it."""

    kind = FrameSent

    def __init__(self, inner):
        super().__init__(inner)
        self.again = deque()

    def next_event(self):
        if self.again:
            return self.again.popleft()
        event = self.inner.next_event()
        if isinstance(event, self.kind):
            self.again.append(event)
        return event


class TellsALossTwice(TellsTwice):
    kind = FrameLost


class ChangesFrames(Around):
    def next_event(self):
        event = self.inner.next_event()
        if isinstance(event, FrameReceived) and event.frame.sequence == 3:
            return replace(event, frame=replace(event.frame, payload=event.frame.payload + b"\0"))
        return event


class ForgetsOne(Around):
    def send_frame(self, frame, *, now):
        if frame.sequence != 3:
            self.inner.send_frame(frame, now=now)


class TimerInThePast(Around):
    def get_timer(self):
        return 1000.5


class WakesUpAllTheTime(Around):
    """From half a minute on, when all other demands are over."""

    now = 1030.0

    def handle_timer(self, *, now):
        self.now = max(self.now, now)
        self.inner.handle_timer(now=now)

    def get_timer(self):
        timer = self.inner.get_timer()
        return min(self.now + 1e-4, 2000.0 if timer is None else timer)


class DiceOfItsOwn(Around):
    dice = np.random.default_rng()

    def datagrams_to_send(self, *, now):
        sent = self.inner.datagrams_to_send(now=now)
        return [datagram for datagram in sent for _ in range(1 + (self.dice.random() < 0.5))]


class CountsDown(Around):
    def stats(self):
        return {**self.inner.stats(), "waiting": 3 - self.inner.stats()["datagrams_sent"] % 4}


class CountsWrongly(Around):
    def stats(self):
        stats = self.inner.stats()
        return {**stats, "datagrams_sent": 2 * stats["datagrams_sent"]}


class TakesSmallFramesOnly(Around):
    def send_frame(self, frame, *, now):
        if len(frame.payload) < 100_000:
            self.inner.send_frame(frame, now=now)


class HearsNoRequest(Around):
    def next_event(self):
        while isinstance(event := self.inner.next_event(), KeyframeRequested):
            pass
        return event


class Window(Around):
    """Bytes in flight come back when the peer has them; those that are lost never do."""

    limit = 60_000

    def __init__(self, inner):
        super().__init__(inner)
        self.waiting, self.in_flight = deque(), 0

    def receive_datagram(self, data, peer, ecn=0, *, now):
        if data[:3] == b"ACK":
            self.in_flight -= int(data[3:])
        else:
            self.inner.receive_datagram(data, peer, ecn, now=now)

    def datagrams_to_send(self, *, now):
        self.waiting += self.inner.datagrams_to_send(now=now)
        sent = []
        while self.waiting and self.in_flight < self.limit:
            sent.append(self.waiting.popleft())
            self.in_flight += len(sent[-1].data)
        return sent

    def stats(self):
        return {}


class Acknowledges(Around):
    def __init__(self, inner):
        super().__init__(inner)
        self.acks = []

    def receive_datagram(self, data, peer, ecn=0, *, now):
        self.acks.append(Datagram(b"ACK%d" % len(data), peer))
        self.inner.receive_datagram(data, peer, ecn, now=now)

    def datagrams_to_send(self, *, now):
        sent, self.acks = [*self.acks, *self.inner.datagrams_to_send(now=now)], []
        return sent

    def stats(self):
        return {}


class QueuesWithoutBound(Around):
    """Hands to the network at most a megabyte a tenth of a second, and takes whatever comes meanwhile."""

    def __init__(self, inner):
        super().__init__(inner)
        self.frames, self.next_at = deque(), 0.0

    def send_frame(self, frame, *, now):
        self.frames.append(frame)
        self.handle_timer(now=now)

    def get_timer(self):
        timers = [self.inner.get_timer(), self.next_at if self.frames else None]
        return min((timer for timer in timers if timer is not None), default=None)

    def handle_timer(self, *, now):
        if self.frames and now >= self.next_at:
            frame = self.frames.popleft()
            self.next_at = now + len(frame.payload) / 1e7 * (10 if len(frame.payload) > 10**6 else 0)
            self.inner.send_frame(frame, now=now)
        self.inner.handle_timer(now=now)


class TrustsBytes(Around):
    def receive_datagram(self, data, peer, ecn=0, *, now):
        assert len(data) > data[0] // 16
        self.inner.receive_datagram(data, peer, ecn, now=now)


class AnswersStrangers(Around):
    def next_event(self):
        event = self.inner.next_event()
        if event is None and self.inner.stats().get("foreign", 0) and not self.__dict__.get("told"):
            self.told = True
            return KeyframeRequested(1, 1001.0)
        return event


class ConnectsAgain(Around):
    def __init__(self, inner):
        super().__init__(inner)
        self.again = deque()
        self.asked = 0

    def connect(self, *, now):
        self.asked += 1
        if self.asked > 1:
            self.again.append(Connected(now))
        self.inner.connect(now=now)

    def next_event(self):
        return self.again.popleft() if self.again else self.inner.next_event()


class LingersOn(Around):
    closed = False

    def close(self, *, now):
        self.closed = now
        self.inner.close(now=now)

    def get_timer(self):
        return self.inner.get_timer() if not self.closed else self.closed + 1000.0


class ClosesWithAnError(Around):
    def next_event(self):
        event = self.inner.next_event()
        return Closed(event.at, "over") if isinstance(event, Closed) else event


def faulty(*, sender=lambda end: end, receiver=lambda end: end, media=UDP.media):
    return replace(
        UDP,
        make_sender=lambda config: sender(UdpSender(config)),
        make_receiver=lambda config: receiver(UdpReceiver(config)),
        media=media,
    )


def too_large(config):
    return UdpSender(replace(config, max_datagram_bytes=1500))


FAULTS = {
    "media that are said not to be carried": (faulty(media=frozenset({"h264", "data"})), "media"),
    "an end that connects twice": (faulty(receiver=ConnectsTwice), "connects"),
    "a clock read": (faulty(sender=ReadsAClock), "clock"),
    "a frame that changes": (faulty(receiver=ChangesFrames), "delivers"),
    "a frame that is forgotten": (faulty(sender=ForgetsOne), "delivers"),
    "an event twice": (faulty(sender=TellsTwice), "events"),
    "dice that were not handed to it": (faulty(sender=DiceOfItsOwn), "reproducible"),
    "a counter that falls": (faulty(sender=CountsDown), "counters"),
    "a counter that does not add up": (faulty(sender=CountsWrongly), "counters"),
    "a datagram that is too large": (replace(UDP, make_sender=too_large), "datagram-size"),
    "a large frame that is not taken": (faulty(sender=TakesSmallFramesOnly), "large-frames"),
    "a request that is not heard": (faulty(sender=HearsNoRequest), "keyframe-request"),
    "a loss told twice": (faulty(receiver=TellsALossTwice), "lossy-path"),
    "bytes in flight that never come back": (faulty(sender=Window, receiver=Acknowledges), "outage"),
    "a queue without a limit": (faulty(sender=QueuesWithoutBound), "bounded"),
    "an exception on hostile bytes": (faulty(receiver=TrustsBytes), "hostile-bytes"),
    "an event because of a stranger": (faulty(sender=AnswersStrangers), "hostile-bytes"),
    "a timer in the past that fires for ever": (faulty(sender=TimerInThePast), "time-moves-on"),
    "a timer that fires all the time": (faulty(sender=WakesUpAllTheTime), "time-moves-on"),
    "a second connection": (faulty(sender=ConnectsAgain), "odd-calls"),
    "a timer after the end": (faulty(sender=LingersOn), "close"),
    "an orderly end with an error": (faulty(sender=ClosesWithAnError), "close"),
}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_rejected_by_the_name_of_the_demand(fault):
    entry, demand = FAULTS[fault]
    with pytest.raises(Broken) as broken:
        check_transport(entry)
    assert broken.value.demand == demand, broken.value
    assert str(broken.value).startswith(f"{demand}: with ")


def test_without_a_fault_the_same_transport_is_accepted():
    check_transport(faulty(sender=Around, receiver=Around))


def test_a_demand_alone_can_be_looked_at():
    check_transport(faulty(sender=ForgetsOne), demands=["media", "connects"])


def test_the_docstring_lists_every_demand_in_its_order():
    listed = re.findall(r"^ +\d+\. `(.*?)`:", check_transport.__doc__, re.MULTILINE)
    assert listed == [*DEMANDS]
    assert set(DEMANDS) - {demand for _, demand in FAULTS.values()} <= {"overload"}
