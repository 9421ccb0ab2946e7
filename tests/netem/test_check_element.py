"""The check of elements rejects, by name, what is wrong with an element; each fault is planted in one that is right."""

import re
import time
from collections import deque

import numpy as np
import pytest

from glassbench.netem.elements.delay import Delay
from glassbench.netem.elements.duplication import Duplication
from glassbench.netem.elements.fixed_rate import FixedRate
from glassbench.netem.elements.random_loss import RandomLoss
from glassbench.netem.elements.reordering import Reordering
from glassbench.netem.line import Line
from glassbench.netem.queues.drop_tail import DropTail
from glassbench.netem.testing import check_element as checker
from glassbench.testing import Broken, check_element


class ReadsAClock(Delay):
    def push(self, packet):
        time.monotonic()
        super().push(packet)


class CountsALossTwice(RandomLoss):
    def counts(self):
        counts = super().counts()
        counts.lost *= 2
        return counts


class LosesWithoutAWord(Delay):
    def push(self, packet):
        if packet.number == 7:
            self._pushed += 1
        else:
            super().push(packet)


class DoesNotNameALoss(RandomLoss):
    def push(self, packet):
        super().push(packet)
        self.gone.clear()


class NeverGivesBack(Delay):
    """The last packet stays inside, and no timer asks for it."""

    def get_timer(self):
        timer = super().get_timer()
        return timer if len(self._leaving) > 1 else None

    def pop(self, now):
        return super().pop(now) if len(self._leaving) > 1 else []


class TimerInThePast(Delay):
    def get_timer(self):
        return 1000.0 if self._leaving or self._popped else None


class AsksForEver(Delay):
    def __init__(self, delay):
        super().__init__(delay)
        self.looked_at = 1000.0

    def pop(self, now):
        self.looked_at = now
        return super().pop(now)

    def get_timer(self):
        return self.looked_at + 1e-4


class GivesOutEarly(Delay):
    def pop(self, now):
        return super().pop(now + 0.005)


class LeavesBeforeItCame(Line):
    def push(self, packet):
        self._pushed += 1
        packet.at -= 0.001
        self._leaving.append(packet)


class PromisesALongerWay(Delay):
    shortest = 0.02

    def __init__(self):
        Line.__init__(self)

    def push(self, packet):
        self._pushed += 1
        packet.at += 0.01
        self._leaving.append(packet)


class ChangesTheData(Delay):
    def push(self, packet):
        packet.data += b"!"
        super().push(packet)


class DuplicatesTheSameObject(Duplication):
    def push(self, packet):
        super().push(packet)
        if len(self._leaving) > 1 and self._leaving[-1] == self._leaving[-2]:
            self._leaving[-1] = self._leaving[-2]


class DiceOfItsOwn(RandomLoss):
    own = np.random.default_rng(1)

    def __init__(self, rng):
        super().__init__(0.3, self.own)


class LeavesWhenLookedAt(Line):
    """Packets leave 10 ms after they came, or when somebody looks after that."""

    def __init__(self):
        super().__init__()
        self.held = deque()

    def push(self, packet):
        self._pushed += 1
        self.held.append(packet)

    def pop(self, now):
        while self.held and self.held[0].at + 0.01 <= now:
            packet = self.held.popleft()
            packet.at = now
            self._leaving.append(packet)
        return super().pop(now)

    def get_timer(self):
        return self.held[0].at + 0.01 if self.held else None

    def counts(self):
        counts = super().counts()
        counts.inside += len(self.held)
        return counts


class LosesWhatIsLookedAt(LeavesWhenLookedAt):
    """It throws its dice when somebody looks, so that looking oftener changes them."""

    def __init__(self, rng):
        super().__init__()
        self.rng, self.lost = rng, 0

    def pop(self, now):
        lucky = self.rng.random() < 0.5
        if self.held and self.held[0].at + 0.01 <= now and not lucky:
            self.gone.append(self.held.popleft())
            self.lost += 1
        for packet in self.held:
            packet.at = min(packet.at, now)
        return super().pop(now)

    def counts(self):
        counts = super().counts()
        counts.lost = self.lost
        return counts


class NoLimit(DropTail):
    def __init__(self):
        super().__init__(limit_packets=1)
        self._limit_packets = float("inf")


FAULTS = {
    "a clock read": (lambda rng: ReadsAClock(0.01), "clock"),
    "a loss counted twice": (lambda rng: CountsALossTwice(0.3, rng), "conservation"),
    "a loss that is not counted": (lambda rng: LosesWithoutAWord(0.01), "conservation"),
    "a loss that is not named": (lambda rng: DoesNotNameALoss(0.3, rng), "conservation"),
    "a packet that never comes back": (lambda rng: NeverGivesBack(0.01), "conservation"),
    "a timer in the past": (lambda rng: TimerInThePast(0.01), "timer"),
    "a timer that never ends": (lambda rng: AsksForEver(0.01), "timer"),
    "a packet given out too early": (lambda rng: GivesOutEarly(0.01), "due"),
    "a packet that leaves before it came": (lambda rng: LeavesBeforeItCame(), "forward"),
    "a shortest time that is too long": (lambda rng: PromisesALongerWay(), "forward"),
    "data that change": (lambda rng: ChangesTheData(0.01), "unchanged"),
    "a copy that is the same object": (lambda rng: DuplicatesTheSameObject(0.5, rng), "copies"),
    "packets out of order": (lambda rng: Reordering(0.3, rng, lateness=0.03), "order"),
    "dice that were not handed to it": (DiceOfItsOwn, "reproducible"),
    "a departure when somebody looks": (lambda rng: LeavesWhenLookedAt(), "logical-time"),
    "dice that are thrown by looking": (LosesWhatIsLookedAt, "logical-time"),
    "a queue without a limit": (lambda rng: FixedRate(1e6, NoLimit()), "bounded"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_rejected_by_the_name_of_the_demand(fault, monkeypatch):
    monkeypatch.setattr("glassbench.netem.testing.drive._LOOKS_AT_MOST", 10_000)
    make, demand = FAULTS[fault]
    with pytest.raises(Broken) as broken:
        check_element(make)
    assert broken.value.demand == demand, broken.value
    assert str(broken.value).startswith(f"{demand}: ")


def test_every_demand_of_the_docstring_has_a_planted_fault():
    named = set(re.findall(r"^ +\d+\. `(.*?)`:", check_element.__doc__, re.MULTILINE))
    assert named == {demand for _, demand in FAULTS.values()}


def test_what_reorders_is_accepted_if_order_is_not_asked_for():
    check_element(lambda rng: Reordering(0.3, rng, lateness=0.03), keeps_order=False)


def test_a_stream_has_packets_that_come_together_and_packets_of_many_sizes():
    packets = checker.packet_stream(0)
    assert len({packet.at for packet in packets}) < len(packets)
    assert max(packet.size_bytes for packet in packets) > 1500
