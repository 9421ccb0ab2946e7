"""Result files are not to be trusted: whatever is in them is text on the page, or a sentence."""

import json
import math
import os
import shutil
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassbench.experiments.account.number_text import finite, number_text
from glassbench.experiments.cli.app import app
from glassbench.experiments.cli.errors import run_app
from glassbench.experiments.results.answer import answer
from glassbench.experiments.results.dataset import Dataset, load
from glassbench.experiments.results.dataset_folder import TABLES
from glassbench.experiments.results.files import ResultsError
from glassbench.experiments.results.json_form import json_text
from glassbench.experiments.results.notes import told
from glassbench.experiments.results.ranking import BY_LATENCY
from glassbench.experiments.results.report.content import Report
from glassbench.experiments.results.report.impairment import impairment_section
from glassbench.experiments.results.report.page import page
from glassbench.experiments.results.report.plain import plain
from glassbench.experiments.results.report.report import report_of
from glassbench.experiments.results.report.reproduce import reproduce_section
from glassbench.experiments.results.report.sections import fate_section
from glassbench.experiments.results.report.tables import run_table
from glassbench.experiments.results.run import Run
from glassbench.experiments.results.table_files import write_table

HOSTILE = (
    "</pre></style></svg><script>alert(1)</script><img src=x onerror=alert(1)>\"' & $\\frac$ [/b] \x00\x1b{{ 7*7 }}"
)

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**99), 10**99) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = ("path", "elements", "pushed", "popped", "lost", "dropped", "commanded", "applied", "element", "down", "up")
IMPAIRMENT_LIKE = st.recursive(
    st.none() | st.integers() | st.floats() | st.sampled_from(NAMES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=20,
)


def renamed(run: Run, folder: Any, label: str) -> Dataset:
    """The results with their first arm called `label`, and hostile texts wherever a text stands."""
    first = run.records[0]["arm"]
    manifest = json.loads(json.dumps(run.manifest))
    manifest["scenario"] |= {"name": HOSTILE, HOSTILE: HOSTILE}
    manifest["scenario"]["video"]["source"] = HOSTILE
    manifest |= {"command": [HOSTILE], "versions": {HOSTILE: HOSTILE}, "files": {HOSTILE: HOSTILE}, "world": HOSTILE}
    folder.mkdir()
    (folder / "manifest.json").write_text(json_text(manifest))
    summary = pd.read_parquet(run.path / "summary.parquet")
    summary["arm"] = summary["arm"].replace(first, label)
    summary.loc[0, ["reason", "outcome"]] = HOSTILE
    summary["notes"] = json.dumps([HOSTILE])
    path = dict.fromkeys(("pushed", "popped", "dropped", "lost", "duplicated", "inside"), 1)
    element = {"commanded": {"element": HOSTILE, HOSTILE: HOSTILE}, "applied": [path]}
    summary["impairments"] = json.dumps({way: {"path": path, "elements": [element]} for way in ("down", "up")})
    write_table(folder / "summary.parquet", summary)
    for name in TABLES:
        table = pd.read_parquet(run.path / f"{name}.parquet")
        write_table(folder / f"{name}.parquet", table.assign(arm=table["arm"].replace(first, label)))
    return load(folder)


def test_hostile_texts_add_no_element_and_no_attribute(one_run, tmp_path, take_apart):
    parts = take_apart(page(report_of(renamed(one_run, tmp_path / "hostile", HOSTILE))))
    harmless = take_apart(page(report_of(renamed(one_run, tmp_path / "harmless", "udp"))))
    assert set(parts.skeleton) == set(harmless.skeleton) and parts.skeleton.count("script") == 1
    names = {name for _, attributes in parts.elements for name in attributes}
    expected = {name for _, attributes in harmless.elements for name in attributes}
    assert names - expected <= {"transform"}  # of a label on two lines
    assert " ".join(HOSTILE.replace("\x00", "�").split()) in parts.texts or HOSTILE in "".join(parts.texts)


def test_names_of_strangers_cost_no_picture_of_a_sweep(sweep, tmp_path, take_apart):
    for file in sweep.path.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    table = pd.read_parquet(tmp_path / "summary.parquet")
    table["arm"] = table["arm"].replace({"udp": HOSTILE, "rtp": "x:y," * 75})
    write_table(tmp_path / "summary.parquet", table)
    html = page(report_of(load(tmp_path)))
    assert "could not be drawn" not in html and take_apart(html).skeleton.count("script") == 1


def test_half_characters_become_a_sign_for_them(one_run):
    html = page(Report(title="\ud800", question="", subject="", verdict="", basis=""))
    assert html.encode() and "<h1>?</h1>" in html


@pytest.mark.parametrize(
    ("value", "number"),
    [(1, 1.0), (2.5, 2.5), (None, None), (True, None), ("1", None), (float("nan"), None), (10**400, None), ([], None)],
)
def test_only_finite_numbers_are_numbers(value, number):
    assert finite(value) == number


def test_infinite_and_undefined_look_different():
    texts = [number_text(value, ".1f") for value in (math.inf, -math.inf, None, math.nan, "x", 3.14159)]
    assert texts == ["∞", "-∞", "-", "-", "-", "3.1"]


def test_a_label_in_a_drawing_is_printable_and_short():
    assert plain("a\x00b\ud800") == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}"
    assert len(plain("x" * 1000)) == 60


