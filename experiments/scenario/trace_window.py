"""Which part of its recorded traces a run replays. The seed draws it, or the scenario gives it; it is the same for all
arms."""

from collections.abc import Sequence
from dataclasses import dataclass

from glassbench.experiments.scenario import Scenario, dice
from glassbench.experiments.scenario.network_spec import NetworkSpec


@dataclass(frozen=True)
class TraceWindow:
    """In seconds of the trace: the first capture is at `start`, the media last `length`, and after `period` the trace
    repeats."""

    start: float
    length: float
    period: float

    def record(self) -> dict[str, float]:
        """What manifests keep of the window."""
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
        windows.append(_window(network, periods[network], scenario.seed, scenario.duration))
    return windows


def window_of(network: NetworkSpec, *, seed: int, length: float) -> TraceWindow | None:
    """The window of `length` seconds that a run with this seed takes; None if the network has no recorded trace."""
    return _window(network, network.trace_period(), seed, length)


def _window(network: NetworkSpec, period: float | None, seed: int, length: float) -> TraceWindow | None:
    if period is None:
        return None
    start = drawn_start(seed, period) if network.trace_start is None else network.trace_start
    return TraceWindow(start, length, period)


def drawn_start(seed: int, period: float) -> float:
    """Where in a recorded trace of `period` seconds the window of a seed starts, in whole milliseconds."""
    return int(dice.generator(seed, "network", "trace-window").integers(max(1, int(period * 1000)))) / 1000
