"""`glass receive` and `glass send`: a comparison between two hosts, over the network between them."""

import secrets  # noqa: TID251  what admits a sender must not follow from a seed
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glassbench.experiments.cli.change_options import scenario_with, with_changes
from glassbench.experiments.cli.options import AsJson, Capture, Figures, FigureSize, Results, command_line, form_of
from glassbench.experiments.cli.output import print_json
from glassbench.experiments.results.figure_form import PageSize

if TYPE_CHECKING:
    from glassbench.experiments.engine.changes import Changes
    from glassbench.experiments.scenario.units import Quantity

DEFAULT_PORT = 4400

_ADDRESS = "HOST[:PORT]"


def receive(
    address: Annotated[
        str, typer.Argument(metavar=_ADDRESS, help="Where to listen: an address of this host, or 0.0.0.0 for all.")
    ],
    *,
    max_duration: Annotated[str, typer.Option(metavar="TIME", help="Of the media of an arm.")] = "600s",
    max_side: Annotated[int, typer.Option(min=1, metavar="PIXELS", help="Width and height of pictures.")] = 4096,
    max_rate: Annotated[str, typer.Option(metavar="RATE", help="Of the media of an arm.")] = "100Mbit/s",
    max_memory: Annotated[str, typer.Option(metavar="SIZE", help="For what an arm receives.")] = "256MB",
    as_json: AsJson = False,
) -> None:
    """Receive what another host sends, until Ctrl-C.

    Prints the key that the sender needs, anew each time. Listens on one TCP port,
    and while an arm runs on the UDP port of the same number; both have to be
    reachable. No file of this host is opened for a sender, and none can ask for
    more than the options grant.
    """
    from glassbench.experiments.scenario.units import DURATION, RATE, SIZE
    from glassbench.experiments.worlds.hosts.address import written
    from glassbench.experiments.worlds.hosts.asked import Limits
    from glassbench.experiments.worlds.hosts.door import listen
    from glassbench.experiments.worlds.hosts.key import TOKEN_BYTES, make_identity
    from glassbench.experiments.worlds.hosts.serving import serve

    limits = Limits(
        duration=_quantity("--max-duration", DURATION, max_duration),
        side=max_side,
        rate=_quantity("--max-rate", RATE, max_rate),
        memory=int(_quantity("--max-memory", SIZE, max_memory)),
    )

    host, port = _parse(address)
    key, context = make_identity(secrets.token_bytes(TOKEN_BYTES))
    with listen(host, port) as listener:
        port = listener.getsockname()[1]
        command = f"glass send {written(('THIS-HOST' if host in ('0.0.0.0', '::') else host, port))} --key {key}"
        zone = host.partition("%")[2]
        notes = [f"{zone} is the interface of this host; there, name the one that leads here"] if zone else []
        if as_json:
            print_json({"host": host, "port": port, "key": str(key), "send": command}, notes=notes)
        else:
            typer.echo(f"listening on {host} port {port}, TCP and UDP; on the sending host:\n{command}")
            for note in notes:
                typer.echo(f"({note})")
        with suppress(KeyboardInterrupt):
            serve(listener, key, context, limits, draw=secrets.token_bytes, say=lambda line: typer.echo(line, err=True))


@with_changes(network=False)
def send(
    address: Annotated[str, typer.Argument(metavar=_ADDRESS, help="Of the host on which glass receive runs.")],
    *,
    key: Annotated[str, typer.Option(metavar="KEY", help="What glass receive printed.")],
    changes: "Changes",
    mtu: Annotated[
        int,
        typer.Option(
            metavar="BYTES",
            help="The largest packet to send, IP header included: 1280 to 9000. quic-* and webtransport-* find out "
            "what passes up to it; udp, rtp and srt send what it says.",
        ),
    ] = 1500,
    results: Results = Path("results"),
    capture: Capture = False,
    figures: Figures = None,
    figure_size: FigureSize = PageSize.SCREEN,
    as_json: AsJson = False,
) -> None:
    """Compare transports to another host, over the network that is between them.

    The clocks of both hosts are aligned before, during and after each arm; how far
    they may be off stands in the results, and an arm whose latency is smaller than
    that is marked. The clip goes over the network; media is as well protected as
    the transport does it, which is not against who reads this program. Captures
    have the packets as this host sees them.
    """
    from glassbench.experiments.cli.compare import measure_and_show
    from glassbench.experiments.engine.runner import DEFAULT, run
    from glassbench.experiments.scenario import build
    from glassbench.experiments.worlds.hosts.key import Key
    from glassbench.experiments.worlds.remote import Remote
    from glassbench.experiments.worlds.table import OtherHost

    host, port = _parse(address)
    Key.parse(key)
    content = scenario_with(DEFAULT, changes, quiet=as_json).dump()
    scenario = build({**content, "name": f"to-{_file_name(host)}", "mtu": mtu, "network": {}})
    dataset = measure_and_show(
        lambda progress: (
            run(
                scenario,
                results=results,
                capture=capture,
                world=OtherHost(Remote(host, port, key)),
                progress=progress,
                command=_without_key(command_line()),
            ).path
        ),
        form=form_of(figures, figure_size),
        as_json=as_json,
    )
    bounds = [ends["between"]["clock_bound_ms"] for ends in dataset.counters() if "between" in ends]
    if bounds and not as_json:
        typer.echo(f"clocks of both hosts: aligned to {max(bounds):.2f} ms or better in every arm")


def _parse(address: str) -> tuple[str, int]:
    """Raises BadParameter."""
    from glassbench.experiments.worlds.hosts.address import parse

    try:
        return parse(address, DEFAULT_PORT)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _quantity(option: str, kind: "Quantity", text: str) -> float:
    """Raises BadParameter."""
    try:
        return kind.parse(text)
    except ValueError as error:
        raise typer.BadParameter(f"{option}: {error}") from None


def _file_name(host: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in host).strip("-")[:48] or "host"


def _without_key(command: list[str]) -> list[str]:
    """The command line for the manifest, without the key: results are passed on, and the key must not be."""
    hidden = list(command)
    for index, word in enumerate(command):
        if word == "--key" and index + 1 < len(command):
            hidden[index + 1] = "KEY"
        elif word.startswith("--key="):
            hidden[index] = "--key=KEY"
    return hidden
