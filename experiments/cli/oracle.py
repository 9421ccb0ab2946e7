"""`glass oracle`: the least signal delay that any sender could have had on a trace."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from glassbench.experiments.cli.change_options import TraceColumns
from glassbench.experiments.cli.options import AsJson, Figures, FigureSize, TraceName, drawable, seconds_of
from glassbench.experiments.cli.output import print_json
from glassbench.experiments.results.figure_form import PageSize

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from glassbench.experiments.account.oracle import FloatArray
    from glassbench.experiments.cli.whole_table import WholeTable
    from glassbench.netem.traces import Trace

SHARES = (0.5, 0.95, 0.99)


class BoundRow(NamedTuple):
    """A line of the table: its name in JSON, what it is, and percentiles and mean in milliseconds; a percentile alone
    has no mean."""

    name: str
    about: str
    percentiles: tuple[float, ...]
    mean: float | None


def oracle(
    trace: TraceName,
    *,
    fps: Annotated[float, typer.Option(min=1, max=240, metavar="NUMBER", help="Captures per second.")] = 60.0,
    packets: Annotated[
        int, typer.Option(min=1, max=16, metavar="COUNT", help="The least frame, in packets of 1504 bytes.")
    ] = 1,
    encode: Annotated[str, typer.Option(metavar="TIME", help="Cost of encoding a frame.")] = "8ms",
    decode: Annotated[str, typer.Option(metavar="TIME", help="Cost of decoding a frame.")] = "1ms",
    delay: Annotated[
        str, typer.Option(metavar="TIME", help="Propagation one way, on top of what the trace records.")
    ] = "20ms",
    duration: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Length of the media (default: of a file the whole trace, else 60s)."),
    ] = None,
    trace_start: Annotated[str, typer.Option(metavar="TIME", help="Where the trace is at the first capture.")] = "0s",
    seed: Annotated[int, typer.Option(min=0, metavar="NUMBER", help="Seed of a generated trace.")] = 1,
    trace_columns: TraceColumns = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", callback=drawable, help="Where to draw the delay over time: .png, .pdf or .svg."),
    ] = None,
    figures: Figures = None,
    figure_size: FigureSize = PageSize.SCREEN,
    as_json: AsJson = False,
) -> None:
    """Say how soon anybody could have been on the screen who knew the future.

    Signal delay is the time from a capture until that frame or a later one is
    shown. A clairvoyant sender knows all that the link will carry, and chooses
    which captures it encodes and sends. No sender is below the bound.
    """
    from fractions import Fraction

    import numpy as np

    from glassbench.experiments.account.oracle import Costs, each_alone, newest_first
    from glassbench.experiments.account.oracle_schedules import Schedules
    from glassbench.experiments.cli.pictures import draw_plot, echo_drawn
    from glassbench.experiments.cli.table_layout import print_whole
    from glassbench.experiments.cli.terminal import say
    from glassbench.netem.replay import Replay, replayed
    from glassbench.netem.schedule import OPPORTUNITY_BYTES
    from glassbench.netem.supply import supply_of
    from glassbench.sender.pipeline import capture_count, capture_instant

    begins = seconds_of("trace-start", trace_start)
    link, length = _open(trace, trace_columns, seed=seed, begins=begins, duration=duration)
    rate = Fraction(fps).limit_denominator(1001)
    captures = [capture_instant(index, start_at=0.0, fps=rate) for index in range(capture_count(length, rate))]
    supply = supply_of(replayed(link.schedule, Replay(0.0, begins)), origin=0.0)
    recorded = [0.0] if link.delay is None else link.delay.values.tolist()
    behind = seconds_of("delay", delay)
    least, most = (
        Costs(
            seconds_of("encode", encode),
            seconds_of("decode", decode),
            before=0.0,
            after=behind + recorded_delay,
            size_bytes=packets * OPPORTUNITY_BYTES,
        )
        for recorded_delay in (min(recorded), max(recorded))
    )
    alone = each_alone(captures, supply, least)
    reached = newest_first(captures, supply, most)
    schedules = Schedules(captures, supply, least)
    fixed = least.after + least.decode
    rows = [
        _row("each_alone", "bound at each capture", alone),
        BoundRow(
            "one_schedule",
            "bound of one schedule",
            tuple(1e3 * (schedules.percentile(share) + fixed) for share in SHARES),
            None,
        ),
        _row("newest_first", "newest first", reached),
    ]
    exact = bool(np.allclose(alone, reached, rtol=0, atol=1e-9))
    notes = _notes(link, least, most, fps)
    drawn = []
    if plot is not None:
        from glassbench.experiments.cli.oracle_plot import draw

        def make() -> "Figure":
            return draw(link, begins, np.array(captures), alone, reached)

        drawn = draw_plot(plot, figures, figure_size, make)
    if as_json:
        setting = {"fps": float(rate), "packets": packets, "encode_ms": 1e3 * least.encode}
        setting |= {"decode_ms": 1e3 * least.decode, "delay_ms": 1e3 * behind, "trace_start_s": begins}
        record = {"trace": trace, "format": link.format, **setting, "duration_s": length, "captures": len(captures)}
        record |= {"plot": None if plot is None else str(plot), "exact": exact}
        print_json(record | {row.name: _record(row) for row in rows}, notes=notes)
        echo_drawn(drawn, as_json=True)
        return
    what = "frame of 1 packet" if packets == 1 else f"frame of {packets} packets"
    say(f"{trace}, {length:g} s from {begins:g} s on: signal delay at {float(rate):g} fps, a {what}")
    print_whole(bound_table(rows))
    say(
        "Newest first reaches the bound at every capture, so the bound is exact."
        if exact
        else "No sender is below the first two rows. Newest first is a sender that takes the newest frame whenever it "
        "is free."
    )
    for note in notes:
        say(f"note: {note}")
    echo_drawn(drawn, as_json=False)


def _open(name: str, columns: str | None, *, seed: int, begins: float, duration: str | None) -> "tuple[Trace, float]":
    """The downlink of a trace, and how long the media last. Raises TraceError or UnitError."""
    from glassbench.experiments.scenario.session_spec import MAX_DURATION
    from glassbench.experiments.scenario.units import UnitError
    from glassbench.netem.traces import GENERATORS, open_trace

    length = None if duration is None else seconds_of("duration", duration)
    if length is not None and not 0 < length <= MAX_DURATION:
        raise UnitError(f"--duration: the media last more than 0 s and at most {MAX_DURATION:g} s, found {length:g} s")
    if name in GENERATORS and begins > MAX_DURATION:
        raise UnitError(f"--trace-start: a generated trace begins at most at {MAX_DURATION:g} s, found {begins:g} s")
    link = open_trace(name, seed=seed, duration=begins + (length or 60.0), columns=columns).down
    if length is None:
        length = 60.0 if name in GENERATORS else min(link.duration, MAX_DURATION)
    if begins >= link.duration:
        raise UnitError(
            f"--trace-start: must be before the end of the trace, which repeats after {link.duration:g} s; "
            f"found {begins:g} s"
        )
    return link, length


def _row(name: str, about: str, delays: "FloatArray") -> BoundRow:
    from glassbench.experiments.account.percentile import percentile

    return BoundRow(name, about, tuple(1e3 * percentile(delays, share) for share in SHARES), 1e3 * float(delays.mean()))


def _record(row: BoundRow) -> dict[str, float]:
    record = {f"p{100 * share:g}_ms": value for share, value in zip(SHARES, row.percentiles, strict=True)}
    if row.mean is not None:
        record["mean_ms"] = row.mean
    return {name: round(value, 3) for name, value in record.items()}


def bound_table(rows: list[BoundRow]) -> "WholeTable":
    """A row per sender, the least of all first."""
    from glassbench.experiments.account.number_text import number_text
    from glassbench.experiments.cli.whole_table import TableColumn, WholeTable

    headings = (*(f"p{100 * share:g}\nms" for share in SHARES), "mean\nms")
    table = WholeTable("", [TableColumn("sender", "name"), *map(TableColumn, headings)])
    for row in rows:
        table.add_row(row.about, *(number_text(value, ".1f") for value in (*row.percentiles, row.mean)))
    return table


def _notes(link: "Trace", least: Any, most: Any, fps: float) -> list[str]:
    """What the numbers do not tell."""
    notes = []
    if least.after < most.after:
        notes.append(
            f"the trace records delays of {1e3 * (most.after - least.after):.3g} ms difference; the bound has the "
            "least of them all the time, newest first the greatest"
        )
    if link.loss is not None and link.loss.values.any():
        notes.append("the loss that the trace records is left out")
    if least.encode > 1 / fps:
        notes.append("the encoder is slower than the captures come, which newest first obeys and the bound does not")
    return notes
