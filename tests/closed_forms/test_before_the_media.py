"""Before the first capture the network is as it is where the trace begins, whatever stands at the end of the trace."""

import pytest

from glassbench.transport.registry import TRANSPORTS

# An encoder that follows takes no sizes that are given, so that of every arm is fixed.
ARMS = [f"{name}:encoder=fixed" for name in TRANSPORTS] + ["quic-stream:stack=stock,control=cubic"]
DELAY_MS = 20.0


def ends_in_an_outage(kind, folder):
    """The network of a trace of 10 s at 12.032 Mbit/s, with nothing in its last 2.5 s; 20 ms each way."""
    if kind == "mahimahi":
        file = folder / "gone.down"
        file.write_text("".join(f"{ms}\n" for ms in [*range(1, 7501), 10_000]), encoding="utf-8")
        return {"trace": str(file), "trace_start": "0s", "delay": "20ms"}
    file = folder / "gone.csv"
    rows = "0,12.032,20,0\n7.5,0,500,50\n10,,,\n"
    file.write_text(f"time_s,rate_mbps,delay_ms,loss_percent\n{rows}", encoding="utf-8")
    return {"trace": str(file), "trace_start": "0s"}


@pytest.mark.sampled(4)
@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("kind", ["mahimahi", "csv"])
def test_an_outage_at_the_end_of_a_trace_changes_no_latency(run_sizes, video_of, tmp_path, kind, arm):
    networks = ({"rate": "12032kbit/s", "delay": "20ms"}, ends_in_an_outage(kind, tmp_path))
    steady, recorded = (
        video_of(run_sizes(arm, [900] * 50, fps=50, network=network))["g2g_ms"].to_numpy() for network in networks
    )
    # An opportunity of mahimahi comes each millisecond, so packets leave up to a millisecond later.
    assert recorded == pytest.approx(steady, abs=1.1 if kind == "mahimahi" else 0.003)
    assert (recorded <= DELAY_MS + (120 if arm.startswith("srt") else 0) + 2.5).all()


@pytest.mark.parametrize("arm", ["rtp", "srt", "quic-datagram"])
def test_repeated_outages_are_counted_from_the_first_capture_and_not_before(run_sizes, video_of, arm):
    outage = {"element": "outage", "windows": [{"start": "3s", "duration": "2500ms"}], "period": "6s"}
    delay = {"element": "delay", "delay": "20ms"}
    frames = video_of(run_sizes(arm, [900] * 50, fps=50, network={"down": [outage, delay], "up": [outage, delay]}))
    assert (frames["g2g_ms"] <= 20 + (121 if arm == "srt" else 1)).all()
