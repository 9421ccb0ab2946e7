"""Our srt ends with libsrt between them: our sender, srt-live-transmit, our receiver, and a lossy link on either side.

Neither of our ends hears the other one: libsrt takes every message from one connection and puts it into another.
"""

import json
import shutil
from statistics import median

import pytest

from glassbench.experiments.worlds.ends import Place
from glassbench.netem.live.clock import LiveClock, monotonic_ns

# The first NAK of a connection is repeated by libsrt after up to 300 ms, if it or its answer is lost; then every 20 ms.
# As much again is for a busy machine.
LATENCY_MS = 600

pytestmark = pytest.mark.skipif(
    shutil.which("srt-live-transmit") is None, reason="needs srt-live-transmit: apt-get install -y srt-tools"
)


@pytest.mark.quiet  # it encodes in real time, and a busy machine skips pictures
@pytest.mark.parametrize("libsrt", ["listener", pytest.param("caller", marks=pytest.mark.long)])  # libsrt/ has both
def test_every_frame_comes_through_libsrt_unchanged_and_losses_are_repaired(bench, libsrt):
    sockets = [bench.socket(), bench.socket()]  # of our sender, of our receiver
    if libsrt == "listener":
        callers = ["sender", "receiver"]
        ports = [bench.free_port(), bench.free_port()]
        links = [bench.link(("127.0.0.1", port)) for port in ports]
        peers = [link.address for link in links]
    else:
        callers = ["receiver", "sender"]
        links = [bench.link(one.getsockname()) for one in sockets]
        ports = [link.address[1] for link in links]
        peers = [link.exit for link in links]
    uris = [f"srt://127.0.0.1:{port}?mode={libsrt}&latency={LATENCY_MS}" for port in ports]
    # Passed on with their first source time, messages would be due at our receiver as they leave libsrt.
    peer = bench.start("srt-live-transmit", "-a:no", "-sourcetime:no", "-s:10", "-pf:json", "-f", *uris)
    if libsrt == "listener":
        for port in ports:
            peer.wait_for_port(port)

    sending, receiving = (bench.ends(f"srt:latency_ms={LATENCY_MS},caller={caller}") for caller in callers)
    here, there = (Place(one.getsockname(), other) for one, other in zip(sockets, peers, strict=True))
    ends = (
        sending.transport("sender", sending.config("sender", here)),
        receiving.transport("receiver", receiving.config("receiver", there)),
    )
    clock = LiveClock(monotonic_ns())
    sender, payloads = bench.sender(sending, ends[0], clock)
    receiver = bench.receiver(receiving, ends[1], clock)
    bench.run(receiver, sockets[1], clock)
    running = bench.run(sender, sockets[0], clock)
    bench.lose(links, sender, clock)
    last = sending.flow.video.track().id, len(payloads) - 1
    bench.wait_for(lambda: last in receiver.records, "the last frame")
    running.stop()
    peer.wait()
    bench.wait_for(lambda: receiver.closed is not None, "the end of the connection")

    sent, received, theirs = sender.stats(), receiver.stats(), counted_by_libsrt(peer.said)
    delays = [each.displayed_at - each.captured_at for each in receiver.decoded]
    print(
        f"\nlibsrt as {libsrt}, seed {bench.seed}: {len(receiver.decoded)} of {len(payloads)} frames"
        f", {sent['packets_sent']} packets, lost {[link.lost for link in links]} of"
        f" {[link.lost + link.passed for link in links]} datagrams on the two links"
        f", retransmissions {sent['retransmissions']} by us, {theirs['resent']} by libsrt"
        f", delay {min(delays):.3f} s at least, {median(delays):.3f} s as a rule, {max(delays):.3f} s at most"
    )
    assert len(payloads) > 0.9 * bench.frames  # an encoder that is kept from its work skips pictures
    assert [each.sequence for each in receiver.decoded] == list(range(len(payloads)))
    assert [each.payload for each in receiver.decoded] == payloads
    assert (receiver.stamp_errors, receiver.stamp_unreadable) == (0, 0)
    assert received["packets_received"] - received["packets_duplicate"] == sent["packets_sent"]
    assert all(link.lost > 0 for link in links)
    assert sent["retransmissions"] > 0 and received["naks_sent"] > 0 and theirs["resent"] > 0
    assert theirs["dropped"] == 0
    for name in ("malformed", "packets_skipped", "packets_dropped_late", "frames_lost"):
        assert (sent[name], received[name]) == (0, 0), name
    # Each connection holds every message for the latency that was agreed on.
    assert 2 * LATENCY_MS / 1e3 <= median(delays) < 2 * LATENCY_MS / 1e3 + 0.1
    assert receiver.closed.error is None


def counted_by_libsrt(said):
    """The last statistics of its two connections, taken together."""
    last = {}
    for line in said.splitlines():
        if line.startswith("{"):
            report = json.loads(line)
            last[report["sid"]] = report
    assert len(last) == 2, said
    return {
        "resent": sum(report["send"]["packetsRetransmitted"] for report in last.values()),
        "dropped": sum(report[way]["packetsDropped"] for report in last.values() for way in ("send", "recv")),
    }
