"""`glass dash`: a live dashboard of results, in a browser."""

import secrets  # noqa: TID251  what admits a browser must not follow from a seed
import webbrowser
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from glassbench.experiments.cli import completion
from glassbench.experiments.cli.options import AsJson
from glassbench.experiments.cli.output import print_json
from glassbench.experiments.results.files import ResultsError

_TOKEN_BYTES = 16


def dash(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER", help="A folder of results.", autocompletion=completion.result_folders, show_default=True
        ),
    ] = Path("results"),
    *,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Where to listen; elsewhere than on loopback it takes a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="PORT", help="TCP; 0 takes a free one.")] = 8000,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show results in a browser while they are made, until Ctrl-C.

    What runs and how far it is, latency as it comes, verdicts and reports of what
    is finished. It reads FOLDER and writes nothing. On loopback every user of this
    machine can see the page; with another --host, whoever has the address, which
    then holds a token that is made anew each time.
    """
    if folder.exists() and not folder.is_dir():
        raise ResultsError(f"{folder} is not a folder; results are kept in a folder such as results/")
    from glassbench.experiments.dash.serving import is_loopback, serve
    from glassbench.experiments.worlds.hosts.address import written
    from glassbench.experiments.worlds.hosts.door import listen

    token = None if is_loopback(host) else secrets.token_urlsafe(_TOKEN_BYTES)
    with listen(host, port) as listener:
        shown_host = "THIS-HOST" if host in ("0.0.0.0", "::") else host
        place = written((shown_host, listener.getsockname()[1]))
        address = f"http://{place}/{'' if token is None else f'{token}/'}"
        if as_json:
            print_json({"address": address}, results=folder)
        else:
            typer.echo(f"dashboard of {folder}: {address} (until Ctrl-C)")
            if not folder.exists():
                typer.echo(f"note: there is no folder {folder} yet; what is made there will be shown", err=True)
        if open_page and not _opened(address.replace("THIS-HOST", "localhost")):
            typer.echo("note: there is no browser here that could open it", err=True)
        with suppress(KeyboardInterrupt):
            serve(folder, listener, token)


def _opened(address: str) -> bool:
    try:
        return webbrowser.open(address)
    except webbrowser.Error:
        return False
