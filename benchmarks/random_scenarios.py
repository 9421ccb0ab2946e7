"""Random scenarios of network x arm x media, each run in virtual time and judged by what must hold for all of them.

    python benchmarks/random_scenarios.py [--count 10000] [--seed 0] [--workers N]
    python benchmarks/random_scenarios.py --seed 0 --only 4711       one of them again, with its scenario as TOML

What is judged, besides what a run checks by itself (the ledger and the packets add up):

- the arm is measured, or says why it cannot be;
- no frame is complete before propagation and serialisation let it be;
- the dice of elements do not move each other: with an element more that does nothing, the ledger is the same;
- repair stays within its budget where the arm has one (rtp's `rtx_share`, the limits of srt), and is noted where it is
  more than half of the media: counted from the packets, where they can be read;
- an arm that shows nothing says why.

A quarter of a second of processor time each. Ends with 1 if one of them does not hold.
"""

import argparse
import os
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

from drawn_scenarios import Table, draw

from glassbench.experiments import scenario
from glassbench.experiments.account.arm_result import ArmResult
from glassbench.experiments.scenario import Scenario
from glassbench.experiments.scenario.session_time import MEDIA_START
from glassbench.experiments.scenario.toml_text import to_toml
from glassbench.experiments.worlds.links import open_links
from glassbench.experiments.worlds.reuse import Reuse
from glassbench.experiments.worlds.virtual import run_arm
from glassbench.netem.packet import Packet
from glassbench.netem.simulator import START_AT
from glassbench.receiver.quality import QualityMemo
from glassbench.sender.encode_cache import EncodeCache
from glassbench.transport.contract import TransportConfig

SLACK = 1e-6  # seconds
OPPORTUNITY_BYTES = 1504  # a delivery opportunity of a trace may have begun before the frame came

_RTP_TYPES = range(96, 100)  # our payload types: of a track's media and of its repair (RTX), and those of another track
_RTP_LEAST_REPAIR = 4000  # bytes a second
_SRT_RESENT = 0x04  # the R flag, in the fifth byte of a data packet (draft-sharabayko-srt-01, 3.1)
_IP_UDP_BYTES = 28
_MOST_OVERHEAD, _HEADER_BYTES = 1.05, 64  # of the framing: a share of what was captured, and bytes for each frame


def judge(content: Table) -> list[str]:
    """What does not hold for this scenario, in sentences."""
    checked = scenario.build(content)
    packets = _Packets()
    result = _run(checked, packets)
    if result.outcome == "unsupported":
        return [] if result.reason else ["unsupported without a reason"]
    if result.outcome != "measured":
        return [f"{result.outcome}: {result.reason}"]
    return [
        *_too_early(checked, result),
        *_repair(checked, result, packets.down),
        *_silence(result),
        *_moved_dice(content, result),
    ]


def _run(checked: Scenario, packets: "_Packets | None" = None) -> ArmResult:
    return run_arm(checked, checked.arms[0], Reuse(EncodeCache(None), QualityMemo()), quality=False, capture=packets)


class _Packets:
    """A capture that keeps in memory what the sender sent: the instant and the bytes of each datagram."""

    def __init__(self) -> None:
        self.down: list[tuple[float, bytes]] = []

    def link(self, name: str) -> "_Packets":
        return self if name == "down" else _Packets()

    def sent(self, packets: Sequence[Packet], *, now: float) -> None:
        self.down += [(now, packet.data) for packet in packets]

    def delivered(self, packets: Sequence[Packet], *, now: float) -> None:
        """Nothing to keep."""

    def observer(self, end: str, flow: str) -> None:
        return None

    def end(self) -> None:
        """Nothing to keep."""

    def describe(self, transport: str, sender: TransportConfig, *, now: float) -> None:
        """Nothing to keep."""

    def check(self) -> None:
        """Nothing to keep."""

    def remove(self) -> None:
        """Nothing to keep."""


def _too_early(checked: Scenario, result: ArmResult) -> Iterator[str]:
    """Frames that were complete before the path could have carried them."""
    assert result.ledger is not None
    link = open_links(checked, start_at=START_AT, media_start=MEDIA_START)["network", "down"]
    delays = [getattr(spec, "delay", 0.0) if spec.kind == "delay" else 0.0 for spec, _ in link.parts]
    bottleneck = next((place for place, (spec, _) in enumerate(link.parts) if spec.kind in ("rate", "trace")), 0)
    before, after = sum(delays[:bottleneck]), sum(delays[bottleneck:])
    for frame in result.ledger[result.ledger["complete_at"].notna()].itertuples():
        start, end = MEDIA_START + frame.first_sent_at + before, MEDIA_START + frame.complete_at - after
        if end < start - SLACK:
            yield f"frame {frame.sequence} of track {frame.track} is faster than propagation by {start - end:.6f} s"
        for capacity in link.capacities:
            carried = capacity(start - SLACK, max(start, end) + SLACK) + OPPORTUNITY_BYTES
            if carried < frame.size_bytes:
                yield (
                    f"frame {frame.sequence} of track {frame.track} has {frame.size_bytes} B, "
                    f"the bottleneck carried {carried:.0f} meanwhile"
                )


def _silence(result: ArmResult) -> Iterator[str]:
    if result.summary["displayed"] == 0 and not result.notes:
        yield f"nothing is shown and nothing says why: {result.summary['fates']}"


