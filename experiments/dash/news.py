"""What is new for a browser since it was told last, as server-sent events (WHATWG HTML, 9.2).

An event is made when there is room for it, of how things are then. So none waits in a queue, and a browser that is slow
is told less often, and of nothing twice.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from glassbench.experiments.dash.overview import Seen
from glassbench.experiments.results.json_form import json_text

ALIVE = b"event: alive\ndata: {}\n\n"
"""Says that the server is there, while there is nothing else to say."""


class News:
    """What one browser has been told."""

    def __init__(self) -> None:
        self._records: dict[str, Mapping[str, Any]] = {}
        self._rest: Mapping[str, Any] | None = None
        self._detail: Mapping[str, Any] | None = None
        self._told: dict[str, tuple[int, int]] = {}  # of each arm: its attempt, and how many slices of it

    def of_experiments(self, seen: Seen) -> bytes | None:
        """The event with the records that have changed, and the order of all; None if nothing has."""
        records: dict[str, Mapping[str, Any]] = {record["path"]: record for record in seen.records}
        changed = [record for path, record in records.items() if self._records.get(path) != record]
        rest = {"order": list(records), "left_out": seen.left_out, "trouble": seen.trouble}
        if not changed and rest == self._rest:
            return None
        self._records, self._rest = records, rest
        return _event("experiments", {"changed": changed, **rest})

    def of_chosen(self, name: str, detail: Mapping[str, Any] | None) -> bytes | None:
        """The event with the arms of the folder that is chosen, each with the slices that are new `since` the number
        that was told before; None if nothing has changed."""
        if detail is None:
            detail = {"path": name, "note": "This folder is not there any more.", "arms": [], "columns": [], "rows": []}
        if detail == self._detail:
            return None
        self._detail = detail
        return _event("chosen", {**detail, "arms": self._new_of(detail["arms"])})

    def _new_of(self, arms: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        new, told = [], {}
        for arm in arms:
            attempt, since = self._told.get(arm["key"], (0, 0))
            if attempt != arm["attempt"] or since > len(arm["slices"]):
                since = 0
            new.append({**arm, "since": since, "slices": arm["slices"][since:]})
            told[arm["key"]] = arm["attempt"], len(arm["slices"])
        self._told = told
        return new


def _event(name: str, content: Mapping[str, Any]) -> bytes:
    return f"event: {name}\ndata: {json_text(content)}\n\n".encode()
