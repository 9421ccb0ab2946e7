"""SRT in live mode: every frame is delivered at its sending time + the network's delay at the start + latency."""

import numpy as np
import pytest


@pytest.mark.parametrize("latency_ms", [20, 120, 400])
@pytest.mark.parametrize("delay_ms", [0, 3, 60])
@pytest.mark.parametrize("size", [500, 9000])
def test_glass_to_glass_of_srt_is_network_delay_plus_latency(run_sizes, video_of, latency_ms, delay_ms, size):
    network = {"delay": f"{delay_ms}ms"}
    frames = video_of(run_sizes(f"srt:latency_ms={latency_ms}", [size] * 50, fps=25, network=network))
    assert (frames["fate"] == "displayed").all()
    # Timestamps are whole microseconds, and packets of a burst leave 12 us after each other.
    assert frames["g2g_ms"].to_numpy() == pytest.approx(delay_ms + latency_ms, abs=0.2)
    assert np.ptp(frames["g2g_ms"]) <= 0.002
    assert frames["hold_ms"].to_numpy() == pytest.approx(latency_ms, abs=0.2)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("delay_ms", [5, 40])
def test_repair_within_the_latency_leaves_the_delay_of_srt_constant(run_sizes, video_of, delay_ms, seed):
    latency_ms = 20 + 12 * delay_ms
    network = {"delay": f"{delay_ms}ms", "loss": "3%", "loss_duration": "4ms"}
    result = run_sizes(f"srt:latency_ms={latency_ms}", [9000] * 200, fps=40, network=network, seed=seed)
    frames = video_of(result).iloc[:-20]
    assert result.impairments["down"]["path"]["lost"] > 10
    assert (frames["fate"] == "displayed").all()
    repaired = frames["transit_ms"] + frames["spread_ms"] > 3 * delay_ms
    assert repaired.sum() >= 3
    assert frames["g2g_ms"].to_numpy() == pytest.approx(delay_ms + latency_ms, abs=0.2)
