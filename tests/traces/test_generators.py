"""The traces that ship: the same by seed, a longer one starts the same, and each has what it is for."""

from pathlib import Path

import numpy as np
import pytest

from glassbench.netem.schedule import OpportunitySchedule, RateSchedule
from glassbench.netem.traces import GENERATORS, Trace, TraceError, TracePair, generate, load_pair, open_trace
from glassbench.netem.traces.trace import cumulative_bytes

RANDOM = [name for name in GENERATORS if name != "steps"]


def content(pair: TracePair) -> list[bytes]:
    arrays: list[np.ndarray] = []
    for trace in (pair.down, pair.up):
        schedule = trace.schedule
        if isinstance(schedule, OpportunitySchedule):
            arrays.append(schedule.opportunities_ms)
        else:
            arrays += [schedule.times, schedule.rates_bps]
        for series in (trace.delay, trace.loss):
            if series is not None:
                arrays += [series.times, series.values]
    return [array.tobytes() for array in arrays]


@pytest.mark.parametrize("name", GENERATORS)
def test_the_same_seed_gives_the_same_trace(name: str) -> None:
    one, two = (generate(name, seed=7, duration=20.0) for _ in range(2))
    assert content(one) == content(two)
    assert (content(generate(name, seed=8, duration=20.0)) != content(one)) == (name in RANDOM)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", RANDOM)
@pytest.mark.parametrize("seed", range(5))
def test_a_longer_trace_starts_the_same(name: str, seed: int) -> None:
    short, long = (generate(name, seed=seed, duration=duration) for duration in (20.0, 50.0))
    at = np.arange(0, 19_999) / 1000
    for direction in ("down", "up"):
        first, second = getattr(short, direction), getattr(long, direction)
        assert cumulative_bytes(first.schedule, at) == pytest.approx(cumulative_bytes(second.schedule, at))
        for series in ("delay", "loss"):
            if getattr(first, series) is not None:
                assert getattr(first, series).at(at).tolist() == getattr(second, series).at(at).tolist()


@pytest.mark.parametrize("name", GENERATORS)
@pytest.mark.parametrize("duration", [1.0, 7.3337, 31.0])
def test_both_directions_last_as_long_as_asked(name: str, duration: float) -> None:
    pair = generate(name, seed=1, duration=duration)
    for trace in (pair.down, pair.up):
        assert trace.duration == pytest.approx(duration, abs=5e-4)
        assert trace.statistics().mean_bps > 0
        assert trace.delay is not None and trace.statistics().mean_delay is not None
        assert 0.005 < trace.delay.mean(trace.duration) < 0.06
    assert pair.down is not pair.up


def fades(trace: Trace, below_bps: float = 1e6, window: float = 0.1) -> list[float]:
    """Lengths of the runs of windows below a rate."""
    low = np.concatenate([[False], trace.rates(window)[1] < below_bps, [False]]).astype(int)
    lengths = np.flatnonzero(np.diff(low) == -1) - np.flatnonzero(np.diff(low) == 1)
    return [float(length * window) for length in lengths]


def test_lte_driving_has_about_5_mbit_per_second_and_several_deep_fades_in_every_half_minute() -> None:
    means, counts = [], []
    for seed in range(40):
        trace = generate("lte-driving", seed=seed, duration=30.0).down
        means.append(trace.statistics().mean_bps / 1e6)
        counts.append(sum(0.29 < length < 2.3 for length in fades(trace)))
        # Video of 2-3 Mbit/s suffers at some moments, but not most of the time.
        low = float((trace.rates(0.1)[1] < 3e6).mean())
        assert 0.05 < low < 0.6
    assert 5.0 < np.mean(means) < 6.0
    assert min(means) > 2.5 and max(means) < 9.0
    assert np.mean(np.array(counts) >= 2) > 0.9 and min(counts) >= 1
    assert 3.0 < np.mean(counts) < 4.5


def test_the_lte_uplink_fades_with_the_downlink() -> None:
    pair = generate("lte-driving", seed=1, duration=300.0)
    up = pair.up.outages()
    long = [(start, end) for start, end in pair.down.outages() if end - start > 0.5]
    assert len(long) >= 10
    for start, end in long:
        middle = (start + end) / 2
        assert any(other_start < middle < other_end for other_start, other_end in up)


