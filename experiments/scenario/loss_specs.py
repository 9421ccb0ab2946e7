"""Elements that take packets away by themselves, or double them: the loss-free path does without them."""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from glassbench.experiments.scenario.element_spec import ElementSpec, RandomSpec, Surroundings
from glassbench.experiments.scenario.schema import Duration, Fraction, PositiveDuration, Rate, Size, Spec
from glassbench.netem.element import Element
from glassbench.netem.elements.duplication import Duplication
from glassbench.netem.elements.gilbert_elliott import GilbertElliottLoss
from glassbench.netem.elements.loss_episodes import LossEpisodes
from glassbench.netem.elements.outage import Outage
from glassbench.netem.elements.policer import Policer
from glassbench.netem.elements.random_loss import RandomLoss
from glassbench.netem.elements.size_limit import SizeLimit


class DuplicationSpec(RandomSpec):
    """Some packets come twice."""

    loses = True
    said = ("duplication", "duplication {probability}")
    element: Literal["duplication"] = "duplication"
    probability: Fraction

    def build(self, around: Surroundings, rng: np.random.Generator) -> list[Element]:
        return [Duplication(self.probability, rng)]


class RandomLossSpec(RandomSpec):
    """Independent loss per packet."""

    loses = True
    said = ("loss", "loss {probability}")
    element: Literal["random-loss"] = "random-loss"
    probability: Fraction

    def build(self, around: Surroundings, rng: np.random.Generator) -> list[Element]:
        return [RandomLoss(self.probability, rng)]


class GilbertElliottSpec(RandomSpec):
    """Bursty loss per packet; `mean_burst` in packets."""

    loses = True
    said = ("loss", "loss {mean_loss} in bursts")
    element: Literal["gilbert-elliott"] = "gilbert-elliott"
    mean_loss: Fraction
    mean_burst: float

    def build(self, around: Surroundings, rng: np.random.Generator) -> list[Element]:
        return [GilbertElliottLoss(self.mean_loss, self.mean_burst, rng)]


class LossEpisodesSpec(RandomSpec):
    """Bad moments in time, the same for all arms."""

    loses = True
    said = ("loss", "loss {mean_loss}")
    element: Literal["loss-episodes"] = "loss-episodes"
    mean_loss: Fraction
    mean_duration: PositiveDuration

    def build(self, around: Surroundings, rng: np.random.Generator) -> list[Element]:
        return [LossEpisodes(self.mean_loss, self.mean_duration, rng, epoch=around.start_at)]


class OutageWindow(Spec):
    """One outage; its start is after the first capture."""

    start: Duration
    duration: PositiveDuration


class OutageSpec(ElementSpec):
    """Everything is lost in these windows after the first capture; with `period` they repeat."""

    loses = True
    element: Literal["outage"] = "outage"
    windows: Annotated[tuple[OutageWindow, ...], Field(strict=False, min_length=1)]
    period: PositiveDuration | None = None

    def build(self, around: Surroundings, rng: np.random.Generator) -> list[Element]:
        windows = [(window.start, window.duration) for window in self.windows]
        return [Outage(windows, epoch=around.media_start, period=self.period)]


class PolicerSpec(ElementSpec):
    """Token bucket: what exceeds the rate and the burst is dropped, not queued."""

    loses = True
    limits = True
    said = ("policer", "policed to {rate}")
    element: Literal["policer"] = "policer"
    rate: Rate
    burst: Size

    def build(self, around: Surroundings, rng: np.random.Generator) -> list[Element]:
        return [Policer(self.rate, self.burst)]


class SizeLimitSpec(ElementSpec):
    """A smaller MTU on the path, of which nobody is told, from `start` after the first capture on."""

    loses = True
    said = ("size", "packets up to {largest}")
    element: Literal["size-limit"] = "size-limit"
    largest: Size
    start: Duration = 0.0

    def build(self, around: Surroundings, rng: np.random.Generator) -> list[Element]:
        return [SizeLimit(self.largest, around.media_start + self.start)]
