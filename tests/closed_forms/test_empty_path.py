"""Our QUIC congestion control on an empty path: apart from the first window it does not hold frames back."""

import math

import numpy as np
import pytest

PACKET = 1452  # bytes of UDP payload; the first window has ten (RFC 9002, 7.2)
OVERHEAD = {"quic-datagram": 28 + 27 + 3 + 24, "quic-stream-per-frame": 28 + 27 + 12}  # IP and UDP, QUIC, frame, ours


def first_free_round(rtt, size, fps):
    """The round in which the windows of 10, 20, 40 ... packets have reached what a round trip carries, and nothing
    waits any more."""
    needed = max(size, size * fps * rtt)
    return max(0, math.ceil(math.log2(needed / (10 * PACKET)))) + 2


def latencies(run_sizes, video_of, arm, rtt, size, fps, down=(), count=None):
    delay = {"element": "delay", "delay": f"{rtt * 500!r}ms"}
    frames = count or math.ceil((first_free_round(rtt, size, fps) * rtt + 1) * fps)
    result = run_sizes(arm, [size] * frames, fps=fps, network={"down": [*down, delay], "up": [delay]})
    video = video_of(result)
    assert (video["fate"] == "displayed").all()
    at = (video["captured_at"] - video["captured_at"].iloc[0]).to_numpy()
    return at, video["g2g_ms"].to_numpy()


@pytest.mark.sampled(4)
@pytest.mark.parametrize("arm", ["quic-datagram", "quic-stream-per-frame"])
@pytest.mark.parametrize(
    ("rtt", "size", "fps"),
    [
        (0.005, 25_000, 60),
        (0.02, 60_000, 30),
        (0.1, 900, 60),
        (0.1, 14_000, 60),
        (0.2, 900, 60),
        (0.2, 3000, 60),
        (0.4, 900, 120),
        (0.4, 25_000, 25),
        (0.6, 900, 60),
        (0.6, 5000, 30),
    ],
)
def test_no_frame_waits_once_the_window_holds_what_a_round_trip_carries(run_sizes, video_of, arm, rtt, size, fps):
    at, latency = latencies(run_sizes, video_of, arm, rtt, size, fps)
    free = at >= first_free_round(rtt, size, fps) * rtt
    assert latency[free] == pytest.approx(rtt * 500, abs=0.01)


@pytest.mark.sampled(4)
@pytest.mark.parametrize("arm", ["quic-datagram", "quic-stream-per-frame"])
@pytest.mark.parametrize(
    ("rtt", "size", "fps", "headroom"),
    [
        (0.005, 60_000, 10, 1.3),
        (0.06, 8000, 10, 1.3),
        (0.06, 8000, 10, 20),
        (0.1, 14_000, 60, 4),
        (0.3, 900, 60, 1.3),
        (0.3, 20_000, 30, 10),
        (0.1, 25_000, 60, 1.5),
        (0.3, 25_000, 30, 2),
        (0.6, 8000, 30, 1.5),
    ],
)
def test_behind_a_link_that_holds_the_source_a_frame_takes_its_bytes_over_the_rate(
    run_sizes, video_of, arm, rtt, size, fps, headroom
):
    wire = size + math.ceil(size / (PACKET - 60)) * OVERHEAD[arm]
    rate = headroom * wire * 8 * fps
    link = {"element": "rate", "rate": f"{rate:.0f}bit/s", "queue": "1MB"}
    at, latency = latencies(run_sizes, video_of, arm, rtt, size, fps, [link])
    free = at >= first_free_round(rtt, size, fps) * rtt
    assert latency[free].max() <= wire * 8e3 / rate + rtt * 500 + 1


@pytest.mark.sampled(3)
@pytest.mark.parametrize("arm", ["quic-datagram", "quic-stream-per-frame"])
@pytest.mark.parametrize("rtt", [0.05, 0.3])
@pytest.mark.parametrize("packets", [9, 14, 27, 60, 130])
def test_a_first_frame_larger_than_the_first_window_takes_no_more_rounds_than_doubling_windows(
    run_sizes, video_of, arm, rtt, packets
):
    """n windows of 10, 20, 40 ... packets carry 10 (2^n - 1) packets."""
    [_], [latency] = latencies(run_sizes, video_of, arm, rtt, packets * 1370, 1, count=1)
    rounds = math.ceil(math.log2(packets / 10 + 1))
    least = 0 if packets < 10 else 1
    assert rtt * 500 + least * rtt * 1e3 - 0.01 <= latency <= rtt * 500 + (rounds - 1) * (rtt * 1e3 + 5) + 0.01


@pytest.mark.parametrize("fps", [24, 60, 120])
def test_before_the_window_has_grown_frames_wait_for_round_trips_and_for_nothing_else(run_sizes, video_of, fps):
    """Ten packets leave at once; each acknowledgement brings room for two packets at least."""
    rtt, size = 0.4, 1200
    at, latency = latencies(run_sizes, video_of, "quic-datagram", rtt, size, fps)
    window, leaves = 10, []
    for number in range(len(at)):
        ready = at[number]
        acked = sum(left + rtt <= ready for left in leaves)
        while number >= window + 2 * acked:  # the acknowledgement of packet n lets packets up to 10 + 2 n leave
            acked += 1
            ready = leaves[acked - 1] + rtt
        leaves.append(ready)
    bound = (np.array(leaves) - at) * 1e3 + rtt * 500
    assert (latency <= bound + 0.01).all()
