"""Which part of its recorded traces a run replays, the same for all arms: drawn by the seed, or given."""

from collections.abc import Sequence
from dataclasses import dataclass

from experiments.measure import dice
from experiments.scenario import Scenario
from experiments.scenario.network_spec import NetworkSpec


@dataclass(frozen=True)
class TraceWindow:
    """In seconds of the trace: the first capture is at `start`, the media last `length`, and after `period` the trace
    repeats."""

    start: float
    length: float
    period: float

    def record(self) -> dict[str, float]:
        """What manifests keep of it."""
        return {f"{name}_s": round(value, 6) for name, value in vars(self).items()}


def trace_window(scenario: Scenario) -> TraceWindow | None:
    """The window of a scenario with its seed; None if it has no recorded trace."""
    return trace_windows([scenario])[0]


def trace_windows(scenarios: Sequence[Scenario]) -> list[TraceWindow | None]:
    """The window of each scenario; their traces are read once."""
    periods: dict[NetworkSpec, float | None] = {}
    windows: list[TraceWindow | None] = []
    for scenario in scenarios:
        network = scenario.network
        if network not in periods:
            periods[network] = network.trace_period()
        if (period := periods[network]) is None:
            windows.append(None)
            continue
        start = drawn_start(scenario.seed, period) if network.trace_start is None else network.trace_start
        windows.append(TraceWindow(start, scenario.duration, period))
    return windows


def drawn_start(seed: int, period: float) -> float:
    """Where in a recorded trace of `period` seconds the window of a seed starts, in whole milliseconds."""
    return int(dice.generator(seed, "network", "trace-window").integers(max(1, int(period * 1000)))) / 1000
