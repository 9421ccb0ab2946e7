"""A dataset of two settings over the same seeds, as `glass ab` makes it: its pairs of arms, metric by metric."""

from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.paired_metrics import PairedRow, paired_rows
from glassbench.experiments.results.ranking import ranking_of
from glassbench.experiments.scenario import dice

AXES = ["setting"]
"""The axes of such a dataset; A and B are its values."""


def setting_rows(dataset: Dataset) -> list[PairedRow]:
    """Every metric of every pair of arms of a dataset of two settings, as `glass ab` makes it. Raises ResultsError if
    an arm was not measured."""
    a, b = (dataset.where(setting=name) for name in "AB")
    labels_a, labels_b = (list(dict.fromkeys(rows["arm"].tolist())) for rows in (a, b))
    pairs = [(label, a[a["arm"] == label], b[b["arm"] == label]) for label in labels_a if label in labels_b]
    if not pairs:
        pairs = [(f"{labels_a[0]} / {labels_b[0]}", a, b)]
    rng = dice.generator(0, "ab", dataset.name)
    return paired_rows(pairs, ranking_of(dataset.counters()), rng=rng, independent=not dataset.dependent)
