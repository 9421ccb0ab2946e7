"""Time on a bottleneck, seen in the stages of a whole run, headers included."""

from math import ceil

import numpy as np
import pytest

IP_UDP = 28  # IPv4 and UDP
MTU_PAYLOAD = 1452
MICROSECOND_MS = 1e-3


def udp_packets(size):
    """Wire bytes of each packet of a frame: equal shares, each under the 24 bytes of our fragment header."""
    count = ceil(size / (MTU_PAYLOAD - 24))
    return [size // count + (i < size % count) + 24 + IP_UDP for i in range(count)]


def rtp_packets(size):
    """One NAL unit without its start code of 4 bytes: whole after the 12 bytes of RFC 3550, or in FU-A (RFC 6184 5.8),
    two bytes each for the unit's own first byte. The first packet has 24 bytes of header extensions."""
    unit, room = size - 4, MTU_PAYLOAD - 12
    if unit + 24 <= room:
        return [unit + 24 + 12 + IP_UDP]
    count = ceil((unit - 1 + 24) / (room - 2))
    return [None] * (count - 1) + [unit - 1 + 24 + count * (2 + 12 + IP_UDP)]


WIRE = {"udp": udp_packets, "rtp": rtp_packets}


@pytest.mark.sampled(4)
@pytest.mark.parametrize("arm", ["udp", "rtp"])
@pytest.mark.parametrize("size", [100, 1424, 1428, 1429, 5000, 33_333, 200_000])
@pytest.mark.parametrize(("rate", "delay_ms"), [(1e6, 0), (20e6, 12.5), (1e9, 300)])
def test_one_frame_takes_its_bytes_with_headers_over_the_rate_and_the_propagation(
    run_sizes, video_of, arm, size, rate, delay_ms
):
    network = {"rate": f"{rate:.0f}bit/s", "queue": "1MB", "delay": f"{delay_ms}ms"}
    [frame] = video_of(run_sizes(arm, [size], fps=25, network=network)).to_dict("records")
    wire = sum(filter(None, WIRE[arm](size)))
    assert frame["queue_ms"] == frame["hold_ms"] == frame["buffer_ms"] == 0
    assert frame["transit_ms"] + frame["spread_ms"] == pytest.approx(wire * 8e3 / rate + delay_ms, abs=MICROSECOND_MS)
    assert frame["g2g_ms"] == pytest.approx(wire * 8e3 / rate + delay_ms, abs=MICROSECOND_MS)
    if arm == "udp":  # all packets leave at once: the first waits for nobody, the others for those before them
        assert frame["transit_ms"] == pytest.approx(udp_packets(size)[0] * 8e3 / rate + delay_ms, abs=MICROSECOND_MS)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("size", [700, 6000])
@pytest.mark.parametrize("overload", [1.02, 1.25, 3.0])
@pytest.mark.parametrize("timer", ["exact", "1ms"])
def test_under_overload_each_frame_is_later_by_r_minus_c_over_c_of_an_interval(
    run_sizes, video_of, size, overload, timer
):
    fps, count = 50, 100
    offered = sum(udp_packets(size)) * 8 * fps
    capacity = round(offered / overload)
    network = {"rate": f"{capacity}bit/s", "queue": "10MB", "delay": "7ms"}
    frames = video_of(run_sizes("udp", [size] * count, fps=fps, network=network, timer=timer))
    latency = frames.loc[frames["fate"] == "displayed", "g2g_ms"].to_numpy()
    assert len(latency) >= 80
    growth = 1e3 / fps * (offered - capacity) / capacity
    assert np.diff(latency) == pytest.approx(growth, abs=2 * MICROSECOND_MS)


@pytest.mark.parametrize("queue_bytes", [15_000, 60_000])
@pytest.mark.parametrize("overload", [1.5, 4.0])
def test_a_full_queue_costs_its_bytes_over_the_rate_and_loses_what_exceeds_the_capacity(
    run_sizes, video_of, queue_bytes, overload
):
    size, fps, count = 1000, 100, 1500
    [wire] = udp_packets(size)
    capacity = round(wire * 8 * fps / overload)
    network = {"rate": f"{capacity}bit/s", "queue": f"{queue_bytes}B", "delay": "7ms"}
    frames = video_of(run_sizes("udp", [size] * count, fps=fps, network=network))
    steady = frames.iloc[count // 2 : -fps]
    fit = queue_bytes // wire  # packets that wait, while one more is on the wire and a new one comes
    one = wire * 8e3 / capacity
    latency = ((steady["complete_at"] - steady["captured_at"]) * 1e3).dropna()
    assert 7 + fit * one <= latency.max() + MICROSECOND_MS and latency.max() <= 7 + (fit + 1) * one + MICROSECOND_MS
    assert latency.min() >= 7 + (fit - 1) * one
    assert steady["complete_at"].notna().mean() == pytest.approx(1 / overload, abs=2 / len(steady))


@pytest.mark.sampled(3)
@pytest.mark.parametrize("lines", [1, 2, 5])
@pytest.mark.parametrize("size", [1000, 1452, 20_000])
def test_mahimahi_lines_per_millisecond_are_12_032_mbit_per_second_each(run_sizes, video_of, tmp_path, lines, size):
    trace = tmp_path / "lines.down"
    trace.write_text("".join(f"{ms}\n" * lines for ms in range(1, 101)), encoding="utf-8")
    (tmp_path / "lines.up").write_text("1\n", encoding="utf-8")
    rate = lines * 12.032e6
    fps = 240
    repeat = ceil(1.3 * rate / 8 / fps / size)  # frames a capture that overload it, as one large frame
    frame = size * repeat
    network = {"trace": str(trace), "queue": "30MB"}
    result = run_sizes("udp", [frame] * (2 * fps), fps=fps, network=network)
    down = result.links[result.links["direction"] == "down"].set_index("at")
    assert down["capacity_bytes"].to_numpy() * 8 / 0.1 == pytest.approx(rate)
    busy = down.loc[0.1:1.89]
    assert busy["delivered_bytes"].sum() * 8 / (len(busy) * 0.1) == pytest.approx(rate, abs=2 * 1504 * 8)
    # One frame alone: it leaves with the opportunity that carries its last byte.
    [frame] = video_of(run_sizes("udp", [size], fps=25, network=network)).to_dict("records")
    assert frame["g2g_ms"] == pytest.approx(ceil(sum(udp_packets(size)) / 1504 / lines), abs=MICROSECOND_MS)
