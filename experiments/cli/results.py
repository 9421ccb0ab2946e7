"""`glass results`: what has been measured, in one place: list, show, compare, prune."""

import re
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glassbench.experiments.cli import completion
from glassbench.experiments.cli.options import AsJson, Figures, FigureSize, Folder, drawable, form_of
from glassbench.experiments.cli.output import print_json
from glassbench.experiments.cli.table_layout import print_whole
from glassbench.experiments.cli.terminal import say
from glassbench.experiments.cli.whole_table import TableColumn, WholeTable
from glassbench.experiments.results import store
from glassbench.experiments.results.figure_form import PageSize
from glassbench.experiments.results.files import ResultsError, read_json
from glassbench.experiments.results.store import Entry
from glassbench.experiments.results.summary_table import AXIS

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="What has been measured: list, show, compare and prune results."
)

Results = Annotated[Path, typer.Option("--results", metavar="FOLDER", help="Where the results are.")]

_AGE = re.compile(r"(\d{1,6})(d|h|min)")
_SECONDS = {"d": 86400, "h": 3600, "min": 60}


@app.command("list")
def list_results(results: Results = Path("results"), as_json: AsJson = False) -> None:
    """List all results: what they are, whether they are complete, and with which state of the program."""
    entries = store.runs(results)
    if as_json:
        print_json({"rows": [_record(entry) for entry in entries]}, results=results)
        return
    if not entries:
        typer.echo(f"There is nothing in {results} yet; glass compare makes a first run.")
        return
    print_whole(folder_table(entries))
    for entry in entries:
        if entry.damage:
            say(f"note: {entry.damage}")


def folder_table(entries: list[Entry]) -> WholeTable:
    """A row per folder of results."""
    columns = [
        TableColumn("folder", "name"),
        TableColumn("scenario or plan", "words"),
        TableColumn("cells"),
        TableColumn("state", "words", decides=True),
        TableColumn("written", decides=True),
        TableColumn("source", "words"),
    ]
    table = WholeTable("", columns)
    for entry in entries:
        written = datetime.fromtimestamp(entry.modified_at).strftime("%Y-%m-%d %H:%M")  # for people: local time
        state = "complete" if entry.complete else "incomplete"
        if entry.damage:
            state = "other schema" if entry.cells or not entry.ours else "damaged"
        table.add_row(str(entry.path), _named(entry), str(entry.cells), state, written, entry.source[:8])
    return table


@app.command()
def show(
    folder: Folder,
    as_json: AsJson = False,
) -> None:
    """Show the numbers of results, without drawing anything (glass report draws)."""
    from glassbench.experiments.cli.show import show as show_results
    from glassbench.experiments.results.dataset import load

    folders = _results_in(folder)
    if as_json and len(folders) > 1:
        raise ResultsError(f"{folder} has several results; name one of them: {', '.join(map(str, folders))}")
    for path in folders:
        show_results(load(path), as_json=as_json, form=None)


@app.command()
def figures(
    folder: Folder,
    *,
    formats: Figures = None,
    figure_size: FigureSize = PageSize.SCREEN,
    as_json: AsJson = False,
) -> None:
    """Draw the figures of results again, such as for a paper: --figures pdf --figure-size column."""
    from glassbench.experiments.cli.pictures import draw_results, echo_drawn, files_of
    from glassbench.experiments.results.dataset import load

    rows: list[dict[str, str]] = []
    for path in _results_in(folder):
        lines = draw_results(load(path), form_of(formats, figure_size))
        echo_drawn(lines or [f"note: {path} keeps nothing that could be drawn"], as_json=as_json)
        rows += [{"folder": str(path), "file": file} for file in files_of(lines)]
    if as_json:
        print_json({"rows": rows}, results=folder)


