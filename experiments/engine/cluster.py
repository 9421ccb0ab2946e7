"""Cells on a cluster: Dask distributed brings them to workers, starts them again elsewhere, and brings results back.

run_plan(plan, path, run_cells=on_cluster("tcp://scheduler:8786"))

No file system is shared: a worker measures a cell in a temporary folder and returns its files, and they are kept where
a process of this machine would have kept them, so the dataset is the same. Glassbench must be installed, in the same
version, where the scheduler and the workers run; files that a scenario names must be there, too.
"""

import asyncio
import logging
import queue
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from glassbench.experiments.engine.jobs import Job, JobAdvance, JobEnd, JobFinished, execute, interrupts, reuse_on_disk
from glassbench.experiments.engine.plan_run import RunCells
from glassbench.experiments.results.arm_folder import FILES
from glassbench.experiments.results.files import make_folder, write_bytes
from glassbench.experiments.results.versions import versions

if TYPE_CHECKING:
    from distributed import Client, Future

CONNECT_PATIENCE = 10.0  # seconds for a scheduler to answer, and then for its first worker
FETCH_PATIENCE = 5.0  # seconds for a result to come; its worker may have died, and the cell runs again
TASKS_PER_THREAD = 2  # in flight: one runs, and one waits beside it


class ClusterError(ValueError):
    """A cluster that cannot be used: one sentence with its address."""


@dataclass(frozen=True)
class Returned:
    """What a worker gives back: how the job ended and its files, or why the worker does not take it."""

    done: JobEnd
    files: Mapping[str, bytes]
    refused: str | None = None


def on_cluster(address: str) -> RunCells:
    """Runs the cells of a plan on the workers of the scheduler at `address`. What it returns raises ClusterError."""

    def run_cells(jobs: Sequence[Job], finished: JobFinished, advance: JobAdvance) -> bool:
        if not jobs:
            return True
        with interrupts() as stop, _connected(address) as client:
            _Run(client, address, stop).run(jobs, finished)
            return not stop.is_set()

    return run_cells


def measure_cell(job: str, made_with: Mapping[str, str]) -> Returned:
    """Measure the cell of a job, as JSON. It runs on a worker, in a folder that is gone afterwards."""
    here = _versions_here()
    if differ := [name for name in made_with if here.get(name) != made_with[name]]:
        differences = ", ".join(f"{name} {here.get(name)} instead of {made_with[name]}" for name in differ)
        return Returned(JobEnd("not run", None), {}, refused=f"has {differences}")
    with tempfile.TemporaryDirectory(prefix="glass-cell-") as folder, reuse_on_disk() as reuse:
        place = Path(folder)
        done = execute(replace(Job.from_json(job), place=place), reuse, lambda share: None, _cancelled())
        files = {name: (place / name).read_bytes() for name in FILES if (place / name).exists()}
    return Returned(done, files)


