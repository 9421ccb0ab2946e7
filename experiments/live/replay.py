"""The capture of a live arm, written when it is over: what the emulator and both ends kept, by the writer of all arms.

Keys come first, so that Wireshark has them ahead of every packet that needs them.
"""

import struct
from collections.abc import Mapping
from typing import Literal

from experiments.measure.capture import Capture
from netem.live.recording import Recording
from netem.packet import Packet

Told = list[tuple[Literal["qlog", "keys"], str]]

_UDP = 17
_IPV4_PORTS = struct.Struct("!HH")


class Notes:
    """The `transport.contract.Observer` of an end in another process: it keeps what it is told."""

    def __init__(self) -> None:
        self.told: Told = []

    def on_qlog(self, records: str) -> None:
        self.told.append(("qlog", records))

    def on_keys(self, lines: str) -> None:
        self.told.append(("keys", lines))


def replay(capture: Capture, recording: Recording, told: Mapping[Literal["sender", "receiver"], Told]) -> None:
    """Write it all. Raises what the capture's `check` raises."""
    for end, notes in told.items():
        observer = capture.observer(end)
        for kind, text in sorted(notes, key=lambda note: note[0]):  # keys, then the qlog in its order
            (observer.on_keys if kind == "keys" else observer.on_qlog)(text)
    links = {"down": capture.link("down"), "up": capture.link("up")}
    for way, delivered, at, packet in sorted(recording.seen, key=lambda seen: seen[2]):
        udp = _payload(packet)
        if udp is not None:
            (links[way].delivered if delivered else links[way].sent)([udp], now=at)
    capture.check()


def _payload(packet: Packet) -> Packet | None:
    """The UDP payload with its addresses, as captures have it, also of a whole IPv4 packet; None of other protocols."""
    if packet.source[0]:
        return packet
    data = packet.data
    header_bytes = (data[0] & 0x0F) * 4
    if data[0] >> 4 != 4 or data[9] != _UDP or len(data) < header_bytes + 8:
        return None
    ports = _IPV4_PORTS.unpack_from(data, header_bytes)
    hosts = [".".join(map(str, data[start : start + 4])) for start in (12, 16)]
    source, destination = zip(hosts, ports, strict=True)
    payload = data[header_bytes + 8 :]
    return Packet(payload, source, destination, packet.ecn, packet.size_bytes, packet.number, packet.sent_at, packet.at)
