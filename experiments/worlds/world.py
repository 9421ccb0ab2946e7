"""What a world is: where an arm runs, and by which clock. `table.py` has all of them."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from glassbench.experiments.scenario import Scenario
from glassbench.experiments.scenario.arm_spec import ArmSpec

if TYPE_CHECKING:
    from glassbench.experiments.account.arm_result import ArmResult
    from glassbench.experiments.worlds.capture import Capture
    from glassbench.experiments.worlds.reuse import Reuse
    from glassbench.experiments.worlds.shown_slices import ShownSlice


@dataclass(frozen=True)
class Watch:
    """Whoever waits for an arm: it hears the share that is done, and says whether to stop. If it wants to know what is
    `shown`, it hears of each slice of the flow "media", too, as far as the world can tell; a live arm that is repeated
    begins again with the first. What it hears changes no result."""

    progress: Callable[[float], None] = lambda share: None
    stop: Callable[[], bool] = lambda: False
    shown: "Callable[[ShownSlice], None] | None" = None


class World(ABC):
    """Where an arm runs. `words` is what manifests and titles call it.

    `exact`: the same scenario and seed give the same ledger. `parallel`: several arms may run at a time. `has_floor`:
    its network has a path without loss, against which arms are measured; without it, no scenario describes the network.
    `sees_pictures`: what was shown can be compared with what was captured. `films`: it takes sources that are live.
    """

    name: str
    words: str
    exact: ClassVar[bool] = False
    parallel: ClassVar[bool] = False
    has_floor: ClassVar[bool] = True
    sees_pictures: ClassVar[bool] = True
    films: ClassVar[bool] = False

    @abstractmethod
    def check(self, scenario: Scenario, *, capture: bool) -> None:
        """Raises OSError, with what helps, if this machine does not have the world, or the world cannot be the network
        of the scenario."""

    @abstractmethod
    def run_arm(
        self,
        scenario: Scenario,
        arm: ArmSpec,
        watch: Watch,
        *,
        reuse: "Reuse",
        capture: "Capture | None" = None,
        quality: bool = True,
    ) -> "ArmResult":
        """Run one arm. When `watch` says stop, what was measured so far is "incomplete". Raises Unsupported; any
        other exception but those of `capture` is a defect of the arm."""

    def dump(self) -> dict[str, Any]:
        """The world as JSON, from which `table.world_of` makes it again."""
        return {"name": self.name}
