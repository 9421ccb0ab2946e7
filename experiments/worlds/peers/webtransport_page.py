"""The page of a WebTransport session in Chromium (experiments/worlds/browser/page/arm.js): it asks us for the time."""

import asyncio
import secrets  # noqa: TID251  by which the page is known on its host; no measurement depends on it
from collections.abc import Callable, Mapping
from typing import ClassVar

from glassbench.experiments.worlds.browser.pages import page_texts
from glassbench.experiments.worlds.peers.page_end import LocalPage
from glassbench.experiments.worlds.peers.peer import PeerContext
from glassbench.netem.live.alignment_messages import TOKEN_BYTES, answer_at_once

_MOST_SAID = 2**20  # bytes of a message: of rows of frames it is a list


class WebTransportPage(LocalPage):
    """`take(said)` takes what the page says beside that it is open, connected or at its end; it raises ValueError with
    what is accepted. It is called in the thread of the event loop."""

    headers: ClassVar[Mapping[str, str]] = {
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Embedder-Policy": "require-corp",
    }
    """Those that isolate the page, so that its clock is fine."""

    def __init__(self, context: PeerContext, take: Callable[[Mapping[str, object]], None]) -> None:
        texts = page_texts()
        super().__init__(context, "session", {"": texts["arm.html"], **texts}, most_said=_MOST_SAID)
        self.token = secrets.token_bytes(TOKEN_BYTES)
        self.is_connected = asyncio.Event()
        self._take = take

    def take_bytes(self, data: bytes) -> bytes | None:
        """A question for the time."""
        return answer_at_once(data, self.token, self._outlet.now, received_at=self._outlet.now())

    def take_said(self, kind: object, said: Mapping[str, object]) -> bool:
        match kind:
            case "connected":
                self.is_connected.set()
            case "ended":
                if not self.is_over:
                    raise self.failure(said)
            case _:
                self._take(said)
        return True
