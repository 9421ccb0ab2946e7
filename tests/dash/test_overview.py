"""What the dashboard says of a folder, whatever is in it."""

import fcntl
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from glassbench.experiments.dash.overview import MOST_SHOWN, Overview

Begin = Callable[..., Path]


def looked(root: Path, name: str) -> dict[str, Any]:
    """What is said of a folder, after as many looks as all need."""
    overview = Overview(root)
    for now in range(3):
        seen = overview.look(now=float(now))
    [record] = [record for record in seen.records if record["path"] == name]
    return record


def test_a_complete_run_has_its_verdict_its_numbers_and_its_way(results: Path) -> None:
    record = looked(results, "test-seed3")
    assert (record["state"], record["cells"], record["share"]) == ("complete", 3, 1.0)
    assert record["sentence"].startswith(("Soonest", "Too few frames"))
    overview = Overview(results)
    overview.look(now=0.0)
    detail = overview.detail("test-seed3")
    assert detail is not None
    assert [row[0] for row in detail["rows"]] == ["udp", "rtp"]
    assert [arm["label"] for arm in detail["arms"]] == ["udp", "rtp"]
    assert all(arm["slices"][-1][1] == 60 and 40 < arm["slices"][-1][2] <= 60 for arm in detail["arms"])


def test_the_results_themselves_can_be_named(results: Path) -> None:
    assert looked(results / "test-seed3", "")["state"] == "complete"


def test_a_folder_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert Overview(tmp_path / "none").look(now=0.0) == ([], 0, "")


def test_what_has_a_writer_runs_and_what_has_none_broke_off(tmp_path: Path, begin: Begin) -> None:
    folder = begin(tmp_path, command=["glass", "compare"])
    (folder / ".lock").touch()
    record = looked(tmp_path, "begun")
    assert record["state"] == "broke off"
    assert record["sentence"] == "It broke off with 0 of 2 cells. Its command was: glass compare"
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        record = looked(tmp_path, "begun")
    assert (record["state"], record["share"], record["finished"]) == ("running", 0.25, 0)


def test_looking_takes_no_lock_and_writes_nothing(tmp_path: Path, begin: Begin) -> None:
    folder = begin(tmp_path)
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    with (folder / "cells" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        looked(tmp_path, "begun")
    (folder / "cells" / "lock").unlink()
    assert sorted(str(path) for path in tmp_path.rglob("*")) == before


def test_the_time_that_is_left_follows_from_the_rate(tmp_path: Path, begin: Begin) -> None:
    folder = begin(tmp_path)
    live = folder / "cells" / "000000" / "live.jsonl"
    overview = Overview(tmp_path)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert overview.look(now=0.0).records[0]["seconds_left"] is None
        with live.open("a") as file:
            file.write('{"elapsed": 6.0, "share": 1.0, "slices": [], "left_out": 0}\n')
        assert overview.look(now=10.0).records[0]["seconds_left"] == pytest.approx(20.0)


def test_cells_that_are_kept_count_whether_they_said_how_far_they_were_or_not(tmp_path: Path, begin: Begin) -> None:
    ended = {"elapsed": 2.0, "share": 1.0, "slices": [], "left_out": 0, "outcome": "measured", "reason": None}
    folder = begin(tmp_path, lines=(ended,), cells=4)
    (folder / "cells" / "000001").mkdir()
    (folder / "cells" / "000001" / "arm.json").write_text("{}")
    (folder / "cells" / "000002").mkdir()  # begun, and nothing said yet
    assert looked(tmp_path, "begun")["finished"] == 2


@pytest.mark.parametrize(
    ("manifest", "sentence"),
    [
        ("{", "is not valid JSON"),
        ("[" * 100_000, "is not valid JSON"),
        ("7", "must hold a JSON object"),
        ('{"name": "mine"}', "Its manifest.json is of another program."),
        ('{"program": "glassbench", "schema": 99}', "has schema 99"),
        ('{"program": "glassbench", "schema": 4, "name": 7, "cells": 1}', "does not say what was run"),
        ('{"program": "glassbench", "schema": 4, "name": "x", "cells": -1}', "does not say what was run"),
        (None, "There is no manifest.json in it"),
    ],
)
def test_what_is_damaged_or_foreign_is_a_sentence(tmp_path: Path, manifest: str | None, sentence: str) -> None:
    (tmp_path / "odd").mkdir()
    if manifest is not None:
        (tmp_path / "odd" / "manifest.json").write_text(manifest)
    record = looked(tmp_path, "odd")
    assert record["state"] == "damaged" and sentence in record["sentence"]
    overview = Overview(tmp_path)
    overview.look(now=0.0)
    assert overview.detail("odd") is not None


@pytest.mark.parametrize("file", ["summary.parquet", "ledger.parquet"])
def test_damaged_tables_are_no_crash(results: Path, file: str) -> None:
    (results / "test-seed3" / file).write_bytes(b"PAR1 and no more")
    record = looked(results, "test-seed3")
    assert record["state"] == "complete"
    assert record["sentence"].startswith("It cannot be read" if file == "summary.parquet" else ("Soonest", "Too few"))
    overview = Overview(results)
    overview.look(now=0.0)
    assert overview.detail("test-seed3")["arms"] == []  # type: ignore[index]


def test_links_are_not_followed(results: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (results / "test-seed3").rename(tmp_path / "elsewhere" / "run")
    (results / "whole").symlink_to(tmp_path / "elsewhere" / "run")
    (results / "part").mkdir()
    (results / "part" / "manifest.json").symlink_to(tmp_path / "elsewhere" / "run" / "manifest.json")
    seen = Overview(results).look(now=0.0)
    assert [record["path"] for record in seen.records] == ["part"]
    assert seen.records[0]["sentence"] == "Its manifest.json is a link or no file, so it is not opened."


def test_tables_that_lead_elsewhere_are_not_opened(results: Path, tmp_path: Path) -> None:
    summary = results / "test-seed3" / "summary.parquet"
    summary.rename(tmp_path / "summary.parquet")
    summary.symlink_to(tmp_path / "summary.parquet")
    assert looked(results, "test-seed3")["sentence"] == (
        "It has a link to elsewhere (summary.parquet), so it is not opened."
    )


def test_only_pages_and_pictures_have_links_the_report_first(results: Path) -> None:
    folder = results / "test-seed3"
    for name in ("a.png", "report.html", "z.svg", "notes.txt"):
        (folder / name).write_text("x")
    (folder / "passwd.png").symlink_to("/etc/passwd")
    links = looked(results, "test-seed3")["links"]
    assert links == [f"test-seed3/{name}" for name in ("report.html", "a.png", "z.svg")]


def test_many_folders_are_bounded_and_counted(tmp_path: Path) -> None:
    for number in range(MOST_SHOWN + 5):
        (tmp_path / f"{number:04d}").mkdir()
        (tmp_path / f"{number:04d}" / "manifest.json").write_text("{}")
    seen = Overview(tmp_path).look(now=0.0)
    assert (len(seen.records), seen.left_out) == (MOST_SHOWN, 5)


def test_what_a_manifest_says_is_bounded(tmp_path: Path, begin: Begin) -> None:
    begin(tmp_path, title="x" * 10**6, command=["y" * 10**6])
    assert len(json.dumps(looked(tmp_path, "begun"))) < 3000
