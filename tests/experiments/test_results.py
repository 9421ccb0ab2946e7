"""Run folders: what is written is read back, survives a break, and is refused with one sentence if damaged."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from glassbench.experiments.account.arm_result import LINK_TYPES, ArmResult, Outcome
from glassbench.experiments.account.ledger import STAGES, join
from glassbench.experiments.results import run_folder
from glassbench.experiments.results.arm_folder import write_arm
from glassbench.experiments.results.files import ResultsError, write_table
from glassbench.experiments.results.run import Run, load
from glassbench.receiver.record import ReceivedRecord
from glassbench.sender.record import SentRecord

SCENARIO = {"name": "test", "duration": "2s", "seed": 1, "video": {}, "network": {}}
MANIFEST = {"scenario": SCENARIO, "seed": 1, "arms": {}}


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
    row = {"direction": "down", "at": 0.0, "capacity_bytes": 50_000.0, "sent_bytes": 1000, "delivered_bytes": 900,
           "backlog_bytes": 0, "dropped_packets": 0, "lost_packets": 1}  # fmt: skip
    rows = [{**row, "at": 0.1 * index} for index in range(4)]
    return pd.DataFrame(rows).astype({name: kind for name, kind in LINK_TYPES.items() if name != "arm"})


def arm(name: str, outcome: Outcome = "measured") -> ArmResult:
    return ArmResult(
        name, outcome, None, ledger(), links(), {"captured": 10, "g2g_p95_ms": math.inf}, {"sender": {"datagrams": 1}}
    )


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    with run_folder.create(tmp_path, "test", MANIFEST) as folder:
        pass
    write_arm(run_folder.arm_place(folder, 1, "srt:latency_ms=20"), arm("srt:latency_ms=20"))
    write_arm(run_folder.arm_place(folder, 0, "udp"), arm("udp"))
    write_arm(run_folder.arm_place(folder, 2, "rtp"), ArmResult("rtp", "unsupported", "rtp carries no av1"))
    run_folder.finish(folder, complete=True, floor={"g2g_p95_ms": 10.0})
    return folder


def test_a_finished_run_is_read_back_as_it_was(finished: Path) -> None:
    run = load(finished)
    assert run.complete
    assert run.name == "test"
    assert run.summary["arm"].tolist() == ["udp", "srt:latency_ms=20", "rtp"]
    assert run.summary["outcome"].tolist() == ["measured", "measured", "unsupported"]
    for name in ("udp", "srt:latency_ms=20"):
        own = run.ledger[run.ledger["arm"] == name].drop(columns="arm").reset_index(drop=True)
        pd.testing.assert_frame_equal(own, ledger())
    assert sorted(path.name for path in finished.iterdir()) == [
        "ledger.parquet",
        "links.parquet",
        "manifest.json",
        "summary.json",
    ]


def test_views_of_a_run_for_plots_and_notebooks(finished: Path) -> None:
    run = load(finished)
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
    planned = {"udp": "measured", "rtp": "not run", "srt": "not run"}
    with run_folder.create(tmp_path, "test", {**MANIFEST, "arms": planned}) as folder:
        pass
    write_arm(run_folder.arm_place(folder, 0, "udp"), arm("udp"))
    (folder / "arms" / "01-rtp").mkdir()  # the process died while this arm was written
    write_table(folder / "arms" / "01-rtp" / "ledger.parquet", ledger())
    run = load(folder)
    assert not run.complete
    assert run.summary["arm"].tolist() == ["udp", "rtp", "srt"]
    assert run.summary["outcome"].tolist() == ["measured", "not run", "not run"]
    assert run.summary["reason"][2] == "the run broke off before this arm was kept"
    assert len(run.ledger) == 10
    assert run_folder.kept(folder) == "udp"


def test_a_run_that_broke_off_before_its_first_arm_is_empty(tmp_path: Path) -> None:
    with run_folder.create(tmp_path, "test", MANIFEST) as folder:
        pass
    (folder / "arms").mkdir()
    run = load(folder)
    assert run.arms == []
    assert len(run.ledger) == 0
    assert run.offered_mbps() == 0
    assert run.capacity() is None


def test_a_folder_is_never_overwritten(tmp_path: Path) -> None:
    for name in ("test", "test-2", "test-3"):
        with run_folder.create(tmp_path, "test", MANIFEST) as folder:
            assert folder.name == name


def test_a_disk_without_room_for_the_manifest_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: object) -> None:
        raise ResultsError(f"cannot write {path}: No space left on device")

    monkeypatch.setattr(run_folder, "write_json", full)
    with pytest.raises(ResultsError, match="No space left"):
        run_folder.create(tmp_path, "test", MANIFEST).__enter__()
    assert list(tmp_path.iterdir()) == []


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
    write_table(run / "links.parquet", links().assign(arm="udp", at="yesterday"))


def _json(run: Path) -> None:
    (run / "manifest.json").write_text("{")


def _list(run: Path) -> None:
    (run / "manifest.json").write_text("[1]")


def _schema(run: Path) -> None:
    (run / "manifest.json").write_text(json.dumps({"schema": 99}))


def _no_manifest(run: Path) -> None:
    (run / "manifest.json").unlink()


def _no_scenario(run: Path) -> None:
    (run / "manifest.json").write_text(json.dumps({"schema": 2, "complete": True}))


def _scenario_text(run: Path) -> None:
    (run / "manifest.json").write_text(json.dumps({"schema": 2, "complete": True, "arms": {}, "scenario": "x"}))


def _no_duration(run: Path) -> None:
    (run / "manifest.json").write_text(
        json.dumps({"schema": 2, "complete": True, "arms": {}, "scenario": {"name": "x"}})
    )


def _arm_number(run: Path) -> None:
    (run / "summary.json").write_text('{"arms": [5]}')


def _arms_number(run: Path) -> None:
    (run / "summary.json").write_text('{"arms": 5}')


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (_missing, "ledger.parquet is missing"),
        (_text, "ledger.parquet is not a readable Parquet file"),
        (_cut, "ledger.parquet is not a readable Parquet file"),
        (_column, "links.parquet has no column arm; found are direction, at"),
        (_type, "links.parquet has a column of another type"),
        (_json, "manifest.json is not valid JSON"),
        (_list, "manifest.json must hold a JSON object, found list"),
        (_schema, "has schema 99; this version of Glassbench reads 2: measure again"),
        (_no_manifest, "manifest.json is missing; is this the folder of a run?"),
        (_no_scenario, "manifest.json has no field 'scenario'"),
        (_scenario_text, "manifest.json: field 'scenario' must be of type dict, found str"),
        (_no_duration, "manifest.json has no field 'scenario.duration'"),
        (_arm_number, "summary.json has no field 'arms[0].arm'"),
        (_arms_number, "summary.json has no list of arms"),
    ],
)
def test_a_damaged_run_is_refused_with_the_file_and_what_is_wrong(
    finished: Path, damage: object, sentence: str
) -> None:
    damage(finished)  # type: ignore[operator]
    with pytest.raises(ResultsError) as error:
        load(finished)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_a_path_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="is not the folder of a run"):
        load(tmp_path / "nowhere")


def test_a_results_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file in the way")
    with pytest.raises(ResultsError, match="cannot write results to"):
        run_folder.create(tmp_path / "results", "test", MANIFEST).__enter__()
    with pytest.raises(ResultsError, match="cannot write results to"):
        run_folder.create(tmp_path / "results" / "deeper", "test", MANIFEST).__enter__()


def test_a_full_disk_keeps_the_arms_written_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with run_folder.create(tmp_path, "test", MANIFEST) as folder:
        pass
    write_arm(run_folder.arm_place(folder, 0, "udp"), arm("udp"))

    def full(self: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device", str(self))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(ResultsError, match="No space left on device"):
            write_arm(run_folder.arm_place(folder, 1, "rtp"), arm("rtp"))
    assert isinstance(load(folder), Run)
    assert load(folder).summary["arm"].tolist() == ["udp"]