@given(summary=st.dictionaries(st.sampled_from(["g2g_p95_ms", "displayed", "captured", "ssim", "fates"]), ANY_JSON))
def test_any_summary_gives_a_table_and_an_answer(summary):
    arms = [{"arm": "a", "outcome": "measured", "summary": summary}, {"arm": "b", "outcome": "x", "summary": {}}]
    assert len(run_table(BY_LATENCY.order(arms)).rows) == 2
    assert answer(arms).endswith(".")
    assert fate_section({"a": summary.get("fates")}).title


@given(record=st.dictionaries(st.sampled_from(["down", "up", "x"]), IMPAIRMENT_LIKE))
@settings(max_examples=200)
def test_any_record_of_impairments_gives_a_section_or_none(record):
    section = impairment_section({"a": [record], "b": [{}]})
    assert section is None or section.tables


@given(
    manifest=st.dictionaries(st.sampled_from(["command", "versions", "files", "world"]), ANY_JSON), scenario=ANY_JSON
)
def test_any_manifest_gives_a_provenance(manifest, scenario):
    assert reproduce_section(manifest, seeds=[1], scenario=scenario).texts


@given(notes=ANY_JSON | st.lists(ANY_JSON, max_size=3))
def test_any_notes_are_told_as_texts(notes):
    assert all(isinstance(note, str) for note in told([("a", notes), ("b", None)]))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"arms": NaN}', "NaN is not a number of JSON"),
        ('{"arms": ' + "9" * 400 + "}", "a number has 400 digits, at most 100 are accepted"),
        ("[" * 100_000, "is not valid JSON"),
    ],
)
def test_numbers_and_nesting_that_no_reader_stands_are_refused(tmp_path, text, sentence):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(ResultsError, match=sentence):
        load(tmp_path)


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("name", ["stats", "impairments", "notes"])
def test_records_of_another_type_are_left_out(one_run, tmp_path, name):
    for file in one_run.path.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    table = pd.read_parquet(tmp_path / "summary.parquet")
    table[name] = "5"
    write_table(tmp_path / "summary.parquet", table)
    run = load(tmp_path).run()
    assert [len(arm[name]) for arm in run.records] == [0] * len(run.records)
    assert page(report_of(load(tmp_path)))


def test_a_dataset_without_cells_is_refused_in_a_sentence(many_runs, tmp_path):
    manifest = {name: value for name, value in many_runs.manifest.items() if name != "scenario"}
    (tmp_path / "manifest.json").write_text(json_text(manifest))
    pq.write_table(pq.read_table(many_runs.path / "summary.parquet").slice(0, 0), tmp_path / "summary.parquet")
    with pytest.raises(ResultsError, match="has no arm that was measured with every seed"):
        report_of(load(tmp_path))


@pytest.mark.usefixtures("no_pictures")
def test_records_of_a_dataset_that_are_no_json_are_left_out(many_runs, tmp_path, take_apart):
    for file in many_runs.path.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    table = pq.read_table(tmp_path / "summary.parquet")
    place = table.column_names.index("impairments")
    table = table.set_column(place, "impairments", pa.array([HOSTILE] * len(table)))
    pq.write_table(table, tmp_path / "summary.parquet")
    texts = take_apart(page(report_of(load(tmp_path)))).texts
    assert "Network: commanded and applied" not in texts and "How to reproduce it" in texts


def test_captures_at_no_instant_are_refused(one_run, tmp_path):
    for file in one_run.path.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    write_table(tmp_path / "ledger.parquet", pd.read_parquet(tmp_path / "ledger.parquet").assign(captured_at=np.inf))
    with pytest.raises(ResultsError, match="captured_at must be a finite number"):
        report_of(load(tmp_path))


def test_nothing_is_written_through_links_of_a_folder_that_somebody_else_made(tmp_path, small_run, monkeypatch):
    shutil.copytree(small_run.path, tmp_path / "run", ignore=shutil.ignore_patterns("*.png"))
    (mine := tmp_path / "mine").write_text("precious")
    drafts = [f"report.html.{os.getpid()}.part", f"timeline.png.{os.getpid()}.part"]
    links = ["report.html", "timeline.png", "stage-breakdown.png", "latency-cdf.png", "rates.png", *drafts]
    for name in links:
        (tmp_path / "run" / name).symlink_to(mine)
    assert run_app(app, ["report", str(tmp_path / "run")]) == 0
    assert mine.read_text() == "precious"
    assert not any((tmp_path / "run" / name).is_symlink() for name in links)
    (tmp_path / "page.html").symlink_to(mine)
    assert run_app(app, ["report", str(tmp_path / "run"), "-o", str(tmp_path / "page.html")]) == 0
    assert mine.read_text().startswith("<!DOCTYPE html>")  # the link is the user's own
