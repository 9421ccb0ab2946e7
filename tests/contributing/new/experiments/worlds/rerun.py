"""Virtual time, twice: every arm runs two times, and has failed if both differ."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from glassbench.experiments.scenario import Scenario
from glassbench.experiments.scenario.arm_spec import ArmSpec
from glassbench.experiments.worlds.world import Watch, World

if TYPE_CHECKING:
    from glassbench.experiments.account.arm_result import ArmResult
    from glassbench.experiments.worlds.capture import Capture
    from glassbench.experiments.worlds.reuse import Reuse


@dataclass(frozen=True)
class Rerun(World):
    """One process, no clock, no sockets, two runs of each arm."""

    name: str = "rerun"
    words: str = "virtual time, run twice"
    exact: ClassVar[bool] = True
    parallel: ClassVar[bool] = True

    def check(self, scenario: Scenario, *, capture: bool) -> None:
        """It is everywhere."""

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
        from glassbench.experiments.worlds.virtual import run_arm

        first = run_arm(scenario, arm, reuse, watch, quality=quality)
        again = run_arm(scenario, arm, reuse, watch, quality=quality, capture=capture)
        if first.summary != again.summary:
            raise AssertionError(f"{arm.label} measured {again.summary} after {first.summary}")
        return again
