"""Runs a server with its pages until it is told to stop, and keeps what was watched."""

import asyncio
import signal
import ssl
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from glassbench.experiments.scenario import Scenario
from glassbench.experiments.scenario.arm_table import options_of
from glassbench.experiments.scenario.session_time import MEDIA_START
from glassbench.experiments.serve import web
from glassbench.experiments.serve.receiving import Receiving
from glassbench.experiments.serve.recording import ARMS, keep, keep_sent
from glassbench.experiments.serve.server import Broadcast, Server
from glassbench.experiments.worlds.browser.sending_page import SendingPage
from glassbench.experiments.worlds.browser.viewer import Viewer
from glassbench.experiments.worlds.browser.way import Way
from glassbench.experiments.worlds.links import links_of, open_links
from glassbench.netem.live.clock import LiveClock, monotonic_ns
from glassbench.netem.live.udp_socket import UdpSocket, open_socket
from glassbench.netem.simulator import START_AT
from glassbench.sender.size_model import SizeSource
from glassbench.transport.contract import Unsupported

LOOPBACK = "127.0.0.1"
MOST_WAIT = 16
"""Of those who have left, how many may wait until what they watched or sent is written."""
MOST_KEPT = 2**30
"""Bytes of results that one server writes: a page that comes again and again fills no disk."""
_Write = Callable[[Scenario, Path, Sequence[str]], Path | None]
"""Writes what somebody watched or sent below a folder, which is the answer."""


@dataclass(frozen=True)
class Site:
    """Where the page is: an address of this host and a port (0: any that is free), and the certificate and key files of
    HTTPS, which every other host wants."""

    host: str = LOOPBACK
    port: int = 0
    certificate: Path | None = None
    key: Path | None = None

    @property
    def is_local(self) -> bool:
        """Whether only this machine comes to it."""
        return self.host in (LOOPBACK, "localhost")

    def names(self, port: int) -> frozenset[str]:
        """What a browser may call it, with the port."""
        hosts = {"localhost", LOOPBACK} if self.is_local else {self.host}
        return frozenset(f"{host}:{port}" for host in hosts)

    def context(self) -> ssl.SSLContext | None:
        """What HTTPS needs; None for HTTP. Raises ValueError, and OSError for files that cannot be read."""
        if self.certificate is None or self.key is None:
            if not self.is_local or self.certificate is not self.key:
                raise ValueError(
                    f"found host {self.host} without --cert and --key: a browser gives WebTransport and WebCodecs to "
                    "pages of this machine (localhost) and to HTTPS alone"
                )
            return None
        for path in (self.certificate, self.key):
            path.open("rb").close()  # SSL does not say which file it did not find
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(self.certificate, self.key)
        except ssl.SSLError as error:
            raise ValueError(
                f"{self.certificate}, {self.key}: found no certificate with its key in PEM ({error.reason})"
            ) from None
        return context


def serve(
    make: Callable[[frozenset[str]], Broadcast],
    place: Site,
    *,
    served: Scenario,
    duration: float | None = None,
    results: Path | None = None,
    command: Sequence[str] = (),
    started: Callable[[str], None],
    say: Callable[[str], None] = lambda line: None,
) -> None:
    """Serve until SIGINT or SIGTERM, or for `duration` seconds. `make` makes the offer for the origins of the page, as
    `served` says it; `started` is told its address. What pages watched goes below `results`, unless that is None.
    Raises ValueError and OSError."""
    try:
        asyncio.run(_serve(make, place, Keeper(served, results, command, say), duration, started))
    except Unsupported as error:
        raise ValueError(str(error)) from None


def offer_of(
    scenario: Scenario, origins: frozenset[str], place: Site, *, poll: tuple[str, ...] = (), max_viewers: int = 64
) -> Broadcast:
    """What a scenario shows to pages of these origins, by its first arm."""
    arm = scenario.arms[0]
    source = scenario.video.open(scenario.seed)
    assert not isinstance(source, SizeSource)
    mapping = next(name for name, transport in ARMS.items() if transport == arm.transport)
    return Broadcast(
        source,
        scenario.video.settings(),
        mapping,
        options_of(arm.transport, dict(arm.options)),
        scenario.video.deadline,
        origins,
        (place.host, "localhost"),
        poll,
        max_viewers,
        partial(_way, scenario) if scenario.network.dump() else None,
    )


