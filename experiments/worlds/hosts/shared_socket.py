"""Media and the alignment of clocks on one socket, and a peer whose address may change."""

from collections import defaultdict
from collections.abc import Sequence

from glassbench.experiments.account.reports import LINK_WINDOW
from glassbench.netem.endpoint import Endpoint
from glassbench.netem.live.alignment_messages import Answerer, Asker, is_alignment
from glassbench.netem.packet import IP_UDP_HEADER_BYTES, Address


class SharedSocket:
    """Two endpoints as one: `alignment` has the datagrams with its magic, `media` those from `peer`.

    When a question of the alignment, which has the token of the run, comes from another address, the peer has moved
    there, as behind a NAT that forgot it: `media` goes on with it and does not notice. `moves` counts that, and
    `foreign` the datagrams of anybody else, which are dropped. `sent_bytes` and `received_bytes` are those of media on
    the wire, by the number of the LINK_WINDOW of session time.
    """

    def __init__(self, media: Endpoint, alignment: Asker | Answerer, peer: Address) -> None:
        self.foreign = 0
        self.moves = 0
        self.sent_bytes: defaultdict[int, int] = defaultdict(int)
        self.received_bytes: defaultdict[int, int] = defaultdict(int)
        self._media = media
        self._alignment = alignment
        self._peer = peer  # as media knows it
        self._now_at = peer

    def receive_datagram(self, data: bytes, peer: Address, ecn: int = 0, *, now: float) -> None:
        if is_alignment(data):
            self._alignment.receive_datagram(data, peer, ecn, now=now)
        elif peer == self._now_at:
            self.received_bytes[int(now / LINK_WINDOW)] += len(data) + IP_UDP_HEADER_BYTES
            self._media.receive_datagram(data, self._peer, ecn, now=now)
        else:
            self.foreign += 1

    def datagrams_to_send(self, *, now: float) -> Sequence[tuple[bytes, Address, int]]:
        aligning = self._alignment.datagrams_to_send(now=now)
        if isinstance(self._alignment, Answerer) and aligning and aligning[-1][1] != self._now_at:
            self._now_at = aligning[-1][1]
            self.moves += 1
        media = [(data, self._now_at, ecn) for data, _, ecn in self._media.datagrams_to_send(now=now)]
        if media:
            self.sent_bytes[int(now / LINK_WINDOW)] += sum(len(data) + IP_UDP_HEADER_BYTES for data, _, _ in media)
        return [*aligning, *media]

    def get_timer(self) -> float | None:
        timers = [timer for end in (self._alignment, self._media) if (timer := end.get_timer()) is not None]
        return min(timers, default=None)

    def handle_timer(self, *, now: float) -> None:
        self._alignment.handle_timer(now=now)
        self._media.handle_timer(now=now)
