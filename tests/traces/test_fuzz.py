"""Whatever bytes a file holds, a trace comes out that can be used, or one TraceError."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from glassbench.netem.schedule import RateSchedule
from glassbench.netem.traces import FORMATS, Trace, TraceError
from glassbench.netem.traces.detect import parse


def written(format: str, trace: Trace) -> bytes:
    writer = FORMATS[format].writer
    assert writer is not None
    return writer.write(trace)


def check(data: bytes) -> None:
    try:
        trace = parse(data, "f")
    except TraceError as error:
        assert str(error).isprintable() and str(error).startswith("f")
        return
    check_usable(trace)


def check_usable(trace: Trace) -> None:
    statistics = trace.statistics()
    assert 0 < statistics.duration < np.inf
    assert 0 <= statistics.min_bps <= statistics.max_bps < np.inf
    assert 0 < statistics.mean_bps < np.inf
    assert 0 <= statistics.longest_outage <= statistics.duration * (1 + 1e-9)
    for series, largest in ((trace.delay, 60.0), (trace.loss, 1.0)):
        if series is not None:
            assert series.times[0] == 0 and (np.diff(series.times) > 0).all()
            assert series.times[-1] < trace.duration
            assert ((series.values >= 0) & (series.values <= largest)).all()


@settings(max_examples=150)
@given(st.binary(max_size=300))
@example(b"\x1c")
def test_random_bytes(data: bytes) -> None:
    check(data)


@settings(max_examples=150)
@given(st.text(alphabet='0123456789.,-+einf \n\r\t#[]{}":_tmrasbpkdlyo', max_size=200))
@example("\ufeff1\n2\n")
@example("time_s,rate_mbps\n0,1e-320\n1e-323,1\n")
@example("time_s,rate_bps\n0,1\n1e-300,1e-300\n")
def test_text_of_the_characters_that_traces_are_made_of(text: str) -> None:
    check(text.encode())


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=150)
@given(data=st.data())
def test_mutations_of_good_files(name: str, data: st.DataObject, files: dict[str, str]) -> None:
    content = bytearray(files[name].encode())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        end = data.draw(st.integers(start, min(start + 6, len(content))))
        content[start:end] = data.draw(
            st.binary(max_size=4) | st.sampled_from([b"-", b"1e9", b"\n", b",", b"NaN", b"0"])
        )
    check(bytes(content))


NUMBERS = st.one_of(st.integers(-10, 10**12), st.floats(), st.just(0), st.booleans(), st.none(), st.text(max_size=3))


@settings(max_examples=150)
@given(
    st.recursive(
        NUMBERS | st.fixed_dictionaries(dict.fromkeys(("duration_ms", "bandwidth_kbps", "latency_ms"), NUMBERS)),
        lambda inner: st.lists(inner, max_size=4),
        max_leaves=8,
    )
)
def test_any_json(value: Any) -> None:
    check(json.dumps(value).encode())


STEPS = st.lists(
    st.tuples(st.integers(1, 3_000_000), st.floats(0, 2e8, allow_subnormal=False)), min_size=1, max_size=12
).filter(lambda steps: any(rate > 1 for _, rate in steps))


@settings(max_examples=100)
@given(STEPS)
def test_every_format_reads_what_it_writes(steps: list[tuple[int, float]]) -> None:
    """Lengths in microseconds and rates of any size: csv is exact, the others within an opportunity or a rounding."""
    edges = np.append(0.0, np.cumsum([length for length, _ in steps])) / 1e6
    schedule = RateSchedule(edges[:-1], np.array([rate for _, rate in steps]), float(edges[-1]))
    trace = Trace("t", "generated", "t", schedule)
    total = trace.capacity_bytes(0.0, trace.duration)
    for name, slack in (("csv", 1e-6 * total), ("sabre", 1e-6 * total + 1), ("mahimahi", 1504.1)):
        try:
            back = parse(written(name, trace), "f")
        except TraceError as error:  # a rate that rounds to nothing for ever
            assert name == "sabre" and "bandwidth of 0" in str(error)
            continue
        check_usable(back)
        assert abs(back.capacity_bytes(0.0, back.duration) - total) <= slack
        assert abs(back.duration - trace.duration) <= {"csv": 0.0, "sabre": 1e-6, "mahimahi": 1e-3}[name]
