"""An experiment of the catalog: a question, the plans that answer it, and the checks of what was measured."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from glassbench.experiments.engine.plan import Plan
from glassbench.experiments.results.dataset import Dataset

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Datasets = Mapping[str, Dataset]
"""The datasets of an experiment by the name of their plan."""


@dataclass(frozen=True)
class Check:
    """One claim against what was measured.

    `kind`: "value" compares a number of a closed form or of a publication whose conditions are ours, within a stated
    tolerance; "order" and "sign" compare what carries over where the conditions are not: which of two is larger, which
    way something moves. `expected` and `measured` are texts with units, made with the verdict by `checks.check`. `note`
    says how the conditions differ.
    """

    claim: str
    source: str
    kind: Literal["value", "order", "sign"]
    expected: str
    measured: str
    holds: bool
    note: str = ""


@dataclass(frozen=True)
class Experiment:
    """One experiment. `name` ends in its version, "-v1": another scenario or rule is another version.

    `expectation` is the expected outcome in a sentence, `source` where it comes from. Plans are deterministic, have
    names of their own within the experiment, and run within five minutes on two cores, unless it is `long`: then
    `glass literature` runs it only if it is named. One that is `live` measures stacks of others, so it runs in real
    time only, and takes as long as it takes. `replays` makes the plans over another `trace` and with another `source`,
    each by its name or file, of an experiment that replays what others recorded.
    """

    name: str
    question: str
    expectation: str
    source: str
    plans: Callable[[], tuple[Plan, ...]]
    checks: Callable[[Datasets], list[Check]]
    figure: Callable[[Datasets], "Figure"]
    replays: Callable[..., tuple[Plan, ...]] | None = None
    long: bool = False
    live: bool = False

    @property
    def usual(self) -> bool:
        """Whether it is one of those that run when none is named."""
        return not (self.long or self.live)
