"""Who waits for a lost packet, seen in the ledger of a whole run: T between frames, repair time D."""

from math import floor

import pytest

FRAMES = 80
LOST = 40  # the frame whose only packet is lost; before it the first round trip of a connection may be short of window


def lose_one(run_sizes, video_of, arm, *, interval_ms, delay_ms, timer="exact"):
    """Every frame is one packet that leaves at its capture, and the outage of 2 us hits that of frame LOST."""
    window = {"start": f"{LOST * interval_ms * 1000 - 1:.0f}us", "duration": "2us"}
    propagation = {"element": "delay", "delay": f"{delay_ms}ms"}
    network = {"down": [{"element": "outage", "windows": [window]}, propagation], "up": [propagation]}
    result = run_sizes(arm, [1000] * FRAMES, fps=1000 / interval_ms, network=network, timer=timer)
    assert result.impairments["down"]["path"]["lost"] == 1
    return video_of(result)


def quic_repair_ms(interval_ms, delay_ms):
    """RFC 9002 6: the acknowledgement of the next packet shows the loss, but not before 9/8 of a round trip; a probe is
    sooner if nothing was sent for a PTO: the round trip, kGranularity, and the 25 ms that the peer may delay ACKs."""
    probe_ms = 2 * delay_ms + 1 + 25
    return probe_ms if probe_ms < interval_ms else max(interval_ms + 2 * delay_ms, 9 / 8 * 2 * delay_ms)


def rtp_repair_ms(interval_ms, delay_ms):
    """The next packet shows the gap, which may be reordering for 5 ms; then NACK and retransmission."""
    return interval_ms + 5 + 2 * delay_ms


@pytest.mark.sampled(4)
@pytest.mark.parametrize("timer", ["exact", "1ms"])
@pytest.mark.parametrize("arm", ["quic-stream", "quic-stream:stack=stock,control=reno"])
@pytest.mark.parametrize("delay_ms", [5, 30, 90])
@pytest.mark.parametrize("interval_ms", [12.5, 40])
def test_on_one_stream_one_frame_and_all_until_its_repair_wait_in_the_hold_stage(
    run_sizes, video_of, arm, interval_ms, delay_ms, timer
):
    frames = lose_one(run_sizes, video_of, arm, interval_ms=interval_ms, delay_ms=delay_ms, timer=timer)
    assert (frames["fate"] == "displayed").all()
    repair_ms = frames["g2g_ms"][LOST] - delay_ms
    assert repair_ms == pytest.approx(quic_repair_ms(interval_ms, delay_ms), abs=1.1 if timer == "exact" else 3)
    behind = frames[frames["sequence"] > LOST]
    slack_ms = 1e-3 if timer == "exact" else 1.001  # a late wake-up of the sender is not waited for twice
    held = behind[behind["hold_ms"] > 1e-3]
    assert floor((repair_ms - slack_ms) / interval_ms) <= len(held) <= floor(repair_ms / interval_ms)
    assert held["sequence"].tolist() == list(range(LOST + 1, LOST + 1 + len(held)))
    expected = repair_ms - (held["sequence"] - LOST) * interval_ms
    assert held["hold_ms"].to_numpy() == pytest.approx(expected.to_numpy(), abs=slack_ms)
    assert held["transit_ms"].to_numpy() == pytest.approx(delay_ms, abs=1e-3)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("arm", ["quic-stream-per-frame", "webtransport-stream-per-frame", "quic-datagram", "rtp"])
@pytest.mark.parametrize("delay_ms", [5, 90])
@pytest.mark.parametrize("interval_ms", [12.5, 40])
def test_without_a_common_stream_nobody_waits_in_the_transport(run_sizes, video_of, arm, interval_ms, delay_ms):
    frames = lose_one(run_sizes, video_of, arm, interval_ms=interval_ms, delay_ms=delay_ms)
    assert (frames["fate"] == "displayed").all()
    assert (frames["hold_ms"] == 0).all()
    arrived_ms = (frames["complete_at"] - frames["captured_at"]) * 1e3
    late = frames["sequence"][(arrived_ms > delay_ms + 1e-3) & (frames["sequence"] >= LOST)].tolist()
    assert late == [LOST]
    # What follows is there in time. It waits for its reference, in the buffer that all arms share.
    repair_ms = arrived_ms[LOST] - delay_ms
    expected = (rtp_repair_ms if arm == "rtp" else quic_repair_ms)(interval_ms, delay_ms)
    assert repair_ms == pytest.approx(expected, abs=1.1)
    assert (frames["buffer_ms"] > 1e-3).sum() == floor(repair_ms / interval_ms)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("arm", ["udp", "rtp:nack=false", "quic-datagram:repair=false"])
@pytest.mark.parametrize("delay_ms", [5, 90])
@pytest.mark.parametrize("interval_ms", [12.5, 40])
def test_without_repair_exactly_the_lost_frame_is_lost(run_sizes, video_of, arm, interval_ms, delay_ms):
    frames = lose_one(run_sizes, video_of, arm, interval_ms=interval_ms, delay_ms=delay_ms)
    assert frames["sequence"][frames["fate"] == "lost"].tolist() == [LOST]
    assert (frames["fate"] == "displayed").sum() == FRAMES - 1
