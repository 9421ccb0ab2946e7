"""A worker process: jobs come in on stdin, one JSON a line; shares of progress and, for each job, how it ended go out.

The end of stdin means stop: the running arm is broken off, and what it measured is kept.
"""

import json
import os
import queue
import signal
import sys
import threading
from dataclasses import asdict

from glassbench.experiments.engine.jobs import Job, execute, reuse_on_disk

REPORT_STEP = 0.01  # share of an arm between two reports


def main() -> None:
    """Serve until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started us tells us to stop
    # Nothing but our lines may get into the pipe: what libraries print goes to stderr.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    jobs: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    stop = threading.Event()
    threading.Thread(target=_listen, args=(jobs, stop), daemon=True).start()

    def answer(news: object) -> None:
        try:
            print(json.dumps(news), file=answers, flush=True)
        except OSError:
            stop.set()  # nobody listens any more

    with reuse_on_disk() as reuse:
        while (line := jobs.get()) is not None:
            job, reported = Job.from_json(line), 0.0

            def report(share: float, wanted: bool = job.reports) -> None:
                nonlocal reported
                if wanted and share - reported >= REPORT_STEP:
                    reported = share
                    answer(share)

            answer(asdict(execute(job, reuse, report, stop.is_set)))


def _listen(jobs: "queue.SimpleQueue[str | None]", stop: threading.Event) -> None:
    for line in sys.stdin:
        jobs.put(line)
    stop.set()
    jobs.put(None)
