"""The contract of a peer: a stack of others, whose two ends are arms of a live run.

Each end lives in a process of its own, inside the network namespace of its host, with everything that it starts. Ours
captures, stamps and, where the stack takes access units, encodes; what the receiving end of the stack gives back is
accounted for by the stamp in its pixels, or, where the stack carries messages whole, by our own header in them.
"""

import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from importlib import metadata
from pathlib import Path
from socket import socket
from typing import ClassVar, Literal

from glassbench.experiments.account.reports import Role
from glassbench.experiments.scenario.arm_table import ARMS
from glassbench.experiments.worlds.ends import Ends
from glassbench.experiments.worlds.peers.outlet import Outlet
from glassbench.receiver.end import ReceiverEnd
from glassbench.transport.contract import Address, Estimated, Frame, Track, Transport, TransportConfig, Unsupported

Carries = Literal["messages", "units", "pictures"]
"""What a stack takes and gives: messages that it does not understand, whole access units, or pictures (yuv420p)."""

_PATIENCE = 5.0  # seconds for a program to tell its version
_SERVERS = "/usr/local/sbin:/usr/sbin:/sbin"

LOG = "log"
"""The name of the file that takes what a stack writes."""


class PeerError(RuntimeError):
    """The stack failed; its text says what it said."""


@dataclass(frozen=True)
class PeerVideo:
    """What is filmed. `bitrate_bps` is the most that an encoder may give; `keyframe_interval` is in frames."""

    width: int
    height: int
    fps: Fraction
    codec: str
    bitrate_bps: int
    keyframe_interval: int | None


@dataclass(frozen=True)
class PeerContext:
    """Where an end is, and what it has to do. `folder` is its own, in memory. `side` is a socket to the other end, with
    datagrams that do not cross the network (a signalling channel). `media_start` is the session time of the first
    capture. `outlet` takes what the stack gives."""

    role: Role
    local: Address
    peer: Address
    options: Mapping[str, object]
    video: PeerVideo
    seed: int
    duration: float
    folder: Path
    side: socket
    media_start: float = 0.0
    outlet: Outlet = field(default_factory=Outlet)

    @property
    def log(self) -> Path:
        """Where what the stack writes goes. Its end is kept with the results."""
        return self.folder / LOG


class PeerEnd:
    """One end of a stack. A method that raises PeerError ends the arm as "failed", with that sentence.

    `message_bytes` is how large a message may be where the stack carries messages.
    """

    message_bytes: int = 1456

    def __init__(self, context: PeerContext) -> None:
        self.context = context

    def start(self) -> None:
        """Get ready, before session time runs: what has to listen listens when it returns."""

    def connect(self) -> None:
        """Connect, and return when media can pass. It is called in a thread of its own, may block, and has to return
        soon after `close`."""

    def send(self, data: bytes, frame: Frame) -> bool:
        """Take a message, an access unit or a picture of that frame. False: there is no room, so it is dropped."""
        raise NotImplementedError

    def send_back(self, data: bytes) -> None:
        """Take a message to the sender, on the receiving end of a stack that carries messages both ways."""

    def close(self) -> None:
        """End the connection in the stack's own way, and everything that was started. It may be called twice."""
        raise NotImplementedError

    def counters(self) -> Mapping[str, int]:
        """What the stack counted, by its own names."""
        return {}

    def estimates(self) -> Sequence[Estimated]:
        """What the congestion control of a sender believed, as far as the stack tells; what it does not tell is NaN or
        None."""
        return ()

    def settings(self) -> Mapping[str, object]:
        """Its settings as they are, read back from the stack where it tells them."""
        return {}

    def own_transport(self, config: TransportConfig) -> Transport | None:
        """What sends in place of the stack, if that is ours: our driver gives it the address of this end."""
        return None

    def own_receiver(
        self, transport: Transport, track: Track, announced: Mapping[int, int] | None
    ) -> ReceiverEnd | None:
        """What knows when each frame came and was shown, if the stack tells that. `transport` is its own, and
        `announced` is how many frames each track has."""
        return None


class Peer(ABC):
    """A stack. `carries` is what it takes and gives, if its options leave no choice; `decodes`: it takes access units,
    and gives pictures, as a player does. `install` is the command that brings it."""

    carries: ClassVar[Carries]
    decodes: ClassVar[bool] = False
    install: ClassVar[str] = ""

    @classmethod
    def carried(cls, options: Mapping[str, object]) -> Carries:
        """What it takes and gives with these options."""
        return cls.carries

    @classmethod
    @abstractmethod
    def version(cls) -> str:
        """Its version. Raises Unsupported, with the reason and the command that helps, if it is not there."""

    @classmethod
    def check(cls, options: Mapping[str, object], video: PeerVideo) -> None:
        """Raises Unsupported if it cannot do what an arm asks for."""
        cls.version()

    @classmethod
    def check_ends(cls, ends: Ends) -> None:
        """The same for what a flow asks for, whichever the stack. Raises Unsupported."""
        flow, name, carries = ends.flow, ends.arm.transport, cls.carried(ends.options)
        for media in {track.media for track in flow.tracks()} - ARMS[name].media:
            if media == "data" or carries != "pictures":  # what takes pictures has an encoder of its own
                raise Unsupported(f"{name} does not carry {media}")
        if flow.arm.slices > 1:
            raise Unsupported(f"{name} takes pictures whole, not in slices")
        if carries != "messages" and not flow.has_pictures:
            raise Unsupported(f"{name} is measured by what is seen in pictures, and there are none")
        if carries != "messages" and flow.playout != "immediate":
            raise Unsupported(f"{name} has a playout of its own; accepted with it is playout 'immediate'")
        cls.check(ends.options, video_of(ends))

    @classmethod
    @abstractmethod
    def end(cls, context: PeerContext) -> PeerEnd:
        """One of its ends."""

    @classmethod
    def missing(cls, what: str) -> Unsupported:
        """The answer of a stack that is not there."""
        return Unsupported(f"there is no {what} here: {cls.install}")

    @classmethod
    def program(cls, name: str) -> str:
        """The path of a program, also of one that only administrators have on their path. Raises Unsupported."""
        path = shutil.which(name) or shutil.which(name, path=_SERVERS)
        if path is None:
            raise cls.missing(name)
        return path

    @classmethod
    def package(cls, name: str) -> str:
        """The version of a package of Python. Raises Unsupported."""
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            raise cls.missing(name) from None

    @classmethod
    def told_by(cls, name: str, option: str) -> str:
        """What a program says of its version. Raises Unsupported."""
        path = cls.program(name)
        try:
            said = subprocess.run([path, option], capture_output=True, text=True, timeout=_PATIENCE, check=False)
        except (OSError, subprocess.SubprocessError) as error:
            raise Unsupported(f"{path} does not tell its version: {error}") from None
        return said.stdout.strip() or said.stderr.strip()


def video_of(ends: Ends) -> PeerVideo:
    """What the ends of a flow film."""
    width, height = ends.picture_size
    settings = ends.encoder_settings
    return PeerVideo(width, height, ends.source.fps, settings.codec, settings.bitrate_bps, settings.keyframe_interval)
