"""How an arm looks, by its name alone: so it has the same colour, dashes and marker in every picture, page and session.

The colour says what carries the frames: a transport has one of its own, and over HTTP/3 that of its twin over bare
QUIC. The dashes say which congestion control it has, and the marker is hollow where the arm has options. What nobody
foresaw, as a transport of a package or a label, has a style by a digest of its name.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

Choice = TypeVar("Choice")

Dashes = tuple[int, tuple[float, ...]]
"""An offset, and the lengths of dashes and gaps in widths of the line, as matplotlib and SVG take them; none: solid."""


@dataclass(frozen=True, slots=True)
class ArmStyle:
    """How one arm is drawn. `color` is a hex text, `marker` a name of matplotlib, `filled` whether it is not hollow."""

    color: str
    dashes: Dashes
    marker: str
    filled: bool = True


# Told apart in common and in red-green-blind vision, each with a contrast of 3 against white (tests/experiments).
BLUE, VERMILION, GREEN, PLUM, BROWN, SKY, GREY, INDIGO = PALETTE = (
    *("#006CCD", "#D55E00", "#00A86E", "#9B4C85", "#7A4A00", "#3D95D0", "#808080", "#403070"),
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*", "p", "h")

_SOLID: Dashes = (0, ())
_DASHED: Dashes = (0, (5, 1.5))
_DOTTED: Dashes = (0, (1, 1))
_DASH_DOT: Dashes = (0, (6, 1.5, 1, 1.5))
_DASH_DOT_DOT: Dashes = (0, (6, 1.5, 1, 1.2, 1, 1.2))
_SPARSE: Dashes = (0, (3, 3))
_LONG: Dashes = (0, (10, 2))
DASHES = (_SOLID, _DASHED, _DOTTED, _DASH_DOT, _DASH_DOT_DOT, _SPARSE, _LONG)

_TRANSPORTS = {
    "udp": ArmStyle(GREY, _SOLID, "v"),
    "rtp": ArmStyle(VERMILION, _SOLID, "o"),
    "srt": ArmStyle(GREEN, _SOLID, "s"),
    "quic-stream": ArmStyle(BLUE, _SOLID, "^"),
    "quic-stream-per-gop": ArmStyle(SKY, _SOLID, "<"),
    "quic-stream-per-frame": ArmStyle(INDIGO, _SOLID, ">"),
    "quic-datagram": ArmStyle(PLUM, _SOLID, "D"),
    "quic-adaptive": ArmStyle(BROWN, _SOLID, "*"),
    "webtransport-stream-per-gop": ArmStyle(SKY, _LONG, "p"),
    "webtransport-stream-per-frame": ArmStyle(INDIGO, _LONG, "h"),
    "webtransport-datagram": ArmStyle(PLUM, _LONG, "P"),
    "webtransport-adaptive": ArmStyle(BROWN, _LONG, "X"),
}
_CONTROLS = {"gcc": _DASHED, "scream": _DOTTED, "bbr": _DASH_DOT, "cubic": _DASH_DOT_DOT, "reno": _SPARSE}


def arm_style(arm: str) -> ArmStyle:
    """How an arm of this name is drawn, always and everywhere."""
    transport, _, text = arm.partition(":")
    plain = _TRANSPORTS.get(transport) or ArmStyle(_chosen(PALETTE, transport), _SOLID, _chosen(MARKERS, transport))
    options = sorted(filter(None, text.split(",")))  # in whatever order they were typed, it is the same arm
    if not options:
        return plain
    name = ",".join(options)
    control = next((option.partition("=")[2] for option in options if option.startswith("control=")), "")
    dashes = _CONTROLS.get(control) or _chosen(DASHES[1:], f"dashes {name}")
    others = [marker for marker in MARKERS if marker != plain.marker]
    return ArmStyle(plain.color, dashes, _chosen(others, f"marker {name}"), filled=False)


def series_styles(names: Iterable[object]) -> list[ArmStyle]:
    """A style for each of up to eight series that are no arms, such as rates of loss: by their order."""
    return [
        ArmStyle(PALETTE[place % len(PALETTE)], DASHES[place % len(DASHES)], MARKERS[place % len(MARKERS)])
        for place, _ in enumerate(names)
    ]


def _chosen(choices: Sequence[Choice], name: str) -> Choice:
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
    return choices[int.from_bytes(digest[:8], "big") % len(choices)]
