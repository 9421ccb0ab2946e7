"""The page of a run and of a dataset: what it says, and that it is one whole file that says it to everybody."""

import base64
import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from glassbench.experiments.engine.plan import grid
from glassbench.experiments.engine.plan_run import run_plan
from glassbench.experiments.results.answer import answer
from glassbench.experiments.results.dataset import load
from glassbench.experiments.results.evidence import evidence
from glassbench.experiments.results.report.page import page
from glassbench.experiments.results.report.report import report_of
from glassbench.experiments.results.report.svg import arm_id
from glassbench.experiments.results.subject import network
from glassbench.experiments.results.table_files import write_table

SVG = "http://www.w3.org/2000/svg"  # a name, which nothing asks for
CHAPTERS = [
    "Why",
    "Numbers",
    "Notes",
    "Latency",
    "Every frame against the link",
    "What was told, sent and queued",
    "Where each millisecond went",
    "Freezes and picture quality",
    "Fates of the frames",
    "Network: commanded and applied",
    "How to reproduce it",
]


@pytest.mark.parametrize("which", ["run_page", "dataset_page"])
class TestForm:
    def test_it_has_every_chapter_and_they_are_linked(self, which, request, take_apart):
        parts = take_apart(request.getfixturevalue(which))
        assert [text for text in parts.texts if text in CHAPTERS] == [*CHAPTERS, *CHAPTERS]
        targets = [link["href"].removeprefix("#") for link in parts.all("a")]
        assert len(targets) == len(CHAPTERS) and set(targets) <= set(parts.ids)

    def test_it_needs_no_other_file_and_no_network_and_runs_no_script_but_ours(self, which, request, take_apart):
        html = request.getfixturevalue(which)
        parts = take_apart(html)
        (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        policy = next(each["content"] for each in parts.all("meta") if "http-equiv" in each)
        assert policy == f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
        assert parts.skeleton.count("script") == 1
        assert not {"link", "img", "iframe", "object", "embed", "image", "base", "form"} & set(parts.skeleton)
        for _, attributes in parts.elements:
            assert not any(name.startswith("on") for name in attributes)
            assert attributes.get("href", "#").startswith("#") and "src" not in attributes
        assert not re.search(r"url\((?!#)|@import|https?:", html.replace(SVG, ""))

    def test_identifiers_are_unique_and_all_references_are_there(self, which, request, take_apart):
        html = request.getfixturevalue(which)
        ids = take_apart(html).ids
        assert len(ids) == len(set(ids))
        used = set(re.findall(r'(?:href="#|url\(#|aria-labelledby=")([^")]+)', html))
        assert used <= set(ids)

    def test_it_is_told_to_who_does_not_see_it(self, which, request, take_apart):
        parts = take_apart(request.getfixturevalue(which))
        drawings = parts.all("svg")
        assert drawings
        for drawing in drawings:
            assert drawing.get("aria-hidden") == "true" or (drawing["role"] == "img" and drawing["aria-label"])
        assert {cell.get("scope") for cell in parts.all("th")} == {"col", "row"}
        assert len(parts.all("caption")) == len(parts.all("table"))
        assert len(parts.all("figcaption")) == len(parts.all("figure")) == 6
        assert parts.skeleton.count("h1") == 1 and parts.all("html") == [{"lang": "en"}]

    def test_its_drawings_have_the_colours_of_the_page(self, which, request):
        html = request.getfixturevalue(which)
        drawings = "".join(re.findall(r"<svg.*?</svg>", html, re.DOTALL))
        assert set(re.findall(r"#[0-9a-f]{6}\b", drawings)) <= {"#f0e442"}  # the yellow of a bar reads on both
        variables = set(re.findall(r"var\((--[a-z0-9]+)\)", html))
        defined = set(re.findall(r"(--[a-z0-9]+):", html))
        assert variables <= defined


@pytest.mark.long
def test_the_same_run_gives_the_same_bytes_in_another_process_and_from_another_folder(one_run, run_page, tmp_path):
    folder = tmp_path / "moved"
    folder.mkdir()
    for file in one_run.path.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    program = "import sys, glassbench; from glassbench.experiments.results.report.page import page\n"
    program += "from glassbench.experiments.results.report.report import report_of\n"
    program += "sys.stdout.buffer.write(page(report_of(glassbench.load(sys.argv[1]))).encode())"
    again = subprocess.run(
        [sys.executable, "-c", program, str(folder)],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "7"},
    )
    assert again.stdout == run_page.encode()


def test_a_run_says_its_answer_and_that_one_run_has_no_interval(one_run, run_page, take_apart):
    texts = take_apart(run_page).texts
    assert answer(one_run.records, network(one_run)) in texts
    assert any(text.startswith("This is one run, so no number has an interval") for text in texts)


def test_the_numbers_of_a_run_are_those_of_its_summary(one_run, run_page, take_apart):
    texts = take_apart(run_page).texts
    texts = texts[texts.index("signal p95 ms") :]
    for arm in one_run.records:
        numbers = arm["summary"]
        row = texts[texts.index(arm["arm"]) : texts.index(arm["arm"]) + 8]
        assert row[2] == ms(numbers["g2g_p95_ms"] / 1e3)
        assert row[4] == ms(numbers["signal_p95_ms"] / 1e3)
        assert row[6] == f"{numbers['displayed']} of {numbers['captured']}"


