"""Statistics of a trace, its capacity, and pairs of files."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassbench.netem.schedule import OpportunitySchedule, RateSchedule
from glassbench.netem.traces import Trace, TraceError, load_pair, open_trace
from glassbench.netem.traces.trace import Series, cumulative_bytes

WriteFile = Callable[[str, str | bytes], Path]


def rate_trace(times: list[float], rates: list[float], period: float) -> Trace:
    return Trace("t", "generated", "t", RateSchedule(np.array(times), np.array(rates), period))


def opportunity_trace(marks: list[int]) -> Trace:
    return Trace("t", "generated", "t", OpportunitySchedule(np.array(marks)))


@pytest.mark.parametrize("rate", [1e5, 2e6, 3.7e9])
@pytest.mark.parametrize("silence", [0.25, 1.0, 2.5])
def test_statistics_of_a_square_wave(rate: float, silence: float) -> None:
    statistics = rate_trace([0.0, 3.0], [rate, 0.0], 3.0 + silence).statistics()
    assert statistics.mean_bps == pytest.approx(rate * 3 / (3 + silence))
    assert statistics.max_bps == pytest.approx(rate)
    assert statistics.longest_outage == silence
    assert statistics.outages == 1
    assert statistics.outage_ratio == pytest.approx(silence / (3 + silence))
    assert statistics.min_bps == pytest.approx(0.0 if silence >= 0.5 else rate, abs=1e-3)  # whole windows of 0.5 s


def test_an_outage_over_the_end_of_the_period_is_one() -> None:
    assert rate_trace([0.0, 1.0, 4.0], [0.0, 1e6, 0.0], 6.0).outages() == [(4.0, 7.0)]
    assert rate_trace([0.0, 1.0, 4.0], [0.0, 1e6, 0.0], 6.0).statistics().longest_outage == 3.0
    assert opportunity_trace([500, 600, 900]).statistics().longest_outage == 0.5
    assert opportunity_trace([0, 600, 900]).statistics().longest_outage == pytest.approx(0.6)


def test_steps_of_the_same_rate_are_one_outage() -> None:
    assert rate_trace([0.0, 1.0, 1.1, 1.2], [1e6, 0.0, 0.0, 1e6], 2.0).outages() == [(1.0, 1.2)]


def test_a_short_gap_is_no_outage_but_the_longest_gap_is_told() -> None:
    statistics = opportunity_trace(list(range(20, 2001, 20))).statistics()
    assert statistics.outages == 0 and statistics.longest_outage == pytest.approx(0.02)


def test_a_trace_shorter_than_the_window_is_one_window() -> None:
    statistics = opportunity_trace([1, 2, 3]).statistics()
    assert statistics.min_bps == statistics.max_bps == pytest.approx(statistics.mean_bps) == pytest.approx(12_032_000)


MARKS = st.lists(st.integers(0, 2000), min_size=1, max_size=40).map(sorted).filter(lambda marks: marks[-1] > 0)


@settings(max_examples=100)
@given(marks=MARKS, ends=st.lists(st.integers(0, 7000), min_size=2, max_size=2).map(sorted))
def test_capacity_counts_opportunities(marks: list[int], ends: list[int]) -> None:
    trace = opportunity_trace(marks)
    start, end = ends
    played = [mark + k * marks[-1] for k in range(7000 // marks[-1] + 1) for mark in marks]
    expected = 1504 * sum(start < mark <= end for mark in played)
    assert trace.capacity_bytes(start / 1000, end / 1000) == expected
    both = cumulative_bytes(trace.schedule, np.array(ends) / 1000)
    assert both[1] - both[0] == expected


STEPS = st.lists(st.tuples(st.floats(0.001, 3), st.floats(0, 1e8)), min_size=1, max_size=8)


@settings(max_examples=100)
@given(steps=STEPS.filter(lambda steps: any(rate > 1 for _, rate in steps)), t=st.floats(0, 40))
def test_the_two_ways_to_count_capacity_agree(steps: list[tuple[float, float]], t: float) -> None:
    edges = np.append(0.0, np.cumsum([length for length, _ in steps]))
    schedule = RateSchedule(edges[:-1], np.array([rate for _, rate in steps]), float(edges[-1]))
    assert cumulative_bytes(schedule, np.array([t]))[0] == pytest.approx(schedule.capacity_bytes(0.0, t), abs=1e-3)


def test_a_series_is_a_step_function_with_a_mean_over_time() -> None:
    series = Series(np.array([0.0, 1.0, 3.0]), np.array([2.0, 0.0, 5.0]))
    assert series.at([0.0, 0.5, 1.0, 2.9, 3.0, 9.0]).tolist() == [2.0, 2.0, 0.0, 0.0, 5.0, 5.0]
    assert series.mean(4.0) == pytest.approx((2 * 1 + 5 * 1) / 4)


@pytest.mark.parametrize(
    ("down", "up", "name"),
    [("x.down", "x.up", "x"), ("x.down.csv", "x.up.csv", "x.csv"), ("a.b.down", "a.b.up", "a.b")],
)
def test_a_file_finds_the_other_direction(write: WriteFile, down: str, up: str, name: str) -> None:
    csv = down.endswith(".csv")
    paths = [
        write(down, "time_s,rate_mbps\n0,1\n" if csv else "1\n"),
        write(up, "time_s,rate_mbps\n0,2\n" if csv else "2\n"),
    ]
    stem = paths[0].with_name(down[: down.index(".down")])
    for path in (*paths, stem):
        pair = load_pair(path)
        assert (Path(pair.down.name).name, Path(pair.up.name).name, pair.name) == (down, up, name)
        assert pair.notes == ()


def test_a_file_without_a_sibling_serves_both_directions_and_says_so(write: WriteFile) -> None:
    pair = open_trace(write("alone.down", "1\n"), seed=1, duration=10.0)
    assert pair.up is pair.down
    assert "used for both directions" in pair.notes[0]


def test_the_uplink_can_be_given(write: WriteFile) -> None:
    down, up = write("a", "1\n"), write("b.csv", "time_s,rate_mbps\n0,2\n")
    pair = load_pair(down, up)
    assert (pair.down.format, pair.up.format) == ("mahimahi", "csv")


def test_a_bad_file_of_a_pair_found_by_its_stem_is_named(
    write: WriteFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("pair.down", "x\n")
    write("pair.up", "1\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TraceError, match=r"pair\.down, line 1"):
        open_trace("pair", seed=1, duration=10.0)


def test_a_bad_uplink_is_named(write: WriteFile) -> None:
    down, up = write("a.down", "1\n"), write("a.up", "x\n")
    with pytest.raises(TraceError, match=r"a\.up, line 1"):
        load_pair(down)
    assert up.exists()
