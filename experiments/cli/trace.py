"""`glass trace`: list the traces that ship, inspect a trace, convert between formats, write a generated one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from glassbench.experiments.account.number_text import NOTHING
from glassbench.experiments.cli import completion
from glassbench.experiments.cli.change_options import TraceColumns
from glassbench.experiments.cli.options import AsJson, Figures, FigureSize, TraceName, drawable, seconds_of
from glassbench.experiments.cli.output import print_json, write_file
from glassbench.experiments.cli.table_layout import print_whole
from glassbench.experiments.cli.terminal import say
from glassbench.experiments.cli.whole_table import TableColumn, WholeTable
from glassbench.experiments.results.figure_form import PageSize
from glassbench.netem.traces import FORMATS, GENERATORS, Trace, TraceError, TracePair, generate, load, open_trace
from glassbench.netem.traces.format import Writer
from glassbench.netem.traces.trace import OUTAGE, WINDOW

_LEGEND = (
    f"Rates are the mean of all, least and most over {WINDOW:g} s; an outage is {OUTAGE:g} s or more without capacity."
)

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Network traces: what a link could carry over time.")

Seed = Annotated[int, typer.Option(min=0, metavar="NUMBER", help="Seed of a generated trace.")]
RunSeed = Annotated[int, typer.Option(min=0, metavar="NUMBER", help="Of a generated trace, or of a run.")]
Duration = Annotated[str, typer.Option(metavar="TIME", help="Length of a generated trace, such as 20s.")]
RunDuration = Annotated[str, typer.Option(metavar="TIME", help="Of a generated trace, or of a run, such as 20s.")]


@app.command("list")
def list_traces(seed: Seed = 1, duration: Duration = "60s", as_json: AsJson = False) -> None:
    """List the shipped traces with their statistics, and the file formats."""
    length = seconds_of("duration", duration)
    pairs = {name: generate(name, seed=seed, duration=length) for name in GENERATORS}
    if as_json:
        print_json({"rows": [{"name": name, **_pair_record(pair)} for name, pair in pairs.items()]})
        return
    print_whole(statistics_table(pairs, {name: GENERATORS[name].summary for name in pairs}))
    say(f"{_LEGEND} These are with seed {seed} over {length:g} s. A trace can also be a file:")
    formats = WholeTable("", [TableColumn("format", "name"), TableColumn("what it is", "prose")])
    for format in FORMATS.values():
        formats.add_row(format.name, format.summary)
    print_whole(formats)


@app.command()
def inspect(
    trace: TraceName,
    *,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            callback=drawable,
            help="Where to write the plot, a .png, .pdf or .svg (default: trace-NAME.png).",
        ),
    ] = None,
    figures: Figures = None,
    figure_size: FigureSize = PageSize.SCREEN,
    trace_columns: TraceColumns = None,
    seed: RunSeed = 1,
    duration: RunDuration = "60s",
    as_json: AsJson = False,
) -> None:
    """Say what a trace is: format, duration, rates, outages; and draw a plot.

    A file X.down finds its uplink X.up beside it. A run takes a window of a
    recorded trace, drawn by its seed: it is told for --seed and --duration.
    """
    from pydantic import ValidationError

    from glassbench.experiments.cli.pictures import draw_plot, echo_drawn
    from glassbench.experiments.cli.trace_plot import draw
    from glassbench.experiments.scenario.network_spec import NetworkSpec
    from glassbench.experiments.scenario.toml_file import first_sentence
    from glassbench.experiments.scenario.trace_window import window_of

    length = seconds_of("duration", duration)
    pair = open_trace(trace, seed=seed, duration=length, columns=trace_columns)
    try:
        network = NetworkSpec(trace=trace, trace_columns=trace_columns)
    except ValidationError as error:
        raise TraceError(f"{trace}: no run can replay it: {first_sentence(error)}") from None
    window = window_of(network, seed=seed, length=length)
    plot_path = plot or Path(f"trace-{pair.name}.png")
    if as_json:
        record: dict[str, Any] = {"name": pair.name, "format": pair.down.format, "reason": pair.down.reason}
        record["plot"] = str(plot_path)
        record["run"] = None if window is None else {"seed": seed, **window.record()}
        print_json(record | _pair_record(pair), notes=pair.notes)
        echo_drawn(draw_plot(plot_path, figures, figure_size, lambda: draw(pair)), as_json=True)
        return
    say(f"{pair.name}: {_format_of(pair.down)}")
    print_whole(statistics_table({pair.name: pair}, {}))
    say(_LEGEND)
    if window is not None:
        where = f"from {window.start:.10g} s on; the trace repeats after {window.period:.10g} s"
        say(f"A run of {length:g} s with seed {seed} takes the window {where}.")
    for note in pair.notes:
        say(f"note: {note}")
    echo_drawn(draw_plot(plot_path, figures, figure_size, lambda: draw(pair)), as_json=False)


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="The trace file to read (one direction).")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="The file to write.")],
    to: Annotated[
        str | None, typer.Option(metavar="FORMAT", help="mahimahi, csv or sabre (default: by the ending of OUT).")
    ] = None,
    trace_columns: TraceColumns = None,
    as_json: AsJson = False,
) -> None:
    """Convert a trace file, and say what the other format cannot hold.

    Of a log the column of the rate is written: name that of the uplink so for
    the other direction.
    """
    trace = load(source, columns=trace_columns)
    format, writer = _writer_named(to) if to else _writer_by_ending(target)
    said, losses = write_file(target, writer.write(trace)), writer.losses(trace)
    if as_json:
        print_json({"rows": [{"file": str(target), "format": format}]}, notes=losses)
        return
    typer.echo(f"{source}: {_format_of(trace)}")
    typer.echo(f"{said}, format {format}")
    for loss in losses:
        typer.echo(f"note: {loss}")


@app.command("generate")
def generate_files(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="One of glass list traces.", autocompletion=completion.shipped_traces)
    ],
    *,
    seed: Seed = 1,
    duration: Duration = "60s",
    out: Annotated[
        Path | None, typer.Option(metavar="OUT", help="Stem of the two files (default: the trace's name).")
    ] = None,
    to: Annotated[str, typer.Option(metavar="FORMAT", help="mahimahi, csv or sabre.")] = "csv",
    as_json: AsJson = False,
) -> None:
    """Write a shipped trace to files: OUT.down.csv and OUT.up.csv."""
    pair = generate(name, seed=seed, duration=seconds_of("duration", duration))
    format, writer = _writer_named(to)
    stem = out or Path(name)
    ending = "" if ".down" in writer.suffixes else writer.suffixes[0]
    files = [
        (stem.with_name(f"{stem.name}.{end}{ending}"), trace) for end, trace in (("down", pair.down), ("up", pair.up))
    ]
    contents = [writer.write(trace) for _, trace in files]
    said = [write_file(path, content) for (path, _), content in zip(files, contents, strict=True)]
    losses = [list(writer.losses(trace)) for _, trace in files]
    if as_json:
        rows = [{"file": str(path), "format": format} for path, _ in files]
        print_json({"rows": rows}, notes=[loss for of_file in losses for loss in of_file])
        return
    for line, of_file in zip(said, losses, strict=True):
        typer.echo("\n".join([line, *(f"note: {loss}" for loss in of_file)]))


_WRITERS = {format.name: format.writer for format in FORMATS.values() if format.writer is not None}


def _writer_named(name: str) -> tuple[str, Writer]:
    if name not in _WRITERS:
        raise TraceError(f"--to: found {name!a}, but accepted are {', '.join(_WRITERS)}")
    return name, _WRITERS[name]


def _writer_by_ending(path: Path) -> tuple[str, Writer]:
    for name, writer in _WRITERS.items():
        if path.name.endswith(writer.suffixes):
            return name, writer
    endings = ", ".join(f"{' '.join(writer.suffixes)} ({name})" for name, writer in _WRITERS.items())
    raise TraceError(f"{path}: found no known ending, but accepted are {endings}, or --to with a format")


def _directions(pair: TracePair) -> list[tuple[str, Trace]]:
    return [("down", pair.down), ("up", pair.up)] if pair.up is not pair.down else [("both", pair.down)]


def _pair_record(pair: TracePair) -> dict[str, Any]:
    return {
        "source": pair.down.source,
        "window_s": WINDOW,
        **{direction: _record(trace) for direction, trace in _directions(pair)},
    }


def _record(trace: Trace) -> dict[str, float | None]:
    statistics = trace.statistics()
    return {
        "duration_s": statistics.duration,
        "mean_mbps": statistics.mean_bps / 1e6,
        "min_mbps": statistics.min_bps / 1e6,
        "max_mbps": statistics.max_bps / 1e6,
        "longest_outage_s": statistics.longest_outage,
        "outages": statistics.outages,
        "outage_ratio": statistics.outage_ratio,
        "mean_delay_ms": None if statistics.mean_delay is None else statistics.mean_delay * 1e3,
        "mean_loss_percent": None if statistics.mean_loss is None else statistics.mean_loss * 1e2,
    }


def statistics_table(pairs: Mapping[str, TracePair], about: Mapping[str, str]) -> WholeTable:
    """A row per trace and direction; a sentence `about` a trace follows its first."""
    numbers = (
        "length\ns",
        "mean\nMbit/s",
        "least\nMbit/s",
        "most\nMbit/s",
        "outages",
        "longest\ns",
        "delay\nms",
        "loss\n%",
    )
    names = [TableColumn("trace", "name"), TableColumn("way", "name")]
    table = WholeTable("", [*names, *map(TableColumn, numbers), TableColumn("what it is", "prose")])
    for name, pair in pairs.items():
        for index, (direction, trace) in enumerate(_directions(pair)):
            statistics = trace.statistics()
            table.add_row(
                name,
                direction,
                f"{statistics.duration:.1f}",
                *map(_mbps, (statistics.mean_bps, statistics.min_bps, statistics.max_bps)),
                str(statistics.outages),
                f"{statistics.longest_outage:.3f}",
                NOTHING if statistics.mean_delay is None else f"{statistics.mean_delay * 1e3:.1f}",
                f"{statistics.mean_loss * 1e2:.2f}" if statistics.mean_loss else NOTHING,
                "" if index else about.get(name, ""),
            )
    return table


def _mbps(rate_bps: float) -> str:
    return f"{rate_bps / 1e6:.0f}" if rate_bps >= 100e6 else f"{rate_bps / 1e6:.2f}"


def _format_of(trace: Trace) -> str:
    return trace.source if trace.format == "generated" else f"format {trace.format}, because {trace.reason}"
