"""Repair beside that of libsrt 1.5.1, over the networks of benchmarks/libsrt_repair.py, which measures both."""

import runpy
from pathlib import Path

import pytest

# Repair as a multiple of the media, of libsrt: `python benchmarks/libsrt_repair.py --seconds 8`, medians of three.
OF_LIBSRT = {
    "400 kbit/s over 250": 3.08,
    "the same, latency 2 s": 49.0,
    "the same, oheadbw 25": 0.37,
    "the same, input measured": 0.40,
    "2 Mbit/s over 1.5": 1.14,
    "2 Mbit/s over 1": 1.42,
    "2 Mbit/s, 20 % lost, latency 1 s": 0.28,
}


@pytest.mark.parametrize("case", OF_LIBSRT)
def test_repair_is_within_a_quarter_of_that_of_libsrt(case: str) -> None:
    benchmark = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "libsrt_repair.py"))
    ours = benchmark["ours"](benchmark["CASES"][case], 8.0, 1)
    assert ours.multiple == pytest.approx(OF_LIBSRT[case], rel=0.25)
