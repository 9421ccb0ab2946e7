"""`glass report` as somebody types it: where the page goes, what is printed, and how bad input is answered."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from glassbench.experiments.cli.app import app
from glassbench.experiments.cli.errors import run_app
from glassbench.experiments.engine.plan import grid
from glassbench.experiments.engine.plan_run import run_plan
from glassbench.experiments.results.table_files import write_table


@pytest.fixture
def glass(tmp_path, monkeypatch, capsys) -> Callable[..., tuple[int, str, str]]:
    """Run `glass` in an empty folder: exit code, stdout and stderr."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def run(*arguments: str) -> tuple[int, str, str]:
        code = run_app(app, arguments)
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def folder(glass, small_run, no_pictures) -> Path:
    """A run to report on, without the time that its pictures take."""
    shutil.copytree(small_run.path, "run")
    return Path("run")


def test_the_page_is_written_into_the_folder_and_the_table_is_printed(glass, folder):
    code, out, err = glass("report", "run")
    assert (code, err) == (0, "")
    assert "soonest of these: " in out and out.splitlines()[-1] == "report: wrote run/report.html"
    assert (folder / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert glass("report", "run")[1].splitlines()[-1].endswith("(it replaced a file of that name)")


def test_the_page_may_go_elsewhere(glass, folder):
    assert glass("report", "run", "-o", "page.html")[1].splitlines()[-1] == "report: wrote page.html"
    assert Path("page.html").exists() and not (folder / "report.html").exists()


@pytest.mark.parametrize("shown", [True, False])
def test_the_page_is_opened_in_a_browser_or_a_sentence_says_where_it_is(glass, folder, monkeypatch, shown):
    asked = []
    monkeypatch.setattr("webbrowser.open", lambda address: asked.append(address) or shown)
    code, _, err = glass("report", "run", "--open")
    assert code == 0 and asked == [(folder / "report.html").resolve().as_uri()]
    sentence = "note: there is no browser here that could open it: open run/report.html in one elsewhere\n"
    assert err == ("" if shown else sentence)


def test_json_is_one_object_and_the_page_is_written_all_the_same(glass, folder):
    code, out, err = glass("report", "run", "--json")
    assert (code, err) == (0, "") and json.loads(out)["results"] == "run"
    assert (folder / "report.html").exists()


def test_a_dataset_has_its_own_table_and_page(glass, many_runs, dataset_page):
    code, out, err = glass("report", str(many_runs.path), "-o", "page.html")
    assert (code, err) == (0, "")
    assert "8 runs" in out and out.splitlines()[-1] == "report: wrote page.html"
    assert "no deadline, loss 4 %, 20 ms each way, 60 kB, seeds 3 to 10, in virtual time" in " ".join(out.split())
    assert Path("page.html").read_text(encoding="utf-8") == dataset_page


def test_a_sweep_without_frames_is_one_object_too(glass, tmp_path, scenario):
    small = scenario.model_copy(update={"arms": scenario.arms[:1], "duration": 0.5})
    run_plan(grid("s", small, axes={"network.loss": ["0%", "2%"]}, seeds=[1]), tmp_path / "s", workers=1)
    code, out, err = glass("report", str(tmp_path / "s"), "--json")
    assert (code, err) == (0, "") and len(json.loads(out)["points"]) == 2
    assert (tmp_path / "s" / "report.html").exists()


def test_pictures_that_cannot_be_written_do_not_keep_the_page_from_its_place(glass, small_run):
    shutil.copytree(small_run.path, "run", ignore=shutil.ignore_patterns("*.png"))
    Path("run/timeline.png").mkdir()
    code, out, err = glass("report", "run", "-o", "page.html")
    assert (code, err) == (0, "") and "note: cannot write run/timeline.png: Is a directory" in out
    assert "report: wrote page.html" in out and Path("page.html").exists()


@pytest.mark.parametrize(
    ("file", "sentence"),
    [("nowhere/page.html", "nowhere/page.html: No such file or directory"), ("taken", "taken: Is a directory")],
)
def test_a_page_that_cannot_be_written(glass, folder, file, sentence):
    Path("taken").mkdir()
    code, out, err = glass("report", "run", "-o", file)
    assert (code, err) == (2, f"error: cannot write {sentence}\n")
    assert "soonest of these: " in out and not list(Path().rglob("*.part"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_to(glass, folder):
    folder.chmod(0o500)
    assert glass("report", "run")[0] == 2


@pytest.mark.parametrize(
    ("file", "content", "sentence"),
    [
        ("manifest.json", b"{", "run/manifest.json is not valid JSON"),
        ("manifest.json", b'{"name": "x"}', "run/manifest.json has schema None"),
        ("summary.parquet", b"[]", "run/summary.parquet is not a readable Parquet file"),
        ("ledger.parquet", b"x", "run/ledger.parquet is not a readable Parquet file"),
        ("links.parquet", None, "run/links.parquet is missing"),
    ],
)
def test_damaged_files_are_named_in_one_sentence(glass, folder, file, content, sentence):
    (folder / file).unlink() if content is None else (folder / file).write_bytes(content)
    code, out, err = glass("report", "run")
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {sentence}") and err.count("\n") == 1
    assert not (folder / "report.html").exists()


def test_a_dataset_that_is_not_complete_says_how_it_goes_on(glass, many_runs, rewrite):
    shutil.copytree(many_runs.path, "data")
    rewrite(Path("data/manifest.json"), lambda content: content.update(complete=False, command=["glass", "compare"]))
    code, _, err = glass("report", "data")
    assert code == 2 and err == "error: data is not complete; it goes on where it stopped by: glass compare\n"


def test_brackets_in_a_label_are_brackets(glass, folder):
    for name in ("summary", "ledger", "links"):
        table = pd.read_parquet(folder / f"{name}.parquet")
        write_table(folder / f"{name}.parquet", table.assign(arm=table["arm"].replace("rtp", "[/b]:smile:[red]")))
    code, out, _ = glass("report", "run")
    assert code == 0 and "[/b]:smile:[red]" in out
