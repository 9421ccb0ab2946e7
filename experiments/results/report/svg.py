"""Matplotlib figures as <svg> elements inside a page: small, the same bytes again, in the colours of the page.

Colours become CSS variables, so that one drawing serves light, dark and paper. Matplotlib's own SVG is taken apart for
it: identifiers that nobody refers to, fonts, metadata and decimals that nobody sees go, and a cloud of equal dots
becomes one path. What the page's script needs stands in `data-` attributes: where the axes lie, what they count, and
which lines belong to which arm.
"""

import hashlib
import io
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, unquote
from xml.etree import ElementTree as ET

from markupsafe import Markup
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from glassbench.experiments.results.arm_style import PALETTE
from glassbench.experiments.results.plots.page import own_style
from glassbench.experiments.results.plots.style import AREAS, FAINT, INK
from glassbench.experiments.results.report.plain import plain

_SVG = "{http://www.w3.org/2000/svg}"
_HREF = "{http://www.w3.org/1999/xlink}href"

# The variables are defined in report.css, for light and for dark.
_COLOURS = {
    INK: "var(--ink)",
    FAINT: "var(--rule)",
    "#000000": "var(--ink)",
    "#ffffff": "var(--paper)",
    "#d9d9d9": "var(--mid)",
    **{colour: f"var(--c{index})" for index, colour in enumerate(PALETTE)},
    **{colour: f"var(--a{index})" for index, colour in enumerate(AREAS)},
}
_BY_HEX = {colour.lower(): variable for colour, variable in _COLOURS.items()}
_HEX = re.compile(r"#[0-9a-f]{6}\b")
_FONT = re.compile(r"font: (?:[a-z]+ )*([\d.]+)px [^;]*|font-family: ?[^;]*;?")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_DECIMAL = re.compile(r"-?\d+\.\d+")

# Identifiers of artists that the script has to know, until they become attributes.
_SERIES, _PANEL, _ACROSS = "series-", "panel-", "across-"

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # names from files may hold these

_MANY = 40  # equal marks from which on they are drawn as one path
_START = re.compile(r"M ?(-?[\d.]+) (-?[\d.]+)")
_GRID = 0.5  # units of the drawing within which two dots are one
_LONG = 400  # characters of a path from which on a tenth of a unit is enough


def drawn(make: Callable[[], Figure], *, name: str, label: str, units: tuple[str, str] = ("", "")) -> Markup:
    """The figure that `make` makes, as an <svg> element, or a note that it could not be drawn. `name` is unique in its
    page; `label` says what is seen to whoever does not see it; `units` are those of its axes, across and up."""
    try:
        with _settings(name):
            return _to_svg(make(), name=name, label=label, units=units)
    except Exception as error:  # of the fonts or the library here; the numbers beside it are right
        reason = " ".join(str(error).split()) or type(error).__name__
        return Markup("<p>Note: this picture could not be drawn ({}).</p>").format(reason)


