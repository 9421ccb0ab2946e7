"""The capture of a live arm, written when it is over, by the writer of all arms: what was recorded of its packets, and
what its ends were told.

Keys come first, so that Wireshark has them ahead of every packet that needs them.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from glassbench.experiments.account.reports import Role
from glassbench.experiments.worlds.capture import Capture
from glassbench.netem.live.recording import MAX_BYTES, Recording

Kind = Literal["qlog", "keys"]


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
    """Write it all: what passed links of these names, and what ends (flow, role) told. Returns sentences about what is
    missing. Raises what the capture's `check` raises."""
    captured = {name: capture.link(name) for name in links}
    for (flow, role), by_end in told.items():
        observer = capture.observer(role, flow)
        for kind, text in sorted(by_end.said, key=lambda each: each[0]):  # keys, then the qlog in its order
            (observer.on_keys if kind == "keys" else observer.on_qlog)(text)
    for name, delivered, at, packet in sorted(recording.seen, key=lambda seen: seen[2]):
        if packet.source[0] or packet.data[0] >> 4 == 4:  # a capture has IPv4 alone
            (captured[name].delivered if delivered else captured[name].sent)([packet], now=at)
    capture.check()
    missing = {"packets": recording.left_out, "records of its qlogs": sum(by_end.left_out for by_end in told.values())}
    return [f"a capture is full: {count} {what} are not in it" for what, count in missing.items() if count]
