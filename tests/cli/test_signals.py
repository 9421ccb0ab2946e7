"""Interrupts and other ends from outside, on the real process: what was measured stays, and no process is left."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from glassbench.experiments.results.dataset import load

ROOT = Path(__file__).parents[2]
PROGRAM = "import sys; from glassbench.experiments.cli.main import main; sys.exit(main())"
TWO_ARMS = ("compare", "--source", "lognormal", "--arm", "quic-stream", "--arm", "quic-datagram", "--workers", "2")
LONG = (*TWO_ARMS, "--duration", "60min", "--capture")
PATIENCE = 90.0

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start `glass` in a session of its own."""
    processes: list[subprocess.Popen[str]] = []
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "XDG_CACHE_HOME": str(tmp_path / "cache")}

    def run(*arguments: str, program: str = PROGRAM, **options: Any) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
            cwd=tmp_path,
            env=environment,
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


def children(process: "subprocess.Popen[str]") -> list[int]:
    """The worker processes."""
    tasks = Path(f"/proc/{process.pid}/task")
    if not tasks.exists():
        pytest.skip("needs /proc")
    return [int(pid) for task in tasks.iterdir() for pid in (task / "children").read_text().split()]


def working(process: "subprocess.Popen[str]", folder: Path) -> list[int]:
    """Both workers, once each has captured more packets of its arm below `folder` than there are before the media."""
    sizes = [file.stat().st_size for file in folder.rglob("link.pcapng")]
    return workers if len(workers := children(process)) == len(sizes) == 2 and min(sizes) > 300_000 else []


def none_left(workers: list[int]) -> bool:
    return not any(Path(f"/proc/{pid}").exists() for pid in workers)


@pytest.mark.long  # the account of both arms takes long; below a second interrupt keeps them, too
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_shows_and_keeps_what_was_measured(
    start: Start, tmp_path: Path, number: signal.Signals, wait_for: Callable[..., Any]
) -> None:
    process = start(*LONG, "--json")
    workers = wait_for(lambda: working(process, tmp_path))
    os.killpg(process.pid, number)
    out, err = process.communicate(timeout=PATIENCE)
    shown = json.loads(out)
    said = f"error: interrupted; {shown['results']} holds what was measured\n"
    assert (process.returncode, err) == (130, said)
    assert out.count("\n") == 1
    assert shown["complete"] is False
    assert [arm["outcome"] for arm in shown["arms"]] == ["incomplete", "incomplete"]
    assert all(arm["captured"] > 0 for arm in shown["arms"])
    kept = load(tmp_path / shown["results"]).run()
    assert not kept.complete
    assert set(kept.ledger["arm"]) == {"quic-stream", "quic-datagram"}
    assert not list(tmp_path.rglob("*.part"))
    assert none_left(workers)


def test_a_second_interrupt_ends_at_once_and_the_arms_are_kept_all_the_same(
    start: Start, tmp_path: Path, wait_for: Callable[..., Any]
) -> None:
    process = start(*LONG)
    workers = wait_for(lambda: working(process, tmp_path))
    for _ in range(3):
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.05)
    _, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (130, "error: interrupted\n")
    wait_for(lambda: none_left(workers))
    kept = load(tmp_path / "results" / "adaptive-quic-stream-quic-datagram-seed20").run()
    assert not kept.complete
    assert kept.summary["outcome"].tolist() == ["incomplete", "incomplete"]


@pytest.mark.parametrize(
    "after", [pytest.param(0.05, marks=pytest.mark.long), 0.2, pytest.param(0.4, marks=pytest.mark.long)]
)
def test_an_interrupt_during_the_imports_is_one_line(start: Start, after: float, wait_for: Callable[..., Any]) -> None:
    process = start("list", "transports")
    wait_for(lambda: b"experiments" in Path(f"/proc/{process.pid}/cmdline").read_bytes())
    time.sleep(after)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    # Before main() runs, or after all was printed, the interrupt is Python's or nobody's: the imports lie between.
    if "interrupted" in err:
        assert (process.returncode, err) == (130, "error: interrupted\n")
    else:
        assert process.returncode in (0, -signal.SIGINT)


def test_the_entry_point_answers_an_interrupt_of_its_imports(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from glassbench.experiments.cli.main import main

    class Pressed:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "glassbench.experiments.cli.app":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "glassbench.experiments.cli.app", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Pressed(), *sys.meta_path])
    assert main() == 130
    assert capsys.readouterr() == ("", "error: interrupted\n")


@pytest.mark.lengthy
@pytest.mark.long  # tests/experiments/test_runner.py has a worker that dies
def test_the_arm_of_a_worker_that_is_killed_is_run_once_more(start: Start, wait_for: Callable[..., Any]) -> None:
    process = start(*TWO_ARMS, "--duration", "10s", "--json")
    workers = wait_for(lambda: children(process) if len(children(process)) == 2 else [])
    os.kill(workers[0], signal.SIGKILL)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (0, "")
    assert [arm["outcome"] for arm in json.loads(out)["arms"]] == ["measured", "measured"]


def test_workers_end_when_their_parent_is_killed_and_keep_their_arms(
    start: Start, tmp_path: Path, wait_for: Callable[..., Any]
) -> None:
    process = start(*LONG)
    workers = wait_for(lambda: working(process, tmp_path))
    process.kill()
    process.communicate(timeout=PATIENCE)
    wait_for(lambda: none_left(workers))
    kept = load(tmp_path / "results" / "adaptive-quic-stream-quic-datagram-seed20").run()
    assert not kept.complete
    assert kept.summary["outcome"].tolist() == ["incomplete", "incomplete"]


@pytest.mark.long
def test_two_runs_at_the_same_time_get_a_folder_each(start: Start, tmp_path: Path) -> None:
    program = (
        "import glassbench; print(glassbench.compare(source='lognormal', arms=['udp'], duration=1, workers=1).path)"
    )
    both = [start(program=program), start(program=program)]
    folders = [process.communicate(timeout=PATIENCE)[0].strip() for process in both]
    assert {Path(folder).name for folder in folders} == {"adaptive-udp-seed20", "adaptive-udp-seed20-2"}
    first, second = (load(tmp_path / folder).run() for folder in folders)
    assert first.ledger.equals(second.ledger)


@pytest.mark.parametrize("stdout", ["closed pipe", pytest.param("closed", marks=pytest.mark.long), "full"])
def test_stdout_that_takes_nothing(start: Start, stdout: str) -> None:
    if stdout == "closed pipe":
        read_end, write_end = os.pipe()
        os.close(read_end)
        process = start("list", "traces", stdout=write_end)
        os.close(write_end)
        expected = (0, "")
    elif stdout == "closed":
        process = start("list", "traces", stdout=None, preexec_fn=lambda: os.close(1))
        expected = (0, "")
    else:
        if not Path("/dev/full").exists():
            pytest.skip("needs /dev/full")
        with Path("/dev/full").open("w") as full:
            process = start("list", "traces", stdout=full)
        expected = (1, "error: cannot write the output: No space left on device\n")
    _, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == expected
