"""nginx (BSD) with its RTMP module (BSD), in the foreground, with a configuration of its own and no file elsewhere."""

import os
import socket
import urllib.request
from collections.abc import Mapping
from typing import NamedTuple
from xml.etree import ElementTree

from glassbench.experiments.worlds.peers.peer import PeerContext
from glassbench.experiments.worlds.peers.program import Program

APPLICATION = "live"

_STATISTICS = 8088  # the port of its statistics, on the loopback interface of its namespace
_PATIENCE = 0.5  # seconds for its statistics
_MOST_BYTES = 2**20  # of them
_TEMPORARY = "client_body", "proxy", "fastcgi", "uwsgi", "scgi"
# The module needs a master and a worker: with `master_process off` it crashes.
_CONFIGURATION = """
daemon off; {user}
error_log stderr notice; pid {folder}/nginx.pid;
load_module {module};
events {{ worker_connections 64; }}
http {{
  access_log off; {temporary}
  server {{ listen 127.0.0.1:{statistics}; location / {{ rtmp_stat all; }} }}
}}
rtmp {{
  access_log off;
  server {{ listen {host}:{port}; {server} application {application} {{ live on; {live} }} }}
}}
"""


class StreamTold(NamedTuple):
    """What nginx tells of the stream: of what it is, and what it counted."""

    settings: Mapping[str, object]
    counters: Mapping[str, int]


class Nginx:
    """It serves at a listening socket of ours, which has its options already, until `stop`. `server` and `live` are
    directives of the RTMP module. Raises PeerError."""

    def __init__(
        self, path: str, module: str, context: PeerContext, listener: socket.socket, *, server: str, live: str
    ) -> None:
        host, port = listener.getsockname()
        folder = context.folder
        configuration = folder / "nginx.conf"
        configuration.write_text(
            _CONFIGURATION.format(
                user="user root;" if os.geteuid() == 0 else "",  # else its workers would become another user
                folder=folder,
                module=module,
                temporary=" ".join(f"{name}_temp_path {folder}/{name};" for name in _TEMPORARY),
                statistics=_STATISTICS,
                host=host,
                port=port,
                server=server,
                application=APPLICATION,
                live=live,
            )
        )
        with listener:
            self._program = Program(
                [path, "-p", str(folder), "-c", str(configuration), "-e", "stderr"],
                context,
                environment={**os.environ, "NGINX": f"{listener.fileno()};"},  # how it inherits sockets
                passes=[listener.fileno()],
            )

    def told(self) -> StreamTold:
        """What it tells now; nothing if it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{_STATISTICS}/", timeout=_PATIENCE) as answer:
                return _read(ElementTree.fromstring(answer.read(_MOST_BYTES)))
        except (OSError, ElementTree.ParseError):
            return StreamTold({}, {})

    def stop(self) -> None:
        """End it."""
        self._program.stop()


def _read(told: ElementTree.Element) -> StreamTold:
    settings: dict[str, object] = {"nginx_rtmp_version": told.findtext("nginx_rtmp_version", "")}
    counters: dict[str, int] = {}
    stream = told.find(".//stream")
    if stream is not None:
        names = "codec", "profile", "level", "width", "height", "frame_rate"
        video = {name: text for name in names if (text := stream.findtext(f"meta/video/{name}"))}
        players = [client for client in stream.findall("client") if client.find("publishing") is None]
        settings["video"] = video
        counters = {
            "bytes_in": int(stream.findtext("bytes_in", "0")),
            "bytes_out": int(stream.findtext("bytes_out", "0")),
            "players": len(players),
            "messages_dropped": sum(int(player.findtext("dropped", "0")) for player in players),
        }
    return StreamTold(settings, counters)
