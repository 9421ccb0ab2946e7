"""A server of Janus with a configuration of our own, and its API by WebSocket on the loopback of its host's namespace.
Its Unix sockets end at once, or not: in Janus 1.1 their thread may look whether it is wanted before it is."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from glassbench.experiments.worlds.peers.peer import PeerContext, PeerError
from glassbench.experiments.worlds.peers.program import Program
from glassbench.experiments.worlds.peers.webrtc_end import WebrtcEnd

_PORT = 8188
_PATIENCE = 5.0  # seconds until it listens
_LOOK = 0.02  # seconds between two looks

_GENERAL = """
general: {{ configs_folder = "{folder}"; session_timeout = 0; debug_colors = false; debug_level = 3 }}
media: {{ ipv6 = false }}
nat: {{ ice_enforce_list = "{host}" }}
plugins: {{ disable = "{plugins}" }}
transports: {{ disable = "{transports}" }}
loggers: {{ disable = "libjanus_jsonlog.so" }}
"""
_API = """
general: {{ json = "compact"; ws = true; ws_port = {port}; ws_ip = "127.0.0.1"; wss = false }}
admin: {{ admin_ws = false; admin_wss = false }}
"""
_PLUGINS = (
    "audiobridge", "duktape", "echotest", "lua", "nosip", "recordplay", "sip", "streaming", "textroom", "videocall",
    "videoroom", "voicemail",
)  # fmt: skip
_OTHER_TRANSPORTS = "http", "mqtt", "nanomsg", "pfunix", "rabbitmq"


@dataclass(frozen=True)
class JanusAnswer:
    """What a plugin says: its data, and the description that comes with it (`type` and `sdp`)."""

    data: Mapping[str, Any]
    jsep: dict[str, str]


@dataclass
class Handle:
    """A connection of a session to a plugin. `is_up`: its peer connection stands."""

    janus: "Janus"
    id: int
    is_up: asyncio.Event = field(default_factory=asyncio.Event)

    async def ask(self, body: Mapping[str, object], jsep: Mapping[str, str] | None = None) -> JanusAnswer:
        """What the plugin answers. Raises PeerError if that is an error."""
        message: dict[str, object] = {"janus": "message", "handle_id": self.id, "body": dict(body)}
        if jsep is not None:
            message["jsep"] = dict(jsep)
        said = await self.janus.ask(message)
        data = said.get("plugindata", {}).get("data", {})
        if "error" in data:
            raise PeerError(f"Janus refused {body['request']!r}: {data['error']}")
        jsep = said.get("jsep", {})
        return JanusAnswer(data, {name: str(jsep[name]) for name in ("type", "sdp") if name in jsep})


class Janus:
    """It runs with one plugin ("janus.plugin.NAME") until `stop`. `connect` comes first, and `create` while `listen`
    runs. Raises PeerError."""

    def __init__(self, path: str, context: PeerContext, plugin: str) -> None:
        self._asked: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._handles: dict[int, Handle] = {}
        self._session: int | None = None
        self._web: Any = None
        self._api: Any = None
        _configure(context, plugin.rpartition(".")[2])
        self._program = Program([path, "-F", str(context.folder), "-C", str(context.folder / "janus.jcfg")], context)

    async def connect(self) -> None:
        """Wait until it listens."""
        aiohttp = import_module("aiohttp")
        self._web = aiohttp.ClientSession()
        loop = asyncio.get_running_loop()
        until = loop.time() + _PATIENCE
        while self._api is None:
            try:
                self._api = await self._web.ws_connect(f"ws://127.0.0.1:{_PORT}", protocols=["janus-protocol"])
            except aiohttp.ClientError:
                if self._program.exit_code() is not None:
                    raise PeerError(self._program.sentence()) from None
                if loop.time() > until:
                    raise PeerError(f"Janus does not listen after {_PATIENCE:g} s") from None
                await asyncio.sleep(_LOOK)

    async def create(self) -> None:
        """Begin the session."""
        self._session = (await self.ask({"janus": "create"}))["data"]["id"]

    async def attach(self, plugin: str) -> Handle:
        """A new handle."""
        handle = Handle(self, (await self.ask({"janus": "attach", "plugin": plugin}))["data"]["id"])
        self._handles[handle.id] = handle
        return handle

    async def ask(self, message: Mapping[str, object]) -> dict[str, Any]:
        """What it answers at last. Raises PeerError if that is an error."""
        transaction = str(len(self._asked))
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._asked[transaction] = answer
        session = {} if self._session is None else {"session_id": self._session}
        await self._api.send_json({**message, **session, "transaction": transaction})
        said = await answer
        if said["janus"] == "error":
            raise PeerError(f"Janus refused {message['janus']!r}: {said['error'].get('reason')}")
        return said

    async def listen(self) -> None:
        """Take what it says, until it is stopped."""
        async for said in self._api:
            self._take(json.loads(said.data))

    async def leave(self) -> None:
        """End the connection to it."""
        if self._web is not None:
            await self._web.close()

    def stop(self) -> None:
        """End it."""
        self._program.stop()

    def _take(self, said: dict[str, Any]) -> None:
        kind = said.get("janus")
        if kind == "webrtcup" and (handle := self._handles.get(said["sender"])) is not None:
            handle.is_up.set()
        answer = self._asked.get(str(said.get("transaction")))
        if kind in ("success", "event", "error") and answer is not None and not answer.done():
            answer.set_result(said)


async def offer_to(end: WebrtcEnd, viewer: Handle, watch: Mapping[str, object]) -> None:
    """Let a viewer, who is at the other end, have what `watch` asks the plugin for."""
    offer = await viewer.ask(watch)
    await end.say(offer.jsep["type"], offer.jsep["sdp"])
    await viewer.ask({"request": "start"}, await end.heard())


def _configure(context: PeerContext, plugin: str) -> None:
    """Write its configuration: one plugin, one transport, the address of the host."""
    general = _GENERAL.format(
        folder=context.folder,
        host=context.local[0],
        plugins=",".join(f"libjanus_{name}.so" for name in _PLUGINS if name != plugin),
        transports=",".join(f"libjanus_{name}.so" for name in _OTHER_TRANSPORTS),
    )
    (context.folder / "janus.jcfg").write_text(general)
    (context.folder / "janus.transport.websockets.jcfg").write_text(_API.format(port=_PORT))