class _Run:
    """Jobs on their way. There are as many as keep every thread of the cluster busy, and no more."""

    def __init__(self, client: "Client", address: str, stop: Event) -> None:
        self._client = client
        self._address = address
        self._stop = stop
        self._made_with = _versions_here()
        self._under_way: dict[Future, Job] = {}
        self._ended: queue.SimpleQueue[Future] = queue.SimpleQueue()

    def run(self, jobs: Sequence[Job], finished: JobFinished) -> None:
        waiting = iter(jobs)
        try:
            self._submit(waiting)
            while self._under_way and not self._stop.is_set():
                try:
                    future = self._ended.get(timeout=0.2)  # wakes up by itself, so that Ctrl-C is seen
                except queue.Empty:
                    self._check_scheduler()
                    continue
                if future in self._under_way and (returned := self._fetch(future)) is not None:
                    job = self._under_way.pop(future)
                    future.release()
                    finished(job, _keep(job, returned))
                    self._submit(waiting)
        except OSError:
            raise self._gone() from None
        finally:
            if self._under_way:
                with suppress(Exception):  # the scheduler may be gone; the reason is on its way already
                    self._client.cancel(list(self._under_way), force=True)

    def _submit(self, waiting: Iterator[Job]) -> None:
        threads = sum(self._client.nthreads().values()) if self._client.status == "running" else 1
        while len(self._under_way) < TASKS_PER_THREAD * max(1, threads):
            job = next(waiting, None)
            if job is None:
                return
            line = job.to_json()
            future = self._client.submit(measure_cell, line, self._made_with, pure=False)
            self._under_way[future] = job
            future.add_done_callback(self._ended.put)

    def _fetch(self, future: "Future") -> Returned | None:
        """The result of a task that has ended; None if it was lost with its worker, and runs again."""
        from distributed import KilledWorker
        from distributed.client import FutureCancelledError

        try:
            returned = future.result(timeout=FETCH_PATIENCE)
        except TimeoutError:
            self._check_scheduler()
            self._ended.put(future)
            return None
        except KilledWorker as error:
            worker = getattr(error.last_worker, "address", "a worker")
            return Returned(JobEnd("failed", f"its worker died again and again, at last {worker}", died=True), {})
        except FutureCancelledError:
            raise self._gone() from None
        except Exception as error:
            if future.status != "error":  # it is not the task's own
                raise self._gone() from None
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ClusterError(
                f"the cluster at {self._address} cannot run cells; is Glassbench installed where its scheduler and "
                f"workers run? ({type(error).__name__}: {reason[:200]})"
            ) from None
        if returned.refused is not None:
            raise ClusterError(
                f"a worker of the cluster at {self._address} {returned.refused}; results of both would be no dataset: "
                "install the same on every worker"
            )
        assert isinstance(returned, Returned)
        return returned

    def _check_scheduler(self) -> None:
        if self._client.status in ("closing", "closed"):
            raise self._gone()

    def _gone(self) -> ClusterError:
        return ClusterError(
            f"the scheduler at {self._address} is gone; finished cells are kept, and the same command goes on"
        )


def _keep(job: Job, returned: Returned) -> JobEnd:
    """Write the files to the place of the job. Raises ResultsError."""
    if job.place is not None and returned.files:
        make_folder(job.place, exist_ok=True)
        for name in FILES:
            if name in returned.files:
                write_bytes(job.place / name, returned.files[name])
    return returned.done


@contextmanager
def _connected(address: str) -> Iterator["Client"]:
    try:
        from distributed import Client
        from distributed.comm import parse_address
        from distributed.comm.registry import get_backend
    except ImportError:
        raise ClusterError(
            "a cluster needs Dask distributed, which is not installed; install it: pip install 'glassbench[cluster]'"
        ) from None
    with _quiet():
        try:
            get_backend(parse_address(address)[0])
            with ThreadPoolExecutor(1) as thread:  # a notebook has an event loop in this one already
                thread.submit(asyncio.run, _answers(address)).result()
            client = Client(address, timeout=CONNECT_PATIENCE, set_as_default=False)
        except Exception as error:  # what is no scheduler answers with anything, and Dask takes it for its own
            reason = " ".join(str(error).split())[:200]
            raise ClusterError(
                f"no Dask scheduler answers at {address!r} within {CONNECT_PATIENCE:g} s ({reason or 'no answer'}); "
                "one is started by: dask scheduler"
            ) from None
        try:
            try:
                client.wait_for_workers(1, timeout=CONNECT_PATIENCE)
            except TimeoutError:
                raise ClusterError(
                    f"the scheduler at {address} has no workers; one is started by: dask worker {address} --nthreads 1"
                ) from None
            yield client
        finally:
            with suppress(Exception):
                client.close(timeout=CONNECT_PATIENCE)


async def _answers(address: str) -> None:
    """Raises OSError if no scheduler answers. Dask's Client would wait for a port that takes connections and says
    nothing."""
    from distributed.comm import connect

    comm = await asyncio.wait_for(connect(address, timeout=CONNECT_PATIENCE), CONNECT_PATIENCE)
    await comm.close()


@contextmanager
def _quiet() -> Iterator[None]:
    """Dask says nothing itself, since we say in one sentence what goes wrong."""
    loggers = [logging.getLogger(name) for name in logging.root.manager.loggerDict if name.startswith("distributed")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


@cache
def _versions_here() -> dict[str, str]:
    return versions()


def _cancelled() -> Callable[[], bool]:
    """On a worker: tells whether nobody waits any more for the task of this thread. Then it may break off."""
    from distributed import get_worker
    from distributed.worker import thread_state

    return partial(_is_cancelled, get_worker().state.tasks, thread_state.key)


def _is_cancelled(tasks: Mapping[str, Any], key: str) -> bool:
    task = tasks.get(key)
    return task is None or task.state not in ("executing", "long-running")
