"""What a link has offered by an instant, in its own unit: opportunities, or bytes of a fluid.

With the cumulative supply a link is a counter: whoever begins to send at one count and needs so many units is through
at the count that is so much higher, whatever lies between. Network calculus calls it the service that is offered (Le
Boudec, Thiran: Network Calculus, 2001, 1.3).
"""

from dataclasses import dataclass
from typing import Protocol

from glassbench.netem.replay import ReplayedOpportunities, ReplayedRates
from glassbench.netem.schedule import OPPORTUNITY_BYTES


class Supply(Protocol):
    """The cumulative supply of a link. It never decreases, and has no end."""

    def needed(self, size_bytes: float) -> float:
        """The units that so many bytes take at least."""

    def offered(self, at: float) -> float:
        """The units that are past at an instant. What comes at that instant cannot have them."""

    def instant(self, units: float) -> float:
        """The first instant at which so many units are past."""


@dataclass(frozen=True, slots=True)
class OpportunitySupply:
    """Counts opportunities. One at the instant of an arrival is past, as it is for `OpportunityLink`."""

    opportunities: ReplayedOpportunities

    def needed(self, size_bytes: float) -> float:
        return -(-size_bytes // OPPORTUNITY_BYTES)

    def offered(self, at: float) -> float:
        return self.opportunities.passed(at)

    def instant(self, units: float) -> float:
        return self.opportunities.opportunity_at(int(units) - 1)


@dataclass(frozen=True, slots=True)
class RateSupply:
    """Counts the bytes that a link of changing rate carries from the instant `origin` on."""

    rates: ReplayedRates
    origin: float

    def needed(self, size_bytes: float) -> float:
        return size_bytes

    def offered(self, at: float) -> float:
        return self.rates.capacity_bytes(self.origin, at)

    def instant(self, units: float) -> float:
        return self.rates.departure(self.origin, units)


@dataclass(frozen=True, slots=True)
class ConstantSupply:
    """Counts the bytes that a link of constant rate carries from the instant `origin` on."""

    rate_bps: float
    origin: float

    def needed(self, size_bytes: float) -> float:
        return size_bytes

    def offered(self, at: float) -> float:
        return (at - self.origin) * self.rate_bps / 8

    def instant(self, units: float) -> float:
        return self.origin + units * 8 / self.rate_bps


def supply_of(capacity: ReplayedRates | ReplayedOpportunities, *, origin: float) -> Supply:
    """The supply of a trace that is replayed. No instant is asked for that is before `origin`."""
    if isinstance(capacity, ReplayedRates):
        return RateSupply(capacity, origin)
    return OpportunitySupply(capacity)
