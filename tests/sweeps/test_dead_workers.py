"""A worker may die between keeping a cell and saying so: what counts is what the folder holds."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from glassbench.experiments.engine.jobs import Job, JobAdvance, JobEnd, run_jobs
from glassbench.experiments.engine.plan import Plan
from glassbench.experiments.engine.plan_run import Interrupted, run_plan

MakePlan = Callable[..., Plan]
Finished = Callable[[Job, JobEnd], None]

here = Path("results")


def test_an_interrupt_counts_the_cell_of_a_worker_that_died_before_it_could_say_so(make_plan: MakePlan) -> None:
    def the_third_dies_when_it_is_kept(
        jobs: Sequence[Job], finished: Callable[[Job, JobEnd], None], advance: JobAdvance
    ) -> bool:
        def report(job: Job, done: JobEnd) -> None:
            finished(job, done if job is not jobs[2] else JobEnd("failed", "killed", died=True))

        run_jobs(jobs[:3], report, advance, workers=1)
        return False

    with pytest.raises(Interrupted, match="3 of 12 cells are kept in results"):
        run_plan(make_plan(), here, run_cells=the_third_dies_when_it_is_kept)


def test_a_kept_cell_is_not_run_again_whatever_became_of_its_worker(make_plan: MakePlan) -> None:
    ran: list[int] = []

    def dies_when_a_cell_is_kept(jobs: Sequence[Job], finished: Finished, advance: JobAdvance) -> bool:
        def report(job: Job, done: JobEnd) -> None:
            ran.append(int(job.name))
            finished(job, JobEnd("failed", "killed", died=True))

        return run_jobs(jobs, report, advance, workers=1)

    data = run_plan(make_plan(), here, run_cells=dies_when_a_cell_is_kept)
    assert ran == list(range(12))
    assert set(data.summary["outcome"]) == {"measured"}
