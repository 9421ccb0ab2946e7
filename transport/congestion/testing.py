"""The contract of a congestion controller, as a check that others can import (`glassbench.testing`)."""

import gc
import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType, ModuleType

from glassbench.demands import Broken, no_clock
from glassbench.transport.congestion.controller import Allowance, Controller, Feedback, MakeController
from glassbench.transport.congestion.flight import Flight

_PACKET = 1200
_START_AT = 1000.0
_RATE = 10e6  # bit/s of the link
_RTT = 0.04  # seconds, without queue
_QUEUE_BYTES = 50_000  # a round trip's worth
_SHARE = 0.6  # of the link, that a controller alone has to use
_CLOCK_OFFSET = 12345.678  # of the peer's clock
_NOTED = 16  # objects that a controller may keep of a packet in flight
_MOST_CALLS = 1000  # at one instant
_ODD_RTTS = (1e-6, 30.0, None)


def check_controller(make: MakeController) -> None:
    """Demand of the controllers that `make` gives what the scheduler needs. Raises Broken with the name of the first
    demand that is not met.

    `make` is called with `max_datagram_bytes` several times, and gives a new controller each time. It runs under the
    scheduler's own books (`flight.Flight`), alone on a link of 10 Mbit/s with a round trip of 40 ms and a queue of
    50 kB, with timers that are exact and with timers that come on whole milliseconds. Each packet is acknowledged by
    itself, with the time of its reception on the peer's clock.

    1. `clock`: it reads no clock.
    2. `allowance`: whatever comes, two packets may be in flight and two may leave at once; rates and times are finite
        and above 0.
    3. `steady`: what it allows changes in calls alone, not because somebody reads it.
    4. `timer`: after `handle_timer(now)` its timer is later than now, or None.
    5. `reproducible`: two controllers with the same news allow the same.
    6. `uses-the-path`: after 5 s it has 60 % of the link, at least.
    7. `yields`: it answers to loss: no more than twice of what link and queue hold is in flight after 10 s.
    8. `recovers`: after a second in which all is lost, it has half of the link again within 5 s.
    9. `bounded`: what it keeps does not grow with the packets that were sent.
    10. `undo`: `undo_losses` makes no window smaller, and is harmless without a loss.
    11. `resize`: packets may become smaller and larger at any time.
    12. `odd-news`: a round trip of a microsecond or half a minute, none at all, packets of which nobody hears again,
        everything lost, and news about nothing leave it working.

    It takes some seconds.
    """
    with no_clock():
        _Link(make).run(1.0)
    _check_steady(make)
    _check_undo(make)
    _check_resize(make)
    _check_odd_news(make)
    long_run = _check_long_run(make, timer_resolution=0.0)
    _check_outage(make, timer_resolution=0.0)
    _check_long_run(make, timer_resolution=0.001)
    _check_outage(make, timer_resolution=0.001)
    _check_bounded(*long_run)


@dataclass(slots=True)
class _Watched:
    """A controller between the scheduler and the check: every answer is looked at."""

    inner: Controller

    @property
    def allowance(self) -> Allowance:
        allowance = self.inner.allowance
        numbers = (allowance.pacing_bps, allowance.target_bps, allowance.base_rtt)
        least = min(allowance.window_bytes, allowance.burst_bytes)
        if least < 2 * _PACKET or not all(0 < number < math.inf for number in numbers):
            raise Broken("allowance", f"it allows {allowance}; a packet has {_PACKET} bytes")
        if (again := self.inner.allowance) != allowance:
            raise Broken("steady", f"read twice, it allows {allowance} and {again}")
        return allowance

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)


