"""The notes of many arms and runs as one list of sentences, each told once."""

import re
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

NO_FLOOR = "the floor, plain udp without loss, does not show 95 % of its frames either"

Tell: TypeAlias = Callable[[Iterable[tuple[str, Any]]], list[str]]
"""How notes are told: `told` or `headlines`."""

_NUMBER = re.compile(r"\d+(\.\d+)?")


def told(cells: Iterable[tuple[str, Any]]) -> list[str]:
    """Sentences for the notes of `(arm, its notes)`: a pair per arm of a run, or per arm and run of a dataset.

    A sentence that belongs to all arms is told without their names. Of notes of one arm that differ in their numbers
    only, the first is told, with the number of runs that have one.
    """
    runs: dict[str, int] = {}
    alike: dict[tuple[str, str], list[str]] = {}  # by arm and the sentence without its numbers
    for arm, notes in cells:
        runs[arm] = runs.get(arm, 0) + 1
        for sentence in dict.fromkeys(map(str, notes if isinstance(notes, list | tuple) else ())):
            alike.setdefault((arm, _NUMBER.sub("#", sentence)), []).append(sentence)
    arms_by_sentence: dict[str, list[str]] = {}
    for (arm, _), sentences in alike.items():
        arms_by_sentence.setdefault(_in_runs(sentences, runs[arm]), []).append(arm)
    return [
        sentence if len(arms) == len(runs) else f"{', '.join(arms)}: {sentence}"
        for sentence, arms in arms_by_sentence.items()
    ]


def headlines(cells: Iterable[tuple[str, Any]]) -> list[str]:
    """As `told`, with the first clause of each note: what comes first in it says most."""
    return told(
        (arm, [str(note).partition("; ")[0] for note in (notes if isinstance(notes, list | tuple) else ())])
        for arm, notes in cells
    )


def _in_runs(sentences: list[str], runs: int) -> str:
    if len(sentences) == runs and len(set(sentences)) == 1:
        return sentences[0]
    others = "" if len(set(sentences)) == 1 else ", with other numbers"
    return f"{sentences[0]} (in {len(sentences)} of {runs} runs{others})"