def test_a_dataset_says_the_answer_of_its_evidence_with_intervals(many_runs, dataset_page, take_apart):
    compared = evidence(many_runs)
    texts = take_apart(dataset_page).texts
    assert compared.answer in texts
    texts = texts[texts.index("p (Holm)") :]
    for arm in compared.arms:
        row = texts[texts.index(arm.arm) : texts.index(arm.arm) + 8]
        assert row[1:3] == [ms(arm.typical), f"[{ms(arm.interval.low)}, {ms(arm.interval.high)}]"]
        assert arm.verdict in row


def ms(seconds):
    return f"{1e3 * seconds:.1f}" if np.isfinite(seconds) else "∞"


def test_what_is_drawn_of_an_arm_in_why_can_be_hidden_with_its_name(many_runs, dataset_page):
    why = dataset_page.split('id="why"')[-1].split('id="numbers"')[0]
    for arm in many_runs.arms:
        rows = re.findall(f'<g data-arm="{arm_id(arm)}".*?</g>', why, flags=re.DOTALL)
        assert len(rows) >= 4 and any(f">{arm}" in row for row in rows)


def test_applied_impairment_is_what_the_counters_say(one_run, run_page, take_apart):
    texts = take_apart(run_page).texts
    start = texts.index("Packets of the whole path, down.")
    for arm in one_run.records:
        path = arm["impairments"]["down"]["path"]
        place = texts.index(arm["arm"], start)
        assert texts[place + 1 : place + 4] == [str(path["pushed"]), str(path["popped"]), str(path["lost"])]
        share = f"{100 * path['lost'] / path['pushed']:.1f} %"
        assert texts[place + 4] == share
    commanded = next(text for text in texts if text.startswith("loss-episodes:"))
    assert commanded == "loss-episodes: mean_loss 4%, mean_duration 10ms"


def test_the_scenario_is_in_it_as_a_file_that_runs(run_page, one_run):
    from html import unescape

    from glassbench.experiments import scenario

    text = unescape(re.findall(r"<pre[^>]*>(.*?)</pre>", run_page, re.DOTALL)[1])
    file = one_run.path.parent / "again.toml"
    file.write_text(text)
    assert scenario.load(str(file)).dump() == one_run.manifest["scenario"]


def test_arms_that_were_not_measured_are_named_with_their_reason(tmp_path, measure, take_apart):
    run = measure(tmp_path, arms=["udp", "rtp"])

    table = pd.read_parquet(run.path / "summary.parquet").assign(captured=pd.NA)
    table.loc[0, ["outcome", "reason"]] = ["failed", "a defect <here>"]
    table.loc[1, ["outcome", "reason"]] = ["unsupported", None]
    write_table(run.path / "summary.parquet", table.astype({"captured": "Int64"}))
    texts = take_apart(page(report_of(load(run.path)))).texts
    assert "udp: failed: a defect <here>" in texts
    assert "rtp: unsupported: no reason is recorded" in texts
    assert "No arm was measured to its end, so there is nothing to compare." in texts


def test_a_run_that_broke_off_is_shown_as_far_as_it_got(tmp_path, measure, take_apart, rewrite):
    run = measure(tmp_path, arms=["udp", "rtp"])
    rewrite(run.path / "manifest.json", lambda manifest: manifest.update(complete=False))
    for file in ("summary.parquet", "ledger.parquet", "links.parquet"):
        (run.path / file).unlink()
    texts = take_apart(page(report_of(load(run.path)))).texts
    assert any(text.startswith("This run is incomplete") for text in texts)
    assert "udp: not run: the run broke off before this arm was kept" in texts
    assert "No arm has frames, so there is nothing to draw." in texts


def test_a_sweep_shows_its_points(sweep, take_apart):
    texts = take_apart(page(report_of(sweep))).texts
    assert any(text.startswith("Soonest at p95 in a typical run: ") for text in texts)
    assert {f"network.loss {loss}, {arm}" for loss in ("0%", "2%") for arm in ("udp", "rtp")} <= set(texts)


def test_a_dataset_without_frames_has_numbers_and_no_pictures(tmp_path, scenario, take_apart):
    data = run_plan(grid("s", scenario, seeds=[1, 2]), tmp_path / "s", workers=1)
    parts = take_apart(page(report_of(data)))
    assert "No frames are kept, so the arms are not compared; their numbers are below." in parts.texts
    assert not parts.all("svg") and parts.all("table")


def test_a_page_of_many_arms_and_frames_stays_small(run_page):
    """A page of this size shows at once if something is drawn mark by mark."""
    assert len(run_page) < 200_000


def test_the_template_and_the_style_are_files_of_the_package():
    from importlib.resources import files

    names = {Path(str(file)).name for file in (files("glassbench.experiments.results.report") / "templates").iterdir()}
    assert {"report.html.jinja", "report.css"} <= names


@pytest.mark.long
def test_a_picture_that_cannot_be_drawn_is_a_note_on_a_page_with_all_the_others(one_run, take_apart, monkeypatch):
    def fail(*_: object) -> None:
        raise RuntimeError("no <font> here")

    whole = page(report_of(one_run.dataset)).count('role="img"')
    monkeypatch.setattr("glassbench.experiments.results.report.pictures.draw_tail", fail)
    html = page(report_of(one_run.dataset))
    assert "<p>Note: this picture could not be drawn (no &lt;font&gt; here).</p>" in html
    assert html.count('role="img"') == whole - 1
