"""What a receiver hears of a page that sends, and tells it: when its frames left, and how fast it may send."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from glassbench.experiments.worlds.browser.page_told import PageError
from glassbench.experiments.worlds.browser.sent_ledger import SentLedger
from glassbench.netem.live.alignment_messages import answer_at_once
from glassbench.transport.quic.estimating_receiver import EstimatingReceiver

_LEAST_CHANGE = 0.02  # of the rate, that is worth a word


class PageHearing:
    """`take` and `answer` are those of a `transport.quic.service.Service`; `end` is known once it is made. `token` is
    by what questions for the time are known, and `clock()` says the time. `ledger` is the sender's half of the ledger;
    `nonsense` counts words that are none."""

    def __init__(self, track: int, token: bytes, clock: Callable[[], float]) -> None:
        self.ledger = SentLedger(track)
        self.nonsense = 0
        self.end: EstimatingReceiver | None = None
        self._token = token
        self._clock = clock
        self._told_bps: float | None = None

    def take(self, content: bytes, now: float) -> None:
        """A message of the page."""
        try:
            said = json.loads(content)
            if not isinstance(said, dict) or said.get("kind") != "sent":
                raise PageError("a page that sends tells what it sent")
            departed = self.ledger.take(said)
        except (ValueError, RecursionError):
            self.nonsense += 1
            return
        if self.end is None:
            return
        for record in departed:
            if record.first_sent_at is None:
                continue  # the encoder made nothing of it
            self.end.begin(record.target_bps or 0.0)
            self.end.departed(record.sequence, record.first_sent_at, now=now)
        self._tell_rate(self.end)

    def answer(self, data: bytes, now: float) -> bytes | None:
        """The answer to a DATAGRAM, if it is a question for the time."""
        return answer_at_once(data, self._token, self._clock, received_at=now)

    def say(self, words: Mapping[str, Any]) -> None:
        """Tell the page something."""
        if self.end is not None:
            self.end.say(json.dumps(words).encode())

    def _tell_rate(self, end: EstimatingReceiver) -> None:
        rate = end.rate_bps
        if rate is None or (self._told_bps is not None and abs(rate / self._told_bps - 1) < _LEAST_CHANGE):
            return
        self._told_bps = rate
        self.say({"kind": "rate", "bps": round(rate)})
