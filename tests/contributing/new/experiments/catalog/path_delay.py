"""Path delay: what a longer path adds to the latency of a frame."""

from matplotlib.figure import Figure

from glassbench.experiments.catalog.cells import delay, make_cell, make_plan, video
from glassbench.experiments.catalog.checks import MS, check, value
from glassbench.experiments.catalog.experiment import Check, Datasets, Experiment
from glassbench.experiments.catalog.figures import curve, finish, panels
from glassbench.experiments.engine.plan import Plan
from glassbench.experiments.results.arm_style import arm_style

DELAYS = (0.01, 0.03)  # seconds, each way


def _plans() -> tuple[Plan, ...]:
    cells = [
        make_cell(
            {"delay": seconds},
            "path-delay",
            arm="udp",
            seconds=0.5,
            media=video("1Mbit/s"),
            network={"down": [delay(seconds)], "up": [delay(seconds)]},
        )
        for seconds in DELAYS
    ]
    return (make_plan("delays", cells),)


def _medians(data: Datasets) -> list[float]:
    """The median latency in seconds, by delay."""
    return [ms / 1e3 for ms in data["delays"].summary.sort_values("axis.delay")["g2g_p50_ms"]]


def _checks(data: Datasets) -> list[Check]:
    return [
        check(
            "Without queues and losses the latency is that of the path",
            "closed form: propagation only, since codecs take no time here",
            "value",
            value(MS, _medians(data), DELAYS, within=0.01, of="median latency"),
        )
    ]


def _figure(data: Datasets) -> Figure:
    figure, (axes,) = panels("What a longer path adds", 1, size=(6, 4.6))
    delays, medians = ([1e3 * value for value in values] for values in (DELAYS, _medians(data)))
    curve(axes, arm_style("udp"), delays, medians, label="udp")
    finish(axes, "median latency, ms", "delay of the path, ms")
    return figure


EXPERIMENT = Experiment(
    name="path-delay-v1",
    question="What does a longer path add to the latency of a frame?",
    expectation="Its delay, and nothing else.",
    source="closed form",
    plans=_plans,
    checks=_checks,
    figure=_figure,
)
