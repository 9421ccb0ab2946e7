"""What a scenario holds, in one line, for the title of every table, page and figure that shows it:

bikes, 30 s, 2 Mbit/s over lte-driving, deadline 1 s, loss 1 %, 20 ms each way, 600 kB
"""

import re
from collections.abc import Iterable
from pathlib import Path

from glassbench.experiments.scenario.bottleneck_specs import RateSpec, TraceSpec
from glassbench.experiments.scenario.delay_specs import DelaySpec, RandomDelaySpec
from glassbench.experiments.scenario.element_spec import Direction
from glassbench.experiments.scenario.loss_specs import OutageSpec
from glassbench.experiments.scenario.queue_spec import DropTailSpec, QueueSpec
from glassbench.experiments.scenario.segment_spec import Elements
from glassbench.experiments.scenario.spec import Scenario
from glassbench.experiments.scenario.units import DURATION, RATE, SIZE

_SUBJECTS = (
    "bottleneck",
    "policer",
    "size",
    "outage",
    "loss",
    "duplication",
    "reordering",
    "delay",
    "jitter",
    "queue",
    "element",
)


def title(*scenarios: Scenario, network: bool = True) -> str:
    """Clip, length, rate, network and deadline, as far as all of these scenarios share them, but not arms and seeds.

    Without `network` nothing is said of the network: no scenario describes it then.
    """
    return _printable(", ".join(_shared(scenarios, network=network).values()).replace(", over ", " over "))


def network_words(*scenarios: Scenario) -> str:
    """What carries the media, and how far it is, as far as all of these scenarios share it, for sentences: over
    lte-driving, 20 ms each way. Empty if they share no bottleneck."""
    said = _shared(scenarios, network=True)
    if "bottleneck" not in said:
        return ""
    words = ", ".join(said[subject] for subject in ("bottleneck", "delay") if subject in said)
    return _printable(words if words.startswith("over ") else f"with {words}")


def _shared(scenarios: Iterable[Scenario], *, network: bool) -> dict[str, str]:
    """What is said of all of these scenarios alike."""
    distinct = {(one.video, one.duration, one.playout, one.network, one.flow): one for one in scenarios}
    first, *others = [_said(one, network=network) for one in distinct.values()]
    return {subject: text for subject, text in first.items() if all(other.get(subject) == text for other in others)}


def _printable(line: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in line)


def _said(scenario: Scenario, *, network: bool) -> dict[str, str]:
    """What is said of a scenario, a text by its subject, in the order of the line."""
    media = scenario.media(scenario.arms[0])
    video = media.video
    clip = "a bulk transfer" if media.greedy else _file(video.source)
    said = {"clip": clip, "length": _duration(scenario.duration)}
    if not media.greedy and not video.source.startswith("sizes:"):  # recorded sizes have the rate that they have
        said["rate"] = _spaced(RATE.format(video.bitrate))
    path = _network(scenario) if network else {}
    if "bottleneck" in path:
        said["bottleneck"] = path.pop("bottleneck")
    if not media.greedy:
        said["deadline"] = "no deadline" if video.deadline is None else f"deadline {_duration(video.deadline)}"
    if scenario.playout != "immediate":
        said["playout"] = f"playout {scenario.playout}"
    if others := len(scenario.routes()) - 1:
        said["flows"] = f"beside {others} other flow{'' if others == 1 else 's'}"
    return said | path


def _network(scenario: Scenario) -> dict[str, str]:
    """What is said of both paths of the flow "media". What they do not share names its direction."""
    segments = [scenario.network.segment(name).paths() for name in scenario.routes()[0].over]
    down = tuple(element for path, _ in segments for element in path)
    up = tuple(element for _, path in reversed(segments) for element in path)
    by_direction = {"down": _path(down, "down"), "up": _path(up, "up")}
    said = {"bottleneck": "no bottleneck"}
    for subject in _SUBJECTS:
        texts = {direction: path[subject] for direction, path in by_direction.items() if subject in path}
        if len(texts) == 2 and len(set(texts.values())) == 1:
            said[subject] = f"{texts['down']}{' each way' if subject == 'delay' else ''}"
        elif texts:
            said[subject] = ", ".join(f"{text} {direction}" for direction, text in texts.items())
        elif subject == "delay":
            said[subject] = "no delay"
    return said


def _path(path: Elements, direction: Direction) -> dict[str, str]:
    """What is said of one path, by subject."""
    said: dict[str, list[str]] = {subject: [] for subject in _SUBJECTS}
    constant = 0.0
    for element in path:
        match element:
            case RateSpec():
                said["bottleneck"].append(f"over {_spaced(RATE.format(element.rate))}")
                said["queue"].append(_queue(element.queue))
            case TraceSpec():
                said["bottleneck"].append(f"over {_file(element.trace)}")
                said["queue"].append(_queue(element.queue))
                recorded = element.sample(direction)
                if element.loss and recorded.loss is not None:
                    said["loss"].append("the trace's loss")
                if element.delay and recorded.delay is not None:
                    if len(set(recorded.delay.values)) > 1:
                        said["delay"].append("the trace's delay")
                    else:
                        constant += float(recorded.delay.values[0])
            case DelaySpec():
                constant += element.delay
            case RandomDelaySpec():
                said["delay"].append(f"about {_duration(element.mean)}")
            case OutageSpec():
                said["outage"].append(_outages(element))
            case _:
                subject, text = element.said
                said[subject].append(_spaced(text.format(**element.dump())))
    if constant:
        said["delay"].append(_duration(constant))
    return {subject: " + ".join(texts) for subject, texts in said.items() if texts}


def _queue(queue: QueueSpec) -> str:
    if not isinstance(queue, DropTailSpec):
        return queue.discipline
    limits = [] if queue.bytes is None else [_spaced(SIZE.format(queue.bytes))]
    return " or ".join([*limits, *([] if queue.packets is None else [f"{queue.packets} packets"])])


def _outages(outage: OutageSpec) -> str:
    lengths = dict.fromkeys(_duration(window.duration) for window in outage.windows)
    every = "" if outage.period is None else f" every {_duration(outage.period)}"
    return (
        f"{'outage' if len(outage.windows) == 1 else f'{len(outage.windows)} outages'} of {', '.join(lengths)}{every}"
    )


def _file(name: str) -> str:
    """A name without its folder."""
    return Path(name.removeprefix("sizes:")).name


def _duration(seconds: float) -> str:
    return _spaced(DURATION.format(round(seconds, 9)))


def _spaced(text: str) -> str:
    """The text with a space between each number and its unit."""
    return re.sub(r"(?<=\d)(?=[A-Za-z%])", " ", text)
