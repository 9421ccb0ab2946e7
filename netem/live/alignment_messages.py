"""The exchange that aligns the clocks of two hosts: its two ends and their messages, all of one fixed length.

    0       4        5     6      22      30   38   46
    | magic | version | kind | token | nonce | t2 | t3 |        integers and IEEE 754 doubles, big-endian

A question has zeros for t2 and t3, which makes it as long as its answer: nobody can use an answerer to amplify.
"""

import hmac
import math
import struct
from collections import deque
from collections.abc import Callable
from math import inf
from typing import NamedTuple

from glassbench.netem.live.alignment import MAX_DRIFT, TOLERANCE, Exchange
from glassbench.netem.packet import Address

MAGIC = b"\x0cALN"  # RFC 9443: no protocol that shares a port with QUIC or RTP begins with 4..15
VERSION = 1
QUESTION, ANSWER = 1, 2
TOKEN_BYTES = 16
MAX_STAMP = 2.0**32  # seconds; up to there a double resolves a microsecond

BURST = 20  # questions at the start and at the end
BURST_SPACING = 0.01  # seconds
SPACING = 0.2  # seconds between questions in the middle
TIMEOUT = 5.0  # seconds after which a question is given up
MAX_WINDOWS = 256  # of which exchanges are kept, three of each
_FIRST_WINDOW = 0.2  # seconds; doubled when there would be more than MAX_WINDOWS
_MAX_PENDING = 256  # answers that wait to be sent

_FORMAT = struct.Struct(f"!4sBB{TOKEN_BYTES}sQdd")

MESSAGE_BYTES = _FORMAT.size


class Asker:
    """Asks `peer` for its time: BURST questions from `start_at` on and again after `finish`, one each SPACING between.

    `token` is a secret of TOKEN_BYTES for this run alone, which both ends know; it goes over the wire as it is, so it
    keeps out those who do not see the traffic. Memory has a bound: of each window of time three exchanges are kept, and
    windows double in length as the run goes on. What is dropped is counted: `malformed`, `strangers` (other token),
    `unmatched` (duplicates, and answers after TIMEOUT), `impossible` (a negative round trip).
    """

    def __init__(self, token: bytes, peer: Address, *, start_at: float) -> None:
        self._token = _checked(token)
        self._peer = peer
        self._best = _BestExchanges(start_at)
        self._next_at = start_at
        self._burst_left = BURST
        self._finishing = False
        self._due = False
        self._nonce = 0  # a counter will do: the token keeps strangers out
        self._asked: dict[int, float] = {}  # nonce: t1, oldest first; TIMEOUT over the spacings bounds it
        self.malformed = self.strangers = self.unmatched = self.impossible = 0

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """The best so far, for `align`: 3 * MAX_WINDOWS at most."""
        return self._best.exchanges

    @property
    def done(self) -> bool:
        """Whether all questions of the last burst are answered or given up."""
        return self._finishing and self._next_at == inf and not self._due and not self._asked

    def finish(self, *, now: float) -> None:
        """Begin the last burst. Calls after the first change nothing."""
        if not self._finishing:
            self._finishing, self._burst_left, self._next_at = True, BURST, now

    def receive_datagram(self, data: bytes, peer: Address, ecn: int = 0, *, now: float) -> None:
        message = decode(data, ANSWER)
        if message is None:
            self.malformed += 1
        elif not hmac.compare_digest(message.token, self._token):
            self.strangers += 1
        elif (t1 := self._asked.pop(message.nonce, None)) is None:
            self.unmatched += 1
        elif message.t3 - message.t2 > (now - t1) * (1 + MAX_DRIFT) + TOLERANCE:
            self.impossible += 1
        else:
            self._best.add(Exchange(t1, message.t2, message.t3, now))

    def datagrams_to_send(self, *, now: float) -> list[tuple[bytes, Address, int]]:
        if not self._due:
            return []
        self._due = False
        self._nonce += 1
        self._asked[self._nonce] = now
        return [(encode(Message(QUESTION, self._token, self._nonce)), self._peer, 0)]

    def get_timer(self) -> float | None:
        if self._next_at < inf:
            return self._next_at
        return next(iter(self._asked.values())) + TIMEOUT if self._asked else None

    def handle_timer(self, *, now: float) -> None:
        while self._asked and (oldest := next(iter(self._asked.items())))[1] + TIMEOUT <= now:
            del self._asked[oldest[0]]
        if self._next_at <= now:
            self._due = True
            self._burst_left = max(0, self._burst_left - 1)
            pause = BURST_SPACING if self._burst_left else inf if self._finishing else SPACING
            self._next_at = now + pause  # not from when it was due: one who is late asks no burst to catch up


