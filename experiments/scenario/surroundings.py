"""Where the elements of a link stand: the dice of its generated traces, and the window of its recorded ones."""

from glassbench.experiments.scenario import dice
from glassbench.experiments.scenario.element_spec import Direction, Surroundings
from glassbench.experiments.scenario.network_spec import MAIN
from glassbench.experiments.scenario.trace_window import TraceWindow

TRACE_MARGIN = 10.0  # seconds that a generated trace is longer than the media: the drain without a repeat


def purpose_of(segment: str) -> tuple[str, ...]:
    """What names the dice of a segment."""
    return ("network",) if segment == MAIN else ("segment", segment)


def surroundings(
    segment: str,
    direction: Direction,
    window: TraceWindow | None,
    *,
    seed: int,
    duration: float,
    start_at: float,
    media_start: float,
) -> Surroundings:
    """Of a direction of a segment, for `duration` seconds of media; `window` is that of the network."""
    return Surroundings(
        direction=direction,
        start_at=start_at,
        media_start=media_start,
        trace_seed=dice.integer(seed, *purpose_of(segment), "trace"),
        trace_duration=duration + TRACE_MARGIN,
        trace_start=0.0 if window is None else window.start,
        trace_period=None if window is None else window.period,
    )
