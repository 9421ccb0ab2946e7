"""What holds for every element, every queue, and every row of them."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassbench.netem.element import Element
from glassbench.netem.elements.delay import Delay
from glassbench.netem.elements.duplication import Duplication
from glassbench.netem.elements.fixed_rate import FixedRate
from glassbench.netem.elements.gilbert_elliott import GilbertElliottLoss
from glassbench.netem.elements.jitter import Jitter
from glassbench.netem.elements.loss_episodes import LossEpisodes
from glassbench.netem.elements.outage import Outage
from glassbench.netem.elements.policer import Policer
from glassbench.netem.elements.random_delay import DISTRIBUTIONS, RandomDelay
from glassbench.netem.elements.random_loss import RandomLoss
from glassbench.netem.elements.reordering import Reordering
from glassbench.netem.elements.scheduled_delay import ScheduledDelay
from glassbench.netem.elements.scheduled_loss import ScheduledLoss
from glassbench.netem.elements.size_limit import SizeLimit
from glassbench.netem.elements.trace_driven import trace_driven
from glassbench.netem.path import Path
from glassbench.netem.queues.codel import CoDel
from glassbench.netem.queues.drop_tail import DropTail
from glassbench.netem.replay import Replay, replayed
from glassbench.netem.schedule import OpportunitySchedule, RateSchedule
from glassbench.testing import check_element

T0 = 1000.0
RATES = RateSchedule(np.array([0.0, 0.3, 0.5]), np.array([2e6, 0.0, 4e6]), 0.7)
OPPORTUNITIES = OpportunitySchedule(np.array([0, 3, 3, 9, 40]))
Make = Callable[[np.random.Generator], Element]

KEEPS_ORDER: dict[str, Make] = {
    "delay": lambda rng: Delay(0.01),
    "no delay": lambda rng: Delay(0.0),
    "scheduled delay": lambda rng: ScheduledDelay([0.0, 0.2], [0.05, 0.01], 0.3, replay=Replay(T0)),
    **{name: lambda rng, name=name: RandomDelay(name, 0.01, 0.02, rng) for name in DISTRIBUTIONS},
    "jitter": lambda rng: Jitter(0.01, 0.03, rng, epoch=T0),
    "iid loss": lambda rng: RandomLoss(0.3, rng),
    "scheduled loss": lambda rng: ScheduledLoss([0.0, 0.1], [0.1, 0.9], 0.2, rng, replay=Replay(T0)),
    "gilbert-elliott": lambda rng: GilbertElliottLoss(0.3, 2.0, rng),
    "episodes": lambda rng: LossEpisodes(0.3, 0.05, rng, epoch=T0),
    "outage": lambda rng: Outage([(0.1, 0.1)], epoch=T0, period=0.4),
    "duplication": lambda rng: Duplication(0.3, rng),
    "fixed rate": lambda rng: FixedRate(1e6, DropTail(limit_packets=3)),
    "codel": lambda rng: FixedRate(1e6, CoDel(limit_bytes=20_000, ecn=True)),
    "rates": lambda rng: trace_driven(replayed(RATES, Replay(T0)), DropTail(limit_bytes=5000)),
    "rates, codel": lambda rng: trace_driven(replayed(RATES, Replay(T0)), CoDel(limit_bytes=20_000)),
    "opportunities": lambda rng: trace_driven(replayed(OPPORTUNITIES, Replay(T0)), DropTail(limit_bytes=5000)),
    "opportunities, codel": lambda rng: trace_driven(replayed(OPPORTUNITIES, Replay(T0)), CoDel(limit_bytes=20_000)),
    "policer": lambda rng: Policer(1e6, 5000),
    "size limit": lambda rng: SizeLimit(1000, T0 + 0.2),
}
REORDERS: dict[str, Make] = {
    "random delay": lambda rng: RandomDelay("pareto", 0.01, 0.02, rng, reorder=True),
    "reordering by time": lambda rng: Reordering(0.3, rng, lateness=0.03),
    "reordering by extent": lambda rng: Reordering(0.3, rng, lateness=0.05, extent=2),
}
ELEMENTS = KEEPS_ORDER | REORDERS

# Gaps between packets in ms, many of them 0 (simultaneous arrivals) or whole (ties with timers), and sizes on the wire.
STREAMS = st.lists(st.tuples(st.sampled_from([0, 0, 1, 3, 20]) | st.floats(0, 60), st.integers(29, 2000)), max_size=60)


def stream(packets, gaps_and_sizes, ecn=0):
    times = np.cumsum([0.0] + [gap / 1000 for gap, _ in gaps_and_sizes])[1:] + T0
    return packets(times, [size for _, size in gaps_and_sizes], ecn)


def seen(popped):
    return [(packet.number, packet.at, packet.ecn) for packet in popped]


@pytest.mark.parametrize("name", ELEMENTS)
def test_each_element_keeps_the_contract(name):
    check_element(ELEMENTS[name], keeps_order=name in KEEPS_ORDER)


@settings(max_examples=150)
@given(
    names=st.lists(st.sampled_from(sorted(ELEMENTS)), max_size=5),
    gaps_and_sizes=STREAMS,
    seed=st.integers(0, 99),
    step=st.sampled_from([0.001, 0.01, 0.07]),
)
def test_any_row_of_elements_conserves_packets_and_is_the_same_when_driven_late(
    names, gaps_and_sizes, seed, step, packets, drive
):
    def path():
        return Path(
            [ELEMENTS[name](rng) for name, rng in zip(names, np.random.default_rng(seed).spawn(5), strict=False)]
        )

    exact = drive(path(), stream(packets, gaps_and_sizes, ecn=2))
    late = drive(path(), stream(packets, gaps_and_sizes, ecn=2), step=step)
    assert seen(exact) == seen(late)
    if not set(names) & set(REORDERS):
        numbers = [packet.number for packet in exact]
        assert numbers == sorted(numbers)


def test_a_path_is_an_element_and_nests(packets, drive):
    rows = [Delay(0.01), FixedRate(1e6, DropTail(limit_packets=5)), Delay(0.02)]
    nested = [Delay(0.01), Path([FixedRate(1e6, DropTail(limit_packets=5)), Delay(0.02)])]
    times = T0 + np.arange(40) * 0.003
    assert seen(drive(Path(rows), packets(times))) == seen(drive(Path(nested), packets(times)))


def test_an_empty_path_passes_packets_at_once(packets, drive):
    popped = drive(Path([]), packets([T0, T0, T0 + 1]))
    assert [packet.at for packet in popped] == [T0, T0, T0 + 1]


@pytest.mark.parametrize("name", ELEMENTS)
def test_packets_in_flight_are_inside(name, packets):
    element = ELEMENTS[name](np.random.default_rng(5))
    for packet in packets([T0] * 10):
        element.push(packet)
    counts = element.counts()
    assert counts.popped == 0
    assert counts.inside == 10 + counts.duplicated - counts.dropped - counts.lost


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda rng: Delay(-0.01), "Delay.delay"),
        (lambda rng: Delay(float("nan")), "Delay.delay"),
        (lambda rng: RandomDelay("gauss", 0.01, 0.01, rng), "RandomDelay.distribution"),
        (lambda rng: RandomDelay("normal", 0.01, -1, rng), "RandomDelay.deviation"),
        (lambda rng: ScheduledDelay([0.0], [-1.0], 1.0, replay=Replay(T0)), "ScheduledDelay.delays"),
        (lambda rng: Jitter(0.01, 0.0, rng, epoch=T0), "Jitter.correlation_time"),
        (lambda rng: RandomLoss(1.5, rng), "RandomLoss.probability"),
        (lambda rng: ScheduledLoss([0.0], [2.0], 1.0, rng, replay=Replay(T0)), "ScheduledLoss.ratios"),
        (lambda rng: GilbertElliottLoss(1.0, 2.0, rng), "GilbertElliottLoss.mean_loss"),
        (lambda rng: GilbertElliottLoss(0.1, 0.5, rng), "GilbertElliottLoss.mean_burst"),
        (lambda rng: GilbertElliottLoss(0.9, 2.0, rng), "GilbertElliottLoss.mean_burst"),
        (lambda rng: LossEpisodes(0.1, 0.0, rng, epoch=T0), "LossEpisodes.mean_duration"),
        (lambda rng: Outage([(1.0, 1.0), (1.5, 1.0)], epoch=T0), "Outage.windows"),
        (lambda rng: Outage([(1.0, 1.0)], epoch=T0, period=1.5), "Outage.period"),
        (lambda rng: Duplication(-0.1, rng), "Duplication.probability"),
        (lambda rng: Reordering(0.1, rng, lateness=0.0), "Reordering.lateness"),
        (lambda rng: Reordering(0.1, rng, lateness=0.1, extent=0), "Reordering.extent"),
        (lambda rng: FixedRate(0.0, DropTail(limit_packets=1)), "FixedRate.rate_bps"),
        (lambda rng: Policer(1e6, float("inf")), "Policer.burst_bytes"),
        (lambda rng: DropTail(), "DropTail"),
        (lambda rng: DropTail(limit_packets=0), "DropTail.limit_packets"),
        (lambda rng: CoDel(limit_bytes=1000, target=0.0), "CoDel.target"),
    ],
)
def test_a_bad_parameter_is_refused_by_name(make, field):
    with pytest.raises(ValueError, match=field):
        make(np.random.default_rng(0))