def _way(scenario: Scenario, now: float) -> Way:
    """The network of the scenario, for a viewer who comes now."""
    links = open_links(scenario, start_at=START_AT, media_start=MEDIA_START)
    (route,) = scenario.routes()
    down, up = links_of(route, links)
    return Way(down[0].path, up[0].path, now)


class Keeper:
    """Keeps what pages watched and sent, one after the other, beside the loop: `most` bytes of it."""

    def __init__(
        self,
        served: Scenario,
        results: Path | None,
        command: Sequence[str],
        say: Callable[[str], None],
        *,
        most: int = MOST_KEPT,
    ) -> None:
        self.say = say
        self._room = most
        self._writings: list[Future[None]] = []  # that have not ended
        self._served = served
        self._results = results
        self._command = command
        self._writer = ThreadPoolExecutor(max_workers=1)

    def left(self, viewer: Viewer, number: int) -> None:
        """A viewer has left."""
        self._have_kept(f"what viewer {number} watched", partial(keep, viewer, number))

    def sent(self, page: SendingPage, number: int) -> None:
        """A page sends no more."""
        self._have_kept(f"what page {number} sent", partial(keep_sent, page, number))

    async def close(self) -> None:
        """Wait for the last one."""
        await asyncio.get_running_loop().run_in_executor(None, self._writer.shutdown)

    def _have_kept(self, what: str, write: _Write) -> None:
        if self._results is None:
            return
        self._writings = [each for each in self._writings if not each.done()]
        if len(self._writings) >= MOST_WAIT:
            self.say(f"{what} is not kept: found {MOST_WAIT} before it that are not written yet")
            return
        self._writings.append(self._writer.submit(self._keep, what, write, self._results))

    def _keep(self, what: str, write: _Write, results: Path) -> None:
        try:
            if self._room <= 0:
                self.say(f"{what} is not kept: this server has written as many results as it may; start it again")
            elif (path := write(self._served, results, self._command)) is not None:
                self._room -= sum(each.lstat().st_size for each in path.rglob("*"))
                self.say(f"{what} is in {path}")
        except Exception as error:  # whatever becomes of one, the others go on
            self.say(f"{what} is not kept: {error}")


async def _serve(
    make: Callable[[frozenset[str]], Broadcast],
    place: Site,
    keeper: Keeper,
    duration: float | None,
    started: Callable[[str], None],
) -> None:
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    broken: list[BaseException] = []

    def fail(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        error = context.get("exception")
        broken.append(error if isinstance(error, BaseException) else RuntimeError(str(context.get("message"))))
        over.set()

    loop.set_exception_handler(fail)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, over.set)
    context = place.context()
    scheme = "http" if context is None else "https"
    clock = LiveClock(monotonic_ns())
    async with AsyncExitStack() as cleanup:
        listening = cleanup.enter_context(web.listening_socket(place.host, place.port))
        address = LOOPBACK if place.is_local else place.host
        plain = cleanup.enter_context(open_socket(address, 0))
        other = cleanup.enter_context(open_socket(address, 0))
        port = listening.getsockname()[1]
        names = place.names(port)
        offer = make(frozenset(f"{scheme}://{name}" for name in names))
        server = Server(offer, UdpSocket(plain, clock), clock, said=keeper.say, left=keeper.left)
        cleanup.push_async_callback(keeper.close)
        cleanup.callback(server.close)
        receiving = Receiving(server, UdpSocket(other, clock), clock, said=keeper.say, left=keeper.sent)
        cleanup.callback(receiving.close)
        app = web.application(server, receiving, names, is_secure=context is not None)
        runner = await web.start(app, listening, context)
        cleanup.push_async_callback(runner.cleanup)
        started(f"{scheme}://{'localhost' if place.is_local else place.host}:{port}/")
        with suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), duration)
    if broken:
        raise broken[0]
