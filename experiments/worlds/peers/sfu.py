"""libwebrtc through a video room of Janus (GPL-3, a program of its own), on the host of the sender.

So the link is the last mile, from the SFU to a viewer. The sender's end keeps the SFU, and tells the viewer its offer.
"""

import asyncio
import json
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from socket import AF_UNIX, SOCK_SEQPACKET, socket
from typing import Any

from glassbench.experiments.worlds.peers.libwebrtc import Libwebrtc, LibwebrtcReceiver, LibwebrtcSender
from glassbench.experiments.worlds.peers.peer import PeerContext, PeerEnd, PeerError
from glassbench.experiments.worlds.peers.program import Program
from glassbench.transport.contract import Unsupported

_ROOM, _FEED = 1, 1
_PORTS = "20000-20100"
_MESSAGE_BYTES = 2**17
_PATIENCE = 5.0  # seconds for an answer
_START_LOOKS, _LOOK = 250, 0.02
_JOIN_LOOKS = 100  # until the room has the sender's feed
_CONFIGS = {
    "janus.jcfg": """
general: {{ configs_folder = "{folder}"; events_folder = "{folder}"; loggers_folder = "{folder}"; session_timeout = 0;
            plugins_folder = "{library}/plugins"; transports_folder = "{library}/transports"; debug_colors = false; }}
media: {{ rtp_port_range = "{ports}"; }}
nat: {{ ice_enforce_list = "{host}"; full_trickle = false; ice_tcp = false; }}
plugins: {{ disable = "{other_plugins}"; }}
transports: {{ disable = "{other_transports}"; }}
""",
    "janus.transport.pfunix.jcfg": """
general: {{ enabled = true; json = "compact"; path = "{folder}/janus"; type = "SOCK_SEQPACKET"; }}
admin: {{ admin_enabled = false; }}
""",
    "janus.plugin.videoroom.jcfg": "general: {{ }}\n",
}


class Sfu(Libwebrtc):
    """A publisher and a subscriber of one room."""

    install = "apt install janus"

    @classmethod
    def version(cls) -> str:
        said = subprocess.run([cls.program("janus"), "--version"], capture_output=True, text=True, check=False)
        words = said.stdout.partition("(")[2].partition(")")[0]
        return f"Janus {words}, {super().version()}"

    @classmethod
    def end(cls, context: PeerContext) -> PeerEnd:
        return _SfuSender(context) if context.role == "sender" else LibwebrtcReceiver(context)


class _SfuSender(LibwebrtcSender):
    """The publisher, and the SFU beside it."""

    def __init__(self, context: PeerContext) -> None:
        super().__init__(context)
        self._janus: Program | None = None
        self._room: Mapping[str, Any] = {}

    def start(self) -> None:
        library = next(Path("/usr/lib").glob("*/janus"), None)
        if library is None:
            raise Unsupported(f"Janus is here without its plugins in /usr/lib: {Sfu.install}")
        folder = self.context.folder
        said = {
            "folder": folder,
            "library": library,
            "ports": _PORTS,
            "host": self.context.local[0],
            "other_plugins": _others(library / "plugins", "libjanus_videoroom.so"),
            "other_transports": _others(library / "transports", "libjanus_pfunix.so"),
        }
        for name, text in _CONFIGS.items():
            (folder / name).write_text(text.format(**said))
        self._janus = Program([Sfu.program("janus"), "--configs-folder", str(folder)], self.context)
        super().start()

    def close(self) -> None:
        super().close()
        if self._janus is not None:
            self._janus.stop()

    def settings(self) -> Mapping[str, object]:
        return {**super().settings(), "room": dict(self._room)}

    async def negotiate(self) -> None:
        self._client = client = await asyncio.to_thread(_JanusClient, self.context.folder / "janus")
        publisher, subscriber = await client.attach(), await client.attach()
        room = {"request": "create", "room": _ROOM, "publishers": 1, "bitrate": self.context.video.bitrate_bps}
        codecs = {"videocodec": str(self.context.options["codec"])}
        await client.message(publisher, {**room, **codecs, "playoutdelay_ext": True, "transport_wide_cc_ext": True})
        listed = await client.message(publisher, {"request": "list"})
        self._room = next(each for each in listed["plugindata"]["data"]["list"] if each["room"] == _ROOM)
        await self._connection.set_local_description()
        await self.gathered()
        offer = {"type": "offer", "sdp": self.local_sdp(), "trickle": False}
        join = {"request": "joinandconfigure", "ptype": "publisher", "room": _ROOM, "id": _FEED}
        joined = await client.message(publisher, join, offer)
        await self.take_answer(joined["jsep"]["sdp"])
        await self.say("offer", await self._offer_of(client, subscriber))
        answer = await self.heard()
        await client.message(subscriber, {"request": "start"}, {**answer, "trickle": False})

    async def _offer_of(self, client: "_JanusClient", subscriber: int) -> str:
        """What the room offers a subscriber, once the feed of the publisher is there."""
        join = {"request": "join", "ptype": "subscriber", "room": _ROOM, "streams": [{"feed": _FEED}]}
        for _ in range(_JOIN_LOOKS):
            attached = await client.message(subscriber, join)
            if "jsep" in attached:
                return str(attached["jsep"]["sdp"])
            await asyncio.sleep(_LOOK)
        raise PeerError(f"nothing to subscribe to in the room: {attached['plugindata']['data']}")


class _JanusClient:
    """The API of Janus over a Unix socket, a message at a time. Making one blocks; the session ends with it."""

    def __init__(self, path: Path) -> None:
        self._socket = socket(AF_UNIX, SOCK_SEQPACKET)
        self._socket.settimeout(_PATIENCE)
        self._number = 0
        for look in range(_START_LOOKS):
            try:
                self._socket.connect(str(path))
                break
            except OSError as error:
                if look == _START_LOOKS - 1:
                    raise PeerError(f"Janus did not start: {error}") from None
                threading.Event().wait(_LOOK)
        self._session = self._ask({"janus": "create"})["data"]["id"]

    async def attach(self) -> int:
        """A handle of the video room."""
        said = await asyncio.to_thread(
            self._ask, {"janus": "attach", "session_id": self._session, "plugin": "janus.plugin.videoroom"}
        )
        return int(said["data"]["id"])

    async def message(
        self, handle: int, body: Mapping[str, object], jsep: Mapping[str, object] | None = None
    ) -> dict[str, Any]:
        """What the room answers. Raises PeerError."""
        asked: dict[str, object] = {"janus": "message", "session_id": self._session, "handle_id": handle, "body": body}
        return await asyncio.to_thread(self._ask, asked if jsep is None else {**asked, "jsep": jsep})

    def _ask(self, message: Mapping[str, object]) -> dict[str, Any]:
        self._number += 1
        transaction = str(self._number)
        self._socket.send(json.dumps({**message, "transaction": transaction}).encode())
        while True:
            try:
                said: dict[str, Any] = json.loads(self._socket.recv(_MESSAGE_BYTES))
            except (OSError, ValueError) as error:
                raise PeerError(f"Janus does not answer: {error}") from None
            if said.get("transaction") != transaction or said["janus"] == "ack":
                continue
            if said["janus"] == "error":
                raise PeerError(f"Janus refuses: {said['error'].get('reason')}")
            return said


def _others(folder: Path, kept: str) -> str:
    return ",".join(sorted(each.name for each in folder.glob("*.so") if each.name != kept))
