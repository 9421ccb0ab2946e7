"""A dataset of two settings over the same seeds, as `glass ab` makes it: its pairs of arms, metric by metric."""

from collections.abc import Sequence

from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.paired_metrics import PairedRow, paired_rows
from glassbench.experiments.results.ranking import ranking_of
from glassbench.experiments.scenario import dice

AXES = ["setting"]
"""The axes of such a dataset; A and B are its values."""


def arm_pairs(labels_a: Sequence[str], labels_b: Sequence[str]) -> tuple[tuple[str, str, str], ...]:
    """Which arms of A and B are compared, as (name of the pair, arm of A, arm of B): those of the same label; or, if
    none is the same, the only one of each. Nothing if there are more."""
    pairs = tuple((label, label, label) for label in labels_a if label in labels_b)
    if not pairs and len(labels_a) == len(labels_b) == 1:
        return ((f"{labels_a[0]} / {labels_b[0]}", labels_a[0], labels_b[0]),)
    return pairs


def setting_rows(dataset: Dataset) -> list[PairedRow]:
    """Every metric of every pair of arms of a dataset of two settings, as `glass ab` makes it. Raises ResultsError if
    an arm was not measured."""
    a, b = (dataset.where(setting=name) for name in "AB")
    labels = (list(dict.fromkeys(rows["arm"].tolist())) for rows in (a, b))
    pairs = [(name, a[a["arm"] == of_a], b[b["arm"] == of_b]) for name, of_a, of_b in arm_pairs(*labels)]
    rng = dice.generator(0, "ab", dataset.name)
    return paired_rows(pairs, ranking_of(dataset.counters()), rng=rng, independent=not dataset.dependent)
