"""The capture of a live arm, written when it is over, by the writer of all arms: what was recorded of its packets, and
what its ends were told.

Keys come first, so that Wireshark has them ahead of every packet that needs them.
"""

import struct
from collections.abc import Mapping, Sequence
from typing import Literal

from glassbench.experiments.account.reports import Role
from glassbench.experiments.worlds.capture import Capture
from glassbench.netem.live.recording import MAX_BYTES, Recording
from glassbench.netem.packet import Packet

Kind = Literal["qlog", "keys"]

_UDP = 17
_IPV4_PORTS = struct.Struct("!HH")


class Told:
    """The `transport.contract.Observer` of a live end: it keeps what it is told; `left_out` counts what is too much."""

    def __init__(self) -> None:
        self.said: list[tuple[Kind, str]] = []
        self.left_out = 0
        self._characters = 0

    def on_qlog(self, records: str) -> None:
        self._keep("qlog", records)

    def on_keys(self, lines: str) -> None:
        self._keep("keys", lines)

    def _keep(self, kind: Kind, text: str) -> None:
        self._characters += len(text)
        if self._characters > MAX_BYTES:
            self.left_out += 1
        else:
            self.said.append((kind, text))


def replay(
    capture: Capture, recording: Recording, links: Sequence[str], told: Mapping[tuple[str, Role], Told]
) -> list[str]:
    """Write it all: what passed links of these names, and what ends (flow, role) told. Gives sentences about what is
    missing. Raises what the capture's `check` raises."""
    captured = {name: capture.link(name) for name in links}
    for (flow, role), by_end in told.items():
        observer = capture.observer(role, flow)
        for kind, text in sorted(by_end.said, key=lambda each: each[0]):  # keys, then the qlog in its order
            (observer.on_keys if kind == "keys" else observer.on_qlog)(text)
    for name, delivered, at, packet in sorted(recording.seen, key=lambda seen: seen[2]):
        udp = _payload(packet)
        if udp is not None:
            (captured[name].delivered if delivered else captured[name].sent)([udp], now=at)
    capture.check()
    missing = {"packets": recording.left_out, "records of its qlogs": sum(by_end.left_out for by_end in told.values())}
    return [f"a capture is full: {count} {what} are not in it" for what, count in missing.items() if count]


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
    return Packet(
        payload,
        source,
        destination,
        packet.ecn,
        packet.size_bytes,
        packet.number,
        packet.sent_at,
        packet.at,
        packet.flow,
    )
