"""What the network was commanded to do, and what it did: packets of each path and of each of its elements.

The records come from files, so every shape is checked, and what is none of ours is left out.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from glassbench.experiments.account.number_text import finite, share_text
from glassbench.experiments.results.report.content import Row, Section, Table, TableCell
from glassbench.experiments.scenario.element_spec import DIRECTIONS

Impairments = Mapping[str, Any]
"""The record of one arm in one run: links by their name, as `down` or `far up`, each with `path` and `elements`."""

_COUNTS = ("pushed", "popped", "lost", "dropped", "duplicated", "inside")
_COLUMNS = ("in", "out", "lost", "dropped by queues", "doubled", "still inside")

Counts = dict[str, int]


@dataclass(frozen=True)
class _Element:
    """An element at its place in a link, and its counts by arm."""

    link: str
    place: int
    commanded: str
    arms: dict[str, Counts]


def impairment_section(arms: Mapping[str, Sequence[Impairments]]) -> Section | None:
    """Commanded and applied, from the records of each arm, one per run; None if there are none to be read."""
    paths = _paths(arms)
    elements = _elements(arms)
    if not paths:
        return None
    acting = [element for element in elements if any(_acted(counts) for counts in element.arms.values())]
    return Section(
        name="impairment",
        title="Network: commanded and applied",
        paragraphs=(
            "The dice of the network are the same for all arms, but each arm sends its own packets at its own moments, "
            "so the applied rates differ. Shares are of the packets that went in. Down leads away from the host of the "
            "sender, up to it.",
        ),
        tables=(
            _overview(elements),
            *(
                Table(f"Packets of the whole path, {link}.", "arm", _COLUMNS, _rows(counts))
                for link, counts in paths.items()
            ),
            *(
                Table(
                    f"Packets of element {element.place}, {element.link}: {element.commanded}.",
                    "arm",
                    _COLUMNS,
                    _rows(element.arms),
                )
                for element in acting
                if len([other for other in acting if other.link == element.link]) > 1  # else it is the path
            ),
        ),
    )


def _overview(elements: Sequence[_Element]) -> Table:
    return Table(
        caption="Each element in the order a packet meets it: what it was told, and the least and the greatest share "
        "over the arms of what it did.",
        corner="element",
        columns=("commanded", "lost", "dropped by queues", "doubled"),
        rows=tuple(
            Row(
                f"{element.link} {element.place}",
                (
                    TableCell(element.commanded),
                    *(TableCell(_range(element.arms, name)) for name in ("lost", "dropped", "duplicated")),
                ),
            )
            for element in elements
        ),
        numbers=False,
    )


def _range(arms: Mapping[str, Counts], name: str) -> str:
    used = [counts for counts in arms.values() if counts["pushed"]]
    if not any(counts[name] for counts in used):
        return "none"
    ordered = sorted(used, key=lambda counts: counts[name] / counts["pushed"])
    low, high = (share_text(counts[name], counts["pushed"]) for counts in (ordered[0], ordered[-1]))
    return low if low == high else f"{low} to {high}"


def _rows(arms: Mapping[str, Counts]) -> tuple[Row, ...]:
    rows = []
    for arm, counts in arms.items():
        shares = {
            name: share_text(counts[name], counts["pushed"])
            for name in ("lost", "dropped", "duplicated")
            if counts[name]
        }
        rows.append(Row(arm, tuple(TableCell(str(counts[name]), shares.get(name, "")) for name in _COUNTS)))
    return tuple(rows)


def _acted(counts: Counts) -> bool:
    return any(counts[name] for name in ("lost", "dropped", "duplicated"))


def _paths(arms: Mapping[str, Sequence[Impairments]]) -> dict[str, dict[str, Counts]]:
    by_link: dict[str, dict[str, Counts]] = {}
    for arm, link, record in _records(arms):
        if (counts := _counts(record.get("path"))) is not None:
            _add(by_link.setdefault(link, {}), arm, counts)
    return by_link


def _elements(arms: Mapping[str, Sequence[Impairments]]) -> list[_Element]:
    by_place: dict[tuple[str, int, str], _Element] = {}
    for arm, link, record in _records(arms):
        elements = record.get("elements")
        for place, element in enumerate(elements if isinstance(elements, list) else (), start=1):
            if not isinstance(element, dict) or (counts := _through(element.get("applied"))) is None:
                continue
            commanded = _commanded(element.get("commanded"))
            key = link, place, commanded
            _add(by_place.setdefault(key, _Element(link, place, commanded, {})).arms, arm, counts)
    links = {link: number for number, link in enumerate(dict.fromkeys(link for link, _, _ in by_place))}
    return [by_place[key] for key in sorted(by_place, key=lambda key: (links[key[0]], key[1]))]


def _records(arms: Mapping[str, Sequence[Impairments]]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The records of links, link by link: those of the segment "network" first, the others as they come."""
    names = dict.fromkeys([*DIRECTIONS, *(name for runs in arms.values() for run in runs for name in run)])
    for link in names:
        if link.split(" ")[-1] not in DIRECTIONS:
            continue
        for arm, runs in arms.items():
            for run in runs:
                if isinstance(record := run.get(link), dict):
                    yield arm, link, record


def _through(applied: object) -> Counts | None:
    """An element of the scenario may be several of the path, one after the other: in at the first, out at the last."""
    if not isinstance(applied, list):
        return None
    parts = [counts for part in applied if (counts := _counts(part)) is not None]
    if not parts:
        return None
    total = {name: sum(part[name] for part in parts) for name in _COUNTS}
    return {**total, "pushed": parts[0]["pushed"], "popped": parts[-1]["popped"]}


def _counts(record: object) -> Counts | None:
    if not isinstance(record, dict):
        return None
    return {name: int(finite(record.get(name)) or 0) for name in _COUNTS}


def _add(sums: dict[str, Counts], arm: str, counts: Counts) -> None:
    before = sums.get(arm, dict.fromkeys(_COUNTS, 0))
    sums[arm] = {name: before[name] + counts[name] for name in _COUNTS}


def _commanded(spec: object) -> str:
    """`element: field value, field value`, as the scenario calls them."""
    if not isinstance(spec, dict):
        return "unknown"
    fields = [f"{name} {_text(value)}" for name, value in spec.items() if name not in ("element", "name")]
    kind = _text(spec.get("element", "unknown"))
    return f"{kind}: {', '.join(fields)}" if fields else kind


def _text(value: object) -> str:
    if isinstance(value, dict):
        return "(" + ", ".join(f"{name} {_text(inner)}" for name, inner in value.items()) + ")"
    return value if isinstance(value, str) else json.dumps(value)
