from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from glassbench.netem.schedule import RateSchedule
from glassbench.netem.traces import Series, Trace

WriteFile = Callable[[str, str | bytes], Path]

# A file of each format; a new one needs a line here.
FILES = {
    "mahimahi": "0\n3\n3\n17\n1000\n",
    "csv": "# comment\ntime_s,rate_mbps,delay_ms,loss_percent\n0,1.5,20,0\n0.5,0,30,1.5\n2,,,\n",
    "sabre": '[\n {"duration_ms": 500, "bandwidth_kbps": 1285, "latency_ms": 100},\n'
    ' {"duration_ms": 1, "bandwidth_kbps": 0.5, "latency_ms": 0}\n]\n',
    "two-column": "# c\n0.0\t1.4\n0.5 2.8\n1 0\n",
    "mm-link": "# base timestamp: 1\n2 # 1504\n3 + 80\n3 - 80 1\n9 # 1200\n",
    "netem-trace": '{"RepeatedBwPatternConfig": {"pattern": [{"StaticBwConfig": {"bw": "12Mbps", "duration": "1s"}},'
    ' {"TraceBw": {"pattern": [["1ms", ["3kbps"]]]}}], "count": 2},\n "StaticDelay": {"delay": {"nanos": 5}},'
    ' "StaticLossConfig": {"loss": [0.1, 0.2]}}\n',
}


@pytest.fixture(scope="session")
def files() -> dict[str, str]:
    return FILES


@pytest.fixture
def write(tmp_path: Path) -> WriteFile:
    """Write a file of this name and content, and return its path."""

    def write_file(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write_file


@pytest.fixture
def fluid() -> Trace:
    """Rates that change, also to nothing, at instants that are not whole milliseconds; delay and loss."""
    schedule = RateSchedule(np.array([0.0, 0.75, 1.2503, 2.0]), np.array([3e6, 0.0, 12.5e6, 80e3]), 3.5)
    delay = Series(np.array([0.0, 1.0]), np.array([0.02, 0.035]))
    loss = Series(np.array([0.0, 2.2, 2.4]), np.array([0.0, 0.25, 0.0]))
    return Trace("fluid", "generated", "made for a test", schedule, delay, loss)
