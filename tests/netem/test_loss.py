"""Losses against their closed forms. Tolerances are five standard errors, for the fixed seeds used here."""

import itertools

import numpy as np
import pytest

from glassbench.netem.elements.gilbert_elliott import GilbertElliottLoss
from glassbench.netem.elements.loss_episodes import LossEpisodes
from glassbench.netem.elements.outage import Outage
from glassbench.netem.elements.random_loss import RandomLoss
from glassbench.netem.elements.scheduled_loss import ScheduledLoss
from glassbench.netem.replay import Replay

T0 = 1000.0


def fates(element, stream):
    """Per packet, whether it is lost."""
    return np.array([element.loses(packet) for packet in stream])


def runs(lost):
    """The lengths of complete bursts of losses."""
    return [len(list(group)) for is_lost, group in itertools.groupby(lost) if is_lost]


@pytest.mark.parametrize("probability", [0.0, 0.001, 0.02, 0.5, 1.0])
def test_iid_loss_has_its_mean_and_no_memory(probability, packets):
    count = 60_000
    lost = fates(RandomLoss(probability, np.random.default_rng(1)), packets([T0] * count))
    error = 5 * np.sqrt(probability * (1 - probability) / count)
    assert lost.mean() == pytest.approx(probability, abs=error)
    assert (lost[1:] & lost[:-1]).mean() == pytest.approx(probability**2, abs=error)


@pytest.mark.parametrize(
    ("mean_loss", "mean_burst"),
    [
        (0.01, 1.0),
        (0.01, 5.0),
        (0.1, 2.0),
        pytest.param(0.3, 20.0, marks=pytest.mark.long),
        pytest.param(0.6, 1.5, marks=pytest.mark.long),
    ],
)
def test_gilbert_elliott_is_stationary_and_its_bursts_are_geometric(mean_loss, mean_burst, packets):
    count = 200_000
    element = GilbertElliottLoss(mean_loss, mean_burst, np.random.default_rng(2))
    lost = fates(element, packets([T0] * count))
    bursts = np.array(runs(lost))
    r = 1 / mean_burst
    p = r * mean_loss / (1 - mean_loss)
    # The indicator has autocorrelation (1 - p - r)^k, which inflates the variance of its mean.
    deviation = np.sqrt(mean_loss * (1 - mean_loss) * (2 - p - r) / (p + r) / count)
    assert lost.mean() == pytest.approx(mean_loss, abs=5 * deviation)
    assert bursts.mean() == pytest.approx(mean_burst, abs=5 * mean_burst * np.sqrt((1 - r) / len(bursts)) + 1e-9)
    for length in (1, 2, 5):
        law = (1 - r) ** length  # P(burst > length)
        assert (bursts > length).mean() == pytest.approx(law, abs=5 * np.sqrt(law * (1 - law) / len(bursts)) + 1e-9)


def test_gilbert_elliott_starts_in_its_stationary_distribution(packets):
    first = [
        fates(GilbertElliottLoss(0.3, 50.0, np.random.default_rng(seed)), packets([T0]))[0] for seed in range(2000)
    ]
    assert np.mean(first) == pytest.approx(0.3, abs=5 * np.sqrt(0.3 * 0.7 / 2000))


@pytest.mark.parametrize(("mean_loss", "mean_duration"), [(0.01, 0.02), (0.05, 0.2), (0.3, 0.05), (0.0, 1.0)])
def test_episodes_have_their_mean_loss_and_exponential_durations(mean_loss, mean_duration, packets):
    step = mean_duration / 25  # the medium is looked at this often
    count = 200_000
    element = LossEpisodes(mean_loss, mean_duration, np.random.default_rng(3), epoch=T0)
    lost = fates(element, packets(T0 + np.arange(count) * step))
    durations = np.array(runs(lost)[1:-1]) * step
    if not mean_loss:
        assert not lost.any()
        return
    relaxation = mean_duration * (1 - mean_loss)  # autocorrelation exp(-t / relaxation)
    deviation = np.sqrt(2 * mean_loss * (1 - mean_loss) * relaxation / (count * step))
    assert lost.mean() == pytest.approx(mean_loss, abs=5 * deviation)
    # Episodes shorter than a step may be missed; 2 % covers this on a mean of 25 steps.
    error = 5 / np.sqrt(len(durations)) + 0.02
    assert durations.mean() == pytest.approx(mean_duration, rel=error + 0.02)
    assert (durations > mean_duration).mean() == pytest.approx(np.exp(-1), abs=0.5 * error + 0.02)


@pytest.mark.parametrize("seed", range(5))
def test_every_packet_stream_meets_the_same_bad_moments(seed, packets):
    def lost_times(times):
        element = LossEpisodes(0.1, 0.05, np.random.default_rng(seed), epoch=T0)
        return dict(zip(times.tolist(), fates(element, packets(times)).tolist(), strict=True))

    dense = lost_times(T0 + np.arange(20_000) * 0.0005)
    sparse = lost_times(T0 + np.arange(20_000)[::37] * 0.0005)
    late = lost_times(T0 + np.arange(20_000)[12_345::11] * 0.0005)
    assert any(dense.values())
    assert sparse == {time: dense[time] for time in sparse}
    assert late == {time: dense[time] for time in late}


@pytest.mark.parametrize("period", [None, 1.0])
def test_an_outage_loses_what_comes_in_its_windows(period, packets):
    times = np.array([0.0, 0.249, 0.25, 0.499, 0.5, 0.75, 0.8125, 1.25, 7.3])
    lost = fates(Outage([(0.25, 0.25), (0.75, 0.0625)], epoch=T0, period=period), packets(T0 + times))
    expected = [0.25 <= t < 0.5 or 0.75 <= t < 0.8125 for t in (times % 1.0 if period else times)]
    assert lost.tolist() == [bool(is_lost) for is_lost in expected]


def test_scheduled_loss_follows_its_steps(packets):
    times = np.arange(60_000) * 0.0001  # three periods
    element = ScheduledLoss([0.0, 0.5, 1.0], [0.0, 0.2, 1.0], 2.0, np.random.default_rng(4), replay=Replay(T0))
    lost = fates(element, packets(T0 + times))
    phase = (T0 + times - T0) % 2.0
    assert not lost[phase < 0.5].any()
    assert lost[(phase >= 0.5) & (phase < 1.0)].mean() == pytest.approx(0.2, abs=5 * np.sqrt(0.16 / 15_000))
    assert lost[phase >= 1.0].all()