@contextmanager
def _settings(name: str) -> Iterator[None]:
    settings: Any = {
        "svg.hashsalt": name,
        "text.color": INK,
        "axes.labelcolor": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "font.size": 9.6,
        "hatch.linewidth": 0.6,
    }
    with own_style(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph .* missing from font", UserWarning)  # the browser has other fonts
        yield


def series(artist: Artist, name: str = "", *, arm: str = "") -> None:
    """Let the script of the page know an artist: a line with a `name` can be read off, and what belongs to an arm can
    be hidden."""
    artist.set_gid(f"{_SERIES}{arm_id(arm) if arm else ''}/{quote(plain(name, 120), safe='')}")


def arm_id(arm: str) -> str:
    """A short text that stands for the name of an arm in attributes."""
    return hashlib.sha256(arm.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _to_svg(figure: Figure, *, name: str, label: str, units: tuple[str, str]) -> Markup:
    figure.patch.set_visible(False)
    for number, axes in enumerate(figure.axes):
        axes.patch.set_visible(False)
        axes.set_gid(f"{_PANEL}{number}")
        axes.xaxis.set_gid(f"{_ACROSS}{number}")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    root = ET.fromstring(_NO_XML.sub("\N{REPLACEMENT CHARACTER}", buffer.getvalue().decode()))
    box = root.get("viewBox", "0 0 1 1")
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.rpartition("}")[2] in ("metadata", "style"):
                parent.remove(child)
    for element in root.iter():
        _describe(element, figure, units)
    _rename(root, name)
    for element in list(root.iter()):
        _simplify(element)
        element.tag = element.tag.removeprefix(_SVG)
    _unwrap(root)
    root.attrib.clear()
    root.attrib.update({"viewBox": box, "role": "img", "aria-label": label})
    return Markup(ET.tostring(root, encoding="unicode"))


def _describe(element: ET.Element, figure: Figure, units: tuple[str, str]) -> None:
    """Put what the script needs of an axes, of its x axis, or of a line in the place of the identifier."""
    identifier = element.get("id", "")
    if identifier.startswith(_SERIES):
        arm, _, line = identifier.removeprefix(_SERIES).partition("/")
        element.attrib |= {"data-arm": arm} if arm else {}
        element.attrib |= {"data-series": unquote(line)} if line else {}
    elif identifier.startswith(_ACROSS):
        element.set("data-across", "")
    elif identifier.startswith(_PANEL):
        axes = figure.axes[int(identifier.removeprefix(_PANEL))]
        if any(str(child.get("id", "")).startswith(_SERIES) for child in element.iter()):
            element.attrib |= _scales(figure, axes, units)


def _scales(figure: Figure, axes: Axes, units: tuple[str, str]) -> dict[str, str]:
    """Where the axes lie in units of the drawing (left, upper edge, width, height), and per axis its ends, its scale
    and its unit."""
    width, height = (72 * inches for inches in figure.get_size_inches())
    box = axes.get_position()
    place = (box.x0 * width, (1 - box.y1) * height, box.width * width, box.height * height)
    across, up = (
        f"{low:.6g} {high:.6g} {scale} {unit}".strip()
        for (low, high), scale, unit in (
            (axes.get_xlim(), axes.get_xscale(), units[0]),
            (axes.get_ylim(), axes.get_yscale(), units[1]),
        )
    )
    return {"data-panel": " ".join(f"{part:.2f}" for part in place), "data-x": across, "data-y": up}


def swatch(content: str) -> Markup:
    """A sample of a line or an area for the key of a figure; `content` is SVG that we made, 28 x 12 units."""
    return Markup(f'<svg class="swatch" viewBox="0 0 28 12" aria-hidden="true">{content}</svg>')


def colour(of: str) -> str:
    """The CSS value that stands for a colour of our pictures."""
    return _BY_HEX.get(of.lower(), of)


def _themed(style: str) -> str:
    return _HEX.sub(lambda match: _BY_HEX.get(match[0], match[0]), style)


def _rename(root: ET.Element, name: str) -> None:
    """Identifiers that are unique in the page, and only where something refers to them."""
    used: dict[str, str] = {}
    for element in root.iter():
        if target := element.get(_HREF, "").removeprefix("#"):
            used.setdefault(target, f"{name}-{len(used)}")
            del element.attrib[_HREF]
            element.set("href", f"#{used[target]}")
        for attribute, value in element.attrib.items():
            for target in _REFERENCE.findall(value):
                used.setdefault(target, f"{name}-{len(used)}")
            element.set(attribute, _REFERENCE.sub(lambda match: f"url(#{used[match[1]]})", value))
    for element in root.iter():
        old = element.attrib.pop("id", None)
        if old in used:
            element.set("id", used[old])


def _simplify(element: ET.Element) -> None:
    if "fill" in element.attrib:  # variables are for styles
        element.set("style", f"fill: {element.attrib.pop('fill')}; {element.get('style', '')}")
    if style := element.get("style"):
        style = _FONT.sub(lambda match: f"font-size: {match[1]}px" if match[1] else "", style)
        style = _themed(style).replace(": ", ":").replace("; ", ";").replace("stroke-dasharray:;", "")
        element.set("style", style.strip("; "))
    if path := element.get("d"):
        digits = 1 if len(path) > _LONG else 2
        element.set("d", _compact(_rounded(path, digits)))
    if element.get("transform", "").startswith("rotate(-0 "):
        del element.attrib["transform"]
    for attribute in ("transform", "x", "y", "width", "height"):
        if value := element.get(attribute):
            element.set(attribute, _rounded(value, 2))
    marks = element.findall(f"{_SVG}use")
    if len(marks) >= _MANY and len({(mark.get("href"), mark.get("style")) for mark in marks}) == 1:
        _merge(element, marks)
    element.text, element.tail = (text and text.strip() and text for text in (element.text, element.tail))


def _merge(group: ET.Element, marks: list[ET.Element]) -> None:
    """Dots of one size and colour as one path of points with round ends; those on top of each other are one."""
    places = {(_on_grid(mark.get("x", "0")), _on_grid(mark.get("y", "0"))): None for mark in marks}
    for mark in marks:
        group.remove(mark)
    fill = re.search(r"fill: ?([^;]+)", marks[0].get("style", ""))
    ink = fill[1] if fill else INK
    path = ET.SubElement(group, "path")
    path.set("d", "".join(f"M{x:g} {y:g}h0" for x, y in places))
    path.set("style", f"fill:none;stroke:{_themed(ink)};stroke-width:2.2;stroke-linecap:round")


def _unwrap(root: ET.Element) -> None:
    """Groups without an attribute mean nothing."""
    for parent in list(root.iter()):
        children: list[ET.Element] = []
        for child in parent:
            children.extend(_flat(child))
        parent[:] = children


def _flat(element: ET.Element) -> Iterator[ET.Element]:
    if element.tag == "g" and not element.attrib:
        for child in element:
            yield from _flat(child)
    elif element.tag != "defs" or len(element):
        yield element


def _compact(path: str) -> str:
    """The same path in fewer characters: the points between two others on a level or upright line are left out, and so
    is the letter of a line that goes on."""
    words = path.split()
    if path.count("C") > _MANY:  # a hatch of dots, of which four arcs make one
        return "".join(f"M{x} {y}h0" for x, y in _START.findall(" ".join(words)))
    if not set(filter(str.isalpha, words)) <= {"M", "L", "z"}:
        return " ".join(words)
    pieces: list[list[tuple[str, str]]] = []
    closed = "z" in words
    letters = [word for word in words if word != "z"]
    for letter, x, y in zip(letters[::3], letters[1::3], letters[2::3], strict=True):
        if letter == "M":
            pieces.append([])
        line = pieces[-1]
        if len(line) > 1 and any(line[-2][axis] == line[-1][axis] == (x, y)[axis] for axis in (0, 1)):
            line.pop()
        line.append((x, y))
    if closed and len(pieces) > 1:
        return " ".join(words)
    return "".join("M" + " ".join(f"{x} {y}" for x, y in line) for line in pieces) + ("z" if closed else "")


def _on_grid(text: str) -> float:
    return round(float(text) / _GRID) * _GRID


def _rounded(text: str, digits: int) -> str:
    return _DECIMAL.sub(lambda match: f"{round(float(match[0]), digits) + 0.0:g}", text)