def test_mmwave_is_above_a_gigabit_until_the_body_blocks_the_beam() -> None:
    statistics = generate("mmwave-blockage", seed=1, duration=300.0).down.statistics()
    assert 0.8e9 < statistics.mean_bps < 1.5e9
    assert statistics.max_bps <= 400e6 * 4.4 * (1 + 1e-9)
    assert 10 <= statistics.outages <= 60
    assert 0.5 < statistics.longest_outage < 5.0


def test_wifi_has_droughts_in_contention_and_half_the_time_while_an_oven_runs() -> None:
    pair = generate("wifi-bursts", seed=1, duration=300.0)
    statistics = pair.down.statistics()
    assert 15e6 < statistics.mean_bps < 35e6
    assert 0.05 < statistics.longest_outage < 1.0
    assert pair.down.loss is not None
    schedule = pair.down.schedule
    assert isinstance(schedule, RateSchedule)
    oven = pair.down.loss.at(schedule.times) == 0.02
    assert 0.05 < oven.mean() < 0.5
    silent = (schedule.rates_bps == 0)[oven]
    assert silent.mean() > 0.5
    assert not (silent[:-1] & ~silent[1:]).all()


def test_the_satellite_hands_over_every_15_seconds_with_loss_around_it() -> None:
    pair = generate("satellite", seed=1, duration=120.0)
    assert pair.down.loss is not None and pair.down.delay is not None
    starts = pair.down.loss.times[pair.down.loss.values > 0]
    assert np.diff(starts) == pytest.approx(15.0, abs=0.006)
    assert 7 <= len(starts) <= 8
    assert pair.down.loss.values.max() <= 0.5
    for start in starts:  # the change comes 75 ms after the loss sets in, and nothing is carried then
        assert pair.down.capacity_bytes(start + 0.085, start + 0.11) == 0
    delays = pair.down.delay.values
    assert delays.min() > 0.0226 and delays.max() < 0.0266


@pytest.mark.parametrize("duration", [10.0, 100.0])
def test_steps_follow_rfc_8867(duration: float) -> None:
    trace = generate("steps", seed=1, duration=duration).down
    parts = [(0.0, 0.4, 4e6), (0.4, 0.6, 10e6), (0.6, 0.8, 2.4e6), (0.8, 1.0, 4e6)]
    for start, end, rate in parts:
        assert trace.capacity_bytes(start * duration, end * duration) * 8 == pytest.approx(
            rate * (end - start) * duration
        )


@pytest.mark.parametrize(
    ("name", "seed", "duration", "message"),
    [
        ("lte", 1, 10.0, "found 'lte', but accepted are lte-driving"),
        ("steps", -1, 10.0, "found -1, but accepted are whole numbers from 0"),
        ("steps", 1, 0.0, "found 0 s, but accepted are 1 to 7200 s"),
        ("steps", 1, 1e9, "found 1e.09 s, but accepted"),
        ("steps", 1, float("nan"), "found nan s, but accepted"),
    ],
)
def test_a_generator_refuses(name: str, seed: int, duration: float, message: str) -> None:
    with pytest.raises(TraceError, match=message):
        generate(name, seed=seed, duration=duration)


def test_a_short_run_meets_the_start_of_a_long_trace() -> None:
    assert open_trace("lte-driving", seed=1, duration=2.0).down.duration == 10.0
    assert open_trace("lte-driving", seed=1, duration=60.0).down.duration == 60.0


RECORDED = Path(__file__).parents[3] / "shared" / "traces"


@pytest.mark.skipif(not RECORDED.exists(), reason="recorded traces are not in ../shared")
@pytest.mark.parametrize("name", ["ATT-LTE-driving.down", "Verizon-LTE-short.down"])
def test_lte_driving_resembles_recorded_lte(name: str) -> None:
    recorded = load_pair(RECORDED / name).down
    generated = generate("lte-driving", seed=1, duration=600.0).down
    assert generated.statistics().mean_bps == pytest.approx(recorded.statistics().mean_bps, rel=0.15)
    for below in (1e6, 2e6, 3e6):
        part = [float((trace.rates(0.1)[1] < below).mean()) for trace in (recorded, generated)]
        assert part[1] == pytest.approx(part[0], rel=0.4)
    deviation = [float(trace.rates(0.1)[1].std()) for trace in (recorded, generated)]
    assert deviation[1] == pytest.approx(deviation[0], rel=0.2)
