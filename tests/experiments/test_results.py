"""The folder of one run: what is written is read back, survives a break, and is refused in a sentence if damaged."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from glassbench.experiments.account.arm_result import LINK_TYPES, ArmResult, Outcome
from glassbench.experiments.account.assemble import estimate_table, flow_table
from glassbench.experiments.account.ledger import STAGES, join
from glassbench.experiments.results import dataset_folder
from glassbench.experiments.results.arm_folder import write_arm
from glassbench.experiments.results.dataset import load
from glassbench.experiments.results.dataset_folder import cell_place, new_place
from glassbench.experiments.results.files import ResultsError
from glassbench.experiments.results.table_files import write_table
from glassbench.experiments.scenario.spec import FLOOR
from glassbench.receiver.record import ReceivedRecord
from glassbench.sender.record import SentRecord

ARMS = ("udp", "srt:latency_ms=20", "rtp")
SCENARIO = {"name": "test", "seed": 1, "arms": [{"transport": arm.split(":")[0], "label": arm} for arm in ARMS]}
MANIFEST = {
    "name": "test",
    "fingerprint": "x",
    "versions": {},
    "cells": 4,
    "frames": True,
    "scenario": SCENARIO,
    "seeds": [1],
}


def begin(path: Path) -> Path:
    with dataset_folder.dataset_folder(path, MANIFEST):
        return path


def ledger(frames: int = 10) -> pd.DataFrame:
    sent, received = [], []
    for sequence in range(frames):
        at = round(1002 + 0.04 * sequence, 6)
        sent.append(SentRecord(0, sequence, at, size_bytes=1000, encode_start_at=at, encode_end_at=at + 0.002,
                               queued_at=at + 0.002, first_sent_at=at + 0.002, last_sent_at=at + 0.003))  # fmt: skip
        later = [at + 0.001 * step for step in (23, 24, 24, 24, 25, 25)]
        if sequence != 3:
            received.append(ReceivedRecord(0, sequence, *later, outcome="displayed", stamp_sequence=sequence,
                                           stamp_captured_at=at))  # fmt: skip
    return join(sent, received, media_start=1002.0)


def links() -> pd.DataFrame:
    row = {"segment": "network", "direction": "down", "at": 0.0, "capacity_bytes": 50_000.0, "sent_bytes": 1000,
           "delivered_bytes": 900, "backlog_bytes": 0, "dropped_packets": 0, "lost_packets": 1}  # fmt: skip
    rows = [{**row, "at": 0.1 * index} for index in range(4)]
    return pd.DataFrame(rows).astype({name: kind for name, kind in LINK_TYPES.items() if name != "arm"})


def arm(name: str, outcome: Outcome = "measured") -> ArmResult:
    return ArmResult(
        name,
        outcome,
        None,
        ledger(),
        links(),
        {"captured": 10, "displayed": 9, "g2g_p95_ms": math.inf, "fates": {"displayed": 9, "lost": 1}},
        {"sender": {"datagrams": 1}},
        flows=flow_table([]),
        estimates=estimate_table([]),
    )


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    folder = begin(tmp_path / "test")
    write_arm(cell_place(folder, 1), arm("srt:latency_ms=20"))
    write_arm(cell_place(folder, 0), arm("udp"))
    write_arm(cell_place(folder, 2), ArmResult("rtp", "unsupported", "rtp carries no av1"))
    floor = replace(arm("floor"), summary={"captured": 10, "g2g_p95_ms": 10.0}, stats={})
    write_arm(cell_place(folder, 3), floor)
    labels = (*ARMS, FLOOR)
    dataset_folder.finish(
        folder,
        [{}] * 4,
        lambda index: {"arm": labels[index], "seed": 1, "scenario": SCENARIO},
        frames=True,
    )
    return folder


def test_a_finished_run_is_read_back_as_it_was(finished: Path) -> None:
    dataset = load(finished)
    assert dataset.complete and dataset.is_one_run
    run = dataset.run()
    assert (run.name, run.complete) == ("test", True)
    assert run.summary["arm"].tolist() == list(ARMS)
    assert run.summary["outcome"].tolist() == ["measured", "measured", "unsupported"]
    for name in ("udp", "srt:latency_ms=20"):
        own = run.ledger[run.ledger["arm"] == name].drop(columns="arm").reset_index(drop=True)
        pd.testing.assert_frame_equal(own, ledger())
    tables = ["estimates.parquet", "flows.parquet", "ledger.parquet", "links.parquet"]
    files = [*tables, "manifest.json", "summary.parquet"]
    assert sorted(path.name for path in finished.iterdir()) == files


def test_results_of_before_a_column_was_added_have_it_empty(finished: Path) -> None:
    for file, added in (("ledger", ["vmaf", "own_vmaf"]), ("summary", ["vmaf", "connect_ms", "close_packets"])):
        path = finished / f"{file}.parquet"
        pq.write_table(pq.read_table(path).drop_columns(added), path)
    dataset = load(finished)
    assert dataset.summary["vmaf"].isna().all() and dataset.ledger["own_vmaf"].isna().all()
    assert dataset.summary["captured"].tolist()[:2] == [10, 10]
    assert dataset.frames("ledger", [0], ["cell", "vmaf", "ssim"])["vmaf"].isna().all()


def test_the_records_of_a_run_have_its_numbers_as_tables_and_the_floor_apart(finished: Path) -> None:
    run = load(finished).run()
    first, _, last = run.records
    assert (first["summary"]["captured"], first["summary"]["g2g_p95_ms"]) == (10, math.inf)
    assert first["summary"]["fates"]["displayed"] == 9
    assert first["summary"]["fates"]["late"] is None
    assert first["summary"]["floor_ratio"] == math.inf
    assert "chat" not in first["summary"]
    assert first["stats"] == {"sender": {"datagrams": 1}}
    assert (last["outcome"], last["reason"], last["summary"]) == ("unsupported", "rtp carries no av1", {})
    assert (run.floor["outcome"], run.floor["g2g_p95_ms"]) == ("measured", 10.0)


def test_a_seed_that_is_not_there_is_refused_with_those_that_are(finished: Path) -> None:
    assert load(finished).run(1).cells == (0, 1, 2, 3)
    with pytest.raises(ResultsError, match="has no seed 2; it has 1"):
        load(finished).run(2)


def test_views_of_a_run_for_plots_and_notebooks(finished: Path) -> None:
    run = load(finished).run()
    video = run.video_by_arm()
    assert list(video) == ["udp", "srt:latency_ms=20"]
    assert {f"{stage}_ms" for stage in STAGES} < set(video["udp"])
    assert np.isfinite(video["udp"]["g2g_ms"]).sum() == 9
    assert len(run.stages) == 20
    capacity = run.capacity()
    assert capacity is not None
    assert capacity["mbps"].tolist() == pytest.approx([4.0] * 4)
    assert run.offered_mbps() == pytest.approx(1000 * 8 / 0.04 / 1e6)


def test_a_run_that_broke_off_gives_what_was_measured_marked_incomplete(tmp_path: Path) -> None:
    folder = begin(tmp_path / "test")
    write_arm(cell_place(folder, 0), arm("udp"))
    write_arm(cell_place(folder, 1), arm("srt:latency_ms=20", "incomplete"))
    cell_place(folder, 2).mkdir(parents=True)  # the process died while this arm was written
    write_table(cell_place(folder, 2) / "ledger.parquet", ledger())
    run = load(folder).run()
    assert not run.complete
    assert run.summary["arm"].tolist() == list(ARMS)
    assert run.summary["outcome"].tolist() == ["measured", "incomplete", "not run"]
    assert run.summary["reason"][2] == "the run broke off before this arm was kept"
    assert len(run.ledger) == 20
    assert run.floor["outcome"] == "not run"


def test_a_run_that_broke_off_before_its_first_arm_is_empty(tmp_path: Path) -> None:
    run = load(begin(tmp_path / "test")).run()
    assert run.summary["outcome"].tolist() == ["not run"] * 3
    assert len(run.ledger) == 0
    assert run.offered_mbps() == 0
    assert run.capacity() is None


def test_several_runs_that_broke_off_are_not_opened_but_gone_on_with(tmp_path: Path) -> None:
    folder = begin(tmp_path / "test")
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "seeds": [1, 2], "command": ["glass", "compare"]}))
    with pytest.raises(ResultsError, match="is not complete; it goes on where it stopped by: glass compare"):
        load(folder)


def test_a_folder_is_never_overwritten(tmp_path: Path) -> None:
    for name in ("test", "test-2", "test-3"):
        assert begin(new_place(tmp_path / "test")).name == name


def test_equal_tables_are_equal_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_table(tmp_path / name, ledger())
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    write_table(tmp_path / "two", ledger(9))
    assert (tmp_path / "one").read_bytes() != (tmp_path / "two").read_bytes()


def _missing(run: Path) -> None:
    (run / "ledger.parquet").unlink()


def _text(run: Path) -> None:
    (run / "ledger.parquet").write_text("these are not the frames you are looking for")


def _cut(run: Path) -> None:
    content = (run / "ledger.parquet").read_bytes()
    (run / "ledger.parquet").write_bytes(content[: len(content) // 2])


def _column(run: Path) -> None:
    write_table(run / "links.parquet", links())


def _type(run: Path) -> None:
    write_table(run / "links.parquet", links().assign(cell=0, arm="udp", at="yesterday"))


def _json(run: Path) -> None:
    (run / "manifest.json").write_text("{")


def _list(run: Path) -> None:
    (run / "manifest.json").write_text("[1]")


def _schema(run: Path) -> None:
    (run / "manifest.json").write_text(json.dumps({"schema": 99}))


def _first_schema(run: Path) -> None:
    (run / "manifest.json").write_text(json.dumps({"schema": 2, "scenario": {"name": "x"}, "arms": {}}))


def _no_manifest(run: Path) -> None:
    (run / "manifest.json").unlink()


def _no_name(run: Path) -> None:
    (run / "manifest.json").write_text(json.dumps({"schema": 4, "complete": True}))


def _summary(run: Path) -> None:
    (run / "summary.parquet").write_text("no table")


def read_all(folder: Path) -> None:
    run = load(folder).run()
    assert len(run.ledger) and len(run.links)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (_missing, "ledger.parquet is missing"),
        (_text, "ledger.parquet is not a readable Parquet file"),
        (_cut, "ledger.parquet is not a readable Parquet file"),
        (_column, "links.parquet has no column cell, arm; found are segment, direction, at"),
        (_type, "links.parquet has a column of another type"),
        (_json, "manifest.json is not valid JSON"),
        (_list, "manifest.json must hold a JSON object, found list"),
        (_schema, "has schema 99; this version of Glassbench reads 4: measure again"),
        (_first_schema, "has schema 2; this version of Glassbench reads 4: measure again"),
        (_no_manifest, "manifest.json is missing; is this the folder of a run?"),
        (_no_name, "manifest.json has no field 'name' with a text"),
        (_summary, "summary.parquet is not a readable Parquet file"),
    ],
)
def test_a_damaged_run_is_refused_with_the_file_and_what_is_wrong(
    finished: Path, damage: object, sentence: str
) -> None:
    damage(finished)  # type: ignore[operator]
    with pytest.raises(ResultsError) as error:
        read_all(finished)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_a_path_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="is not a folder of results"):
        load(tmp_path / "nowhere")


def test_a_results_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file in the way")
    with pytest.raises(ResultsError, match="cannot write results to"):
        begin(tmp_path / "results" / "test")
    with pytest.raises(ResultsError, match="cannot write results to"):
        begin(tmp_path / "results" / "deeper" / "test")


def test_a_full_disk_keeps_the_arms_written_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = begin(tmp_path / "test")
    write_arm(cell_place(folder, 0), arm("udp"))

    def full(self: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device", str(self))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(ResultsError, match="No space left on device"):
            write_arm(cell_place(folder, 1), arm("srt:latency_ms=20"))
    assert load(folder).run().summary["outcome"].tolist() == ["measured", "not run", "not run"]
