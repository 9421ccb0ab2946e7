"""Time to the first frame when the connection starts with the first capture: the round trips of each handshake."""

import math

import pytest

from glassbench.experiments.account.metrics import first_frame
from glassbench.experiments.scenario import build
from glassbench.experiments.worlds.reuse import Reuse
from glassbench.experiments.worlds.virtual import run_arm

LATENCY = 0.12  # of SRT, its default

# Round trips before the sender may send. One more half brings the frame.
ROUND_TRIPS = {
    "udp": 0,
    "rtp": 0,
    "srt": 2,  # induction and conclusion (draft-sharabayko-srt-01, 4.3.1)
    "srt:caller=receiver": 1.5,  # the listener may send when the conclusion is there
    **{f"{arm}:zero_rtt=true": 0 for arm in ("quic-stream", "quic-stream-per-gop", "quic-stream-per-frame")},
    "quic-datagram:zero_rtt=true": 0,  # RFC 9001, 4.6
    "quic-datagram:zero_rtt=true,stack=stock,control=reno": 0,
    "quic-stream": 1,  # RFC 9001, 4.1.1: handshake keys, then application keys, in the listener's first flight
    "quic-stream-per-gop": 1,
    "quic-stream-per-frame": 1,
    "quic-datagram": 1,
    "quic-datagram:stack=stock,control=cubic": 1,
    "webtransport-datagram": 2,  # with it the listener's SETTINGS, after it CONNECT and its answer
    "webtransport-stream-per-frame": 2,
}


def network(rtt):
    path = [{"element": "delay", "delay": f"{rtt / 2}s"}]
    return {"down": path, "up": path}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("rtt", [0.01, 0.07, 0.31])  # nothing connects at the instant of a capture
@pytest.mark.parametrize("arm", list(ROUND_TRIPS))
def test_the_first_frame_is_shown_after_the_handshake_and_half_a_round_trip(run_sizes, video_of, arm, rtt):
    result = run_sizes(arm, [800] * 20, fps=30, network=network(rtt), connect="with-media")
    frames, summary = video_of(result), result.summary
    before = ROUND_TRIPS[arm] * rtt
    assert summary["connect_ms"] == pytest.approx(1e3 * before, abs=2e-3)
    assert summary["connect_round_trips"] == ROUND_TRIPS[arm]
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
        assert result.summary["first_frame_ms"] == result.summary["connect_ms"] == math.inf
        assert result.summary["connect_round_trips"] is None
        fates = {fate: count for fate, count in result.summary["fates"].items() if count}
        assert fates == ({"dropped": 29, "late": 1} if late else {"dropped": 30})


# What the sender says at the end: how many packets, after how many round trips they have arrived, and their bytes.
CLOSE = {
    "udp": (0, 0, 0),
    "srt": (
        1,
        0.5,
        48,
    ),  # SHUTDOWN: a header of 16 bytes and 4 of padding, in UDP and IP (draft-sharabayko-srt-01, 3.2.7)
    "quic-datagram": (1, 0.5, None),  # CONNECTION_CLOSE (RFC 9000, 10.2)
    "rtp": (1, 0.5, None),  # a last report and BYE (RFC 3550, 6.3.7)
}


@pytest.mark.parametrize("arm", list(CLOSE))
def test_closing_costs_what_its_protocol_says_and_changes_nothing_of_what_was_measured(run_sizes, arm):
    rtt = 0.05
    result = run_sizes(arm, [800] * 20, fps=30, network=network(rtt))
    packets, way, size = CLOSE[arm]
    assert result.summary["close_packets"] == packets
    assert result.summary["close_ms"] == pytest.approx(1e3 * way * rtt, abs=1e-3)
    assert result.summary["close_bytes"] == (size if size is not None else pytest.approx(150, abs=120))
    ended_at = result.stats["ended_at"]
    assert result.links["at"].max() <= ended_at and result.stats["connection"]["sender"]["closed_at"] is None


FIRST_DATAGRAM = 1200  # of the caller, padded to what every path carries (RFC 9000, 14.1)
CERTIFICATES = {0: 0, 1000: 0, 2500: 0, 3300: 1, 8000: 1, 12_000: 1}  # bytes of the chain -> further round trips


@pytest.mark.sampled(2)
@pytest.mark.parametrize("arm", ["quic-stream", "quic-datagram", "webtransport-datagram"])
@pytest.mark.parametrize(("size", "further"), CERTIFICATES.items())
def test_certificates_beyond_three_times_the_first_datagram_cost_a_round_trip(run_sizes, video_of, arm, size, further):
    """RFC 9000, 8.1: before the caller's address is validated a listener sends at most three times what it received."""
    # Over aioquic's first PTO of 200 ms probes take the window that the longest chain needs, which costs one PTO more.
    rtt = 0.31 if size < 12_000 else 0.19
    result = run_sizes(f"{arm}:chain_bytes={size}", [800] * 20, fps=30, network=network(rtt), connect="with-media")
    assert first_frame(video_of(result)) == pytest.approx((ROUND_TRIPS[arm] + 0.5 + further) * rtt, abs=1e-6)
    answer = result.links[(result.links["direction"] == "up") & (result.links["at"] < rtt - 0.01)]
    sent, limit = answer["sent_bytes"].sum(), 3 * (FIRST_DATAGRAM + 28)  # three packets, with their headers
    assert sent == limit if further else sent <= limit


def test_a_resumed_session_needs_no_certificates(run_sizes, video_of):
    arm = "quic-datagram:zero_rtt=true,chain_bytes=12000"
    frames = video_of(run_sizes(arm, [800] * 5, fps=30, network=network(0.31), connect="with-media"))
    assert first_frame(frames) == pytest.approx(0.155, abs=1e-6)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("rtt", [0.05, 0.31])
@pytest.mark.parametrize("arm", [arm for arm in ROUND_TRIPS if "quic" in arm or "webtransport" in arm])
def test_a_keyframe_larger_than_the_first_window_costs_a_round_trip(run_sizes, video_of, arm, rtt):
    """Ten packets and less than thirty: the first window (RFC 9002, 7.2), doubled in the next round trip."""
    sizes = [20_000, *[800] * 29]
    frames = video_of(run_sizes(arm, sizes, fps=30, network=network(rtt), keyframes=False, connect="with-media"))
    late = first_frame(frames) / rtt - ROUND_TRIPS[arm] - 0.5
    assert 1 - 1e-9 <= late <= 1.3  # pacing within the round trip
