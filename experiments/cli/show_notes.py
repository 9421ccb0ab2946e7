"""What commands show of notes: what comes first in each, and where the rest is."""

from glassbench.experiments.cli.terminal import say
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.run import Run


def print_notes(results: Dataset | Run, *, whole: bool = False) -> None:
    """Print the notes of results, a sentence each; not `whole`, only how each begins."""
    for note in results.notes if whole else results.headlines:
        say(f"note: {note}")
    if not whole and results.notes != results.headlines:
        say(f"These notes say more in: glass results show {results.path}")
