"""Checks of the floors of stacks on made-up runs: they hold where they should, and fail where they have to."""

from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from glassbench.experiments.catalog import EXPERIMENTS, stack_floors
from glassbench.experiments.catalog.experiment import Check
from glassbench.experiments.catalog.stack_floors import DEFAULTS, FLOOR
from glassbench.experiments.scenario.peers import PEERS

_AS_IT_COMES = frozenset(DEFAULTS.values())


def made_up(**other: float) -> dict[str, SimpleNamespace]:
    """Datasets in which all is as expected, but for the p50 of some: by stack, or by "stack setting"."""
    floors, slopes = EXPERIMENTS["stack-floors-v1"].plans()
    rows: dict[str, list[dict[str, Any]]] = {"floors": [], "slopes": []}
    for plan in (floors, slopes):
        for cell in plan.cells:
            stack, setting = str(cell.axes["stack"]), cell.axes.get("setting", "")
            p50 = 3.0 if stack == FLOOR else 5.0 + 50.0 * (stack in _AS_IT_COMES)
            if stack in stack_floors.BUFFERED:
                p50 = 3.0 + float(setting or 0)
            elif stack.endswith("segments"):
                p50 = 3.0 + float(setting) / 2
            p50 = other.get(f"{stack} {setting}".strip(), p50)
            rows[plan.name].append(
                {"axis.stack": stack, "axis.setting": setting, "outcome": "measured", "g2g_p50_ms": p50}
            )
    return {name: SimpleNamespace(summary=pd.DataFrame(table)) for name, table in rows.items()}


def broken(**other: float) -> list[str]:
    checks: list[Check] = stack_floors._checks(made_up(**other))  # type: ignore[arg-type]
    return [check.claim for check in checks if not check.holds]


def test_every_stack_that_runs_by_itself_is_among_them() -> None:
    floors, _ = EXPERIMENTS["stack-floors-v1"].plans()
    measured = {cell.scenario.arms[0].transport for cell in floors.cells}
    assert measured >= set(PEERS.own) - {"external", "endpoint"}  # which are the user's


def test_all_of_it_holds_where_all_is_as_expected() -> None:
    assert not broken(libsrt=53.0)


@pytest.mark.parametrize(
    ("other", "claim"),
    [
        ({"srt 60": 70.0}, "srt adds to the floor of udp its latency, and no more"),
        ({"libsrt 120": 100.0}, "libsrt adds to the floor of udp its latency, and no more"),
        ({"ll-hls, segments 2000": 20.0}, "What ll-hls delivers in whole segments is later the longer they are"),
        ({"ll-dash, frames 2000": 40.0}, "With chunks of one frame the length of a segment makes no difference to"),
        ({"moq 60": 12.0}, "The length of a group makes no difference to MoQ"),
        ({"dash.js:tuned=false": 4.0}, "What was set up for little delay is sooner than the same stack as it comes"),
        ({"rtp": -1.0}, "Nothing is sooner than udp where nothing is lost"),
        ({"moq 60": float("nan")}, "The length of a group makes no difference to MoQ"),
    ],
)
def test_what_is_otherwise_breaks_its_own_check(other: dict[str, float], claim: str) -> None:
    (sentence,) = broken(**{"libsrt": 53.0, **other})
    assert sentence.startswith(claim)


def test_the_picture_is_drawn_without_those_that_are_not_here() -> None:
    data = made_up(libsrt=53.0)
    for table in data.values():
        table.summary.loc[table.summary["axis.stack"] == "moq", ["outcome", "g2g_p50_ms"]] = ["unsupported", None]
    assert stack_floors._figure(data).axes  # type: ignore[arg-type]
