"""Two programs of the user as a stack: docs/peers.md has the protocol, and an example.

An item on stdin or stdout is its length, four bytes with the highest first, and that many bytes.
"""

import os
import shlex
import shutil
import threading
from collections.abc import Mapping
from typing import ClassVar

from glassbench.experiments.scenario.peer_options import ExternalMedia
from glassbench.experiments.worlds.peers.peer import Carries, Peer, PeerContext, PeerEnd, PeerError, PeerVideo
from glassbench.experiments.worlds.peers.program import Program
from glassbench.transport.contract import Frame, Unsupported

UNSUPPORTED = 127
"""The exit code that says that something is missing, as that of a shell without the command."""

_LENGTH_BYTES = 4
_MOST_ITEM_BYTES = 64 * 2**20
_START_PATIENCE = 10.0  # seconds to be ready
_END_PATIENCE = 1.0  # seconds from the end of stdout to that of the program


class External(Peer):
    """Programs by the commands `send` and `receive`. What they carry is an option."""

    carries: ClassVar[Carries] = "units"

    @classmethod
    def carried(cls, options: Mapping[str, object]) -> Carries:
        media: ExternalMedia = options["media"]  # type: ignore[assignment]
        return media

    @classmethod
    def version(cls) -> str:
        return "yours"

    @classmethod
    def check(cls, options: Mapping[str, object], video: PeerVideo) -> None:
        for name in ("send", "receive"):
            command = _words(options, name)
            if shutil.which(command[0]) is None:
                raise Unsupported(f"there is no program {command[0]!r} to {name}, or it may not be run")

    @classmethod
    def end(cls, context: PeerContext) -> PeerEnd:
        return _ExternalEnd(context)


class _ExternalEnd(PeerEnd):
    """A program. An empty item on its stdout says that it is ready: a receiver that it listens, a sender that media
    can pass."""

    def __init__(self, context: PeerContext) -> None:
        super().__init__(context)
        self._ready = threading.Event()
        self._has_ended = False
        self._program: Program | None = None

    def start(self) -> None:
        if self.context.role == "receiver":
            self._run()

    def connect(self) -> None:
        if self.context.role == "sender":
            self._run()

    def send(self, data: bytes, frame: Frame) -> bool:
        assert self._program is not None
        return self._program.feed(_item(data))

    def send_back(self, data: bytes) -> None:
        assert self._program is not None
        self._program.feed(_item(data))

    def close(self) -> None:
        if self._program is not None:
            self._program.stop()

    def settings(self) -> Mapping[str, object]:
        role = "send" if self.context.role == "sender" else "receive"
        return {"command": str(self.context.options[role])}

    def _run(self) -> None:
        """Start the program, and wait until it is ready."""
        command = _words(self.context.options, "send" if self.context.role == "sender" else "receive")
        path = shutil.which(command[0])
        if path is None:
            raise PeerError(f"there is no program {command[0]!r}")
        self._program = Program(
            [path, *command[1:]],
            self.context,
            feeds=True,
            reads=self._read,
            environment={**os.environ, **_environment(self.context)},
            lacks=UNSUPPORTED,
        )
        if not self._ready.wait(_START_PATIENCE):
            raise PeerError(f"{self._program.name} did not say that it is ready within {_START_PATIENCE:g} s")
        if self._has_ended and self._program.exit_code(_END_PATIENCE) == UNSUPPORTED:
            raise Unsupported(self._program.sentence())

    def _read(self, program: Program) -> None:
        while header := program.read(_LENGTH_BYTES):
            size = int.from_bytes(header, "big")
            if size > _MOST_ITEM_BYTES:
                raise PeerError(
                    f"{program.name} wrote an item of {size} bytes, accepted are {_MOST_ITEM_BYTES}; docs/peers.md has "
                    "the protocol of stdout"
                )
            if size == 0:
                self._ready.set()
                continue
            data = program.read(size)
            if len(data) < size:
                return
            self.context.outlet.give(data)
        self._has_ended = True  # its exit code says how
        self._ready.set()


def _item(data: bytes) -> bytes:
    return len(data).to_bytes(_LENGTH_BYTES, "big") + data


def _words(options: Mapping[str, object], name: str) -> list[str]:
    """A command as a shell reads its words. Raises Unsupported."""
    try:
        return shlex.split(str(options[name])) or [""]
    except ValueError as error:
        raise Unsupported(f"the command to {name} cannot be read: {error}") from None


def _environment(context: PeerContext) -> dict[str, str]:
    """What a program is told."""
    video = context.video
    return {
        "GLASS_ROLE": context.role,
        "GLASS_LOCAL_HOST": context.local[0],
        "GLASS_LOCAL_PORT": str(context.local[1]),
        "GLASS_PEER_HOST": context.peer[0],
        "GLASS_PEER_PORT": str(context.peer[1]),
        "GLASS_MEDIA": str(context.options["media"]),
        "GLASS_CODEC": video.codec,
        "GLASS_WIDTH": str(video.width),
        "GLASS_HEIGHT": str(video.height),
        "GLASS_FPS": str(video.fps),
        "GLASS_BITRATE": str(video.bitrate_bps),
        "GLASS_MESSAGE_BYTES": str(PeerEnd.message_bytes),
        "GLASS_DURATION": f"{context.duration:g}",
        "GLASS_SEED": str(context.seed),
        "GLASS_FOLDER": str(context.folder),
    }
