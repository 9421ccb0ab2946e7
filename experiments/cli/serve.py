"""`glass serve`: a stream that anybody with a browser can watch."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glassbench.experiments.cli import completion
from glassbench.experiments.cli.change_options import option_of, with_changes
from glassbench.experiments.cli.options import AsJson, Results, command_line
from glassbench.experiments.cli.output import print_json

if TYPE_CHECKING:
    from glassbench.experiments.engine.changes import Changes
    from glassbench.experiments.scenario import Scenario


@with_changes()
def serve(
    *,
    changes: "Changes",
    behind: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="Put an emulated link between, of this trace; the same as --trace.",
            autocompletion=completion.traces,
        ),
    ] = None,
    poll: Annotated[
        str | None, typer.Option(metavar="QUESTION|ANSWER|ANSWER...", help="A poll beside the stream.")
    ] = None,
    host: Annotated[
        str, typer.Option(metavar="HOST", help="The address or name by which others reach this host.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="PORT", help="Of the page; 0: any free one.")] = 8080,
    cert: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Certificate of HTTPS (PEM), which every host but localhost needs."),
    ] = None,
    key: Annotated[Path | None, typer.Option(metavar="FILE", help="The key of that certificate (PEM).")] = None,
    max_viewers: Annotated[
        int, typer.Option(min=1, max=1000, metavar="COUNT", help="Who comes when so many watch is refused.")
    ] = 64,
    keep: Annotated[bool, typer.Option("--keep/--no-keep", help="Keep what viewers watched as results.")] = True,
    results: Results = Path("results"),
    as_json: AsJson = False,
) -> None:
    """Serve a live stream to browsers by WebTransport, until Ctrl-C.

    Open the address that it prints. The page shows the stream, and how long each
    picture took from its capture to being drawn, read from the pixels. Each viewer
    gets the best of three renditions that its network carries, and who is slow
    delays nobody else. When a viewer leaves, what it watched is in results/. On a
    second page, send.html, a browser sends its camera, its screen or a drawing to
    our receiver.

    The stream is 640x360 at 30 frames per second in H.264: other sizes and codecs
    by --set video.width=1280 --set video.height=720 --set video.codec=vp9. The
    source may be a camera of this host: --source camera.
    With --trace or --rate, --delay, --loss and so on, each viewer is behind a link
    that is emulated here: what such a network does to a stream, on one machine.

    With --duration it ends by itself. --arm says how frames travel until a page asks for something else, and the
    controller: webtransport-stream-per-frame:control=bbr.
    """
    from glassbench.experiments.engine.changes import WrongChange, changed
    from glassbench.experiments.scenario import build
    from glassbench.experiments.serve.serving import LOOPBACK, Site, offer_of
    from glassbench.experiments.serve.serving import serve as run

    if behind is not None:
        if changes.get("trace") is not None:
            raise ValueError("--behind and --trace are the same; accepted is one of them")
        changes["trace"] = behind
    try:
        scenario = changed(build(_USUAL), changes)
    except WrongChange as error:
        option = "--behind" if behind is not None and error.word == "trace" else option_of(error.word)
        raise ValueError(f"{option}: {error.sentence}") from None
    _check(scenario)
    question = _poll(poll)
    place = Site(LOOPBACK if host == "localhost" else host, port, cert, key)
    run(
        lambda origins: offer_of(scenario, origins, place, poll=question, max_viewers=max_viewers),
        place,
        served=scenario,
        duration=None if changes.get("duration") is None else scenario.duration,
        results=results if keep else None,
        command=command_line(),
        started=lambda address: (
            print_json({"url": address}) if as_json else typer.echo(f"watch at {address} (Ctrl-C ends it)")
        ),
        say=lambda line: typer.echo(line, err=True),
    )


_USUAL = {
    "name": "watched",
    "seed": 1,
    "duration": "1min",
    "network": {},
    "video": {"source": "synthetic", "width": 640, "height": 360, "bitrate": "1.5Mbit/s", "deadline": "1s"},
    "arms": ["webtransport-datagram"],
}


def _check(scenario: "Scenario") -> None:
    """Raises ValueError for what no page can watch."""
    from glassbench.experiments.serve.recording import ARMS

    arm = scenario.arms[0]
    if len(scenario.arms) > 1 or arm.transport not in ARMS.values():
        given = ", ".join(each.label for each in scenario.arms)
        raise ValueError(f"--arm: found {given}, accepted is one of {', '.join(ARMS.values())}")
    if not scenario.has_pictures:
        raise ValueError(f"--source: found {scenario.video.source!r}, which has no pictures to watch")
    if arm.encoder != "fixed" or arm.slices > 1:
        raise ValueError("--arm: encoder and slices are not for pages: each viewer gets one of three renditions")


def _poll(text: str | None) -> tuple[str, ...]:
    """The question and the answers. Raises ValueError."""
    if text is None:
        return ()
    parts = tuple(part.strip() for part in text.split("|"))
    if not 3 <= len(parts) <= 9 or not all(parts):
        raise ValueError(
            f"--poll: found {text!r}, accepted is a question with two to eight answers: 'Sooner?|QUIC|RTP'"
        )
    return parts
