"""Captures that cannot be written, and runs that break off: one sentence, and what is there can be read."""

import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import glassbench
from glassbench.experiments.engine.changes import changed
from glassbench.experiments.engine.plan_run import Interrupted
from glassbench.experiments.engine.progress import PlanProgress
from glassbench.experiments.results.captures import ArmCapture
from glassbench.experiments.results.dataset import load
from glassbench.experiments.results.files import ResultsError
from glassbench.experiments.results.stream_file import StreamFile
from glassbench.experiments.scenario import shipped
from glassbench.experiments.scenario.session_time import MEDIA_START

ROOT = Path(__file__).parents[2]
PROGRAM = """
import resource, sys
limit = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
from glassbench.experiments.cli.main import main
sys.exit(main())
"""
PATIENCE = 60.0

Read = Callable[[bytes], Any]
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start `glass compare --capture` in a session of its own; with `limit`, no file may grow over so many bytes."""
    processes: list[subprocess.Popen[str]] = []

    def run(*arguments: str, limit: int = resource.RLIM_INFINITY) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(limit), "compare", "--capture", "--source", "lognormal", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "XDG_CACHE_HOME": str(tmp_path / "cache")},
            text=True,
            start_new_session=True,
        )
        processes.append(process)
        return process

    yield run
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.long
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_disk_that_fills_up_ends_the_run_with_one_sentence(
    start: Start, tmp_path: Path, workers: str, read_capture: Read
) -> None:
    """A limit on the size of a file stands for the disk: the write comes back short, the next one fails."""
    process = start("--arm", "quic-datagram", "--duration", "60s", "--workers", workers, limit=400_001)
    out, err = process.communicate(timeout=PATIENCE)
    path = Path("results/adaptive-quic-datagram-seed20/captures/00-quic-datagram/link.pcapng")
    # Beside it, the floor has no capture, and another worker may have ended it by then.
    kept = "[01]" if workers == "2" else "0"
    sentence = f"error: cannot write {path}: File too large; {kept} of 2 cells are kept in {path.parents[2]}\n"
    assert (process.returncode, out) == (1, "") and re.search(f"{sentence}$", err.replace("\r", ""))
    capture = read_capture((tmp_path / path).read_bytes())
    assert len(capture.packets) > 300
    assert len(capture.secrets) == 4


@pytest.mark.lengthy
@pytest.mark.long  # below a kill leaves them whole, and tests/cli/test_signals.py interrupts a run with captures
def test_an_interrupt_leaves_whole_captures(
    tmp_path: Path, read_capture: Read, read_qlog: Callable[[Path], Any]
) -> None:
    captures = tmp_path / "adaptive-rtp-quic-stream-seed20" / "captures"
    files = [captures / "00-rtp" / "link.pcapng", captures / "01-quic-stream" / "link.pcapng"]
    pressed: list[float] = []

    def interrupt(done: PlanProgress) -> None:
        if not pressed and all(file.exists() and file.stat().st_size > 300_000 for file in files):
            pressed.append(done.share)
            os.kill(os.getpid(), signal.SIGINT)

    scenario = changed(shipped("adaptive"), {"source": "lognormal", "arms": ["rtp", "quic-stream"], "duration": 1800})
    with pytest.raises(Interrupted) as interrupted:
        glassbench.run(scenario, results=tmp_path, workers=2, capture=True, progress=interrupt)
    run = load(interrupted.value.path).run()
    for file, arm in zip(files, run.records, strict=True):
        capture = read_capture(file.read_bytes())
        sent = run.links[(run.links["arm"] == arm["arm"]) & (run.links["direction"] == "down")]["sent_bytes"].sum()
        assert sum(packet.ip_bytes for packet in capture.at("down, sent")) == sent > 0
    _, events = read_qlog(captures / "01-quic-stream" / "sender.sqlog")
    assert events[-1]["time"] / 1e3 <= MEDIA_START + run.records[1]["stats"]["ended_at"] + 1e-6


def whole_blocks(content: bytes) -> bytes:
    """A file up to its last whole block: the kernel may break a write off at a page when the process is killed."""
    end = 0
    while end + 8 <= len(content):
        length = int.from_bytes(content[end + 4 : end + 8], "little")
        if end + length > len(content):
            break
        end += length
    return content[:end]


def test_a_process_that_is_killed_leaves_whole_blocks_but_for_the_last(
    start: Start, tmp_path: Path, read_capture: Read
) -> None:
    process = start("--arm", "rtp", "--duration", "1800s", "--workers", "1")
    file = tmp_path / "results" / "adaptive-rtp-seed20" / "captures" / "00-rtp" / "link.pcapng"
    end = time.monotonic() + PATIENCE
    while not (file.exists() and file.stat().st_size > 1_000_000):
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=PATIENCE)
    content = file.read_bytes()
    whole = whole_blocks(content)
    assert len(content) - len(whole) < 2000  # less than one packet is lost
    assert len(read_capture(whole).packets) > 500


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glassbench.experiments.engine.plan_run.CAPTURES", "manifest.json")  # a file is in the way
    with pytest.raises(ResultsError) as caught:
        glassbench.compare(
            source="lognormal", arms=["udp"], duration=1, results=tmp_path, run_id="a", workers=1, capture=True
        )
    folder = tmp_path / "a"
    reason = f"cannot write results to {folder}/manifest.json/00-udp: Not a directory"
    assert str(caught.value) == f"{reason}; 0 of 2 cells are kept in {folder}"


def test_a_qlog_that_cannot_be_written_changes_no_byte_of_the_packets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read_capture: Read
) -> None:
    """aioquic is not told of the failure: it would take the exception for its peer's fault and end the connection."""
    (tmp_path / "sender.sqlog").mkdir()
    capture = ArmCapture(tmp_path, "test")
    capture.observer("sender", "media").on_qlog("text")
    capture.observer("sender", "media").on_qlog("text")
    with pytest.raises(ResultsError, match=r"^cannot write .*/sender\.sqlog: Is a directory$"):
        capture.check()
    with pytest.raises(ResultsError, match=r"sender\.sqlog"):
        capture.close()
    assert read_capture((tmp_path / "link.pcapng").read_bytes()).packets == []


def test_a_full_disk_is_said_when_asked() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    file = StreamFile(Path("/dev/full"))
    file.write(b"small")
    file.check()  # still in memory
    with pytest.raises(ResultsError, match=r"^cannot write /dev/full: No space left on device$"):
        file.close()


def test_a_file_is_cut_behind_its_last_whole_piece(tmp_path: Path) -> None:
    path = tmp_path / "file"
    file = StreamFile(path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, before[1]))
    try:
        for number in range(40):
            file.write(bytes([number]) * 10_000)
        with pytest.raises(ResultsError, match="File too large"):
            file.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_bytes() == b"".join(bytes([number]) * 10_000 for number in range(15))


def test_a_piece_is_replaced_where_it_stands_and_an_error_waits(tmp_path: Path) -> None:
    path = tmp_path / "file"
    file = StreamFile(path)
    file.write(b"first, ")
    at = file.size_bytes
    file.write(b"room, ")
    file.write(b"last")
    file.replace(at, b"full, ")
    file.write(b" of all")
    file.close()
    assert path.read_bytes() == b"first, full, last of all"
    if Path("/dev/full").exists():
        full = StreamFile(Path("/dev/full"))
        full.write(b"small")
        full.replace(0, b"other")
        with pytest.raises(ResultsError, match="No space left on device"):
            full.close()
