"""Laws of loss, seen in the fates of a whole run: every frame is one packet, and refers to no other."""

from itertools import groupby
from math import sqrt

import pytest

FPS = 240


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("mean_loss", "mean_burst"), [(0.02, 1.5), (0.1, 4), (0.3, 2.5)])
def test_frames_over_gilbert_elliott_are_lost_with_its_mean_and_in_geometric_bursts(
    run_sizes, video_of, mean_loss, mean_burst
):
    count = 12_000
    loss = {"element": "gilbert-elliott", "mean_loss": f"{mean_loss * 100:g}%", "mean_burst": mean_burst}
    network = {"down": [loss, {"element": "delay", "delay": "5ms"}], "up": []}
    result = run_sizes("udp", [200] * count, fps=FPS, network=network, seed=5)
    lost = (video_of(result)["fate"] == "lost").to_numpy()
    assert lost.sum() == result.impairments["down"]["path"]["lost"]

    r = 1 / mean_burst
    memory = 1 - r - r * mean_loss / (1 - mean_loss)  # the second eigenvalue of the chain: losses are correlated
    sigma = sqrt(mean_loss * (1 - mean_loss) / count * (1 + memory) / (1 - memory))
    assert lost.mean() == pytest.approx(mean_loss, abs=4 * sigma)
    assert lost[: count // 2].mean() == pytest.approx(lost[count // 2 :].mean(), abs=4 * 2 * sigma)

    bursts = [sum(1 for _ in run) for bad, run in groupby(lost) if bad]
    for length in range(1, 5):
        expected = (1 - r) ** length  # P(burst > length)
        longer = sum(burst > length for burst in bursts) / len(bursts)
        assert longer == pytest.approx(expected, abs=4 * sqrt(expected * (1 - expected) / len(bursts)))


@pytest.mark.sampled(3)
@pytest.mark.parametrize("retries", [1, 2, 3])
@pytest.mark.parametrize("loss", [0.1, 0.35])
def test_with_n_retries_p_to_the_power_of_n_plus_1_of_the_frames_stay_lost(run_sizes, video_of, loss, retries):
    count = 4000
    medium = {"element": "random-loss", "probability": f"{loss * 100:g}%"}
    propagation = {"element": "delay", "delay": "10ms"}
    network = {"down": [medium, propagation], "up": [propagation]}
    result = run_sizes(f"rtp:max_retries={retries}", [200] * count, fps=FPS, network=network)
    frames = video_of(result).iloc[:-FPS]  # what follows tells of a loss: leave out the end
    expected = loss ** (retries + 1)
    share = (frames["fate"] == "lost").mean()
    assert share == pytest.approx(expected, abs=4 * sqrt(expected * (1 - expected) / len(frames)))
