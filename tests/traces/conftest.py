from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from glassbench.netem.schedule import RateSchedule
from glassbench.netem.traces import Series, Trace

WriteFile = Callable[[str, str | bytes], Path]


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