def _repair(checked: Scenario, result: ArmResult, sent: list[tuple[float, bytes]]) -> Iterator[str]:
    sender, transport = result.stats["sender"], checked.arms[0].transport
    options = dict(checked.arms[0].options)
    if transport == "rtp":
        types = {kind: [(at, len(data)) for at, data in sent if _rtp_type(data) == kind] for kind in _RTP_TYPES}
        for kind in _RTP_TYPES[::2]:
            yield from _over_the_share(types[kind], types[kind + 1], float(options.get("rtx_share", 1.0)))
        media, repair = ([each for kind in _RTP_TYPES[role::2] for each in types[kind]] for role in (0, 1))
    elif transport == "srt":
        data_packets = [(at, data) for at, data in sent if data and not data[0] & 0x80]
        media = [(at, len(data)) for at, data in data_packets if not data[4] & _SRT_RESENT]
        repair = [(at, len(data)) for at, data in data_packets if data[4] & _SRT_RESENT]
        yield from _over_the_rate([(at, len(data) + _IP_UDP_BYTES) for at, data in data_packets], options)
    else:  # encrypted: what the sender itself counted
        media, repair = [(0.0, sender.get("media_bytes", 0))], [(0.0, sender.get("repair_bytes", 0))]
        assert result.ledger is not None
        captured = int(result.ledger["size_bytes"].sum())
        if media[0][1] > _MOST_OVERHEAD * captured + _HEADER_BYTES * len(result.ledger):
            yield f"the sender counts {media[0][1]} B of media, {captured} B were captured"
    media_bytes, repair_bytes = sum(size for _, size in media), sum(size for _, size in repair)
    if repair_bytes > media_bytes / 2 and not any("repair" in note for note in result.notes):
        yield f"repair of {repair_bytes} B for {media_bytes} B of media has no note"


def _over_the_share(media: list[tuple[float, int]], repair: list[tuple[float, int]], share: float) -> Iterator[str]:
    """In no second is more sent again than that share of the media in it, or than the least that is always allowed."""
    within = (_LastSecond(repair, 1 - SLACK), _LastSecond(media, 1 + SLACK))  # what is on the edge may count or not
    for at, _ in repair:
        again, first = (sizes.until(at) for sizes in within)
        if again > max(share * first, _RTP_LEAST_REPAIR):
            yield f"in the second before {at:.3f} s {again} B are sent again, for {first} B of media"
            return


def _over_the_rate(sizes: list[tuple[float, int]], options: Mapping[str, Any]) -> Iterator[str]:
    """Over half a second and more, media and repair together are held to the rate; what it averages, it may exceed."""
    rate = float(options.get("maxbw", -1)) or float(options.get("inputbw", 0)) * (1 + options.get("oheadbw", 25) / 100)
    if rate <= 0:
        return
    total = 0
    for at, size in sizes:
        total += size
        if total > rate * (at - sizes[0][0] + 0.5) * 1.1 + 20 * 1500:
            yield f"{total} B are sent within {at - sizes[0][0]:.3f} s at {rate:.0f} B/s at most"
            return


class _LastSecond:
    """The bytes of the second before an instant, or a little more or less; instants are asked for in order."""

    def __init__(self, sizes: list[tuple[float, int]], seconds: float) -> None:
        self._sizes, self._seconds = sizes, seconds
        self._total = self._first = self._next = 0

    def until(self, at: float) -> int:
        while self._next < len(self._sizes) and self._sizes[self._next][0] <= at:
            self._total += self._sizes[self._next][1]
            self._next += 1
        while self._first < self._next and self._sizes[self._first][0] < at - self._seconds:
            self._total -= self._sizes[self._first][1]
            self._first += 1
        return self._total


def _rtp_type(data: bytes) -> int:
    return data[1] & 0x7F if len(data) > 1 else -1


def _moved_dice(content: Table, result: ArmResult) -> Iterator[str]:
    """An element that does nothing, in front of the path, must not change a byte of the ledger."""
    down = content["network"].get("down")
    if down is None:
        return
    more = {
        **content,
        "network": {**content["network"], "down": [{"element": "random-loss", "probability": "0%"}, *down]},
    }
    again = _run(scenario.build(more))
    if again.ledger is None or result.ledger is None or not again.ledger.equals(result.ledger):
        yield "an element that does nothing changes the ledger"


def _judged(seed: int, index: int) -> list[str]:
    try:
        return judge(draw(seed, index))
    except Exception:  # whatever it is, it is a finding, and the others are still to be judged
        return [traceback.format_exc(limit=-3)]


def main() -> None:
    """Judge all, print what does not hold with the number of its scenario, and end with 1 if there is any."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="the number of one scenario, which is printed as TOML too")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    if options.only is not None:
        print(to_toml(scenario.build(draw(options.seed, options.only)).dump()))
        numbers = range(options.only, options.only + 1)
    else:
        numbers = range(options.count)
    failed = 0
    with ProcessPoolExecutor(options.workers) as pool:
        for index, findings in zip(
            numbers, pool.map(partial(_judged, options.seed), numbers, chunksize=8), strict=True
        ):
            failed += bool(findings)
            for finding in findings[:3]:
                print(f"{index}: {finding}", flush=True)
            if index % 1000 == 999:
                print(f"{index + 1} judged, {failed} with findings", file=sys.stderr, flush=True)
    print(f"{len(numbers)} scenarios of seed {options.seed} judged: {failed} with findings")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
