"""Keeps what a page watched as results like any other."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from glassbench.experiments.account.assemble import assemble
from glassbench.experiments.engine.jobs import Job, JobAdvance, JobEnd, JobFinished
from glassbench.experiments.engine.plan import grid
from glassbench.experiments.engine.plan_run import run_plan
from glassbench.experiments.results.arm_folder import write_arm
from glassbench.experiments.scenario import Scenario, build
from glassbench.experiments.scenario.tracks import VIDEO_TRACK
from glassbench.experiments.worlds.browser.page_account import PageAccount, account_of
from glassbench.experiments.worlds.browser.viewer import Viewer
from glassbench.experiments.worlds.end_report import sender_report
from glassbench.experiments.worlds.ends import Ends
from glassbench.experiments.worlds.world import World
from glassbench.transport.quic.served import Mapping as Carried

if TYPE_CHECKING:
    from glassbench.experiments.account.arm_result import ArmResult

LEAST_FRAMES = 10
"""That a page has to tell of, or there is nothing to keep."""

ARMS: Mapping[Carried, str] = {
    "datagram": "webtransport-datagram",
    "stream-per-frame": "webtransport-stream-per-frame",
    "stream-per-gop": "webtransport-stream-per-gop",
    "stream": "webtransport-stream",
}
"""The transport of an arm, by what its frames travelled in."""


@dataclass(frozen=True)
class InBrowser(World):
    """A page that somebody opened, over whatever network was between."""

    name: str = "browser"
    words: str = "real time, in a browser"
    has_floor: ClassVar[bool] = False
    sees_pictures: ClassVar[bool] = False

    def check(self, scenario: Scenario, *, capture: bool) -> None:
        """Nothing: it has been watched."""

    def run_arm(self, *args: Any, **more: Any) -> "ArmResult":
        raise NotImplementedError("what somebody watched cannot be run again")


def keep(viewer: Viewer, number: int, served: Scenario, results: Path, command: Sequence[str]) -> Path | None:
    """Write what a page watched to a folder below `results`, which is the answer; None if it told too little. Raises
    PageError if what it told cannot be, and ResultsError."""
    if len(viewer.ledger) < LEAST_FRAMES:
        return None
    sender = sender_report(viewer, ended_at=0.0)
    account = account_of(viewer.ledger, VIDEO_TRACK, sender)
    scenario = _scenario(viewer, number, served, account)
    plan = grid(scenario.name, scenario, frames=True)
    dataset = run_plan(
        type(plan)(plan.name, plan.cells, frames=True, world=InBrowser()),
        results / scenario.name,
        run_cells=_writes(lambda: _result(scenario, viewer, account)),
        fresh=True,
        command=command,
        about={"scenario": scenario.dump(), "seeds": [scenario.seed], "browser": _browser(viewer, served)},
    )
    return dataset.path


def _scenario(viewer: Viewer, number: int, served: Scenario, account: PageAccount) -> Scenario:
    last = account.sender.sent[-1].captured_at - account.sender.sent[0].captured_at
    arm = {"transport": ARMS[viewer.mapping], **dict(served.arms[0].options), "label": f"browser, {viewer.mapping}"}
    return build(
        {
            **served.dump(),
            "name": f"{served.name}-{number}",
            "duration": f"{max(0.1, round(last + 0.05, 1))}s",
            "arms": [arm],
        }
    )


def _result(scenario: Scenario, viewer: Viewer, account: PageAccount) -> "ArmResult":
    result = assemble(
        scenario,
        scenario.arms[0],
        Ends(scenario.media(scenario.arms[0])).source,
        [account.sender, account.receiver],
        [],
        about={"between": account.clock, "page": {"refused": viewer.ledger.refused, "agent": viewer.ledger.agent}},
        notes=[
            "what a page draws is on the screen up to one refresh later",
            "frames after the last one of which the page told are left out",
        ],
    )
    return replace(result, summary={**result.summary, "connect_ms": None})  # when the page began is not told


def _browser(viewer: Viewer, served: Scenario) -> dict[str, str]:
    return {"agent": viewer.ledger.agent, "codec": served.video.codec, "mapping": viewer.mapping}


def _writes(make: Callable[[], "ArmResult"]) -> Callable[[Sequence[Job], JobFinished, JobAdvance], bool]:
    def run_cells(jobs: Sequence[Job], finished: JobFinished, advance: JobAdvance) -> bool:
        for job in jobs:
            result = make()
            write_arm(job.place, result)
            finished(job, JobEnd(result.outcome, result.reason, kept=True))
        return True

    return run_cells
