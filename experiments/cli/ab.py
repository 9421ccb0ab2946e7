"""`glass ab`: two settings over the same seeds, metric by metric, with a verdict that chance cannot explain."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glassbench.experiments.cli import completion
from glassbench.experiments.cli.change_options import scenario_with, with_changes
from glassbench.experiments.cli.options import (
    AsJson,
    Figures,
    FigureSize,
    Results,
    Runs,
    Workers,
    command_line,
    form_of,
)
from glassbench.experiments.cli.output import print_json
from glassbench.experiments.cli.paired_table import answer, paired_table, row_object
from glassbench.experiments.cli.pictures import draw_results, echo_drawn
from glassbench.experiments.cli.progress import progress_bars
from glassbench.experiments.cli.show_notes import print_notes
from glassbench.experiments.cli.show_runs import overlap_object
from glassbench.experiments.cli.table_layout import print_whole
from glassbench.experiments.cli.terminal import say
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.evidence import sizing
from glassbench.experiments.results.figure_form import PageSize
from glassbench.experiments.results.ranking import ranking_of
from glassbench.experiments.results.settings import setting_rows

if TYPE_CHECKING:
    from glassbench.experiments.engine.ab import Settings
    from glassbench.experiments.engine.changes import Changes
    from glassbench.experiments.scenario import Scenario


@with_changes()
def ab(
    a: Annotated[
        str,
        typer.Argument(
            metavar="A",
            help="A scenario: one of glass list scenarios, or a file (TOML).",
            autocompletion=completion.scenarios,
        ),
    ],
    b: Annotated[str, typer.Argument(metavar="B", help="The other one.", autocompletion=completion.scenarios)],
    *,
    changes: "Changes",
    runs: Runs = 20,
    results: Results = Path("results"),
    workers: Workers = None,
    figures: Figures = None,
    figure_size: FigureSize = PageSize.SCREEN,
    as_json: AsJson = False,
) -> None:
    """Compare two settings: the same seeds for both, so that only the setting differs.

    Arms of the same label are compared with each other; if A and B have one arm
    each, those two are. Options that change a scenario change both.

    Each run gives one number per metric, and a difference counts if a
    randomization test over the runs, adjusted for all of them, says so at 5 %.
    A is also compared with itself, which shows the rate of false alarms.
    """
    from glassbench.experiments.engine.ab import Settings, run_settings

    settings = Settings.of(*(scenario_with(name, changes, quiet=as_json) for name in (a, b)))
    with progress_bars(quiet=as_json) as progress:
        dataset = run_settings(
            settings, runs, results=results, workers=workers, progress=progress, command=command_line()
        )
    show_settings(dataset, settings, as_json=as_json)
    echo_drawn(draw_results(dataset, form_of(figures, figure_size)), as_json=as_json)


def show_settings(dataset: Dataset, settings: "Settings", *, as_json: bool) -> None:
    """Print what two settings differ in, or one JSON object. Raises ResultsError if an arm was not measured."""
    from glassbench.experiments.engine.ab import false_alarms

    rows = setting_rows(dataset)
    alarms = false_alarms(dataset, settings)
    runs = len(dataset.seeds)
    if as_json:
        aa = None if alarms is None else {**vars(alarms), "too_often": alarms.too_often}
        record = {"runs": runs, "rows": [row_object(row) for row in rows], "a_against_itself": aa}
        print_json({**record, **overlap_object(dataset)}, results=dataset.path, notes=dataset.notes)
        return
    ranking = ranking_of(dataset.counters())
    about = ranking.title(f"{runs} runs each, in {dataset.manifest['world']}")
    heading = f"{about}\nA: {_named(settings.a)}\nB: {_named(settings.b)}"
    print_whole(paired_table(heading, rows))
    if settings.same:
        say("A and B are the same setting: with the same seeds every difference is 0.")
    else:
        say(answer(rows, ranking, dataset.dependent))
    if alarms is not None:
        say(
            f"A against itself: {alarms.called} of {alarms.pairs} random halves called different at "
            f"{alarms.level:.0%}; by chance {alarms.least} to {alarms.most} are."
        )
    if not dataset.dependent:
        say(sizing(runs))
    print_notes(dataset)
    say(f"results: {dataset.path} (complete)")


def _named(scenario: "Scenario") -> str:
    from glassbench.experiments.scenario.title import title

    return f"{scenario.name}: {title(scenario)}"
