"""How the catalog says what to run: cells of one arm each, media whose codec takes no time, and parts of a path."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from glassbench.experiments import scenario
from glassbench.experiments.engine.plan import Cell, Plan, checked
from glassbench.netem.traces.files import find, sibling
from glassbench.netem.traces.generators import GENERATORS

NO_ANSWERS = {"element": "random-loss", "probability": "100%"}
REPLAY_QUEUE = "600kB"


def make_plan(name: str, cells: Iterable[Cell], *, frames: bool = True, quality: bool = False) -> Plan:
    """A plan as the catalog makes them: checked, and the frames of its cells are kept."""
    return checked(Plan(name, tuple(cells), frames=frames, quality=quality))


def make_cell(
    axes: Mapping[str, Any],
    name: str,
    *,
    arm: str | Mapping[str, Any],
    seconds: float,
    media: Mapping[str, Any],
    network: Mapping[str, Any],
    **fields: Any,
) -> Cell:
    """A cell of the scenario `name` with one arm; `fields` is what a scenario has besides."""
    content = {"name": name, "duration": f"{seconds:g}s", "arms": [arm], "video": media, "network": network}
    return Cell(dict(axes), scenario.build(content | fields))


def video(bitrate: str, **fields: Any) -> dict[str, Any]:
    """The table [video] of frames drawn from the size model, whose codec takes no time: delays are the transport's."""
    return {"source": "lognormal", "bitrate": bitrate, "encode_cost": "none", "decode_cost": "none", **fields}


def delay(seconds: float) -> dict[str, Any]:
    """The element of a constant propagation delay."""
    return {"element": "delay", "delay": f"{seconds * 1e6:.0f}us"}


def replay(trace: str, *, start: float) -> dict[str, Any]:
    """The table [network] of a drive that is replayed with a queue of 600 kB. A generator, by its name, has its own
    delays and no start. A recording, by its file, begins at `start` seconds, without the delay and the loss that it may
    have in it, and with a round trip of 40 ms. Its way back is recorded too, or carries 5 Mbit/s."""
    if trace in GENERATORS:
        return {"trace": trace, "queue": REPLAY_QUEUE}
    recorded = {"element": "trace", "trace": trace, "queue": REPLAY_QUEUE, "delay": False, "loss": False}
    constant = {"element": "rate", "rate": "5Mbit/s", "queue": REPLAY_QUEUE}
    path = Path(trace)
    back = recorded if sibling(find(path) or path) else constant
    return {"trace_start": f"{start:g}s", "down": [recorded, delay(0.02)], "up": [back, delay(0.02)]}
