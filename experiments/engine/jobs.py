"""Jobs run here, one arm each: in this process or in worker processes, with progress, and they can be stopped without
losing anything.

A worker is `experiments.engine.worker` in a process of its own: jobs go in and progress comes out as JSON, a line each.
That is simpler than `multiprocessing`, which would import the caller's main script again in each worker. What an arm
measured never travels: the worker writes it to the folder of the run. Results do not depend on which process runs an
arm.
"""

import json
import queue
import signal
import subprocess
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from glassbench.experiments.account.arm_result import ArmResult, Outcome
from glassbench.experiments.results.arm_folder import write_arm
from glassbench.experiments.results.captures import ArmCapture, open_capture
from glassbench.experiments.results.files import ResultsError
from glassbench.experiments.results.live_file import LiveWriter
from glassbench.experiments.scenario import Scenario, build
from glassbench.experiments.scenario.session_time import MEDIA_START
from glassbench.experiments.worlds.reuse import Reuse
from glassbench.experiments.worlds.table import VIRTUAL, world_of
from glassbench.experiments.worlds.world import Watch, World
from glassbench.netem.live.clock import monotonic_ns
from glassbench.netem.live.isolated_python import python_command
from glassbench.receiver.quality import QualityMemo
from glassbench.sender.encode_cache import EncodeCache, default_directory
from glassbench.transport.contract import Unsupported

STOP_PATIENCE = 60.0  # seconds for workers to write what they measured, once asked to stop

JobAdvance = Callable[["Job", float], None]
JobFinished = Callable[["Job", "JobEnd"], None]


@dataclass(frozen=True)
class Job:
    """One arm of a scenario. `name` tells it from others, `label` is what progress calls it. Its result is kept in the
    folder `place`; with `partial` also what was measured up to an interrupt. `quality`: whether the quality of the
    pictures is measured. `frames`: whether the tables are kept, too, or only the numbers. `reports`: whether it says on
    the way how far it is, to whoever waits and by a file in its place. `capture`: the folder for its packets and qlogs.
    `world`: where it runs.
    """

    name: str
    label: str
    scenario: Scenario
    arm: str
    place: Path
    partial: bool = False
    quality: bool = True
    frames: bool = True
    reports: bool = True
    capture: Path | None = None
    world: World = VIRTUAL

    def to_json(self) -> str:
        """The job as one line of JSON."""
        paths = {name: str(path) for name, path in (("place", self.place), ("capture", self.capture)) if path}
        return json.dumps({**vars(self), "scenario": self.scenario.dump(), "world": self.world.dump(), **paths})

    @classmethod
    def from_json(cls, line: str) -> "Job":
        fields = json.loads(line)
        paths = {name: Path(fields[name]) for name in ("place", "capture") if fields[name]}
        world = world_of(fields["world"])
        return cls(**{**fields, "world": world, "scenario": build(fields["scenario"]), **paths})


@dataclass(frozen=True)
class JobEnd:
    """How a job ended: the outcome of the arm. `kept` says that its result is in its place; `unwritten` is the reason
    if it should be and is not. `died`: its process was ended from outside or crashed."""

    outcome: Outcome
    reason: str | None
    kept: bool = False
    unwritten: str | None = None
    died: bool = False


_Messages = queue.SimpleQueue[tuple[Job, float | JobEnd] | None]
"""What servers say: how far a job is or how it ended; None says that a server has ended."""


def execute(job: Job, reuse: Reuse, progress: Callable[[float], None], stop: Callable[[], bool]) -> JobEnd:
    """Run a job in this process and keep its result. A defect of the arm is its outcome "failed", not an exception."""
    told = _Told(job) if job.reports else None
    first = f"the first frame is captured at {MEDIA_START:.0f} s"
    title = f"{job.arm}, seed {job.scenario.seed}; in {job.world.words}; {first}"
    watch = Watch(progress, stop) if told is None else told.watch(progress, stop)
    done = JobEnd("failed", "it broke off")
    try:
        with open_capture(job.capture, title) as capture:
            result = _measure(job, reuse, watch, capture)
        done = JobEnd(result.outcome, result.reason)
    except ResultsError as error:
        return JobEnd("failed", str(error), unwritten=str(error))
    finally:
        if told is not None:
            told.end(done)
    if result.outcome == "incomplete" and not job.partial:
        return done
    try:
        write_arm(job.place, result, frames=job.frames)
    except ResultsError as error:
        return replace(done, unwritten=str(error))
    return replace(done, kept=True)


class _Told:
    """Says how far a job is to others, too, who look into its place: `glass dash` does."""

    def __init__(self, job: Job) -> None:
        about = {"arm": job.arm, "seed": job.scenario.seed, "duration": job.scenario.duration}
        self._writer = LiveWriter(job.place, about, now=_seconds())

    def watch(self, progress: Callable[[float], None], stop: Callable[[], bool]) -> Watch:
        def both(share: float) -> None:
            progress(share)
            self._writer.progress(share, now=_seconds())

        return Watch(both, stop, self._writer.shown)

    def end(self, done: JobEnd) -> None:
        self._writer.end(done.outcome, done.reason, now=_seconds())


def _seconds() -> float:
    return monotonic_ns() * 1e-9


