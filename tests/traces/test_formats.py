"""Each format: what it reads, what it writes, and what a round trip keeps."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from glassbench.netem.schedule import OPPORTUNITY_BYTES, OpportunitySchedule, RateSchedule
from glassbench.netem.traces import FORMATS, Trace, TraceError, generate, load
from glassbench.netem.traces.trace import cumulative_bytes, rate_steps

WriteFile = Callable[[str, str | bytes], Path]


def written(format: str, trace: Trace) -> bytes:
    writer = FORMATS[format].writer
    assert writer is not None
    return writer.write(trace)


def losses(format: str, trace: Trace) -> list[str]:
    writer = FORMATS[format].writer
    assert writer is not None
    return writer.losses(trace)


def opportunities(trace: Trace) -> list[int]:
    assert isinstance(trace.schedule, OpportunitySchedule)
    return [int(mark) for mark in trace.schedule.opportunities_ms]


def rates(trace: Trace) -> tuple[list[float], list[float], float]:
    assert isinstance(trace.schedule, RateSchedule)
    return trace.schedule.times.tolist(), trace.schedule.rates_bps.tolist(), trace.schedule.period


def test_one_mahimahi_line_per_millisecond_is_12_032_mbit_per_second(write: WriteFile) -> None:
    statistics = load(write("x.down", "".join(f"{ms}\n" for ms in range(1, 5001)))).statistics()
    assert statistics.mean_bps == statistics.min_bps == statistics.max_bps == 12_032_000
    assert statistics.duration == 5.0
    assert statistics.outages == 0


def test_a_mahimahi_trace_repeats_from_its_last_timestamp(write: WriteFile) -> None:
    trace = load(write("x", "0\n0\n5\n9\n10\n"))
    assert opportunities(trace) == [0, 0, 5, 9, 10]
    assert trace.duration == 0.010
    assert [trace.capacity_bytes(k / 100, (k + 1) / 100) for k in range(3)] == [5 * OPPORTUNITY_BYTES] * 3


@pytest.mark.parametrize("text", ["1\n2\n3", "1\n2\n3\n", "1\r\n2\r\n3\r\n", "1\n2\n3\n\n\n"])
def test_line_ends_of_a_mahimahi_file_do_not_matter(write: WriteFile, text: str) -> None:
    assert opportunities(load(write("x", text))) == [1, 2, 3]


def test_a_csv_row_holds_until_the_next_and_the_last_as_long_as_the_one_before(write: WriteFile) -> None:
    trace = load(write("x.csv", "time_s,rate_mbps\n0,1\n0.5,2\n1.5,4\n"))
    assert rates(trace) == ([0.0, 0.5, 1.5], [1e6, 2e6, 4e6], 2.5)


def test_a_last_csv_row_with_only_a_time_is_the_end(write: WriteFile) -> None:
    assert rates(load(write("x.csv", "time_s,rate_mbps\n0,1\n0.5,2\n3,\n"))) == ([0.0, 0.5], [1e6, 2e6], 3.0)


def test_the_end_row_of_a_csv_is_in_the_time_column_whatever_its_place(write: WriteFile) -> None:
    trace = load(write("x.csv", "rate_mbps,time_ms\n1,0\n2,500\n,3000\n"))
    assert rates(trace) == ([0.0, 0.5], [1e6, 2e6], 3.0)
    with pytest.raises(TraceError, match="line 4: found ''"):
        load(write("y.csv", "rate_mbps,time_ms\n1,0\n2,500\n3,\n"))


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("time_s,rate_bps,delay_s,loss_ratio", "{time},4e6,0.025,0.01"),
        ("time_ms,rate_kbps,delay_ms,loss_percent", "{time_ms},4000,25,1"),
        ("Rate_Mbps , loss_percent, TIME_S,delay_ms", "4,1.0,{time},25.0"),
    ],
)
def test_csv_units_and_column_order(write: WriteFile, header: str, row: str) -> None:
    rows = [row.format(time=time, time_ms=time * 1000) for time in (0, 2)]
    trace = load(write("x.csv", "\n".join(["# a comment", header, *rows])))
    times, values, period = rates(trace)
    assert (times, period) == ([0.0, 2.0], 4.0)
    assert values == pytest.approx([4e6, 4e6])
    assert trace.delay is not None and trace.delay.values.tolist() == pytest.approx([0.025])
    assert trace.loss is not None and trace.loss.values.tolist() == pytest.approx([0.01])


def test_a_csv_with_wall_clock_times_is_shifted_to_zero_and_says_so(write: WriteFile) -> None:
    trace = load(write("x.csv", "time_s,rate_mbps\n1600000000,1\n1600000001,3\n"))
    assert rates(trace) == ([0.0, 1.0], [1e6, 3e6], 2.0)
    assert "shifted" in trace.source


def test_a_csv_of_one_row_is_a_constant_rate(write: WriteFile) -> None:
    assert load(write("x.csv", "time_s,rate_kbps\n0,500\n")).capacity_bytes(0.0, 8.0) == pytest.approx(500_000)


def test_sabre_latency_is_a_round_trip_so_the_delay_is_half_of_it(write: WriteFile) -> None:
    periods = [
        {"duration_ms": 500, "bandwidth_kbps": 1000, "latency_ms": 100},
        {"duration_ms": 1500, "bandwidth_kbps": 0, "latency_ms": 40.5},
    ]
    trace = load(write("x.json", json.dumps(periods)))
    assert rates(trace) == ([0.0, 0.5], [1e6, 0.0], 2.0)
    assert trace.delay is not None and trace.delay.values.tolist() == [0.05, 0.02025]
    assert trace.statistics().longest_outage == 1.5


@pytest.mark.parametrize("name", ["lte-driving", "mmwave-blockage", "wifi-bursts", "satellite", "steps"])
def test_csv_keeps_a_generated_trace_exactly(write: WriteFile, name: str) -> None:
    trace = generate(name, seed=3, duration=12.0).down
    back = load(write("x.csv", written("csv", trace)))
    whole_ms = np.arange(12_001) / 1000
    assert cumulative_bytes(back.schedule, whole_ms) == pytest.approx(cumulative_bytes(trace.schedule, whole_ms))
    assert back.duration == trace.duration
    if isinstance(trace.schedule, RateSchedule):
        assert rates(back)[0] == np.unique(np.concatenate([trace.schedule.times, *_times(trace)])).tolist()
    for series, original in ((back.delay, trace.delay), (back.loss, trace.loss)):
        assert (series is None) == (original is None)
        if series is not None and original is not None:
            at = whole_ms[:-1]
            assert series.at(at).tolist() == original.at(at).tolist()


def _times(trace: Trace) -> list[np.ndarray]:
    return [series.times for series in (trace.delay, trace.loss) if series is not None]


@pytest.mark.parametrize("name", ["mmwave-blockage", "wifi-bursts", "satellite", "steps"])
def test_mahimahi_stays_within_one_opportunity_of_a_fluid_trace(write: WriteFile, name: str) -> None:
    trace = generate(name, seed=2, duration=6.0).up
    back = load(write("x.down", written("mahimahi", trace)))
    whole_ms = np.arange(6001) / 1000
    behind = cumulative_bytes(trace.schedule, whole_ms) - cumulative_bytes(back.schedule, whole_ms)
    assert behind[:-1].min() > -1  # never ahead by a byte, rounding aside
    assert behind.max() < OPPORTUNITY_BYTES
    assert abs(behind[-1]) < OPPORTUNITY_BYTES  # the line at the end may round up
    assert back.duration == trace.duration


@pytest.mark.parametrize("through", ["csv", "sabre"])
def test_opportunities_come_back_unchanged_through_a_fluid_format(write: WriteFile, through: str) -> None:
    trace = generate("lte-driving", seed=5, duration=20.0).down
    fluid = load(write(f"x.{through}", written(through, trace)))
    back = load(write("x.down", written("mahimahi", fluid)))
    assert opportunities(back) == opportunities(trace)


def test_sabre_keeps_rate_and_delay_of_a_fluid_trace(write: WriteFile, fluid: Trace) -> None:
    back = load(write("x.json", written("sabre", fluid)))
    at = np.linspace(0.0, 3.49, 700)
    assert cumulative_bytes(back.schedule, at) == pytest.approx(cumulative_bytes(fluid.schedule, at), abs=0.01)
    assert back.delay is not None and fluid.delay is not None
    assert back.delay.at(at).tolist() == pytest.approx(fluid.delay.at(at).tolist())
    assert back.loss is None


def test_each_writer_says_what_its_format_cannot_hold(fluid: Trace) -> None:
    assert losses("csv", fluid) == []
    assert [loss for loss in losses("sabre", fluid) if "loss" in loss]
    said = " / ".join(losses("mahimahi", fluid))
    assert "1504" in said and "delay" in said and "loss" in said
    opportunity = generate("lte-driving", seed=1, duration=5.0).down
    assert "millisecond" in losses("csv", opportunity)[0]
    assert losses("mahimahi", opportunity) == ["the delay was left out"]


def test_a_trace_that_ends_in_an_outage_keeps_its_duration_as_mahimahi(write: WriteFile) -> None:
    trace = load(write("x.csv", "time_s,rate_mbps\n0,12.032\n1,0\n3,\n"))
    back = load(write("x.down", written("mahimahi", trace)))
    assert opportunities(back) == [*range(1, 1001), 3000]
    assert any("3000 ms" in loss for loss in losses("mahimahi", trace))


def test_a_trace_too_large_for_mahimahi_is_refused_before_memory_is_spent(write: WriteFile) -> None:
    trace = load(write("x.csv", "time_s,rate_mbps\n0,1000000\n3600,1000000\n"))
    with pytest.raises(TraceError, match="more than the 8000000 opportunities"):
        written("mahimahi", trace)


def test_opportunities_at_zero_belong_to_the_end_of_the_period(write: WriteFile) -> None:
    trace = load(write("x", "0\n0\n3\n10\n"))
    times, values = rate_steps(trace.schedule)
    assert times.tolist() == pytest.approx([0.0, 0.002, 0.003, 0.009])
    assert values.tolist() == [0.0, 12_032_000.0, 0.0, 3 * 12_032_000.0]
