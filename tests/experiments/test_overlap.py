"""Runs over one recorded trace: where their windows are told, and what is not said if there are too many of them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from glassbench.experiments.cli.app import app
from glassbench.experiments.engine.ab import Settings, false_alarms, run_settings
from glassbench.experiments.engine.repeat import repeat
from glassbench.experiments.engine.runner import run
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.evidence import evidence
from glassbench.experiments.results.report.report import report_of
from glassbench.experiments.results.settings import setting_rows
from glassbench.experiments.results.subject import subject
from glassbench.experiments.scenario import Scenario, build
from glassbench.experiments.scenario.trace_window import trace_window


def scenario(folder: Path, seconds: int, **network: str) -> Scenario:
    """One second over a recorded trace of so many, whose rate varies."""
    file = folder / f"drive{seconds}.csv"
    rows = "".join(f"{second},{4 + second % 3}\n" for second in range(seconds))
    file.write_text(f"time_s,rate_mbps\n{rows}{seconds},\n", encoding="utf-8")
    video = {"source": "lognormal", "bitrate": "500kbit/s"}
    content = {"name": "drives", "duration": "1s", "arms": ["udp", "rtp"], "video": video}
    return build({**content, "network": {"trace": str(file), **network}})


def shown(dataset: Dataset) -> tuple[str, dict[str, Any]]:
    """What `glass results show` prints, as text and as JSON."""
    texts = [CliRunner().invoke(app, ["results", "show", str(dataset.path), *more]).stdout for more in ([], ["--json"])]
    return texts[0], json.loads(texts[1])


def test_the_window_of_a_run_is_in_its_manifest_and_title(tmp_path: Path) -> None:
    plan = scenario(tmp_path, 20)
    window = trace_window(plan)
    assert window is not None
    done = run(plan, results=tmp_path / "results", workers=1)
    (told,) = done.manifest["trace_windows"]
    assert told == {"seed": 1, "start_s": window.start, "length_s": 1.0, "period_s": 20.0}
    assert subject(done).endswith(f"seed 1, trace from {window.start:g} s, in virtual time")
    fixed = run(scenario(tmp_path, 20, trace_start="2500ms"), results=tmp_path / "results", workers=1)
    assert "trace from 2.5 s" in subject(fixed)


def test_a_trace_that_is_long_enough_gives_intervals_and_the_overlap_is_counted(tmp_path: Path) -> None:
    dataset = repeat(scenario(tmp_path, 20), 6, results=tmp_path, workers=1)
    assert [window["seed"] for window in dataset.manifest["trace_windows"]] == [1, 2, 3, 4, 5, 6]
    assert "another window of the trace each seed" in subject(dataset)
    assert dataset.overlap is not None and dataset.overlap.room == 20
    assert evidence(dataset).arms[0].interval is not None
    text, record = shown(dataset)
    assert record["overlap"]["overlapping"] == dataset.overlap.overlapping
    assert (dataset.overlap.sentence in text) == bool(dataset.overlap.overlapping)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("network", [{}, {"trace_start": "1s"}], ids=["short", "one window"])
def test_too_short_a_trace_gives_a_sentence_instead_of_intervals(
    tmp_path: Path, no_pictures: None, network: dict[str, str]
) -> None:
    dataset = repeat(scenario(tmp_path, 20 if network else 4, **network), 6, results=tmp_path, workers=1)
    reason = "replay one window of the recorded trace" if network else "is too short for 6 independent windows of 1 s"
    compared = evidence(dataset)
    assert reason in compared.answer
    assert all(arm.interval is arm.against_best is arm.p_value is None for arm in compared.arms)
    assert {arm.verdict for arm in compared.arms} == {"no verdict"}
    text, record = shown(dataset)
    assert reason in text.replace("\n", " ") and "The worst of" not in text
    assert {arm["interval_ms"] for arm in record["arms"]} == {None}
    report = report_of(dataset)
    assert reason in report.verdict and reason in report.basis
    assert any("share a part of the recorded trace" in point for each in report.sections for point in each.points)


def test_settings_over_too_short_a_trace_have_no_verdict(tmp_path: Path) -> None:
    slow, fast = (scenario(tmp_path, 4, delay=delay) for delay in ("20ms", "5ms"))
    settings = Settings.of(slow.model_copy(update={"name": "slow"}), fast.model_copy(update={"name": "fast"}))
    dataset = run_settings(settings, 6, results=tmp_path, workers=1)
    rows = setting_rows(dataset)
    assert {(row.verdict, row.p_value) for row in rows} == {("no verdict", None)}
    assert rows[0].paired.difference == pytest.approx(15, abs=1)
    assert false_alarms(dataset, settings) is None
    compared = CliRunner().invoke(app, ["results", "compare", str(dataset.path), str(dataset.path)])
    assert "There is no verdict: the recorded trace of 4 s is too short" in compared.stdout.replace("\n", " ")


def test_generated_traces_have_no_windows_to_overlap(tmp_path: Path) -> None:
    plan = scenario(tmp_path, 4).model_dump(mode="json", exclude_none=True)
    dataset = repeat(build({**plan, "network": {"trace": "steps"}}), 2, results=tmp_path, workers=1)
    assert dataset.overlap is None and "trace_windows" not in dataset.manifest
    assert np.isfinite(evidence(dataset).arms[0].typical)
