"""One track as its sender has it: frames to packets, the history of what was sent, and retransmissions from it."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace

from glassbench.transport.contract import Frame
from glassbench.transport.framing import Malformed
from glassbench.transport.layers import period
from glassbench.transport.rtp import rtcp, session
from glassbench.transport.rtp.budget import RetransmissionBudget
from glassbench.transport.rtp.packet import (
    FRAME_EXTENSION_BYTES,
    HEADER,
    HEADER_BYTES,
    frame_extension,
    rtp_time,
)
from glassbench.transport.rtp.payload_format import CodedFrame

RTX_OVERHEAD_BYTES = 2  # the original sequence number
_MOST_PADDING = 255  # bytes, which the last of them says
_HISTORY_BYTES = 8 * 2**20  # per track, for retransmission


@dataclass(slots=True)
class _SentFrame:
    """The packets of one frame, kept for retransmission. `resent_at` by index of the packet."""

    sequence: int
    packets: list[bytes]
    bytes: int
    sent_at: float
    expires_at: float | None
    resent_at: dict[int, float]


class Source:
    """One track: its SSRC and that of its retransmissions, their counters, and the history of what was sent."""

    def __init__(self, types: session.TrackTypes, dice: session.Dice, options: session.RtpOptions) -> None:
        self.types = types
        self.ssrc = dice.word()
        self.rtx_ssrc = dice.word()
        self._sequence = dice.sequence()  # of the next packet; grows past 16 bits
        self._rtx_sequence = dice.sequence()
        self._offset = dice.word()
        self._bases = 0  # frames of the base layer
        self._base_sequence = 0  # of the last of them
        self._ticks = -1  # RTP time of the last frame, before offset and wrap
        self._sent = [0, 0, 0]  # packets, octets, packets at the last report
        self._resent = [0, 0, 0]
        self._keep_history = options.nack
        self.budget = RetransmissionBudget(options.rtx_share)
        self._firsts: list[int] = []  # sequence of the first packet of each frame in the history
        self._history: list[_SentFrame] = []
        self._history_bytes = 0

    def packetize(self, frame: Frame, room: int, *, now: float) -> list[bytes]:
        """The packets of a frame: extension on the first, marker bit on the last, one timestamp. Those of a slice are
        the next ones of its frame."""
        payloads = self.cut(frame, room)
        if frame.layer == 0:
            self._bases, self._base_sequence = self._coded(frame).base - self.ssrc, frame.sequence
        # Two messages of one instant still need two timestamps: it is the timestamp that tells frames apart.
        if frame.slice == 0:
            self._ticks = max(rtp_time(frame.captured_at), self._ticks + 1)
        timestamp = (self._ticks + self._offset) & 0xFFFF_FFFF
        first, ssrc, payload_type = self._sequence, self.ssrc, self.types.media
        packets = [
            HEADER.pack(0x80, payload_type, sequence & 0xFFFF, timestamp, ssrc) + payload
            for sequence, payload in enumerate(payloads, first)
        ]
        if frame.slice == 0:
            whole = replace(frame, sequence=frame.sequence // frame.slices)
            start = HEADER.pack(0x90, payload_type, first & 0xFFFF, timestamp, ssrc) + frame_extension(whole)
            packets[0] = start + payloads[0]
        if frame.last:
            last = packets[-1]
            packets[-1] = last[:1] + bytes((payload_type | 0x80,)) + last[2:]
        self._sequence = first + len(packets)
        self._sent[0] += len(packets)
        self._sent[1] += sum(map(len, payloads))
        if self._keep_history:
            self._remember(first, packets, frame, now=now)
        return packets

    def cut(self, frame: Frame, room: int) -> list[bytes]:
        """The payloads of a frame's packets. Raises ValueError for one that is not of the track's media."""
        try:
            return self.types.payload_format.packetize(self._coded(frame), room, FRAME_EXTENSION_BYTES)
        except Malformed as error:
            raise ValueError(f"track {frame.track} frame {frame.sequence}: {error}") from None

    def _coded(self, frame: Frame) -> CodedFrame:
        """The frame with its place among those that were sent. Numbers begin where chance put the SSRC."""
        layers = self.types.track.layers
        since_base = frame.sequence - self._base_sequence
        bases = self._bases
        if frame.layer == 0:
            # A base frame that was not sent is counted too, so that the gap shows that a reference is missing.
            bases += 1 if frame.keyframe else since_base // period(layers)
            since_base = 0
        return CodedFrame(
            frame.payload,
            self.ssrc + frame.sequence,
            frame.keyframe,
            frame.layer,
            layers,
            self.ssrc + bases,
            since_base,
        )

    def retransmissions(self, sequences: Iterable[int], not_since: float, *, now: float) -> Iterable[tuple[int, bytes]]:
        """RTX packets (RFC 4588 section 4), each with the sequence of its frame, for the sequence numbers that are
        still kept and worth sending, until one does not fit the budget."""
        newest = self._sequence - 1
        for short in sequences:
            sequence = newest - ((newest - short) & 0xFFFF)
            place = bisect_right(self._firsts, sequence) - 1
            if place < 0:
                continue
            sent = self._history[place]
            index = sequence - self._firsts[place]
            if sent.resent_at.get(index, -1.0) > not_since or (sent.expires_at is not None and sent.expires_at <= now):
                continue
            packet = sent.packets[index]
            if not self.budget.takes(len(packet) + RTX_OVERHEAD_BYTES, now=now):
                return
            sent.resent_at[index] = now
            yield sent.sequence, self._rtx(packet)

    def padding(self) -> bytes:
        """A packet of the retransmissions' SSRC that carries nothing but padding (RFC 3550 section 5.1)."""
        timestamp = (self._ticks + self._offset) & 0xFFFF_FFFF
        head = HEADER.pack(0xA0, self.types.rtx, self._rtx_sequence & 0xFFFF, timestamp, self.rtx_ssrc)
        self._rtx_sequence += 1
        self._resent[0] += 1
        return head + bytes(_MOST_PADDING - 1) + bytes((_MOST_PADDING,))

    def reports(self, time: int, *, now: float) -> list[bytes]:
        """A sender report for each of the two SSRCs that has sent since its last one."""
        timestamp = rtp_time(now) + self._offset
        reports = []
        for ssrc, counts in ((self.ssrc, self._sent), (self.rtx_ssrc, self._resent)):
            if counts[0] > counts[2]:
                counts[2] = counts[0]
                reports.append(rtcp.sender_report(ssrc, time, timestamp, counts[0], counts[1]))
        return reports

    def _rtx(self, packet: bytes) -> bytes:
        """The retransmission of a packet: own SSRC, type and sequence, header extension and marker as they were."""
        first, second, sequence, timestamp, _ = HEADER.unpack_from(packet)
        start = HEADER_BYTES + (FRAME_EXTENSION_BYTES if first & 0x10 else 0)
        head = HEADER.pack(first, second & 0x80 | self.types.rtx, self._rtx_sequence & 0xFFFF, timestamp, self.rtx_ssrc)
        self._rtx_sequence += 1
        self._resent[0] += 1
        self._resent[1] += len(packet) - start + RTX_OVERHEAD_BYTES
        return b"".join((head, packet[HEADER_BYTES:start], sequence.to_bytes(2, "big"), packet[start:]))

    def _remember(self, first: int, packets: list[bytes], frame: Frame, *, now: float) -> None:
        size = sum(map(len, packets))
        self.budget.on_media(size, now=now)
        self._firsts.append(first)
        self._history.append(_SentFrame(frame.sequence, packets, size, now, frame.expires_at, {}))
        self._history_bytes += size
        old = 0
        while old < len(self._history) - 1 and (
            self._history_bytes > _HISTORY_BYTES or self._history[old].sent_at < now - session.HISTORY
        ):
            self._history_bytes -= self._history[old].bytes
            old += 1
        if old:
            del self._firsts[:old], self._history[:old]
