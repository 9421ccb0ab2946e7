"""How the catalog says what to run: cells of one arm each, media whose codec takes no time, and parts of a path."""

from collections.abc import Iterable, Mapping
from typing import Any

from glassbench.experiments import scenario
from glassbench.experiments.engine.plan import Cell, Plan, checked

NO_ANSWERS = {"element": "random-loss", "probability": "100%"}


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
