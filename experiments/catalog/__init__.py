"""The catalog of experiments: one file each, and a line here."""

from glassbench.experiments.catalog import (
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
    srt_latency,
    start_up,
    stream_vs_datagram,
)
from glassbench.experiments.catalog.experiment import Check, Datasets, Experiment

_ALL: tuple[Experiment, ...] = (
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
    srt_latency.EXPERIMENT,
    start_up.EXPERIMENT,
    stream_vs_datagram.EXPERIMENT,
)

EXPERIMENTS: dict[str, Experiment] = {experiment.name: experiment for experiment in _ALL}

__all__ = ["EXPERIMENTS", "Check", "Datasets", "Experiment"]
