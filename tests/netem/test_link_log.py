"""The record of a link by interval."""

import numpy as np
import pytest

from glassbench.netem.elements.delay import Delay
from glassbench.netem.elements.fixed_rate import FixedRate
from glassbench.netem.elements.outage import Outage
from glassbench.netem.link_log import LinkLog
from glassbench.netem.path import Path
from glassbench.netem.queues.drop_tail import DropTail
from glassbench.netem.simulator import START_AT, Simulator

A, B = ("10.0.0.1", 1), ("10.0.0.2", 2)
SIZE = 1250  # on the wire: 1 ms at 10 Mbit/s


class Host:
    """Sends one datagram of SIZE bytes on the wire at each instant of `times`."""

    def __init__(self, times=()):
        self.times, self.out = [float(time) for time in times], 0

    def receive_datagram(self, data, peer, ecn=0, *, now):
        pass

    def datagrams_to_send(self, *, now):
        count, self.out = self.out, 0
        return [(bytes(SIZE - 28), B, 0)] * count

    def get_timer(self):
        return self.times[0] if self.times else None

    def handle_timer(self, *, now):
        while self.times and self.times[0] <= now:
            self.times.pop(0)
            self.out += 1


def logged(times, elements, until, interval=0.01):
    simulator = Simulator()
    simulator.add_node("a", A, Host(times))
    simulator.add_node("b", B, Host())
    path = Path(elements)
    log = LinkLog(path, start_at=START_AT, interval=interval)
    simulator.add_route(A, B, [simulator.add_link(path, log=log)])
    simulator.run(until=until)
    return log.table(simulator.now), path.counts()


def test_the_largest_backlog_of_each_interval_is_exact():
    bottleneck = FixedRate(1e7, DropTail(limit_packets=100))
    table, _ = logged([START_AT + 0.0245] * 31, [bottleneck, Delay(0.02)], START_AT + 0.095)
    assert table.at == pytest.approx(START_AT + np.arange(10) * 0.01, abs=1e-9)
    assert (table.sent_bytes / SIZE).tolist() == [0, 0, 31, 0, 0, 0, 0, 0, 0, 0]
    # One is on the wire; the queue of 30 falls by one each millisecond: 30 - floor(5.5) when the next interval begins.
    assert (table.backlog_bytes / SIZE).tolist() == [0, 0, 30, 25, 15, 5, 0, 0, 0, 0]
    assert (table.delivered_bytes / SIZE).tolist() == [0, 0, 0, 0, 5, 10, 10, 6, 0, 0]


def test_columns_sum_to_the_counts_of_the_path():
    times = START_AT + np.arange(2000) * 0.0007
    elements = [Outage([(0.3, 0.1)], epoch=START_AT), FixedRate(1e7, DropTail(limit_packets=20)), Delay(0.05)]
    table, counts = logged(times, elements, START_AT + 1.0)
    assert counts.dropped > 0 and counts.lost > 0 and counts.inside > 0
    assert table.sent_bytes.sum() == counts.pushed * SIZE
    assert table.delivered_bytes.sum() == counts.popped * SIZE
    assert table.dropped_packets.sum() == counts.dropped
    assert table.lost_packets.sum() == counts.lost
    lost_in = table.at[table.lost_packets > 0] - START_AT
    assert lost_in.min() >= 0.3 - 1e-9 and lost_in.max() < 0.4
    assert table.backlog_bytes.max() == 20 * SIZE


def test_the_interval_is_positive():
    with pytest.raises(ValueError, match=r"LinkLog\.interval"):
        LinkLog(Path([]), start_at=START_AT, interval=0.0)
