"""A path of a scenario in the words of tc(8), for a kernel that has netem (tc-netem(8), tc-tbf(8)).

The kernel has one order: loss, duplication and delay first, then the bottleneck. And its dice are its own, so arms do
not meet the same bad moments.
"""

from collections.abc import Sequence

from glassbench.experiments.scenario.bottleneck_specs import RateSpec
from glassbench.experiments.scenario.delay_specs import DelaySpec, RandomDelaySpec
from glassbench.experiments.scenario.element_spec import ElementSpec
from glassbench.experiments.scenario.loss_specs import DuplicationSpec, GilbertElliottSpec, RandomLossSpec
from glassbench.experiments.scenario.queue_spec import DropTailSpec

ACCEPTED = (
    "rate with a drop-tail queue in bytes, delay, random-delay that reorders, random-loss, gilbert-elliott, duplication"
)

_MOST_INSIDE = 100_000  # packets; netem's default of 1000 would be a queue that nobody commanded
_LARGEST_FRAME = 1514  # bytes: a bucket cannot be smaller, or nothing passes
_NETEM = "1:"


class NotInKernel(OSError):
    """An element that the kernel cannot emulate; its text says which, and what is accepted."""


def commands(path: Sequence[ElementSpec], device: str) -> list[str]:
    """The commands that make packets which leave through `device` take this path. Raises NotInKernel."""
    words: dict[str, str] = {}
    rate: RateSpec | None = None
    for element in path:
        if isinstance(element, RateSpec):
            if rate is not None:
                raise NotInKernel("the kernel emulates one bottleneck a direction, found two elements 'rate'")
            rate = element
            continue
        name, text = _netem(element)
        if name in words:
            raise NotInKernel(f"the kernel emulates one {name} a direction, found {words[name]!r} and {text!r}")
        words[name] = text
    lines = []
    if words:
        lines.append(
            f"tc qdisc add dev {device} root handle {_NETEM} netem limit {_MOST_INSIDE} {' '.join(words.values())}"
        )
    if rate is not None:
        # Sizes without the Ethernet header, as everywhere here.
        parent = f"parent {_NETEM}1" if words else "root"
        lines.append(f"tc qdisc add dev {device} {parent} handle 2: stab overhead -14 {_bucket(rate)}")
    return lines


def _netem(element: ElementSpec) -> tuple[str, str]:
    """The impairment of netem that an element is, and its words."""
    if isinstance(element, DelaySpec):
        return "delay", f"delay {_microseconds(element.delay)}"
    if isinstance(element, RandomDelaySpec) and element.reorder and element.distribution == "normal":
        mean, deviation = _microseconds(element.mean), _microseconds(element.deviation)
        return "delay", f"delay {mean} {deviation} distribution normal"
    if isinstance(element, RandomLossSpec):
        return "loss", f"loss random {_percent(element.probability)}"
    if isinstance(element, GilbertElliottSpec):
        leave = 1 / element.mean_burst  # of the bad state, in which all is lost
        enter = leave * element.mean_loss / (1 - element.mean_loss)
        return "loss", f"loss gemodel {_percent(enter)} {_percent(leave)}"
    if isinstance(element, DuplicationSpec):
        return "duplication", f"duplicate {_percent(element.probability)}"
    raise NotInKernel(f"the kernel has no {element.kind!r} as this scenario says it; accepted are {ACCEPTED}")


def _bucket(rate: RateSpec) -> str:
    queue = rate.queue
    if not isinstance(queue, DropTailSpec) or queue.bytes is None or queue.packets is not None:
        raise NotInKernel(f"the kernel's bottleneck has no such queue ({queue.dump()}); accepted are {ACCEPTED}")
    return f"tbf rate {round(rate.rate)}bit burst {_LARGEST_FRAME} limit {round(queue.bytes)}"


def _microseconds(seconds: float) -> str:
    return f"{round(seconds * 1e6)}us"


def _percent(share: float) -> str:
    return f"{share * 100:.6g}%"
