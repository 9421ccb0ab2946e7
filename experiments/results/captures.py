"""What others can open of one arm: its packets for Wireshark, and the qlogs of its QUIC ends for qvis.

    link.pcapng                      all links, where packets enter and where they leave the path; with the keys
    tls-keys.log                     the same keys by themselves, in the NSS key log format
    sender.sqlog, receiver.sqlog     what the ends of QUIC and WebTransport did; of other flows NAME-sender.sqlog ...

All times are session time, virtual or real, so that the files and the ledger can be laid side by side.
`results/README.md` says how.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Literal

from glassbench.experiments.results.files import ResultsError, make_folder
from glassbench.experiments.results.stream_file import StreamFile
from glassbench.experiments.scenario.arm_table import ARMS
from glassbench.experiments.scenario.flow_spec import MEDIA
from glassbench.netem.capture import LinkCapture
from glassbench.netem.packet import IP_UDP_HEADER_BYTES, Packet
from glassbench.netem.pcapng import Pcapng, secrets_block
from glassbench.transport.contract import TransportConfig

CAPTURES = "captures"  # in the folder of a run, with a folder for each arm

# Of a TLS 1.3 connection, in the words of the NSS key log format; a secret for early data may come ahead of them.
_SECRETS = frozenset(
    f"{end}_{secret}" for end in ("CLIENT", "SERVER") for secret in ("HANDSHAKE_TRAFFIC_SECRET", "TRAFFIC_SECRET_0")
)
_FIRST_HINT = 2**14  # above the number of any link
_FLOW_SECRETS_BYTES = 1024  # of five secrets, each a label of at most 31 characters, 32 bytes and 48 bytes in hex
_PACKETS_HELD = 1024  # until the secrets are there: a handshake is a dozen, and as much early data as fits a round trip


@contextmanager
def open_capture(folder: Path | None, title: str) -> Iterator["ArmCapture | None"]:
    """A capture of an arm, or None without a folder. Whatever ends the arm, what was captured is written.

    Raises ResultsError, also at the end.
    """
    if folder is None:
        yield None
        return
    capture = ArmCapture(folder, title)
    try:
        yield capture
    finally:
        capture.close()


class ArmCapture:
    """The `experiments.worlds.capture.Capture` of one arm, in a folder of its own. Raises ResultsError.

    Wireshark gives up a QUIC connection whose keys stand behind the packets that need them, and a server sends packets
    that need all of them before the last is known. So the first packets wait for the keys; if none come, only a few
    wait. Keys of flows that connect later go into room that is kept for them ahead of all packets.
    """

    def __init__(self, folder: Path, title: str) -> None:
        make_folder(folder, exist_ok=True)
        self._folder = folder
        self._link_file = StreamFile(folder / "link.pcapng")
        self._files = {"link.pcapng": self._link_file}
        self.check()
        self._ended = False
        self._waiting: list[bytes] | None = None
        self._secrets: dict[str, None] = {}  # an ordered set
        self._secrets_at = 0  # in the file of packets, where there is room for `_room` bytes of them
        self._room = 0
        self._flows: set[str] = set()
        self._pcapng = Pcapng(self._write_block, application="Glassbench", comment=title)
        self._links = 0
        self._hints = 0
        self._waiting = []

    def link(self, name: str) -> LinkCapture:
        """Both ends of a link, in one file with all others."""
        self._links += 1
        with self._not_waiting():
            return LinkCapture(self._pcapng, name, index=self._links - 1)

    def observer(self, end: Literal["sender", "receiver"], flow: str) -> "EndObserver":
        """The observer of an end: its keys go to the packets, and its qlog to a file that is made if there is a
        qlog."""
        self._flows.add(flow)
        name = end if flow == MEDIA else f"{flow}-{end}"
        return EndObserver(partial(self._write, f"{name}.sqlog"), self._add_keys)

    def describe(self, transport: str, sender: TransportConfig, *, now: float) -> None:
        """Tell Wireshark what it cannot see by itself, in a packet that was not sent."""
        make_hint = ARMS[transport].hint
        if make_hint is None:
            return
        data, source, destination, comment = make_hint(sender)
        packet = Packet(data, source, destination, 0, len(data) + IP_UDP_HEADER_BYTES, 0, 0.0, 0.0)
        with self._not_waiting():
            interface = self._pcapng.add_interface("not sent: a hint for Wireshark")
        self._hints += 1
        self._pcapng.add_packet(interface, packet, (_FIRST_HINT << 48) + self._hints, now=now, comment=comment)

    def end(self) -> None:
        """The run is over: nothing is kept of what comes from now on."""
        self._ended = True

    def check(self) -> None:
        """Raises ResultsError if something could not be written."""
        for file in self._files.values():
            file.check()

    def close(self) -> None:
        """Write what is left. Raises ResultsError."""
        self._release()
        errors = []
        for file in self._files.values():
            try:
                file.close()
            except ResultsError as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def remove(self) -> None:
        """Delete the files of an arm that did not run: nobody needs empty ones."""
        shutil.rmtree(self._folder, ignore_errors=True)

    @contextmanager
    def _not_waiting(self) -> Iterator[None]:
        """For interfaces, which come before the secrets: editcap takes no secrets before them."""
        waiting, self._waiting = self._waiting, None
        yield
        self._waiting = waiting

    def _write_block(self, block: bytes) -> None:
        if self._ended:
            return
        if self._waiting is None:
            self._link_file.write(block)
            return
        self._waiting.append(block)
        if len(self._waiting) >= _PACKETS_HELD:
            self._release()

    def _add_keys(self, lines: str) -> None:
        for line in lines.splitlines():
            if line in self._secrets:  # both ends know the same
                continue
            self._secrets[line] = None
            self._write("tls-keys.log", f"{line}\n")
            if self._waiting is None:
                self._write_late(line)
        if {line.partition(" ")[0] for line in self._secrets} >= _SECRETS:
            self._release()

    def _release(self) -> None:
        if self._waiting is None:
            return
        waiting, self._waiting = self._waiting, None
        self._room = _FLOW_SECRETS_BYTES * len(self._flows) if len(self._flows) > 1 else 0
        self._secrets_at = self._link_file.size_bytes
        if self._secrets or self._room:
            self._link_file.write(secrets_block(self._key_log(), room=self._room))
        for block in waiting:
            self._link_file.write(block)

    def _write_late(self, line: str) -> None:
        """Write a secret, the last of `_secrets`, that was not known when packets began to be written."""
        lines = self._key_log()
        if len(lines) <= self._room:
            self._link_file.replace(self._secrets_at, secrets_block(lines, room=self._room))
        else:
            self._pcapng.add_secrets(f"{line}\n")

    def _key_log(self) -> str:
        return "".join(f"{line}\n" for line in self._secrets)

    def _write(self, name: str, text: str) -> None:
        """Write to a file that is made when there is something to write."""
        if self._ended:
            return
        file = self._files.get(name)
        if file is None:
            file = self._files[name] = StreamFile(self._folder / name)
        file.write(text.encode())


class EndObserver:
    """The `transport.contract.Observer` of one end."""

    def __init__(self, on_qlog: Callable[[str], None], on_keys: Callable[[str], None]) -> None:
        self.on_qlog = on_qlog
        self.on_keys = on_keys
