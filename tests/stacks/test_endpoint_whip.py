"""WHIP and WHEP: what is published to a server of the test's own comes back from it."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any

import pytest

from glassbench.experiments.scenario import build
from glassbench.experiments.worlds.live.arm import run_arm

SCENARIO = {
    "name": "whip",
    "seed": 20,
    "duration": "3s",
    "network": {"rate": "10Mbit/s"},
    "video": {"source": "synthetic", "width": 320, "height": 180, "fps": 30, "bitrate": "1Mbit/s"},
}
ENOUGH = 0.5  # of the frames; the server encodes them once more, and on a busy machine it leaves some out


class WebrtcServer:
    """WHIP at /whip and WHEP at /whep, by aiortc: who plays gets what was published last. `tokens` are those that came
    with offers."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.ended = 0
        self._aiortc = import_module("aiortc")
        self._relay = import_module("aiortc.contrib.media").MediaRelay()
        self._track: Any = None
        self._connections: list[Any] = []

    @contextmanager
    def running(self) -> Iterator[int]:
        """The port on the loopback interface."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        runner, port = asyncio.run_coroutine_threadsafe(self._serve(), loop).result(10.0)
        try:
            yield port
        finally:
            asyncio.run_coroutine_threadsafe(self._close(runner), loop).result(10.0)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(10.0)
            loop.close()

    async def _serve(self) -> tuple[Any, int]:
        web = import_module("aiohttp.web")
        app = web.Application()
        app.router.add_post("/whip", self._whip)
        app.router.add_post("/whep", self._whep)
        app.router.add_delete("/session", self._end)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return runner, runner.addresses[0][1]

    async def _close(self, runner: Any) -> None:
        for connection in self._connections:
            with suppress(Exception):
                await connection.close()
        await runner.cleanup()

    async def _whip(self, request: Any) -> Any:
        connection = self._connection(request)

        def take(track: Any) -> None:
            self._track = track

        connection.on("track", take)
        return await self._answer(connection, request)

    async def _whep(self, request: Any) -> Any:
        if self._track is None:
            return import_module("aiohttp.web").Response(status=404)
        connection = self._connection(request)
        connection.addTrack(self._relay.subscribe(self._track))
        return await self._answer(connection, request)

    async def _end(self, request: Any) -> Any:
        self.ended += 1
        return import_module("aiohttp.web").Response()

    def _connection(self, request: Any) -> Any:
        self.tokens.append(request.headers.get("Authorization", ""))
        connection = self._aiortc.RTCPeerConnection(self._aiortc.RTCConfiguration(iceServers=[]))
        self._connections.append(connection)
        return connection

    async def _answer(self, connection: Any, request: Any) -> Any:
        offer = self._aiortc.RTCSessionDescription(await request.text(), "offer")
        await connection.setRemoteDescription(offer)
        await connection.setLocalDescription(await connection.createAnswer())
        headers = {"Content-Type": "application/sdp", "Location": "/session"}
        web = import_module("aiohttp.web")
        return web.Response(status=201, text=connection.localDescription.sdp, headers=headers)


@pytest.mark.long
@pytest.mark.quiet
def test_a_stream_goes_through_whip_and_whep_with_the_token_in_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("aiortc", reason="pip install 'glassbench[peers]'")
    for name in ("LONGEST_PAUSE", "MOST_PAUSED"):  # tests share their machine
        monkeypatch.setattr(f"glassbench.experiments.worlds.live.arm.{name}", 1e6)
    server = WebrtcServer()
    monkeypatch.setenv("WHIP_TOKEN", "sesame")
    with server.running() as port:
        address = f"127.0.0.1:{port}"
        arm = {
            "transport": "endpoint",
            "send": f"http://me:$WHIP_TOKEN@{address}/whip",
            "receive": f"http://{address}/whep",
        }
        plan = build({**SCENARIO, "arms": [arm]})
        result = run_arm(plan, plan.arms[0], None, emulator="host")
    if result.outcome == "failed" and "the connection failed" in str(result.reason):
        pytest.skip("aioice has no address but that of the loopback interface here")
    assert result.outcome == "measured", (result.reason, result.stats["peer"])
    assert result.ledger is not None
    assert (result.ledger["fate"] == "displayed").mean() > ENOUGH, result.ledger["fate"].value_counts()
    assert server.tokens[0] == "Bearer sesame"
    assert "sesame" not in str(result.stats)
    assert server.ended == 2
