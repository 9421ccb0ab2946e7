"""Bottlenecks and the policer against closed forms, and the opportunity link against mm-link's rule written plainly."""

from collections import deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassbench.netem.elements.fixed_rate import FixedRate
from glassbench.netem.elements.policer import Policer
from glassbench.netem.elements.trace_driven import FluidLink, OpportunityLink, trace_driven
from glassbench.netem.packet import IP_UDP_HEADER_BYTES
from glassbench.netem.queues.drop_tail import DropTail
from glassbench.netem.replay import Replay, replayed
from glassbench.netem.schedule import OpportunitySchedule, RateSchedule

T0 = 1000.0
ROOMY = 10**9


def constant(rate_bps):
    return RateSchedule(np.zeros(1), np.array([rate_bps]), 1.0)


def line_per_ms():
    return OpportunitySchedule(np.arange(1, 1001))


@pytest.mark.parametrize("capacity", [1e6, 4e6, 50e6])
@pytest.mark.parametrize("overload", [1.01, 1.5, 4.0])
@pytest.mark.parametrize("kind", ["fixed", "fluid"])
def test_a_queue_grows_by_r_minus_c_over_c_seconds_a_second(capacity, overload, kind, packets, drive):
    queue = DropTail(limit_bytes=ROOMY)
    link = (
        FixedRate(capacity, queue) if kind == "fixed" else trace_driven(replayed(constant(capacity), Replay(T0)), queue)
    )
    times = T0 + np.arange(1000) * (1228 * 8 / (overload * capacity))
    delays = np.array([packet.at - packet.sent_at for packet in drive(link, packets(times))])
    growth = np.diff(delays) / np.diff(times)
    assert growth == pytest.approx(overload - 1, rel=1e-5)


@pytest.mark.parametrize("load", [0.1, 0.99, 1.0])
def test_no_queue_stands_below_capacity(load, packets, drive):
    times = T0 + np.arange(1000) * (1228 * 8 / (load * 4e6))
    delays = [packet.at - packet.sent_at for packet in drive(FixedRate(4e6, DropTail(limit_packets=2)), packets(times))]
    assert delays == pytest.approx([1228 * 8 / 4e6] * 1000, abs=1e-9)


@pytest.mark.parametrize("datagrams", [1, 7, 100])
@pytest.mark.parametrize("payload_bytes", [1, 1200])
def test_a_frame_sent_at_once_takes_its_bytes_with_headers_over_the_rate(datagrams, payload_bytes, packets, drive):
    size = payload_bytes + IP_UDP_HEADER_BYTES
    popped = drive(FixedRate(5e6, DropTail(limit_bytes=ROOMY)), packets([T0] * datagrams, size))
    expected = [T0 + (n + 1) * size * 8 / 5e6 for n in range(datagrams)]
    assert [packet.at for packet in popped] == pytest.approx(expected, abs=1e-9)


def test_the_packet_on_the_wire_is_not_in_the_queue(packets):
    for link in (
        FixedRate(1e6, DropTail(limit_packets=2)),
        trace_driven(replayed(constant(1e6), Replay(T0)), DropTail(limit_packets=2)),
    ):
        for packet in packets([T0] * 4):
            link.push(packet)
        assert len(link.queue) == 2  # one on the wire, two wait, one was dropped
        assert link.counts().dropped == 1


def test_a_place_in_the_queue_is_free_at_the_instant_a_packet_leaves(packets, drive):
    serialisation = 1250 * 8 / 1e7  # 1 ms
    times = [T0, T0, T0 + serialisation, T0 + 2 * serialisation]
    assert len(drive(FixedRate(1e7, DropTail(limit_packets=1)), packets(times, 1250))) == 4
    link = FixedRate(1e7, DropTail(limit_packets=1))
    for packet in packets(times, 1250):  # also if nobody looks in between
        link.push(packet)
    assert link.counts().dropped == 0


def test_a_fluid_link_waits_for_capacity(packets, drive):
    schedule = RateSchedule(np.array([0.0, 1.0, 2.0]), np.array([8e6, 0.0, 8e6]), 3.0)
    link = trace_driven(replayed(schedule, Replay(T0)), DropTail(limit_bytes=ROOMY))
    assert isinstance(link, FluidLink)
    popped = drive(link, packets([T0 + 0.5, T0 + 0.9995, T0 + 1.0], 1000))
    assert [packet.at - T0 for packet in popped] == pytest.approx([0.501, 2.0005, 2.0015])


