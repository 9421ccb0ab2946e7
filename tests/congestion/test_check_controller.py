"""The check of controllers rejects, by name, what is wrong with one; each fault is planted in our NewReno."""

import re
from time import perf_counter

import numpy as np
import pytest

from glassbench.testing import Broken, check_controller
from glassbench.transport.congestion import CONTROLLERS
from glassbench.transport.congestion.reno import RenoController


class ReadsAClock(RenoController):
    def on_sent(self, packet):
        perf_counter()


class ShrinksToNothing(RenoController):
    def on_feedback(self, feedback):
        super().on_feedback(feedback)
        if any(result.lost for result in feedback.results):
            self._window = 0.0


class HasNoRate(RenoController):
    @property
    def allowance(self):
        return super().allowance._replace(target_bps=float("nan"))


class ChangesByReading(RenoController):
    @property
    def allowance(self):
        self._window += 1
        return super().allowance


class TimerInThePast(RenoController):
    def get_timer(self):
        return 1000.2


class DiceOfItsOwn(RenoController):
    dice = np.random.default_rng(1)

    def on_feedback(self, feedback):
        super().on_feedback(feedback)
        self._window += self.dice.random()


class NeverGrows(RenoController):
    def _grow_by(self, used_bytes, *, now):
        pass


class DoesNotHearOfLoss(RenoController):
    def _reduce(self, *, now):
        pass

    def _collapse(self):
        pass


class LostBytesNeverReturn(RenoController):
    """It counts lost packets as in flight for ever, so the window closes a little with each loss, down to two
    packets."""

    lost_bytes = 0

    def on_feedback(self, feedback):
        super().on_feedback(feedback)
        if feedback.at > 1003.0:
            self.lost_bytes += sum(result.packet.size_bytes for result in feedback.results if result.lost)

    @property
    def allowance(self):
        allowance = super().allowance
        if self.lost_bytes < 20_000:
            return allowance
        return allowance._replace(window_bytes=2 * self._packet)


class KeepsEveryPacket(RenoController):
    def __init__(self, *, max_datagram_bytes):
        super().__init__(max_datagram_bytes=max_datagram_bytes)
        self.kept = []

    def on_sent(self, packet):
        self.kept.append(packet)


class UndoesTheWrongWay(RenoController):
    def undo_losses(self, *, since, now):
        self._window = max(self._least, self._window / 2)


class KeepsItsLeast(RenoController):
    """Its least window is two packets of the size at first, whatever size they have now."""

    @property
    def allowance(self):
        return super().allowance._replace(window_bytes=2400) if self._packet > 1452 else super().allowance


class DividesByTheRoundTrip(RenoController):
    def on_feedback(self, feedback):
        super().on_feedback(feedback)
        assert feedback.rtt is None or 0.001 < feedback.rtt < 10


FAULTS = {
    "a clock read": (ReadsAClock, "clock"),
    "a window of nothing": (ShrinksToNothing, "allowance"),
    "a rate that is no number": (HasNoRate, "allowance"),
    "an answer that changes by reading": (ChangesByReading, "steady"),
    "a timer in the past that fires for ever": (TimerInThePast, "timer"),
    "dice that were not handed to it": (DiceOfItsOwn, "reproducible"),
    "a window that never grows": (NeverGrows, "uses-the-path"),
    "losses that are not heard": (DoesNotHearOfLoss, "yields"),
    "bytes in flight that never come back": (LostBytesNeverReturn, "recovers"),
    "packets that are kept for ever": (KeepsEveryPacket, "bounded"),
    "losses that are undone the wrong way": (UndoesTheWrongWay, "undo"),
    "a size that is not heard": (KeepsItsLeast, "resize"),
    "round trips that are believed": (DividesByTheRoundTrip, "odd-news"),
}


COSTLY = ("bbr", "gcc", "realtime", "reno", "scream")  # seconds each; a new controller is checked by `make test`
SLOW = "losses that are not heard"  # its window doubles each round trip, for ten seconds


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    "fault", [pytest.param(name, marks=pytest.mark.lengthy) if name == SLOW else name for name in FAULTS]
)
def test_a_planted_fault_is_rejected_by_the_name_of_the_demand(fault):
    make, demand = FAULTS[fault]
    with pytest.raises(Broken) as broken:
        check_controller(make)
    assert broken.value.demand == demand, broken.value


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] * (name in COSTLY)) for name in CONTROLLERS]
)
def test_each_controller_keeps_the_contract(name):
    check_controller(CONTROLLERS[name].make)


def test_every_demand_of_the_docstring_has_a_planted_fault():
    listed = re.findall(r"^ +\d+\. `(.*?)`:", check_controller.__doc__, re.MULTILINE)
    assert set(listed) == {demand for _, demand in FAULTS.values()}
