"""The commands of `glass`, one room of them a file. Each is imported when it is called: `glass --help` and completion
need their names alone."""

from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup


@dataclass(frozen=True, slots=True)
class _Entry:
    """A command: its module in this folder, the function or the app in it, and the first sentence of its help."""

    module: str
    attribute: str
    summary: str

    def load(self, name: str) -> Any:
        """The command itself, with its options."""
        app_or_function = getattr(import_module(f"glassbench.experiments.cli.{self.module}"), self.attribute)
        if isinstance(app_or_function, typer.Typer):
            command = typer.main.get_command(app_or_function)
        else:
            alone = typer.Typer(add_completion=False)
            alone.command()(app_or_function)
            command = typer.main.get_command(alone)
        command.name = name
        return without_types(command)


COMMANDS = {
    "compare": _Entry(
        "compare", "compare", "Compare transports on one clip over one network, in virtual time or --live."
    ),
    "run": _Entry(
        "compare", "run", "Run a scenario, in virtual time or --live: docs/scenarios.md describes its fields."
    ),
    "ab": _Entry("ab", "ab", "Compare two settings: the same seeds for both, so that only the setting differs."),
    "sweep": _Entry("sweep", "sweep", "Run every combination of a grid x arms x seeds, in virtual time."),
    "list": _Entry("listing", "list_things", "List the transports, traces, sources or scenarios by name."),
    "literature": _Entry("literature", "literature", "Check the catalog against closed forms and published figures."),
    "oracle": _Entry("oracle", "oracle", "Say how soon anybody could have been on the screen who knew the future."),
    "report": _Entry(
        "report", "report", "Write one HTML page of results: question, verdict, why, numbers, how to reproduce it."
    ),
    "dash": _Entry("dash", "dash", "Show results in a browser while they are made, until Ctrl-C."),
    "agree": _Entry("agree", "agree", "Run a scenario live and in virtual time, and say how far they agree."),
    "calibrate": _Entry("agree", "calibrate", "Record what encoding and decoding took in live runs, for virtual time."),
    "send": _Entry("between", "send", "Compare transports to another host, over the network that is between them."),
    "receive": _Entry("between", "receive", "Receive what another host sends, until Ctrl-C."),
    "serve": _Entry("serve", "serve", "Serve a live stream to browsers by WebTransport, until Ctrl-C."),
    "shell": _Entry("shell", "app", "Run a command behind an emulated link, without root."),
    "peers": _Entry("peers", "peers", "List the stacks of others that live runs can have as arms, and which are here."),
    "doctor": _Entry("doctor", "doctor", "Say what this machine can do, a line each, and what helps where it cannot."),
    "budget": _Entry("budget", "app", "Latency budgets for CI: checked, and recorded as a baseline."),
    "experiment": _Entry("experiment", "app", "The catalog of experiments: questions, and what was found."),
    "results": _Entry("results", "app", "What has been measured: list, show, compare and prune results."),
    "trace": _Entry("trace", "app", "Network traces: what a link could carry over time."),
}


def without_types(command: Any) -> Any:
    """The command with a help that says what people type: a flag has no value, and what an argument is says its
    metavar, so neither needs the name of a type of Python."""
    get_params = command.get_params

    def told(ctx: Any) -> Any:
        parameters = get_params(ctx)
        for parameter in parameters:
            if getattr(parameter, "is_flag", False) and parameter.metavar is None:
                parameter.metavar = ""
            elif parameter.param_type_name == "argument" and parameter.metavar is not None:
                parameter.display_type_rich = lambda ctx: None
        return parameters

    command.get_params = told
    for part in getattr(command, "commands", {}).values():
        without_types(part)
    return command


class _Commands(TyperGroup):
    """A group whose commands are names and summaries, until one is called."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = {name: TyperCommand(name, help=entry.summary) for name, entry in COMMANDS.items()}
        without_types(self)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, _, rest = super().resolve_command(ctx, args)
        return name, None if name is None else COMMANDS[name].load(name), rest


app = typer.Typer(
    name="glass", cls=_Commands, no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version as version_of

        typer.echo(f"glassbench {version_of('glassbench')}")
        raise typer.Exit


@app.callback()
def glass(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Which transport puts a video frame on the screen soonest, on this network?

    Start with "glass compare": it sends one clip over all transports and the
    same network, prints a table, and draws pictures into results/. It runs in
    virtual time, so the same command gives the same numbers anywhere.
    """