@app.command()
def compare(
    a: Annotated[
        Path, typer.Argument(metavar="A", help="A folder of results.", autocompletion=completion.result_folders)
    ],
    b: Annotated[
        Path,
        typer.Argument(
            metavar="B", help="Another one, as of before a change.", autocompletion=completion.result_folders
        ),
    ],
    *,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", callback=drawable, help="Where to draw the differences: .png, .pdf or .svg."),
    ] = None,
    formats: Figures = None,
    figure_size: FigureSize = PageSize.SCREEN,
    as_json: AsJson = False,
) -> None:
    """Compare two results, pair by pair of the same arm, seed and point of a sweep; and say what else differs."""
    from glassbench.experiments.cli.paired_table import answer, paired_table, row_object
    from glassbench.experiments.cli.pictures import draw_plot, echo_drawn
    from glassbench.experiments.results.dataset import load
    from glassbench.experiments.results.paired_metrics import paired_rows
    from glassbench.experiments.results.ranking import ranking_of
    from glassbench.experiments.results.trace_windows import overlap_of
    from glassbench.experiments.scenario import dice

    entries = one(a), one(b)
    pairs = pairs_of(*entries)
    overlaps = [overlap for folder in (a, b) if (overlap := overlap_of(read_json(folder / "manifest.json")))]
    dependent = next((overlap.dependent for overlap in overlaps if overlap.dependent), "")
    ranking = ranking_of(stats for folder in (a, b) for stats in load(folder).counters())
    rows = paired_rows(pairs, ranking, rng=dice.generator(0, "compare"), independent=not dependent)
    count = max(row.paired.blocks for row in rows)
    subjects = [f"{name}: {entry.path}: {_subject(entry)}" for name, entry in zip("AB", entries, strict=True)]

    def draw() -> "Figure":
        from glassbench.experiments.results.plots.pairs import ab_figure

        return ab_figure(rows, "A less B in the same run", "; ".join(subjects))

    if as_json:
        where = None if plot is None else str(plot)
        print_json({"a": str(a), "b": str(b), "plot": where, "rows": [row_object(row) for row in rows]})
        if plot is not None:
            echo_drawn(draw_plot(plot, formats, figure_size, draw), as_json=True)
        return
    print_whole(
        paired_table("\n".join([ranking.title(f"{count} pair{'' if count == 1 else 's'} of runs"), *subjects]), rows)
    )
    say(answer(rows, ranking, dependent))
    for note in (*dict.fromkeys(overlap.sentence for overlap in overlaps if overlap.sentence), *differences(a, b)):
        say(f"note: {note}")
    if plot is not None:
        echo_drawn(draw_plot(plot, formats, figure_size, draw), as_json=False)