class Answerer:
    """Answers the questions of those who know `token`, each once, at once and with no more bytes than it has.

    What is dropped is counted: `malformed`, `strangers` (other token), `refused` (too many not sent yet).
    """

    def __init__(self, token: bytes) -> None:
        self._token = _checked(token)
        self._pending: deque[tuple[int, float, Address]] = deque()  # nonce, t2, asker
        self.malformed = self.strangers = self.refused = 0

    def receive_datagram(self, data: bytes, peer: Address, ecn: int = 0, *, now: float) -> None:
        message = decode(data, QUESTION)
        if message is None:
            self.malformed += 1
        elif not hmac.compare_digest(message.token, self._token):
            self.strangers += 1
        elif len(self._pending) >= _MAX_PENDING:
            self.refused += 1
        else:
            self._pending.append((message.nonce, now, peer))

    def datagrams_to_send(self, *, now: float) -> list[tuple[bytes, Address, int]]:
        answers = [(encode(Message(ANSWER, self._token, nonce, t2, now)), peer, 0) for nonce, t2, peer in self._pending]
        self._pending.clear()
        return answers

    def get_timer(self) -> float | None:
        return None

    def handle_timer(self, *, now: float) -> None:
        pass


class Message(NamedTuple):
    """One message as parsed. `token` is not yet compared with anything."""

    kind: int
    token: bytes
    nonce: int  # 64 bits; an answer repeats that of its question
    t2: float = 0.0  # seconds of the answerer's clock: arrival of the question
    t3: float = 0.0  # departure of the answer


def is_alignment(data: bytes) -> bool:
    """Whether a datagram is for this exchange and not for the protocol that shares its port, by the magic alone."""
    return data.startswith(MAGIC)


def encode(message: Message) -> bytes:
    """The MESSAGE_BYTES of a message."""
    return _FORMAT.pack(MAGIC, VERSION, *message)


def decode(data: bytes, kind: int) -> Message | None:
    """A well-formed message of this kind, or None. Never raises.

    The stamps of an answer are finite, at most MAX_STAMP in size, and t2 <= t3.
    """
    if len(data) != MESSAGE_BYTES:
        return None
    magic, version, *fields = _FORMAT.unpack(data)
    message = Message(*fields)
    if (magic, version, message.kind) != (MAGIC, VERSION, kind):
        return None
    if not all(math.isfinite(stamp) and abs(stamp) <= MAX_STAMP for stamp in (message.t2, message.t3)):
        return None
    return message if message.t2 <= message.t3 else None


def answer_at_once(data: bytes, token: bytes, clock: Callable[[], float], *, received_at: float) -> bytes | None:
    """The answer to a question of whoever has the token, as of `clock` now, or None for all else. Never raises."""
    question = decode(data, QUESTION)
    if question is None or not hmac.compare_digest(question.token, token):
        return None
    return encode(Message(ANSWER, token, question.nonce, received_at, max(received_at, clock())))


class _BestExchanges:
    """Of each window the exchanges with the smallest round trip and with the tightest limit on either side."""

    def __init__(self, start_at: float) -> None:
        self._start_at = start_at
        self._length = _FIRST_WINDOW
        self._windows: dict[int, tuple[Exchange, ...]] = {}

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        return tuple(exchange for window in self._windows.values() for exchange in window)

    def add(self, exchange: Exchange) -> None:
        while (index := max(0, int((exchange.t1 - self._start_at) / self._length))) >= MAX_WINDOWS:
            self._length *= 2
            pairs, self._windows = self._windows, {}
            for each, kept in pairs.items():
                self._keep(each // 2, kept)
        self._keep(index, (exchange,))

    def _keep(self, index: int, exchanges: tuple[Exchange, ...]) -> None:
        all_of_it = self._windows.get(index, ()) + exchanges
        best = (
            min(all_of_it, key=lambda each: each.round_trip),
            min(all_of_it, key=lambda each: each.t2 - each.t1),
            max(all_of_it, key=lambda each: each.t3 - each.t4),
        )
        self._windows[index] = tuple(dict.fromkeys(best))


def _checked(token: bytes) -> bytes:
    if len(token) != TOKEN_BYTES:
        raise ValueError(f"token: found {len(token)} bytes, accepted are {TOKEN_BYTES}")
    return token