def _measure(job: Job, reuse: Reuse, watch: Watch, capture: ArmCapture | None) -> ArmResult:
    arm = job.scenario.arm(job.arm)
    try:
        return job.world.run_arm(job.scenario, arm, watch, reuse=reuse, capture=capture, quality=job.quality)
    except Unsupported as error:
        if capture is not None:
            capture.remove()
        return ArmResult(job.arm, "unsupported", str(error))
    except ResultsError:
        raise
    except Exception as error:
        trace = traceback.format_exc().splitlines()
        return ArmResult(job.arm, "failed", f"{type(error).__name__}: {error}", stats={"traceback": trace})


def run_jobs(jobs: Sequence[Job], finished: JobFinished, progress: JobAdvance, *, workers: int) -> bool:
    """Run all jobs; `finished` is called for each one in this thread. Returns False if it was interrupted before all of
    them ended: then running arms were stopped and kept, and those that never began were not run."""
    if not jobs:
        return True
    with interrupts() as stop:
        if workers == 1 or len(jobs) == 1:
            _run_here(jobs, progress, finished, stop)
        else:
            _run_in_workers(jobs, min(workers, len(jobs)), progress, finished, stop)
        return not stop.is_set()


@contextmanager
def reuse_on_disk() -> Iterator[Reuse]:
    """The encode cache of this user and a memo of this process."""
    with EncodeCache(default_directory()) as cache:
        yield Reuse(cache, QualityMemo())


def _run_here(jobs: Sequence[Job], progress: JobAdvance, finished: JobFinished, stop: threading.Event) -> None:
    with reuse_on_disk() as reuse:
        for job in jobs:
            if stop.is_set():
                return
            finished(job, execute(job, reuse, partial(progress, job), stop.is_set))


def _run_in_workers(
    jobs: Sequence[Job],
    workers: int,
    progress: JobAdvance,
    finished: JobFinished,
    stop: threading.Event,
) -> None:
    waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
    for job in jobs:
        waiting.put(job)
    messages: _Messages = queue.SimpleQueue()
    servers = [_Server(waiting, messages, stop) for _ in range(workers)]
    for server in servers:
        server.start()
    try:
        _attend(servers, messages, progress, finished, stop)
    except BaseException:
        stop.set()
        for server in servers:
            server.ask_to_stop()
        raise
    finally:
        for server in servers:
            server.join()


def _attend(
    servers: "list[_Server]",
    messages: _Messages,
    progress: JobAdvance,
    finished: JobFinished,
    stop: threading.Event,
) -> None:
    """Pass on what the workers say until all have ended; a stop is passed on to them once."""
    running = len(servers)
    asked = False
    while running:
        if stop.is_set() and not asked:
            asked = True
            for server in servers:
                server.ask_to_stop()
        try:
            message = messages.get(timeout=0.1)  # wakes up by itself, so that Ctrl-C is seen
        except queue.Empty:
            continue
        if message is None:
            running -= 1
            continue
        job, news = message
        if isinstance(news, JobEnd):
            finished(job, news)
        else:
            progress(job, news)


class _Server(threading.Thread):
    """Gives one job after the other to a worker process, and starts another process if one dies."""

    def __init__(self, waiting: queue.SimpleQueue[Job], messages: _Messages, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self._waiting = waiting
        self._messages = messages
        self._stop_asked = stop
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def run(self) -> None:
        try:
            while not self._stop_asked.is_set():
                try:
                    job = self._waiting.get_nowait()
                except queue.Empty:
                    break
                self._messages.put((job, self._serve(job)))
        finally:
            self._end()
            self._messages.put(None)

    def ask_to_stop(self) -> None:
        """Ask the worker to stop, by the end of its input. A worker that does not stop is ended after STOP_PATIENCE."""
        with self._lock:
            process = self._process
        if process is not None:
            _close_input(process)
            timer = threading.Timer(STOP_PATIENCE, process.kill)
            timer.daemon = True
            timer.start()

    def _serve(self, job: Job) -> JobEnd:
        process = self._living_process()
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(job.to_json() + "\n")
            process.stdin.flush()
            for line in process.stdout:
                news = json.loads(line)
                if isinstance(news, dict):
                    return JobEnd(**news)
                self._messages.put((job, float(news)))
        except (OSError, ValueError):
            pass  # its pipe is gone: it has ended, or was told to
        code = process.wait()
        if self._stop_asked.is_set():
            return JobEnd("not run", "interrupted before anything was measured")
        return JobEnd("failed", f"its worker process ended with code {code}", died=True)

    def _living_process(self) -> subprocess.Popen[str]:
        with self._lock:
            if self._process is not None and self._process.poll() is not None:
                self._end()
            if self._process is None:
                self._process = subprocess.Popen(
                    python_command("glassbench.experiments.engine.worker"),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    start_new_session=True,  # Ctrl-C is for us alone: we tell the workers
                )
                if self._stop_asked.is_set():  # too late for `ask_to_stop` to see it
                    _close_input(self._process)
            return self._process

    def _end(self) -> None:
        if self._process is not None:
            _close_input(self._process)
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None


def _close_input(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    with suppress(OSError):  # it has ended already
        process.stdin.close()


@contextmanager
def interrupts() -> Iterator[threading.Event]:
    """An event that the first SIGINT (Ctrl-C) or SIGTERM sets; the next one interrupts at once.

    A signal that this process was started to ignore stays ignored. Only the main thread hears signals.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def on_interrupt(*_: object) -> None:
        restore()
        stop.set()

    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, on_interrupt)
    try:
        yield stop
    finally:
        restore()
