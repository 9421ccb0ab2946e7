"""Keeps what a page watched or sent as results like any other."""

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
from glassbench.experiments.worlds.browser.page_account import PageAccount, account_of, account_of_sender
from glassbench.experiments.worlds.browser.page_told import PageTold
from glassbench.experiments.worlds.browser.sending_page import SendingPage
from glassbench.experiments.worlds.browser.viewer import Viewer
from glassbench.experiments.worlds.end_report import receiver_report, sender_report
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
    films: ClassVar[bool] = True

    def check(self, scenario: Scenario, *, capture: bool) -> None:
        """Nothing: it has been watched."""

    def run_arm(self, *args: Any, **more: Any) -> "ArmResult":
        raise NotImplementedError("what somebody watched cannot be run again")


def keep(viewer: Viewer, number: int, served: Scenario, results: Path, command: Sequence[str]) -> Path | None:
    """Write what a page watched to a folder below `results`, which is the answer; None if it told too little. Raises
    PageError if what it told cannot be, and ResultsError."""
    if len(viewer.ledger) < LEAST_FRAMES:
        return None
    account = account_of(viewer.ledger, VIDEO_TRACK, sender_report(viewer, ended_at=0.0))
    arm = {"transport": ARMS[viewer.mapping], **dict(served.arms[0].options), "label": f"browser, {viewer.mapping}"}
    scenario = _scenario(served, f"{served.name}-{number}", arm, account)
    notes = (
        "what a page draws is on the screen up to one refresh later",
        "frames after the last one of which the page told are left out",
    )
    browser = {"agent": viewer.ledger.agent, "codec": served.video.codec, "mapping": viewer.mapping}
    return _write(scenario, lambda: _result(scenario, viewer.ledger, account, notes), results, command, browser)


def keep_sent(page: SendingPage, number: int, served: Scenario, results: Path, command: Sequence[str]) -> Path | None:
    """Write what a page sent to a folder below `results`, which is the answer; None if it sent too little. Raises
    PageError if what it told cannot be, and ResultsError."""
    filmed, ledger = page.filmed, page.hearing.ledger
    if filmed is None or len(ledger.records) < LEAST_FRAMES or page.pipeline is None:
        return None
    account = account_of_sender(ledger, VIDEO_TRACK, receiver_report(page.pipeline, ended_at=page.ended_at))
    arm = {"transport": ARMS[filmed.mapping], "label": f"browser sends, {filmed.mapping}"}
    video = {
        "source": f"page:{filmed.what}",
        "codec": filmed.codec,
        "width": filmed.width,
        "height": filmed.height,
        "fps": filmed.fps,
        "bitrate": f"{filmed.bitrate_bps / 1e3:g}kbit/s",
    }
    scenario = _scenario(served, f"{served.name}-sent-{number}", arm, account, video)
    notes = (
        "a frame leaves when it is handed to the browser, so what waits there is of the network",
        "frames of which the page told no more are left out",
    )
    browser = {"agent": ledger.agent, "codec": filmed.codec, "mapping": filmed.mapping}
    return _write(scenario, lambda: _result(scenario, ledger, account, notes), results, command, browser)


def _scenario(
    served: Scenario,
    name: str,
    arm: Mapping[str, object],
    account: PageAccount,
    video: Mapping[str, object] | None = None,
) -> Scenario:
    """What was to be seen: the video of the server, unless there is another."""
    last = account.sender.sent[-1].captured_at - account.sender.sent[0].captured_at
    dumped = served.dump()
    return build(
        {
            **dumped,
            "name": name,
            "duration": f"{max(0.1, round(last + 0.05, 1))}s",
            "video": dumped["video"] if video is None else video,
            "arms": [arm],
        }
    )


def _write(
    scenario: Scenario,
    make: Callable[[], "ArmResult"],
    results: Path,
    command: Sequence[str],
    browser: Mapping[str, str],
) -> Path:
    plan = grid(scenario.name, scenario, frames=True)
    dataset = run_plan(
        type(plan)(plan.name, plan.cells, frames=True, world=InBrowser()),
        results / scenario.name,
        run_cells=_writes(make),
        fresh=True,
        command=command,
        about={"scenario": scenario.dump(), "seeds": [scenario.seed], "browser": browser},
    )
    return dataset.path


def _result(scenario: Scenario, told: PageTold, account: PageAccount, notes: Sequence[str]) -> "ArmResult":
    result = assemble(
        scenario,
        scenario.arms[0],
        Ends(scenario.media(scenario.arms[0])).source,
        [account.sender, account.receiver],
        [],
        about={"between": account.clock, "page": {"refused": told.refused, "agent": told.agent}},
        notes=notes,
    )
    return replace(result, summary={**result.summary, "connect_ms": None})  # when the page began is not told


def _writes(make: Callable[[], "ArmResult"]) -> Callable[[Sequence[Job], JobFinished, JobAdvance], bool]:
    def run_cells(jobs: Sequence[Job], finished: JobFinished, advance: JobAdvance) -> bool:
        for job in jobs:
            result = make()
            write_arm(job.place, result)
            finished(job, JobEnd(result.outcome, result.reason, kept=True))
        return True

    return run_cells