class _Link:
    """A sender that always has something to send, and the link, in virtual time."""

    def __init__(self, make: MakeController, *, timer_resolution: float = 0.0) -> None:
        self.controller = make(max_datagram_bytes=_PACKET)
        self.flight = Flight(_Watched(self.controller), max_datagram_bytes=_PACKET)  # type: ignore[arg-type]
        self.now = _START_AT
        self.delivered_bytes = 0
        self.history: list[tuple[float, Allowance]] = []
        self.broken: tuple[float, float] = (math.inf, math.inf)  # from and until when all is lost
        self._resolution = timer_resolution
        self._free_at = _START_AT
        self._number = 0
        self._news: list[tuple[float, int, float, bool]] = []  # at, number, sent at, lost

    def run(self, seconds: float) -> "_Link":
        """Let everything happen for so long."""
        until = self.now + seconds
        calls, called_at = 0, -math.inf
        while True:
            self._send()
            at = self._next_at()
            if at > until:
                break
            calls = calls + 1 if at <= called_at else 0
            if calls > _MOST_CALLS:
                raise Broken("timer", f"time stays at {at} s; the controller's timer is {self.controller.get_timer()}")
            self.now = called_at = max(self.now, at)
            self._hear()
            self._handle_timer()
        self.now = until
        return self

    def _send(self) -> None:
        for _ in range(self.flight.packets_allowed(now=self.now)):
            sent_at, number = self.now, self._number
            self._number += 1
            self.flight.on_sent(number, _PACKET, now=sent_at)
            waiting = max(0.0, self._free_at - sent_at)
            if waiting * _RATE / 8 + _PACKET > _QUEUE_BYTES or self.broken[0] <= sent_at < self.broken[1]:
                heapq.heappush(self._news, (sent_at + waiting + 1.25 * _RTT, number, sent_at, True))
                continue
            self._free_at = sent_at + waiting + _PACKET * 8 / _RATE
            heapq.heappush(self._news, (self._free_at + _RTT, number, sent_at, False))

    def _next_at(self) -> float:
        due = [self._rounded(at) for at in (self.flight.next_send_at(), self.controller.get_timer()) if at is not None]
        if self._news:
            due.append(self._news[0][0])
        if not due:
            raise Broken("recovers", f"at {self.now} s nothing is in flight, nothing may leave, and no timer is set")
        return min(due)

    def _rounded(self, at: float) -> float:
        if at <= self.now or not self._resolution:
            return max(at, self.now)
        return self.now + math.ceil((at - self.now) / self._resolution - 1e-6) * self._resolution

    def _hear(self) -> None:
        while self._news and self._news[0][0] <= self.now:
            at, number, sent_at, lost = heapq.heappop(self._news)
            self.delivered_bytes += 0 if lost else _PACKET
            self.flight.on_settled(
                [] if lost else [number],
                [number] if lost else [],
                rtt=None if lost else at - sent_at,
                probe_timeout=3 * _RTT,
                received_at=None if lost else {number: at - _RTT / 2 + _CLOCK_OFFSET},
                now=self.now,
            )
            self.history.append((self.now, self.flight.allowance))

    def _handle_timer(self) -> None:
        timer = self.controller.get_timer()
        if timer is None or timer > self.now:
            return
        self.flight.handle_timer(now=self.now)
        timer = self.controller.get_timer()
        if timer is not None and timer <= self.now:
            raise Broken("timer", f"after it was handled at {self.now} s the timer is {timer}")


def _check_steady(make: MakeController) -> None:
    first, second = (_Link(make).run(3.0) for _ in range(2))
    for (at, one), (_, another) in zip(first.history, second.history, strict=False):
        if one != another:
            raise Broken("reproducible", f"with the same news it allows {one} and {another} at {at} s")


def _check_long_run(make: MakeController, *, timer_resolution: float) -> tuple[_Link, int]:
    """The link after 10 s, and how many objects the controller held after 5 s."""
    link = _Link(make, timer_resolution=timer_resolution).run(5.0)
    objects = _objects(link.controller)
    before = link.delivered_bytes
    link.run(5.0)
    share = (link.delivered_bytes - before) * 8 / 5.0 / _RATE
    if share < _SHARE:
        raise Broken("uses-the-path", f"alone on a link it has {share:.0%} of it, {_SHARE:.0%} is the least")
    held = _RATE / 8 * _RTT + _QUEUE_BYTES
    if link.flight.bytes_in_flight > 2 * held:
        in_flight = link.flight.bytes_in_flight
        raise Broken("yields", f"{in_flight} bytes are in flight where link and queue hold {held:.0f}")
    return link, objects


