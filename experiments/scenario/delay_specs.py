"""Elements that delay packets: by a constant, anew for each packet, correlated in time, or out of order."""

from typing import Literal

import numpy as np

from glassbench.experiments.scenario.element_spec import ElementSpec, RandomSpec, Surroundings
from glassbench.experiments.scenario.schema import Count, Duration, Fraction, PositiveDuration
from glassbench.netem.element import Element
from glassbench.netem.elements.delay import Delay
from glassbench.netem.elements.jitter import Jitter
from glassbench.netem.elements.random_delay import RandomDelay
from glassbench.netem.elements.reordering import Reordering


class DelaySpec(ElementSpec):
    """Constant propagation delay."""

    element: Literal["delay"] = "delay"
    delay: Duration

    def build(self, around: Surroundings, rng: np.random.Generator) -> list[Element]:
        return [Delay(self.delay)]

    def least_delay(self, around: Surroundings) -> float:
        return self.delay


class RandomDelaySpec(RandomSpec):
    """Delay drawn anew for each packet."""

    element: Literal["random-delay"] = "random-delay"
    distribution: str = "normal"
    mean: PositiveDuration
    deviation: Duration
    reorder: bool = False

    def build(self, around: Surroundings, rng: np.random.Generator) -> list[Element]:
        return [RandomDelay(self.distribution, self.mean, self.deviation, rng, reorder=self.reorder)]


class JitterSpec(RandomSpec):
    """Delay variation that is correlated in time and the same for all arms; order is kept."""

    said = ("jitter", "jitter {mean}")
    element: Literal["jitter"] = "jitter"
    mean: PositiveDuration
    correlation_time: PositiveDuration = 0.05

    def build(self, around: Surroundings, rng: np.random.Generator) -> list[Element]:
        return [Jitter(self.mean, self.correlation_time, rng, epoch=around.start_at)]


class ReorderingSpec(RandomSpec):
    """Some packets are held back until others have passed."""

    said = ("reordering", "reordering {probability}")
    element: Literal["reordering"] = "reordering"
    probability: Fraction
    lateness: PositiveDuration
    extent: Count | None = None

    def build(self, around: Surroundings, rng: np.random.Generator) -> list[Element]:
        return [Reordering(self.probability, rng, lateness=self.lateness, extent=self.extent)]
