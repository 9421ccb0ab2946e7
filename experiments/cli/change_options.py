"""The options that change a scenario: one for each word of `engine.changes`, and `--set` for any field."""

import inspect
import tomllib
from collections.abc import Callable, Sequence
from copy import copy
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glassbench.experiments.cli import completion

if TYPE_CHECKING:
    from glassbench.experiments.engine.changes import Changes
    from glassbench.experiments.scenario import Scenario


def _option(help_text: str, metavar: str, **settings: Any) -> Any:
    return typer.Option(help=help_text, metavar=metavar, show_default=False, **settings)


Arms = Annotated[
    list[str] | None,
    _option(
        "A transport or a peer: see glass list transports; all of them: all. Repeat it for more.",
        "NAME[:OPTION=VALUE,...]",
        autocompletion=completion.arms,
    ),
]
Source = Annotated[
    str | None,
    _option(
        "The clip: one of glass list sources, or a video file.",
        "NAME|FILE",
        autocompletion=completion.sources,
    ),
]
Bitrate = Annotated[str | None, _option("Of the encoder, such as 2Mbit/s.", "RATE")]
Fps = Annotated[
    float | None,
    _option("Captures per second.", "NUMBER"),
]
Duration = Annotated[str | None, _option("Length of the media, such as 20s or 1min.", "TIME")]
Seed = Annotated[int | None, _option("Another seed gives another network, and other frames.", "NUMBER", min=0)]
Trace = Annotated[
    str | None,
    _option(
        "The bottleneck, down and up: one of glass list traces, or a trace file.",
        "NAME|FILE",
        autocompletion=completion.traces,
    ),
]
TraceStart = Annotated[
    str | None,
    _option(
        "Where a recorded trace is at the first capture, such as 90s; without it the seed draws that.",
        "TIME",
    ),
]
TraceColumns = Annotated[
    str | None,
    _option(
        "Of a trace that is somebody's log: time=Timestamp,rate=DL_bitrate:kbit/s,up=UL_bitrate:kbit/s.",
        "NAME=COLUMN:UNIT,...",
    ),
]
Rate = Annotated[str | None, _option("A constant bottleneck in place of a trace, such as 12Mbit/s.", "RATE")]
Queue = Annotated[str | None, _option("Of the bottleneck, such as 150kB.", "SIZE")]
Delay = Annotated[str | None, _option("Each way, on top of what the trace records, such as 20ms.", "TIME")]
Jitter = Annotated[str | None, _option("On top of the delay, in the mean, such as 2ms.", "TIME")]
Loss = Annotated[str | None, _option("The share of time in which packets are lost, such as 1%.", "SHARE")]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        help="Any field of the scenario (docs/scenarios.md), such as video.codec=vp9 or network.down[1].mean_loss=2%; "
        "without a value, the field is taken away. Repeat it for more.",
        show_default=False,
        autocompletion=completion.fields,
    ),
]

MEDIA_OPTIONS = {
    "arms": Arms,
    "source": Source,
    "bitrate": Bitrate,
    "fps": Fps,
    "duration": Duration,
    "seed": Seed,
}
NETWORK_OPTIONS = {
    "trace": Trace,
    "trace_start": TraceStart,
    "trace_columns": TraceColumns,
    "rate": Rate,
    "queue": Queue,
    "delay": Delay,
    "jitter": Jitter,
    "loss": Loss,
}
_SPELLED = {"arms": "arm"}


def with_changes(*, network: bool = True) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A command that takes `changes`, with an option for each word of `engine.changes` and for any field.

    Without a `network` of the scenario's own, as between two hosts, its options are refused in a sentence.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        words = {**MEDIA_OPTIONS, **NETWORK_OPTIONS}

        @wraps(command)
        def called(**given: Any) -> None:
            changes = {word: given.pop(_SPELLED.get(word, word)) for word in words}
            changes["fields"] = settings_of(given.pop("settings") or ())
            if not network:
                _refuse_network(changes)
            command(changes=changes, **given)

        options = {word: _in_panel(annotation, "Media") for word, annotation in MEDIA_OPTIONS.items()}
        if network:
            options |= {word: _in_panel(annotation, "Network") for word, annotation in NETWORK_OPTIONS.items()}
        else:
            options |= {word: Annotated[str | None, typer.Option(hidden=True)] for word in NETWORK_OPTIONS}
        options = {_SPELLED.get(word, word): annotation for word, annotation in options.items()}
        options["settings"] = _in_panel(Settings, "All else")
        _give_options(called, command, options)
        return called

    return decorate


def _in_panel(annotation: Any, panel: str) -> Any:
    """The option in a part of the help of its own."""
    option = copy(annotation.__metadata__[0])
    option.rich_help_panel = f"{panel} (default: as in the scenario)"
    return Annotated[annotation.__origin__, option]


def scenario_with(name: str, changes: "Changes", *, quiet: bool) -> "Scenario":
    """A scenario with what the options of the command change, and a note on the delay that a bottleneck was given."""
    from glassbench.experiments.engine.changes import DELAY, WrongChange, adds_delay, changed
    from glassbench.experiments.scenario import load

    before = load(name)
    try:
        plan = changed(before, changes)
    except WrongChange as error:
        raise ValueError(f"{option_of(error.word)}: {error.sentence}") from None
    if adds_delay(before, plan, changes) and not quiet:
        what = changes.get("trace") or "a constant rate"
        typer.echo(f"note: {what} records no delay: there are {DELAY} each way (another one: --delay)")
    return plan


def option_of(word: str) -> str:
    """The option for a word of `engine.changes`; a field has --set."""
    if word not in {**MEDIA_OPTIONS, **NETWORK_OPTIONS}:
        return f"--set {word}"
    return f"--{_SPELLED.get(word, word).replace('_', '-')}"


def settings_of(texts: Sequence[str]) -> dict[str, Any]:
    """Fields and values of FIELD=VALUE: values as in a file, where quotes may be left out; None for nothing. Raises
    ValueError."""
    fields: dict[str, Any] = {}
    for text in texts:
        path, equals, value = text.partition("=")
        if not equals or not path.strip():
            raise ValueError(f"--set: found {text!r}; accepted is FIELD=VALUE, such as video.codec=vp9")
        if path.strip() in fields:
            raise ValueError(f"--set: the field {path.strip()!r} is given twice")
        fields[path.strip()] = _value(value.strip())
    return fields


def _value(text: str) -> Any:
    if not text:
        return None
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (tomllib.TOMLDecodeError, RecursionError):
        return text
    value = parsed.get("value")
    return value if len(parsed) == 1 and isinstance(value, str | int | float | list | dict) else text


def _refuse_network(changes: dict[str, Any]) -> None:
    given = [option_of(word) for word in NETWORK_OPTIONS if changes[word] is not None]
    given += [option_of(path) for path in changes["fields"] if path.partition(".")[0] == "network"]
    if given:
        raise ValueError(
            f"{given[0]} is of an emulated network, and this goes over the one between two hosts; accepted are the "
            "options of the media"
        )


def _give_options(called: Any, command: Callable[..., None], options: dict[str, Any]) -> None:
    """Let `called` look as if `command` had these options in place of `changes`."""
    own = inspect.signature(command).parameters.values()
    before = [parameter for parameter in own if parameter.kind is not inspect.Parameter.KEYWORD_ONLY]
    after = [parameter for parameter in own if parameter not in before and parameter.name != "changes"]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        for name, annotation in options.items()
    ]
    parameters = [*before, *added, *after]
    called.__signature__ = inspect.Signature(parameters)
    called.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
