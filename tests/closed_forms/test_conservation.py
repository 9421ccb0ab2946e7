"""Packets are neither made nor lost without an account: sent = delivered + dropped + lost + in flight."""

from itertools import pairwise

import pytest

from glassbench.transport.registry import TRANSPORTS

ELEMENTS = [
    {"element": "policer", "rate": "6Mbit/s", "burst": "30kB"},
    {"element": "rate", "rate": "3Mbit/s", "queue": "20kB"},
    {"element": "gilbert-elliott", "mean_loss": "2%", "mean_burst": 3},
    {"element": "duplication", "probability": "3%"},
    {"element": "reordering", "probability": "5%", "lateness": "8ms"},
    {"element": "delay", "delay": "30ms"},
]


@pytest.mark.sampled(4)
@pytest.mark.parametrize("queue", ["drop-tail", "codel"])
@pytest.mark.parametrize(
    "arm", [*TRANSPORTS, "quic-stream:stack=stock,control=reno", "quic-stream:stack=stock,control=cubic"]
)
def test_every_packet_of_every_link_is_accounted_for(run_sizes, arm, queue):
    bottleneck = {**ELEMENTS[1], "queue": {"discipline": queue, "bytes": "20kB"}}
    down = [ELEMENTS[0], bottleneck, *ELEMENTS[2:]]
    network = {"down": down, "up": ELEMENTS}
    result = run_sizes(arm, [12_000, 4000, 4000, 40_000, 4000] * 10, fps=25, network=network, deadline="1s")
    for direction, sender, receiver in (("down", "sender", "receiver"), ("up", "receiver", "sender")):
        path = result.impairments[direction]["path"]
        parts = [part for element in result.impairments[direction]["elements"] for part in element["applied"]]
        for counts in (path, *parts):
            made = counts["pushed"] + counts["duplicated"]
            assert made == counts["popped"] + counts["dropped"] + counts["lost"] + counts["inside"]
        for before, after in pairwise(parts):  # nothing gets away between two elements
            assert before["popped"] == after["pushed"]
        assert path["pushed"] == result.stats[sender]["datagrams_sent"]
        assert path["popped"] == result.stats[receiver]["datagrams_received"]
        rows = result.links[result.links["direction"] == direction]
        assert rows["lost_packets"].sum() == path["lost"]
        assert rows["dropped_packets"].sum() == path["dropped"]
    assert result.impairments["down"]["path"]["lost"] > 0


@pytest.mark.parametrize("overload", [2, 5])
@pytest.mark.parametrize("delay_ms", [10, 400])
def test_what_an_overloaded_link_has_not_delivered_at_the_end_is_in_flight(run_sizes, video_of, overload, delay_ms):
    size, fps, count = 1000, 100, 800
    wire = size + 24 + 28  # our fragment header, IPv4 and UDP
    capacity = wire * 8 * fps // overload
    network = {"rate": f"{capacity}bit/s", "queue": "10MB", "delay": f"{delay_ms}ms"}
    result = run_sizes("udp", [size] * count, fps=fps, network=network)
    path = result.impairments["down"]["path"]
    delivered = int((count / fps + 3 - delay_ms / 1e3) * capacity / 8 / wire)  # until 3 s after the last capture
    assert path["pushed"] == count
    assert path["popped"] == pytest.approx(delivered, abs=1)
    assert path["inside"] == count - path["popped"] > 0
    assert (video_of(result)["fate"] == "lost").sum() == path["inside"]
