"""What a thread may ask the kernel about its turns and its processor."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from glassbench.netem.live.scheduling import run_as_others, run_patiently, spare_processor, stay_off, stay_on

ROOT = Path(__file__).parents[2]
LISTEN = """
from glassbench.netem.live.pauses import pauses
print("listening", flush=True)
print(max(pauses(2.0, least=0.1)))
"""


def test_a_pause_of_a_process_is_found_with_its_length() -> None:
    process = subprocess.Popen([sys.executable, "-c", LISTEN], cwd=ROOT / "src", stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "listening\n"
    time.sleep(0.3)  # until it does
    process.send_signal(signal.SIGSTOP)
    time.sleep(0.3)
    process.send_signal(signal.SIGCONT)
    out, _ = process.communicate(timeout=60)
    assert float(out) >= 0.29


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one processor is all there is")
def test_what_a_thread_asks_for_is_for_itself_alone() -> None:
    before = os.sched_getaffinity(0)
    spare = spare_processor(1)
    assert spare in before
    assert spare_processor(2) in before - {spare}

    def ask() -> tuple[set[int], set[int], int, int]:
        run_patiently()
        patient = os.sched_getscheduler(0)
        run_as_others()
        assert stay_off(spare)
        off = os.sched_getaffinity(0)
        os.sched_setaffinity(0, before)
        assert stay_on(spare)
        return off, os.sched_getaffinity(0), patient, os.sched_getscheduler(0)

    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(ask).result() == (before - {spare}, {spare}, os.SCHED_BATCH, os.SCHED_OTHER)
    assert (os.sched_getaffinity(0), os.sched_getscheduler(0)) == (before, os.SCHED_OTHER)


def test_nothing_is_asked_of_the_only_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3})
    assert spare_processor(1) is None
    assert not stay_on(None)
    assert not stay_off(None)


def test_a_processor_that_is_not_there_is_not_stayed_on() -> None:
    assert not stay_on(1023)