def test_one_opportunity_a_millisecond_carries_12_032_mbps(packets, drive):
    count = 5000
    link = trace_driven(replayed(line_per_ms(), Replay(T0)), DropTail(limit_bytes=ROOMY))
    assert isinstance(link, OpportunityLink)
    sizes = [1228, 60, 1500, 900, 333] * (count // 5)
    popped = drive(link, packets([T0] * count, sizes))
    assert sum(sizes) * 8 / (popped[-1].at - T0) == pytest.approx(12.032e6, rel=1e-3)


@pytest.mark.parametrize("gap_ms", [1, 2, 10])
def test_unused_opportunities_are_lost(gap_ms, packets, drive):
    """However long the link was idle, a burst of full opportunities still leaves one a millisecond."""
    link = trace_driven(replayed(line_per_ms(), Replay(T0)), DropTail(limit_bytes=ROOMY))
    idle_until = T0 + gap_ms * 100 / 1000 + 0.0005
    popped = drive(link, packets([idle_until] * 5, 1504))
    assert [packet.at - idle_until for packet in popped] == pytest.approx([0.0005 + n / 1000 for n in range(5)])


MARKS = st.lists(st.integers(0, 30), min_size=1, max_size=12).map(sorted).filter(lambda marks: marks[-1] > 0)
ARRIVALS = st.lists(st.tuples(st.integers(0, 40), st.integers(29, 4000)), max_size=30)


@settings(max_examples=200)
@given(marks=MARKS, arrivals=ARRIVALS, limit=st.sampled_from([1, 3, 1000]))
def test_the_opportunity_link_does_what_mm_link_does(marks, arrivals, limit, packets, drive):
    """mm-link's loop over whole milliseconds: spend what is due, then take arrivals."""
    times_ms = np.cumsum([0] + [gap for gap, _ in arrivals])[1:].tolist()
    sizes = [size for _, size in arrivals]
    waiting, left, expected, now_ms, todo = (
        deque(),
        0,
        [],
        0,
        deque(zip(range(len(sizes)), times_ms, sizes, strict=True)),
    )
    carrying = None
    while todo or waiting or carrying is not None:
        cycle, phase = divmod(now_ms, marks[-1])
        due = marks.count(phase) if cycle == 0 else marks.count(phase) + (marks.count(marks[-1]) if phase == 0 else 0)
        for _ in range(due):
            room = 1504
            while room and (carrying is not None or waiting):
                if carrying is None:
                    carrying, left = waiting.popleft()
                used = min(room, left)
                room, left = room - used, left - used
                if not left:
                    expected.append((carrying, now_ms))
                    carrying = None
        while todo and todo[0][1] == now_ms:
            number, _, size = todo.popleft()
            if len(waiting) < limit:
                waiting.append((number, size))
        now_ms += 1
    link = trace_driven(replayed(OpportunitySchedule(np.array(marks)), Replay(T0)), DropTail(limit_packets=limit))
    popped = drive(link, packets([T0 + ms / 1000 for ms in times_ms], sizes))
    assert [(packet.number, round((packet.at - T0) * 1000)) for packet in popped] == expected


@pytest.mark.parametrize("rate", [5e5, 2e6])
@pytest.mark.parametrize("burst", [3000, 20_000])
def test_what_passes_a_policer_conforms_to_its_token_bucket(rate, burst, packets, drive):
    rng = np.random.default_rng(1)
    times = T0 + np.cumsum(rng.exponential(0.002, 3000))
    sizes = rng.integers(100, 1500, 3000).tolist()
    policer = Policer(rate, burst)
    popped = drive(policer, packets(times, sizes))
    at = np.array([packet.at for packet in popped])
    ends = np.cumsum([packet.size_bytes for packet in popped])
    starts = ends - [packet.size_bytes for packet in popped]
    # Over every interval: bytes <= burst + rate t. The largest excess of any interval, by a running minimum:
    excess = (ends - rate / 8 * (at - T0)) - np.minimum.accumulate(starts - rate / 8 * (at - T0))
    assert excess.max() <= burst + 0.01
    assert excess.max() > burst - 1500  # and it uses what it is granted
    assert ends[-1] * 8 / (times[-1] - T0) == pytest.approx(rate, rel=0.1)


def test_a_policer_drops_no_packet_of_a_stream_that_conforms(packets, drive):
    times = T0 + np.arange(5000) * (1228 * 8 / 3e6)
    assert len(drive(Policer(3e6, 1228), packets(times))) == 5000
