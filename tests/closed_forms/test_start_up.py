"""Time to the first frame when the connection starts with the first capture: the round trips of each handshake."""

import math

import pytest

from experiments.measure.metrics import first_frame
from experiments.measure.virtual import Reuse, run_arm
from experiments.scenario import build

LATENCY = 0.12  # of SRT, its default

# Round trips before the sender may send. One more half brings the frame.
ROUND_TRIPS = {
    "udp": 0,
    "rtp": 0,
    "srt": 2,  # induction and conclusion (draft-sharabayko-srt-01, 4.3.1)
    "srt:caller=receiver": 1.5,  # the listener may send when the conclusion is there
    **{f"{arm}:zero_rtt=true": 0 for arm in ("quic-stream", "quic-stream-per-gop", "quic-stream-per-frame")},
    "quic-datagram:zero_rtt=true": 0,  # RFC 9001, 4.6
    "quic-datagram:zero_rtt=true,congestion=reno": 0,
    "quic-stream": 1,  # RFC 9001, 4.1.1: handshake keys, then application keys, in the listener's first flight
    "quic-stream-per-gop": 1,
    "quic-stream-per-frame": 1,
    "quic-datagram": 1,
    "quic-datagram:congestion=cubic": 1,
    "webtransport-datagram": 2,  # with it the listener's SETTINGS, after it CONNECT and its answer
    "webtransport-stream-per-frame": 2,
}


def network(rtt):
    path = [{"element": "delay", "delay": f"{rtt / 2}s"}]
    return {"down": path, "up": path}


@pytest.mark.parametrize("rtt", [0.01, 0.07, 0.31])  # nothing connects at the instant of a capture
@pytest.mark.parametrize("arm", list(ROUND_TRIPS))
def test_the_first_frame_is_shown_after_the_handshake_and_half_a_round_trip(run_sizes, video_of, arm, rtt):
    frames = video_of(run_sizes(arm, [800] * 20, fps=30, network=network(rtt), connect="with-media"))
    before = ROUND_TRIPS[arm] * rtt
    hold = LATENCY if arm.startswith("srt") else 0.0
    assert first_frame(frames) == pytest.approx(before + rtt / 2 + hold, abs=2e-6)  # SRT counts microseconds
    dropped = frames["fate"] == "dropped"
    kept = math.floor(before * 30)  # the newest capture when the connection stands
    assert dropped.to_numpy().nonzero()[0].tolist() == list(range(kept))
    assert (frames["fate"][kept:] == "displayed").all()


@pytest.mark.parametrize("arm", list(ROUND_TRIPS))
def test_with_the_connection_made_before_it_the_first_frame_waits_for_no_handshake(run_sizes, video_of, arm):
    frames = video_of(run_sizes(arm, [800] * 5, fps=30, network=network(0.05)))
    hold = LATENCY if arm.startswith("srt") else 0.0
    assert first_frame(frames) == pytest.approx(0.025 + hold, abs=2e-6)


@pytest.mark.parametrize("arm", ["rtp", "srt", "quic-datagram", "webtransport-datagram"])
def test_the_bytes_of_the_start_are_in_the_table_of_the_links_and_none_is_before_it(run_sizes, arm):
    links = run_sizes(arm, [800] * 20, fps=30, network=network(0.05), connect="with-media").links
    assert links["at"].min() == 0.0
    assert (links.loc[links["at"] == 0.0, "sent_bytes"] > 0).any()


def test_an_arm_that_cannot_connect_shows_nothing_and_its_run_ends(reuse: Reuse):
    scenario = build(
        {
            "name": "nothing",
            "duration": "1s",
            "connect": "with-media",
            "arms": ["srt", "quic-stream"],
            "video": {"source": "lognormal"},
            "network": {"down": [{"element": "random-loss", "probability": "100%"}], "up": []},
        }
    )
    for arm, late in zip(scenario.arms, (0, 1), strict=True):  # SRT gives up after 3 s, QUIC tries for longer
        result = run_arm(scenario, arm, reuse)
        assert result.outcome == "measured"
        assert result.summary["first_frame_ms"] is None
        fates = {fate: count for fate, count in result.summary["fates"].items() if count}
        assert fates == ({"dropped": 29, "late": 1} if late else {"dropped": 30})
