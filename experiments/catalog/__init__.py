"""The catalog of experiments: one file each, and a line here."""

import re

from glassbench.experiments.catalog import (
    adaptive,
    bufferbloat,
    codecs,
    congestion_control,
    deadline,
    fairness,
    head_of_line,
    headroom,
    iframe,
    outage,
    priority,
    repair,
    salsify_replay,
    srt_deployment,
    srt_latency,
    stack_floors,
    start_up,
    stream_vs_datagram,
)
from glassbench.experiments.catalog.experiment import Check, Datasets, Experiment
from glassbench.experiments.scenario.schema import unknown

_ALL: tuple[Experiment, ...] = (
    adaptive.EXPERIMENT,
    bufferbloat.EXPERIMENT,
    codecs.EXPERIMENT,
    congestion_control.EXPERIMENT,
    deadline.EXPERIMENT,
    fairness.EXPERIMENT,
    head_of_line.EXPERIMENT,
    headroom.EXPERIMENT,
    iframe.EXPERIMENT,
    outage.EXPERIMENT,
    priority.EXPERIMENT,
    repair.EXPERIMENT,
    salsify_replay.EXPERIMENT,
    srt_deployment.EXPERIMENT,
    srt_latency.EXPERIMENT,
    stack_floors.EXPERIMENT,
    start_up.EXPERIMENT,
    stream_vs_datagram.EXPERIMENT,
)

EXPERIMENTS: dict[str, Experiment] = {experiment.name: experiment for experiment in _ALL}


def named(name: str) -> Experiment:
    """The experiment of this name; without its version, "-v1", the newest one. Raises ValueError naming what is like
    it."""
    versions = [each for each in EXPERIMENTS if each == name or re.fullmatch(re.escape(name) + r"-v\d+", each)]
    if not versions:
        raise ValueError(unknown("experiment", name, EXPERIMENTS))
    return EXPERIMENTS[versions[-1]]


__all__ = ["EXPERIMENTS", "Check", "Datasets", "Experiment", "named"]
