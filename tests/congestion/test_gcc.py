"""Google Congestion Control in a closed loop: a bottleneck, a peer with a clock of its own, and a report each 50 ms."""

import math
from collections import deque

from glassbench.transport.congestion.flight import Flight
from glassbench.transport.congestion.gcc.controller import GccController

PACKET = 1200
FRAME = 1 / 30
CLOCK = 54321.0  # the peer's clock is ahead by so much
REPORT = 0.05


class Path:
    """A bottleneck of `rate_bps` with a drop-tail queue of `queue` seconds, `rtt` around it. The source is an encoder
    that follows the target up to `most_bps`, 30 frames a second, or it has always more to send."""

    def __init__(self, rate_bps, *, rtt=0.05, queue=0.3, lose=lambda number: False, most_bps=math.inf, greedy=False):
        self.rate_bps, self.rtt, self.queue, self.lose = rate_bps, rtt, queue, lose
        self.most_bps, self.greedy = most_bps, greedy
        self.controller = GccController(max_datagram_bytes=PACKET)
        self.flight = Flight(self.controller, max_datagram_bytes=PACKET)
        self.now = 1000.0
        self.free_at = 0.0
        self.frame_at = self.report_at = 1000.0
        self.number = 0
        self.waiting = 0.0
        self.padding_until = 0.0
        self.due = deque()  # (at, number, sent_at, arrived_at or None)
        self.targets = []  # (at, target), one a report
        self.delays = []
        self.delivered = self.lost = self.padding = 0

    def run(self, seconds):
        """Steps of a millisecond."""
        self.targets, self.delays = [], []
        self.delivered = self.lost = 0
        for _ in range(round(seconds * 1000)):
            self.now += 0.001
            if self.now >= self.report_at:
                self.report_at += REPORT
                self.report()
            self.flight.handle_timer(now=self.now)
            if self.now >= self.frame_at:
                self.frame_at += FRAME
                self.waiting += min(self.target, self.most_bps) * FRAME / 8
            self.send()
        return self

    def send(self):
        for _ in range(self.flight.packets_allowed(now=self.now)):
            if self.greedy or self.waiting >= 1:
                size = PACKET if self.greedy else max(100, min(PACKET, math.ceil(self.waiting)))
                self.waiting = max(0.0, self.waiting - size)
            elif self.flight.allowance.padding_bps > 0:
                size = PACKET
                self.padding += PACKET
            else:
                self.flight.on_idle(now=self.now)
                return
            self.carry(size)

    def carry(self, size):
        queued = max(0.0, self.free_at - self.now)
        self.flight.on_sent(self.number, size, now=self.now)
        if self.lose(self.number) or queued > self.queue:
            self.due.append((self.now + queued + self.rtt, self.number, self.now, None))
        else:
            self.free_at = max(self.now, self.free_at) + size * 8 / self.rate_bps
            self.due.append((self.free_at + self.rtt, self.number, self.now, self.free_at + self.rtt / 2))
            self.delays.append(self.free_at - self.now)
            self.delivered += size
        self.number += 1

    def report(self):
        arrived, lost, rtt = {}, [], None
        while self.due and self.due[0][0] <= self.now:
            at, number, sent_at, arrived_at = self.due.popleft()
            if arrived_at is None:
                lost.append(number)
            else:
                arrived[number] = arrived_at + CLOCK
                rtt = at - sent_at
        self.lost += len(lost)
        self.flight.on_settled(
            list(arrived), lost, rtt=rtt, probe_timeout=3 * self.rtt, received_at=arrived, now=self.now
        )
        self.targets.append(self.target)

    @property
    def target(self):
        return self.flight.allowance.target_bps

    @property
    def mean_target(self):
        return sum(self.targets) / len(self.targets)

    def delay(self, share):
        return sorted(self.delays)[int(share * (len(self.delays) - 1))]
