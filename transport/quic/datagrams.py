"""Frames in DATAGRAMs (RFC 9221): fragments, sent again after a loss while that can still help."""

import math
from bisect import insort
from collections import deque
from collections.abc import Hashable
from itertools import count
from typing import NamedTuple

from glassbench.transport.contract import Frame, FrameRepaired, FrameSent, FrameStarted
from glassbench.transport.framing import split_frame
from glassbench.transport.layers import overtakes
from glassbench.transport.quic.carrier import CountUp, Emit
from glassbench.transport.quic.session import Session
from glassbench.transport.quic.stack import Stack


class _Token(NamedTuple):
    number: int
    cuts: int
    fragment: int


class _Outgoing:
    """A frame of which fragments are to be sent or may have to be sent again."""

    __slots__ = (
        "cuts",
        "expires_at",
        "fragments",
        "frame",
        "number",
        "sent_to",
        "settled",
        "started",
        "to_send",
        "unsent_from",
    )

    def __init__(self, frame: Frame, number: int, room: int) -> None:
        self.frame = frame
        self.number = number
        self.cuts = 0
        self.started = False
        self.unsent_from = 0  # fragments leave for the first time in order
        self.sent_to = 0  # so many bytes of the frame have left, however they were cut
        self.expires_at = math.inf if frame.expires_at is None else frame.expires_at
        self._cut(room)

    def unsent_bytes(self) -> int:
        return sum(map(len, self.fragments[self.unsent_from :]))

    def new_bytes(self, fragment: int) -> int:
        """How many bytes of a fragment that leaves do so for the first time."""
        size = len(self.fragments[fragment])
        end = fragment * len(self.fragments[0]) + size
        new = max(0, min(size, end - self.sent_to))
        self.sent_to = max(self.sent_to, end)
        return new

    def fits(self, room: int) -> bool:
        return len(self.fragments[0]) <= room  # of equal fragments the first is the longest

    def cut_anew(self, room: int) -> None:
        """Cut the frame for a path that carries less than before. All of it is sent: what the receiver has is of no
        use."""
        all_sent = self.unsent_from == len(self.fragments)
        self.cuts += 1
        self._cut(room)
        self.unsent_from = len(self.fragments) if all_sent else 0

    def _cut(self, room: int) -> None:
        self.fragments = split_frame(self.frame, room)
        self.to_send = deque(range(len(self.fragments)))
        self.settled = 0

    def __lt__(self, other: "_Outgoing") -> bool:
        return (self.frame.track_priority, self.number) < (other.frame.track_priority, other.number)


