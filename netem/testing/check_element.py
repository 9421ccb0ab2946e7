"""The contract of an element of a path, as a check that others can import."""

import itertools
from collections.abc import Callable

import numpy as np

from glassbench.demands import Broken, no_clock
from glassbench.netem.element import Element
from glassbench.netem.packet import Packet
from glassbench.netem.simulator import START_AT
from glassbench.netem.testing.drive import drive

MakeElement = Callable[[np.random.Generator], Element]

_A, _B = ("10.0.0.1", 1000), ("10.0.0.2", 1000)
_STEPS = (0.001, 0.007, 0.07)  # seconds; with the first all timers are whole milliseconds, as under epoll
_SEEDS = range(6)
_FLOOD_GAP = 1e-4  # seconds between packets of 1228 bytes: 98 Mbit/s
_FLOOD_PACKETS = 12_000
_FLOOD_SEEDS = range(3)
_FEW = 500  # packets


def check_element(make: MakeElement, *, keeps_order: bool = True) -> None:
    """Demand of the elements that `make` gives what a path needs. Raises Broken with the name of the first demand that
    is not met.

    `make` is called with a generator of dice, several times, and gives a new element each time, whose packets come from
    1000.0 s on (`netem.simulator.START_AT`). With `keeps_order` packets must leave in the order in which they came.

    1. `clock`: it reads no clock.
    2. `conservation`: what was pushed is popped, dropped, lost or inside, and nothing twice; `counts()` says so at
       every instant; in the end nothing is inside. `gone` names every packet that was dropped or lost, once.
    3. `timer`: after `pop(now)` the timer is later than now, or None; when nothing is inside, it comes to an end.
    4. `due`: `pop(now)` gives packets in the order of their `at`, none later than now.
    5. `forward`: a packet leaves no sooner than it came, and stays inside for `shortest` seconds at least.
    6. `unchanged`: data, addresses, number and size are as they were; the ECN codepoint too, or it became CE (3).
    7. `copies`: a duplicate is an object of its own, since later elements write into packets.
    8. `order`: packets leave in the order in which they came (unless `keeps_order` is False).
    9. `reproducible`: two elements made with equal dice do the same with the same packets.
    10. `logical-time`: what comes out, and when, does not depend on when one looks: at each timer, later, or oftener.
    11. `bounded`: under a flood what is inside does not go on growing; a queue has a limit.

    It takes about a second.
    """
    _check_clock(make)
    for seed in _SEEDS:
        exact = drive(make(np.random.default_rng(seed)), packet_stream(seed))
        if keeps_order:
            _check_order(exact)
        _check_reproducible(make, seed, exact)
        _check_logical_time(make, seed, exact)
    _check_bounded(make)


def packet_stream(seed: int, count: int = 80) -> list[Packet]:
    """Packets, of which some come together, some at whole milliseconds and some between them, in sizes up to 2000."""
    dice = np.random.default_rng(seed)
    gaps = np.where(dice.random(count) < 0.6, dice.choice([0, 0, 1, 3, 20], count), dice.uniform(0, 60, count)) / 1000
    times = (np.cumsum(gaps) + START_AT).tolist()
    sizes = dice.integers(29, 2000, count).tolist()
    return [
        Packet(bytes([number]), _A, _B, 2, size, number, at, at)
        for number, (at, size) in enumerate(zip(times, sizes, strict=True))
    ]


def _check_clock(make: MakeElement) -> None:
    with no_clock():
        drive(make(np.random.default_rng(0)), packet_stream(0))


def _check_order(popped: list[Packet]) -> None:
    numbers = [packet.number for packet in popped]
    for before, after in itertools.pairwise(numbers):
        if after < before:
            raise Broken("order", f"packet {after} leaves behind packet {before}")


def _check_reproducible(make: MakeElement, seed: int, exact: list[Packet]) -> None:
    again = drive(make(np.random.default_rng(seed)), packet_stream(seed))
    if difference := _difference(exact, again):
        raise Broken("reproducible", f"with equal dice, first and second time: {difference}")


def _check_logical_time(make: MakeElement, seed: int, exact: list[Packet]) -> None:
    for step in _STEPS:
        for often in (False, True):
            looked = drive(make(np.random.default_rng(seed)), packet_stream(seed), step=step, often=often)
            if difference := _difference(exact, looked):
                how = f"looked at {'every' if often else 'late, at multiples of'} {step * 1e3:g} ms"
                raise Broken("logical-time", f"looked at exactly and {how}: {difference}")


def _difference(first: list[Packet], second: list[Packet]) -> str:
    """What is not the same; empty if all is."""
    for one, another in zip(first, second, strict=False):
        if (one.number, one.at, one.ecn) != (another.number, another.at, another.ecn):
            return " and ".join(f"packet {each.number} at {each.at}, ECN {each.ecn}" for each in (one, another))
    return "" if len(first) == len(second) else f"{len(first)} packets come out, and {len(second)}"


def _check_bounded(make: MakeElement) -> None:
    """A queue without a limit grows as long as it is fed, whatever the dice say. A line is full after its length."""
    if all(_grows(make(np.random.default_rng(seed))) for seed in _FLOOD_SEEDS):
        raise Broken("bounded", f"what is inside grows and grows under a flood of {_FLOOD_PACKETS} packets")


def _grows(element: Element) -> bool:
    """Whether more is inside in each quarter of a flood than in the one before."""
    inside = np.empty(_FLOOD_PACKETS)
    for number in range(_FLOOD_PACKETS):
        at = START_AT + number * _FLOOD_GAP
        element.pop(at)
        element.push(Packet(b"", _A, _B, 2, 1228, number, at, at))
        inside[number] = element.counts().inside
    quarters = np.median(inside.reshape(4, -1), axis=1)
    return bool(np.all(quarters[1:] > 1.2 * quarters[:-1]) and quarters[-1] > _FEW)
