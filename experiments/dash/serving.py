"""The process of the dashboard: its socket, its connections, and its end."""

import asyncio
import ipaddress
import socket
from pathlib import Path

from aiohttp import web

from glassbench.experiments.dash.server import Dashboard
from glassbench.netem.live.clock import monotonic_ns

MOST_CONNECTIONS = 128

_FIRST_WORD = 10.0  # seconds for a connection to ask for something
_IDLE = 15.0  # seconds between two requests of a connection
_GOODBYE = 1.0  # seconds for what is being said when we end


def is_loopback(host: str) -> bool:
    """Whether only this host can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def serve(root: Path, listener: socket.socket, token: str | None) -> None:
    """Answer until an interrupt, which is raised again as KeyboardInterrupt."""
    asyncio.run(answer(root, listener, token))


class _Refusing(asyncio.Protocol):
    """A connection more than there may be: it ends at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


async def answer(root: Path, listener: socket.socket, token: str | None) -> None:
    """Answer until the task is cancelled; then nothing is left of it, and the port is free."""
    loop = asyncio.get_running_loop()
    dashboard = Dashboard(root, token, lambda: monotonic_ns() * 1e-9)
    runner = web.AppRunner(
        dashboard.application(),
        access_log=None,
        keepalive_timeout=_IDLE,
        shutdown_timeout=_GOODBYE,
        handle_signals=False,
    )
    await runner.setup()
    assert runner.server is not None
    answers = runner.server

    def connection() -> asyncio.Protocol:
        if len(answers.connections) >= MOST_CONNECTIONS:
            return _Refusing()
        protocol: asyncio.Protocol = answers()
        dashboard.silent.add(protocol)
        loop.call_later(_FIRST_WORD, end_silent, protocol)
        return protocol

    def end_silent(protocol: asyncio.Protocol) -> None:
        transport = getattr(protocol, "transport", None)
        if protocol in dashboard.silent and transport is not None:
            transport.abort()
        dashboard.silent.discard(protocol)

    listening = await loop.create_server(connection, sock=listener)
    try:
        await asyncio.Event().wait()
    finally:
        listening.close()
        await runner.cleanup()