def _check_outage(make: MakeController, *, timer_resolution: float) -> None:
    link = _Link(make, timer_resolution=timer_resolution)
    link.broken = (_START_AT + 3.0, _START_AT + 4.0)
    link.run(8.0)
    before = link.delivered_bytes
    link.run(1.0)
    share = (link.delivered_bytes - before) * 8 / _RATE
    if share < _SHARE - 0.1:
        raise Broken("recovers", f"5 s after an outage of a second it has {share:.0%} of the link")


def _check_bounded(link: _Link, before: int) -> None:
    after = _objects(link.run(10.0).controller)
    in_flight = link.flight.bytes_in_flight / _PACKET  # is more at one time than at another
    if after > 1.5 * before + 200 + _NOTED * in_flight:
        raise Broken("bounded", f"it holds {before} objects after 5 s, and {after} after 20 s")


def _check_undo(make: MakeController) -> None:
    def undone(link: _Link) -> None:
        window = link.flight.allowance.window_bytes
        link.flight.undo_losses(since=0.0, now=link.now)
        if link.flight.allowance.window_bytes < window:
            raise Broken("undo", f"undoing losses takes the window from {window} to {link.flight.allowance}")

    link = _Link(make)
    undone(link)  # there was none
    for _ in range(30):
        link.run(0.1)
        undone(link)
        undone(link)


def _check_resize(make: MakeController) -> None:
    link = _Link(make)
    for size in (_PACKET, 1452, 9000, _PACKET):
        link.flight.resize(size)
        _works(link, "resize", f"after packets may have {size} bytes", packet=size)
        link.run(0.3)


def _check_odd_news(make: MakeController) -> None:
    for rtt in _ODD_RTTS:
        link = _Link(make).run(0.5)
        _odd(link, lambda link, rtt=rtt: _settle_all(link, rtt=rtt), f"a round trip of {rtt} s")  # type: ignore[misc]
    _odd(_Link(make).run(0.5), lambda link: link.flight.discard(range(link._number)), "packets nobody hears of again")
    _odd(_Link(make).run(0.5), lambda link: _settle_all(link, rtt=None, lost=True), "the loss of everything")
    nothing = Feedback(_START_AT + 0.5, (), None, 0)
    _odd(_Link(make), lambda link: link.flight.controller.on_feedback(nothing), "news about nothing")


def _odd(link: _Link, news: Callable[["_Link"], None], what: str) -> None:
    try:
        news(link)
    except Broken:
        raise
    except Exception as error:
        raise Broken("odd-news", f"{what}: it raises {type(error).__name__}: {error}") from error
    _works(link, "odd-news", what)


def _settle_all(link: _Link, *, rtt: float | None, lost: bool = False) -> None:
    numbers = range(link._number)
    acked, missing = ([], numbers) if lost else (numbers, [])
    link.flight.on_settled(acked, missing, rtt=rtt, probe_timeout=3 * _RTT, now=link.now)


def _works(link: _Link, demand: str, what: str, packet: int = _PACKET) -> None:
    allowance = link.flight.allowance
    if allowance.window_bytes < 2 * packet or not 0 < allowance.pacing_bps < math.inf:
        raise Broken(demand, f"{what} it allows {allowance}")


def _objects(controller: object) -> int:
    """How many objects hang on a controller, code apart."""
    seen: dict[int, object] = {}
    waiting: list[object] = [controller]
    while waiting:
        item = waiting.pop()
        if id(item) in seen or isinstance(item, type | ModuleType | FunctionType):
            continue
        seen[id(item)] = item
        waiting += gc.get_referents(item)
    return len(seen)
