"""Slow start of a stock controller, seen in the spread of one large frame."""

import pytest

SMALLEST, LARGEST = 10 * 1200, 15 * 1200  # the window after the handshake: RFC 9002 7.2, and what its ACKs added


@pytest.mark.sampled(6)
@pytest.mark.parametrize("arm", ["quic-stream", "quic-stream-per-frame", "webtransport-stream-per-frame"])
@pytest.mark.parametrize("delay_ms", [10, 80])
@pytest.mark.parametrize("rounds", [2, 3, 4, 5])
def test_a_large_frame_takes_as_many_rounds_as_doubling_windows_need(run_sizes, video_of, arm, rounds, delay_ms):
    """n windows W, 2W, 4W ... carry (2^n - 1) W: sizes for which n is the same for every window that W may be.

    aioquic paces a window over about one round trip, so the last byte leaves between the start and the end of round n.
    """
    least, most = LARGEST * (2 ** (rounds - 1) - 1), SMALLEST * 0.95 * (2**rounds - 1)
    propagation = [{"element": "delay", "delay": f"{delay_ms}ms"}]
    for size in (int(least) + 1, int((least + most) / 2), int(most)):
        result = run_sizes(
            f"{arm}:stack=stock,control=reno", [size], fps=1, network={"down": propagation, "up": propagation}
        )
        [frame] = video_of(result).to_dict("records")
        took = (frame["spread_ms"] + frame["transit_ms"] - delay_ms) / (2 * delay_ms)
        assert rounds - 1 <= took <= rounds + 0.1
