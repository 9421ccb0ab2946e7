"""The settings of the srt arm. Those with the name of a socket option of libsrt have its unit, default and meaning."""

from dataclasses import dataclass
from typing import Literal

from glassbench.transport.srt.handshake import MAX_LATENCY_MS

_MAX_RATE = 1_250_000_000  # bytes a second: 10 Gbit/s
_DEFAULT_OVERHEAD = 25


@dataclass(frozen=True, slots=True)
class SrtOptions:
    """`latency_ms`: the TSBPD delay (SRTO_LATENCY): what a packet has for its repair, and what every packet waits for.
    120 ms is libsrt's default. `caller`: which end of the media connects; the other one listens.

    What may be sent, media and repair together, in bytes a second with headers (SRTO_MAXBW): `maxbw` above 0 is the
    limit; -1 is none (1 Gbit/s); 0 is the input rate and `oheadbw` percent above it. The input rate is `inputbw` bytes
    a second, or, where that is 0, what was measured, at least `mininputbw`.

    `retransmitalgo`: 1 leaves a request unanswered that comes within a round trip of the last answer, 0 answers each.
    `peeridletimeo`: milliseconds of silence after which the connection is given up. `lossmaxttl`: the most packets that
    a receiver lets pass before it asks for a missing one, which may only be late; how many it is follows from how much
    reordering there is.
    """

    latency_ms: int = 120
    caller: Literal["sender", "receiver"] = "sender"
    maxbw: int = -1
    inputbw: int = 0
    mininputbw: int = 0
    oheadbw: int = _DEFAULT_OVERHEAD
    retransmitalgo: Literal[0, 1] = 1
    peeridletimeo: int = 5000
    lossmaxttl: int = 0

    def __post_init__(self) -> None:
        for name, least, most in (
            ("latency_ms", 0, MAX_LATENCY_MS),
            ("maxbw", -1, _MAX_RATE),
            ("inputbw", 0, _MAX_RATE),
            ("mininputbw", 0, _MAX_RATE),
            ("oheadbw", 5, 100),
            ("peeridletimeo", 0, 3_600_000),
            ("lossmaxttl", 0, 8192),
        ):
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name} must be {least} to {most}, got {getattr(self, name)}")
        if self.maxbw != 0 and (self.inputbw or self.mininputbw or self.oheadbw != _DEFAULT_OVERHEAD):
            raise ValueError("inputbw, mininputbw and oheadbw have an effect with maxbw=0 only, as in libsrt")
        if self.inputbw and self.mininputbw:
            raise ValueError("mininputbw has an effect without inputbw only, as in libsrt")
