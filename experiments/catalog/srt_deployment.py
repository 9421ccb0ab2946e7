"""The deployment table of SRT, live: whether the latencies that it recommends are enough for libsrt and for ours."""

from collections.abc import Mapping
from dataclasses import dataclass

from matplotlib.figure import Figure

from glassbench.experiments.catalog.cells import delay, make_cell, make_plan, video
from glassbench.experiments.catalog.checks import PERCENT, bounded, check, order
from glassbench.experiments.catalog.experiment import Check, Datasets, Experiment
from glassbench.experiments.catalog.figures import curve, finish, panels
from glassbench.experiments.catalog.srt_latency import GUIDE, RECOMMENDED
from glassbench.experiments.engine.plan import Cell, Plan
from glassbench.experiments.results.arm_style import series_styles
from glassbench.experiments.results.dataset import Dataset

STACKS = ("libsrt", "srt")
RTT = 0.1  # seconds
SEEDS = range(20, 30)
ENOUGH = 0.999  # of the frames
# Each frame is a keyframe, so one that is not shown was lost itself: it does not refer to one that was.
MEDIA = video("10Mbit/s", fps=60, keyframe_interval=1)
AS_TOLD, LESS = "as recommended", "one round trip less"


def _plans() -> tuple[Plan, ...]:
    cells = [
        _cell(stack, loss, latency, seed) for loss in RECOMMENDED for latency in (AS_TOLD, LESS) for stack in STACKS
        for seed in SEEDS
    ]  # fmt: skip
    return (make_plan("srt-deployment", cells, frames=False),)


def _cell(stack: str, loss: float, latency: str, seed: int) -> Cell:
    way = delay(RTT / 2)
    round_trips = RECOMMENDED[loss] - (latency == LESS)
    return make_cell(
        {"loss": loss, "latency": latency},
        "srt-deployment",
        seconds=5,
        seed=seed,
        arm={"transport": stack, "latency_ms": round(round_trips * RTT * 1000), "label": stack},
        media=MEDIA,
        network={"down": [{"element": "random-loss", "name": "loss", "probability": f"{loss:.0%}"}, way], "up": [way]},
    )


@dataclass(frozen=True, slots=True)
class DeploymentPoint:
    """Frames of all runs of a stack at a loss and a latency, and how many of them were shown."""

    captured: int
    displayed: int

    @property
    def shown(self) -> float:
        return self.displayed / self.captured if self.captured else float("nan")


def points(data: Dataset) -> Mapping[tuple[str, float, str], DeploymentPoint]:
    """What came out, by stack, loss and latency; runs that were not measured count as nothing."""
    summary = data.summary
    measured = summary[summary["outcome"] == "measured"]
    sums = measured.groupby(["arm", "axis.loss", "axis.latency"])[["captured", "displayed"]].sum()
    return {
        (str(stack), float(loss), str(latency)): DeploymentPoint(int(captured), int(displayed))
        for (stack, loss, latency), (captured, displayed) in zip(sums.index, sums.to_numpy().tolist(), strict=True)
    }


def _checks(data: Datasets) -> list[Check]:
    table = points(data["srt-deployment"])
    nothing = DeploymentPoint(0, 0)
    checks = []
    for stack in STACKS:
        shown = {
            latency: [table.get((stack, loss, latency), nothing).shown for loss in RECOMMENDED]
            for latency in (LESS, AS_TOLD)
        }
        checks.append(
            check(
                f"{stack} shows next to every frame at the recommended latency (3 round trips up to 1 % loss, 4 up to "
                "3 %, 5 up to 7 %, 6 up to 10 %)",
                GUIDE,
                "value",
                bounded(
                    PERCENT,
                    {f"{loss:.0%} loss": share for loss, share in zip(RECOMMENDED, shown[AS_TOLD], strict=True)},
                    at_least=ENOUGH,
                    of="frames shown",
                    at=f"over {len(SEEDS)} runs",
                ),
                note="the guide gives no share; 99.9 % is ours",
            )
        )
        means = {latency: sum(shares) / len(shares) for latency, shares in shown.items()}
        checks.append(
            check(
                f"{stack} shows fewer with one round trip less",
                "closed form: each round trip of latency is time for one more repair",
                "order",
                order(PERCENT, means, of="frames shown", at="(mean over the four losses)"),
            )
        )
    return checks


def _figure(data: Datasets) -> Figure:
    table = points(data["srt-deployment"])
    figure, axes = panels("The deployment table of SRT: frames that were not shown", 2, sharey=True)
    for panel, stack in zip(axes, STACKS, strict=True):
        for latency, style in zip((LESS, AS_TOLD), series_styles((LESS, AS_TOLD)), strict=True):
            losses = [loss for loss in RECOMMENDED if (stack, loss, latency) in table]
            missed = [100 * (1 - table[stack, loss, latency].shown) for loss in losses]
            curve(panel, style, [100 * loss for loss in losses], missed, markersize=6, label=latency)
        finish(panel, f"{stack}: not shown, %", "loss on the path, %", legend=panel is axes[0])
    return figure


EXPERIMENT = Experiment(
    name="srt-deployment-v1",
    question="Are the latencies that the deployment guide of SRT recommends enough, for libsrt and for ours?",
    expectation=f"At least {ENOUGH:.1%} of the frames are shown with them, and fewer with one round trip less.",
    source=GUIDE,
    plans=_plans,
    checks=_checks,
    figure=_figure,
    live=True,
)