@app.command()
def prune(
    results: Results = Path("results"),
    incomplete: Annotated[bool, typer.Option("--incomplete", help="Those that broke off or are damaged.")] = False,
    older_than: Annotated[
        str | None,
        typer.Option("--older-than", metavar="AGE", help="Those last written longer ago, such as 30d or 12h."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Remove them; without it they are only named.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove results: incomplete ones, old ones, or, with both options, those that are both.

    What this program did not make, by its manifest, and what a process writes
    just now, stays.
    """
    if not incomplete and older_than is None:
        raise ResultsError("nothing chosen to prune; accepted are --incomplete, --older-than AGE, or both")
    before = None if older_than is None else time.time() - _age(older_than)  # noqa: TID251 (an age is of the calendar)
    chosen = [
        entry
        for entry in store.runs(results)
        if (not incomplete or not entry.complete) and (before is None or entry.modified_at < before)
    ]
    kept = {entry.path: reason for entry in chosen if (reason := store.why_kept(entry)) is not None}
    going = [entry for entry in chosen if entry.path not in kept]
    sizes = [entry.size_bytes() for entry in going]
    if as_json:
        if yes:
            kept |= _remove(going)
        rows = [{"folder": str(entry.path), "bytes": size} for entry, size in zip(going, sizes, strict=True)]
        left = [{"folder": str(path), "reason": reason} for path, reason in kept.items()]
        print_json({"rows": rows, "kept": left, "removed": yes}, results=results)
        return
    for entry, size in zip(going, sizes, strict=True):
        typer.echo(f"{'to be removed:' if yes else 'would remove'} {entry.path} ({size / 1e6:.1f} MB)")
    for path, reason in kept.items():
        typer.echo(f"kept {path}: {reason}")
    if not going:
        typer.echo("nothing to prune")
    elif not yes:
        typer.echo(f"{len(going)} of them, {sum(sizes) / 1e6:.1f} MB; give --yes to remove them")
    else:
        failed = _remove(going)
        for path, reason in failed.items():
            typer.echo(f"kept {path}: {reason}")
        typer.echo(f"removed {len(going) - len(failed)} of {len(going)}")


def _remove(entries: list[Entry]) -> dict[Path, str]:
    """Remove results; by folder, why some could not be."""
    kept = {}
    for entry in entries:
        try:
            store.remove(entry)
        except ResultsError as error:
            kept[entry.path] = str(error)
    return kept


def _results_in(folder: Path) -> list[Path]:
    """This folder of results, or those in it, as of an experiment. Raises ResultsError if there are none, or if one is
    damaged."""
    inside = (
        [] if (folder / "manifest.json").exists() else sorted(path.parent for path in folder.glob("*/manifest.json"))
    )
    return [one(path).path for path in inside or [folder]]


def one(folder: Path) -> Entry:
    """What is in this very folder. Raises ResultsError if that is nothing, or damaged."""
    if not (folder / "manifest.json").exists():
        raise ResultsError(f"{folder} is not a folder of results; glass results list names those there are")
    [entry] = store.runs(folder)
    if entry.damage:
        raise ResultsError(entry.damage)
    return entry


def pairs_of(a: Entry, b: Entry) -> "list[tuple[str, pd.DataFrame, pd.DataFrame]]":
    """For each arm the runs that both have, in the same order. Raises ResultsError if there are none."""
    tables = [store.summaries([entry]) for entry in (a, b)]
    keys = ["arm", "seed", *sorted({name for table in tables for name in map(str, table) if name.startswith(AXIS)})]
    for entry, table in zip((a, b), tables, strict=True):
        if missing := [name for name in keys if name not in table]:
            raise ResultsError(f"{entry.path} has no {', '.join(missing)}, so its runs have no pairs in the other one")
    first, second = (table.set_index(keys, drop=False) for table in tables)
    common = [key for key in first.index if key in second.index]
    if not common:
        raise ResultsError(f"{a.path} and {b.path} share no arm with the same seed, so nothing can be paired")
    first, second = first.loc[common], second.loc[common]
    return [(arm, first[first["arm"] == arm], second[second["arm"] == arm]) for arm in first["arm"].unique()]


def differences(a: Path, b: Path) -> list[str]:
    """What else differs, by the manifests, beside the numbers."""
    first, second = (read_json(folder / "manifest.json") for folder in (a, b))
    notes = []
    for name in ("versions", "scenario"):
        before, now = first.get(name), second.get(name)
        if isinstance(before, dict) and isinstance(now, dict):
            changed = [key for key in {**before, **now} if before.get(key) != now.get(key)]
            notes += [f"{name} differ in {key}: {before.get(key)} in A, {now.get(key)} in B" for key in changed]
    return notes


def _subject(entry: Entry) -> str:
    from glassbench.experiments.results.dataset import load
    from glassbench.experiments.results.subject import subject

    return subject(load(entry.path))


def _named(entry: Entry) -> str:
    if not entry.seeds:
        return entry.name
    first, last = min(entry.seeds), max(entry.seeds)
    return f"{entry.name}, seed {first}" if first == last else f"{entry.name}, seeds {first} to {last}"


def _age(text: str) -> int:
    match = _AGE.fullmatch(text)
    if match is None:
        raise ResultsError(f"--older-than must be an age such as 30d, 12h or 90min, found {text!r}")
    return int(match[1]) * _SECONDS[match[2]]


def _record(entry: Entry) -> dict[str, Any]:
    names = ("name", "seeds", "cells", "complete", "source", "damage")
    return {"path": str(entry.path), **{name: getattr(entry, name) for name in names}}
