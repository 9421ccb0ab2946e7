"""A player that people use, in Chromium at the receiving end: it plays from an origin of ours on the sender's host."""

import json
import sys
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from glassbench.experiments.worlds.peers.chromium import CHROMIUM, INSTALL
from glassbench.experiments.worlds.peers.http_player import HttpStack
from glassbench.experiments.worlds.peers.page_end import PageEnd, counts_of, page_file
from glassbench.experiments.worlds.peers.peer import PeerContext, PeerEnd
from glassbench.experiments.worlds.peers.shown_page import ShownPage
from glassbench.transport.contract import Unsupported

PLAYERS = Path(sys.prefix, "share", "glassbench", "players")
"""Where npm installs the libraries."""

_JOIN_PATIENCE = 20.0  # seconds until the first picture
_COUNTED = "displayed", "dropped", "not_copied", "seeks", "stalls"


def target_latency(context: PeerContext) -> float:
    """What a tuned player aims at, in seconds: a chunk is there when its last frame is, and the buffer is before it."""
    segment, frames, buffer = (
        float(str(context.options[name])) for name in ("segment_ms", "chunk_frames", "buffer_ms")
    )
    chunk = frames / float(context.video.fps) if frames else segment / 1e3
    return round(chunk + buffer / 1e3, 3)


@dataclass(frozen=True)
class Library:
    """What plays: a package of npm with its version, its file in that, and our script around it."""

    package: str
    version: str
    file: str
    script: str

    @property
    def path(self) -> Path:
        return self._folder / self.file

    def installed(self) -> str:
        """The version that is here. Raises Unsupported."""
        try:
            return str(json.loads((self._folder / "package.json").read_text())["version"])
        except (OSError, ValueError, KeyError):
            command = f"npm install --prefix {PLAYERS} {self.package}@{self.version}"
            raise Unsupported(f"there is no {self.package} here: {command}") from None

    @property
    def _folder(self) -> Path:
        return PLAYERS / "node_modules" / self.package


class BrowserStack(HttpStack):
    """An origin of ours, whose `manifest` is played, and a player in Chromium."""

    decodes = True
    install = INSTALL
    library: ClassVar[Library]
    manifest: ClassVar[str]

    @classmethod
    def version(cls) -> str:
        library = f"{cls.library.package} {cls.library.installed()}"
        chromium = cls.told_by(CHROMIUM, "--version").partition(" built")[0]
        return f"{library}, {chromium}, {HttpStack.version()}"

    @classmethod
    def end(cls, context: PeerContext) -> PeerEnd:
        if context.role == "sender":
            return cls.origin(context)
        host, port = context.peer
        settings = cls.tuned(target_latency(context)) if context.options["tuned"] else {}
        return BrowserEnd(context, cls.library, {"url": f"http://{host}:{port}/{cls.manifest}", "settings": settings})

    @classmethod
    @abstractmethod
    def origin(cls, context: PeerContext) -> PeerEnd:
        """The sending end."""

    @classmethod
    @abstractmethod
    def tuned(cls, latency: float) -> Mapping[str, object]:
        """The settings of the library for a target latency in seconds."""


class BrowserEnd(PageEnd["PlayerPage"]):
    """The receiving end. `play` is what the script of the library is told: the address of the manifest, and settings
    of the library."""

    def __init__(self, context: PeerContext, library: Library, play: Mapping[str, object]) -> None:
        super().__init__(context, PlayerPage(context, library))
        self._play = play

    def connect(self) -> None:
        self.loop.run(self._join(), _JOIN_PATIENCE, "the player showed no picture")

    def counters(self) -> Mapping[str, int]:
        return self.page.counted

    def settings(self) -> Mapping[str, object]:
        return {**self.page.told, "clock_error_s": self.page.clock_error}

    async def _join(self) -> None:
        await self.page.align()
        await self.page.say({"kind": "play", **self._play})
        await self.until(self.page.has_shown)


class PlayerPage(ShownPage):
    """The page of a player: `told` and `counted` are what it told of its player last."""

    def __init__(self, context: PeerContext, library: Library) -> None:
        scripts = {
            "library.js": library.path.read_text(),
            "player.js": page_file(library.script),
            "page.js": page_file("page.js"),
        }
        super().__init__(context, "player", "page.html", scripts)
        self.told: Mapping[str, object] = {}
        self.counted: Mapping[str, int] = {}

    def take_said(self, kind: object, said: Mapping[str, object]) -> bool:
        if kind != "told":
            return super().take_said(kind, said)
        counted = self.object_of(said, "counted")
        self.told = self.object_of(said, "player")
        self.counted = counts_of(counted, _COUNTED)
        return True
