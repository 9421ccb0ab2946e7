"""Why frames were not shown, in words and with numbers: from their rows of the ledger, and from the network."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from glassbench.experiments.account.connection import Connection
from glassbench.experiments.scenario.elements import ELEMENTS


def not_shown(frames: pd.DataFrame, connection: Connection, deadline: float | None) -> str:
    """Each reason with the number of its frames, the commonest first; `frames` are rows of one track, `connection` is
    the sender's, `deadline` in seconds from capture."""
    missing = frames[frames["fate"] != "displayed"].to_dict("records")
    reasons = Counter(_reason(frame, connection, deadline) for frame in missing)
    return "; ".join(f"{number} {reason}" for reason, number in reasons.most_common())


def on_the_way(stats: Mapping[str, Any], impairments: Mapping[str, Any]) -> list[str]:
    """Clauses about what the network did to the datagrams of both ends, as far as it is known."""
    return [*_arrived(stats), *_taken(impairments)]


def count(number: int, what: str) -> str:
    """A number of things."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def were(number: int) -> str:
    """ "was" or "were", as the number wants it."""
    return "was" if number == 1 else "were"


def _reason(frame: Mapping[Any, Any], connection: Connection, deadline: float | None) -> str:
    if frame["sequence"] < 0:
        if connection.connected_at is None or frame["captured_at"] < connection.connected_at:
            return "came before the connection stood"
        if connection.closed_at is not None and frame["captured_at"] >= connection.closed_at:
            return "came after the connection was closed"
        return (
            "were not encoded, as the network had no room" if frame["fate"] == "skipped" else "found the encoder busy"
        )
    match frame["fate"]:
        case "dropped":
            return "found no room in the send queue"
        case "expired":
            return "expired unsent" if deadline is None else f"passed the deadline of {deadline:g} s unsent"
        case "lost":
            return "never arrived whole"
        case "undecodable":
            return "lacked a reference"
    if np.isnan(frame["complete_at"]):
        return "still waited at the sender at the end"
    ready = np.nanmax([frame[name] for name in ("complete_at", "delivered_at", "decoded_at")])
    if deadline is not None and ready - frame["captured_at"] > deadline:
        return f"arrived after the deadline of {deadline:g} s"
    return "arrived too late to be shown in order"


def _arrived(stats: Mapping[str, Any]) -> Iterator[str]:
    for one, other, way in (("sender", "receiver", ""), ("receiver", "sender", " back")):
        sent = stats.get(one, {}).get("datagrams_sent", 0)
        arrived = stats.get(other, {}).get("datagrams_received", 0)
        if arrived < sent:
            yield f"{arrived} of {count(sent, 'datagram')}{way} arrived"


def _taken(impairments: Mapping[str, Any]) -> Iterator[str]:
    """What elements lost and dropped, and what was still inside of them when the run ended."""
    for direction, record in impairments.items():
        path = record["path"]
        parts = [(_named(element["commanded"]), part) for element in record["elements"] for part in element["applied"]]
        for name, counts in parts or [("the path", path)]:
            if gone := counts["lost"] + counts["dropped"]:
                yield f"{name} took {gone} of {count(counts['pushed'], 'packet')} {direction}"
        if path["inside"]:
            inside = path["inside"]
            yield f"{inside} of {count(path['pushed'], 'packet')} {direction} {were(inside)} on the way at the end"


def _named(commanded: Mapping[str, Any]) -> str:
    """An element with what a scenario file has to say of it; its name only tells its dice from those of others."""
    element = str(commanded["element"])
    default = ELEMENTS[element].model_construct().dump()
    settings = [
        f"{name} {value}"
        for name, value in commanded.items()
        if isinstance(value, str | int | float) and value != default.get(name) and name != "name"
    ]
    return f"{element} ({', '.join(settings)})" if settings else element