class DatagramCarrier:
    """Cuts frames into fragments and hands them over one packet's worth at a time, the most urgent first."""

    def __init__(self, repair: bool, stack: Stack, session: Session, emit: Emit, count_up: CountUp) -> None:
        self._stack = stack
        self._session = session
        self._repair = repair
        self._emit = emit
        self._count_up = count_up
        self._numbers = count()
        self._outgoing: dict[int, _Outgoing] = {}
        self._to_send: list[_Outgoing] = []  # those with fragments to send, by urgency
        self._unsent: dict[int, int] = {}  # bytes by priority

    def accepts(self, frame: Frame) -> bool:
        return True

    def start(self, frame: Frame) -> None:
        outgoing = _Outgoing(frame, next(self._numbers), self._room())
        self._outgoing[outgoing.number] = outgoing
        insort(self._to_send, outgoing)
        priority = frame.track_priority
        self._unsent[priority] = self._unsent.get(priority, 0) + outgoing.unsent_bytes()

    def fill(self, packets: int) -> None:
        while self._to_send and self._stack.pending_datagrams() < packets:
            outgoing = self._to_send[0]
            index = outgoing.to_send.popleft()
            data = self._session.datagram(outgoing.fragments[index])
            self._stack.send_datagram(data, _Token(outgoing.number, outgoing.cuts, index))
            if not outgoing.to_send:
                del self._to_send[0]

    def unsent_bytes(self, priority: int) -> int:
        return sum(size for level, size in self._unsent.items() if level <= priority)

    def waiting(self) -> bool:
        return bool(self._to_send) or self._stack.pending_datagrams() > 0 or self._stack.has_stream_data()

    def expire(self, *, now: float) -> list[Frame]:
        return self._give_up([each for each in self._outgoing.values() if each.expires_at <= now])

    def overtaken(self, by: Frame) -> list[Frame]:
        unfinished = [each for each in self._outgoing.values() if each.unsent_from < len(each.fragments)]
        return self._give_up([each for each in unfinished if overtakes(by, each.frame)])

    def expires_at(self) -> float:
        return min((outgoing.expires_at for outgoing in self._outgoing.values()), default=math.inf)

    def _give_up(self, frames: list[_Outgoing]) -> list[Frame]:
        """Forget frames; the answer is those of which not every byte has left."""
        unfinished = []
        for outgoing in frames:
            if outgoing.unsent_from < len(outgoing.fragments):
                unfinished.append(outgoing.frame)
                self._unsent[outgoing.frame.track_priority] -= outgoing.unsent_bytes()
            self._forget(outgoing)
        if unfinished and self._stack.pending_datagrams():  # one that is larger than a probe may wait for long
            self._stack.keep_datagrams(lambda token: not isinstance(token, _Token) or self._of(token) is not None)
        return unfinished

    def sweep(self) -> list[Frame]:
        return []

    def on_stream_sent(self, stream_id: int, start: int, offset: int, size_bytes: int, *, now: float) -> None:
        pass

    def on_datagram_sent(self, token: Hashable, *, now: float) -> None:
        assert isinstance(token, _Token)
        outgoing = self._of(token)
        if outgoing is None:
            return
        new_bytes = outgoing.new_bytes(token.fragment)
        self._count_up("media_bytes", new_bytes)
        self._count_up("repair_bytes", len(outgoing.fragments[token.fragment]) - new_bytes)
        if token.fragment < outgoing.unsent_from:
            return
        frame = outgoing.frame
        if not outgoing.started:
            outgoing.started = True
            self._emit(FrameStarted(frame.track, frame.sequence, now))
        self._unsent[frame.track_priority] -= len(outgoing.fragments[token.fragment])
        outgoing.unsent_from = token.fragment + 1
        if outgoing.unsent_from == len(outgoing.fragments):
            self._emit(FrameSent(frame.track, frame.sequence, now))
            if not self._repair:
                self._forget(outgoing)

    def on_datagram_settled(self, token: Hashable, acknowledged: bool, *, now: float) -> None:
        assert isinstance(token, _Token)
        outgoing = self._of(token)
        if outgoing is None or not self._repair:
            return
        if not acknowledged and now + self._stack.rtt / 2 < outgoing.expires_at:
            self._count_up("repaired")
            self._emit(FrameRepaired(outgoing.frame.track, outgoing.frame.sequence, now, "rtx"))
            self._send_again(outgoing, token.fragment)
            return
        outgoing.settled += 1
        if outgoing.settled == len(outgoing.fragments):
            self._forget(outgoing)

    def on_path_narrowed(self) -> None:
        """What waits is cut to the smaller size at once. What is on its way is cut when it has to be repaired."""
        for token in reversed(self._stack.take_back()):
            outgoing = self._of(token) if isinstance(token, _Token) else None
            if outgoing is not None and isinstance(token, _Token):
                self._send_again(outgoing, token.fragment)
        for outgoing in self._to_send:
            self._fit(outgoing)

    def _room(self) -> int:
        return self._stack.max_datagram_payload() - self._session.datagram_prefix_bytes

    def _of(self, token: _Token) -> _Outgoing | None:
        """The frame that a token stands for, if it was not cut anew and may still have to be sent."""
        outgoing = self._outgoing.get(token.number)
        return outgoing if outgoing is not None and outgoing.cuts == token.cuts else None

    def _send_again(self, outgoing: _Outgoing, fragment: int) -> None:
        if not outgoing.to_send:
            insort(self._to_send, outgoing)
        outgoing.to_send.appendleft(fragment)
        self._fit(outgoing)

    def _fit(self, outgoing: _Outgoing) -> None:
        room = self._room()
        if not outgoing.fits(room):
            unsent = outgoing.unsent_bytes()
            outgoing.cut_anew(room)
            self._unsent[outgoing.frame.track_priority] += outgoing.unsent_bytes() - unsent

    def _forget(self, outgoing: _Outgoing) -> None:
        del self._outgoing[outgoing.number]
        if outgoing.to_send:
            self._to_send.remove(outgoing)
