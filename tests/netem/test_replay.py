"""Where a trace is at which instant: it runs from its start when the media begin, and from the same start in the
lead."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassbench.netem.elements.scheduled_delay import ScheduledDelay
from glassbench.netem.elements.trace_driven import trace_driven
from glassbench.netem.queues.drop_tail import DropTail
from glassbench.netem.replay import Replay, replayed
from glassbench.netem.schedule import OpportunitySchedule, RateSchedule

MEDIA = 1002.0
LEAD = 2.0
ROOMY = 10**9


def gone_at_the_end(kind):
    """Ten seconds at 12.032 Mbit/s, with nothing in the last two and a half."""
    if kind == "rates":
        return RateSchedule(np.array([0.0, 7.5]), np.array([12.032e6, 0.0]), 10.0)
    return OpportunitySchedule(np.append(np.arange(1, 7501), 10_000))


@pytest.mark.parametrize("kind", ["rates", "opportunities"])
@pytest.mark.parametrize("start", [0.0, 3.0])
def test_the_lead_meets_the_start_and_not_the_end_of_a_trace(kind, start, packets, drive):
    link = trace_driven(replayed(gone_at_the_end(kind), Replay(MEDIA, start, LEAD)), DropTail(limit_bytes=ROOMY))
    times = [MEDIA - LEAD + 0.2 * n for n in range(20)]  # over the whole lead, and as long after it
    delays = [packet.at - packet.sent_at for packet in drive(link, packets(times, 1504))]
    assert len(delays) == 20
    assert delays == pytest.approx([0.001] * 20, abs=1e-6)


@pytest.mark.parametrize("kind", ["rates", "opportunities"])
def test_the_media_meet_the_trace_from_its_start_on(kind, packets, drive):
    link = trace_driven(replayed(gone_at_the_end(kind), Replay(MEDIA, 7.0, LEAD)), DropTail(limit_bytes=ROOMY))
    [before, gone] = drive(link, packets([MEDIA + 0.4, MEDIA + 0.6], 1504))
    assert before.at == pytest.approx(MEDIA + 0.401)
    # The trace is at 7.6 s: there is nothing until it repeats, but for the last opportunity of mahimahi.
    assert gone.at == pytest.approx(MEDIA + (3.0 if kind == "opportunities" else 3.001))


def test_a_packet_on_the_wire_when_the_media_begin_goes_on_at_the_rate_of_the_start(packets, drive):
    rates = RateSchedule(np.array([0.0, 1.0]), np.array([8e6, 8e3]), 10.0)
    link = trace_driven(replayed(rates, Replay(MEDIA, 0.0, LEAD)), DropTail(limit_bytes=ROOMY))
    [packet] = drive(link, packets([MEDIA - 0.5], 1500))
    # 500 bytes in half a second at 8 kbit/s, and the other 1000 in a millisecond at 8 Mbit/s.
    assert packet.at == pytest.approx(MEDIA + 0.001, abs=1e-9)


@pytest.mark.parametrize("start", [0.0, 1.0])
def test_recorded_delay_is_that_of_the_start_in_the_lead(start, packets, drive):
    element = ScheduledDelay([0.0, 3.0, 9.0], [0.02, 0.05, 0.5], 10.0, replay=Replay(MEDIA, start, LEAD))
    times = [MEDIA - LEAD, MEDIA - 0.001, MEDIA, MEDIA + 3.5]
    delays = [packet.at - packet.sent_at for packet in drive(element, packets(times))]
    assert delays == pytest.approx([0.02, 0.02, 0.02, 0.05])


SCHEDULES = st.one_of(
    st.lists(st.integers(0, 2000), min_size=1, max_size=30)
    .map(sorted)
    .filter(lambda marks: marks[-1] > 0)
    .map(lambda marks: OpportunitySchedule(np.array(marks))),
    st.lists(st.floats(0, 1e7), min_size=1, max_size=8)
    .filter(lambda rates: max(rates) > 1e5)
    .map(lambda rates: RateSchedule(np.arange(len(rates)) * 0.25, np.array(rates), len(rates) * 0.25)),
)


@settings(max_examples=150)
@given(schedule=SCHEDULES, start_ms=st.integers(0, 3000), begin_ms=st.integers(0, 2500), count=st.integers(1, 60))
def test_a_burst_leaves_as_its_bytes_fit_the_capacity_across_the_jump(
    schedule, start_ms, begin_ms, count, packets, drive
):
    capacity = replayed(schedule, Replay(MEDIA, start_ms / 1000, LEAD))
    begin = MEDIA - LEAD + begin_ms / 1000
    popped = drive(trace_driven(capacity, DropTail(limit_bytes=ROOMY)), packets([begin] * count, 1000))
    for carried, packet in zip(range(1000, 1000 * count + 1, 1000), popped, strict=True):
        assert capacity.capacity_bytes(begin, packet.at) >= carried - 0.02
        assert capacity.capacity_bytes(begin, max(begin, packet.at - 1e-6)) < carried + 0.02


@pytest.mark.parametrize("start_ms", [0, 1, 250, 999])
def test_a_cut_schedule_repeats_at_the_cut(start_ms):
    marks = OpportunitySchedule(np.array([100, 400, 900, 1700])).cut(1.0)
    rates = RateSchedule(np.array([0.0, 0.5, 1.5]), np.array([1e6, 2e6, 9e6]), 2.0).cut(1.0)
    assert (marks.period, rates.period) == (1.0, 1.0)
    start = start_ms / 1000
    for schedule, each in ((marks, 3 * 1504), (rates, 187_500)):
        assert schedule.capacity_bytes(start, start + 7.0) == pytest.approx(7 * each)
    assert [marks.opportunity_at(n) for n in range(5)] == [0.1, 0.4, 0.9, 1.1, 1.4]
