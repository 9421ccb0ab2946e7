"""A driver of one element that checks, while it drives, what holds at every instant."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from math import inf

from glassbench.demands import Broken
from glassbench.netem.element import Element
from glassbench.netem.packet import Packet

_LOOKS_AT_MOST = 1_000_000


def drive(element: Element, packets: Iterable[Packet], *, step: float = 0.0, often: bool = False) -> list[Packet]:
    """Push all packets at their instants, pop until nothing is inside, and give what came out.

    It looks at each timer of the element; with a `step` in seconds at the next multiple of it, as a late driver does;
    with `often` at every multiple between two packets too, whatever the timer says. Raises Broken for the demands
    `conservation`, `due`, `timer`, `forward`, `unchanged` and `copies` of `check_element`.
    """
    return _Driver(element, step=step, often=often).run(packets)


class _Driver:
    def __init__(self, element: Element, *, step: float, often: bool) -> None:
        self._element = element
        self._step = step
        self._often = often
        self._pushed: dict[int, Packet] = {}  # as it was, by number
        self._popped: list[Packet] = []
        self._named: list[Packet] = []  # as gone; kept, so that their ids stay their own
        self._ids: set[int] = set()
        self._looks = 0

    def run(self, packets: Iterable[Packet]) -> list[Packet]:
        last_at = -inf
        for packet in packets:
            self._wake(packet.at)
            if self._often:
                for now in self._between(last_at, packet.at):
                    self._look(now)
            last_at = packet.at
            self._pushed[packet.number] = replace(packet)
            self._element.push(packet)
            self._check_counts()
        self._wake(inf)
        if (timer := self._element.get_timer()) not in (None, inf):
            raise Broken("timer", f"the timer is {timer} when nothing is inside any more")
        counts = self._element.counts()
        if counts.inside:
            raise Broken("conservation", f"{counts.inside} packets never come out, for the timer is {timer}")
        return self._popped

    def _between(self, start: float, end: float) -> Iterator[float]:
        if start > -inf and self._step:
            index = int(start // self._step) + 1
            while (now := index * self._step) < end:
                yield now
                index += 1

    def _wake(self, until: float) -> None:
        """Look at each timer up to an instant."""
        while (timer := self._element.get_timer()) is not None and timer < inf:
            now = timer if not self._step else (timer // self._step + 1) * self._step
            if now > until:
                return
            self._look(now)

    def _look(self, now: float) -> None:
        self._looks += 1
        if self._looks > _LOOKS_AT_MOST:
            raise Broken("timer", f"it asks to be looked at for ever, {_LOOKS_AT_MOST} times until {now}")
        for packet in self._element.pop(now):
            self._take(packet, now)
        timer = self._element.get_timer()
        if timer is not None and not timer > now:
            raise Broken("timer", f"after a look at {now} the timer is {timer}, which is not later")
        self._check_counts()

    def _take(self, packet: Packet, now: float) -> None:
        pushed = self._pushed.get(packet.number)
        if pushed is None:
            raise Broken("unchanged", f"packet {packet.number} comes out and was never pushed")
        if id(packet) in self._ids:
            raise Broken(
                "copies", f"packet {packet.number} comes out twice as one object; a copy is an object of its own"
            )
        if not packet.at >= pushed.at:
            raise Broken("forward", f"packet {packet.number} came at {pushed.at} and left before, at {packet.at}")
        if packet.at > now:
            raise Broken("due", f"packet {packet.number} leaves at {packet.at} and is given out at {now}")
        if self._popped and packet.at < self._popped[-1].at:
            raise Broken("due", f"packet {packet.number} of {packet.at} comes behind one of {self._popped[-1].at}")
        if packet.at < pushed.at + self._element.shortest - 1e-9:
            raise Broken(
                "forward", f"packet {packet.number} is inside for {packet.at - pushed.at} s, less than `shortest` says"
            )
        if replace(packet, at=pushed.at, ecn=pushed.ecn) != pushed or packet.ecn not in (pushed.ecn, 3):
            raise Broken("unchanged", f"packet {packet.number} went in as {pushed} and comes out as {packet}")
        self._ids.add(id(packet))
        self._popped.append(packet)  # which keeps it, so that its id stays its own

    def _check_counts(self) -> None:
        counts = self._element.counts()
        told = {name: getattr(counts, name) for name in counts.__slots__}
        if (counts.pushed, counts.popped) != (len(self._pushed), len(self._popped)):
            raise Broken(
                "conservation", f"{len(self._pushed)} went in and {len(self._popped)} came out, counted: {told}"
            )
        gone = counts.dropped + counts.lost
        if counts.pushed + counts.duplicated != counts.popped + gone + counts.inside or min(told.values()) < 0:
            raise Broken("conservation", f"the counters do not add up: {told}")
        for packet in self._element.gone:
            if packet.number not in self._pushed or id(packet) in self._ids:
                raise Broken("conservation", f"packet {packet.number} is named as gone and is not")
            self._ids.add(id(packet))
            self._named.append(packet)
        self._element.gone.clear()
        if len(self._named) != gone:
            raise Broken("conservation", f"{gone} packets were dropped or lost, and {len(self._named)} named as gone")
