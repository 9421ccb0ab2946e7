"""What a user changes of a scenario, one thing at a time: words for what is changed most, and any field by its path.

The command line has an option for each word, and Python an argument.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

from glassbench.experiments.engine.plan import WrongField, with_fields
from glassbench.experiments.scenario import Scenario, ScenarioError
from glassbench.experiments.scenario.arm_table import EVERY, every_arm
from glassbench.experiments.scenario.bottleneck_specs import TraceSpec
from glassbench.experiments.scenario.element_spec import DIRECTIONS
from glassbench.experiments.scenario.network_spec import MAIN

DELAY = "20ms"
"""Of propagation, each way, where a bottleneck was put in that does not say it."""

MEDIA = {
    "arms": "arms",
    "source": "video.source",
    "bitrate": "video.bitrate",
    "fps": "video.fps",
    "duration": "duration",
    "seed": "seed",
}
NETWORK = {
    "trace": "network.trace",
    "trace_start": "network.trace_start",
    "trace_columns": "network.trace_columns",
    "rate": "network.rate",
    "queue": "network.queue",
    "delay": "network.delay",
    "jitter": "network.jitter",
    "loss": "network.loss",
}
FIELDS = {**MEDIA, **NETWORK}
"""The field of a scenario that each word stands for."""

_OF_A_TRACE = ("trace", "trace_start", "trace_columns")
_MOST_ARMS = 3  # that a folder is named by
_LONGEST_NAME = 64


class Changes(TypedDict, total=False):
    """What to change: fields of `[video]` and of the scenario, and of the short form of `[network]`, by their words.

    `arms` replaces the list of transports; "all" stands for all of ours with their defaults, and every peer that is
    here. `trace` and `rate` each take the place of the bottleneck: a trace by its
    name or file, with `trace_start` ("90s") at the first capture and the `trace_columns` of a log; or a constant rate.
    `bitrate` is the encoder's. Quantities are texts with a unit, as in a file; a `duration` may be seconds. `fields`
    has any other field by its path, such as {"video.codec": "vp9"}; None takes it away.
    """

    arms: Any
    source: str | None
    bitrate: str | None
    fps: float | None
    duration: str | float | None
    seed: int | None
    trace: str | None
    trace_start: str | None
    trace_columns: str | None
    rate: str | None
    queue: str | None
    delay: str | None
    jitter: str | None
    loss: str | None
    fields: Mapping[str, Any] | None


def changed(scenario: Scenario, changes: Changes) -> Scenario:
    """The scenario with changes; it is named after itself, and after another trace and other arms.

    A bottleneck that is put in and records no delay of its own gets DELAY in each direction where nothing else says
    one. Raises WrongChange.
    """
    given = {word: value for word, value in changes.items() if word != "fields" and value is not None}
    if unknown := [word for word in given if word not in FIELDS]:
        raise TypeError(f"unexpected argument {unknown[0]!r}; accepted: {', '.join([*FIELDS, 'fields'])}")
    further = dict(changes.get("fields") or {})
    if not given and not further:
        return scenario
    _refuse_without_short_form(scenario, [word for word in given if word in NETWORK])
    fields = _fields(given)
    for path in further:
        if path in fields:
            raise WrongChange(_word(path), f"it is given twice, as {_word(path)} and as the field {path}")
    try:
        plan = with_fields(scenario, fields | further)
        if "name" not in further:
            plan = plan.model_copy(update={"name": _name(scenario.name, given)})
        if ("trace" in given or "rate" in given) and plan.network.delay is None and not _records_delay(plan):
            plan = with_fields(plan, {FIELDS["delay"]: DELAY})
    except WrongField as error:
        raise WrongChange(_word(error.path), _about(error)) from None
    return plan


class WrongChange(ScenarioError):
    """A change that the scenario does not take: its `word`, or the path of a field, and the `sentence` about it."""

    def __init__(self, word: str, sentence: str) -> None:
        super().__init__(f"{word}: {sentence}")
        self.word = word
        self.sentence = sentence


def adds_delay(before: Scenario, after: Scenario, changes: Changes) -> bool:
    """Whether `changed` gave the scenario its DELAY."""
    asked = changes.get("delay") is not None or FIELDS["delay"] in (changes.get("fields") or {})
    return after.network.delay is not None and before.network.delay is None and not asked


def _fields(given: Mapping[str, Any]) -> dict[str, Any]:
    """Values by the paths of their fields. A bottleneck that is put in takes the other one's fields away."""
    fields: dict[str, Any] = {}
    if "trace" in given or "rate" in given:
        fields |= {FIELDS[word]: None for word in ("rate", *_OF_A_TRACE)}
    fields |= {FIELDS[word]: value for word, value in given.items()}
    if "arms" in given:
        arms = [given["arms"]] if isinstance(given["arms"], str) else list(given["arms"])
        fields["arms"] = [each for arm in arms for each in (every_arm() if arm == EVERY else [arm])]
    if isinstance(duration := given.get("duration"), int | float):
        fields["duration"] = f"{float(duration)!r}s"
    return fields


def _refuse_without_short_form(scenario: Scenario, words: list[str]) -> None:
    network = scenario.network
    if not words:
        return
    if network.segments and MAIN not in network.names:
        names = ", ".join(network.names)
        raise WrongChange(
            words[0],
            f"this network has segments ({names}); say which one is meant by a field, such as "
            f"network.{network.names[0]}.{words[0]}",
        )
    if network.down is not None:
        raise WrongChange(
            words[0],
            f"the network of this scenario is a list of elements; name the field of one, such as "
            f"network.down[0].{words[0]}",
        )


def _about(error: WrongField) -> str:
    """What is wrong, without the place in a list that the option does not name."""
    return re.sub(rf"^{re.escape(error.path)}(\[\d+\])?(\.\w+)*: ", "", error.sentence)


def _word(path: str) -> str:
    return next((word for word, field in FIELDS.items() if path == field or path.startswith(f"{field}[")), path)


def _name(name: str, given: Mapping[str, Any]) -> str:
    """A name for the folder of results: of the scenario, a trace that is not its own, and arms that are not."""
    parts = [name]
    if "trace" in given:
        parts.append(Path(str(given["trace"])).stem)
    if "arms" in given:
        arms = [given["arms"]] if isinstance(given["arms"], str) else list(given["arms"])
        labels = [str(arm.get("label", arm.get("transport"))) if isinstance(arm, Mapping) else str(arm) for arm in arms]
        parts += labels if len(labels) <= _MOST_ARMS else [f"{len(labels)}-arms"]
    joined = "-".join(re.sub(r"[^A-Za-z0-9._-]+", "-", part).strip("-._") for part in parts)
    return joined[:_LONGEST_NAME].rstrip("-._")


def _records_delay(plan: Scenario) -> bool:
    """Whether the trace of a scenario says how long packets are under way."""
    return any(
        element.sample(direction).delay is not None
        for direction, path in zip(DIRECTIONS, plan.network.paths(), strict=True)
        for element in path
        if isinstance(element, TraceSpec)
    )
