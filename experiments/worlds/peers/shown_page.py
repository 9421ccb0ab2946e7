"""A page that displays pictures: it tells when it displays one, and then gives its pixels (page/end.js)."""

import asyncio
import math
from collections import deque
from collections.abc import Mapping

from glassbench.experiments.worlds.peers.page_end import LocalPage, number_of, page_file
from glassbench.experiments.worlds.peers.peer import PeerContext

_MOST_SAID = 64 * 2**10  # bytes of a message that is no picture
_MOST_DISPLAYED = 64  # pictures whose pixels have not come
_EXCHANGES = 10  # that align clocks


class ShownPage(LocalPage):
    """`page` is its HTML, and it has `scripts` by their names. Its clock is known to `clock_error` seconds, None until
    it is."""

    def __init__(self, context: PeerContext, what: str, page: str, scripts: Mapping[str, str]) -> None:
        texts = {"": page_file(page), "end.js": page_file("end.js"), **scripts}
        picture_bytes = context.video.width * context.video.height * 3 // 2
        super().__init__(context, what, texts, most_said=max(picture_bytes, _MOST_SAID))
        self.has_shown = asyncio.Event()
        self.clock_error: float | None = None
        self._displayed: deque[float] = deque(maxlen=_MOST_DISPLAYED)  # when pictures were whose pixels come
        self._offset = math.nan  # of session time to the clock of the page, in seconds
        self._answer: asyncio.Future[float] | None = None

    async def align(self) -> None:
        """Learn the session time of its clock, by exchanges. Both are clocks of this host, so they do not drift."""
        least, most = -math.inf, math.inf
        for _ in range(_EXCHANGES):
            self._answer = asyncio.get_running_loop().create_future()
            asked = self._outlet.now()
            await self.say({"kind": "clock"})
            at = await self._answer
            least, most = max(least, asked - at), min(most, self._outlet.now() - at)
        self._offset, self.clock_error = (least + most) / 2, (most - least) / 2

    def take_bytes(self, data: bytes) -> None:
        """A picture whose display was told is shown when it was, not when its pixels are here."""
        at = self._displayed.popleft() if self._displayed else self._outlet.now()
        self.has_shown.set()
        self._outlet.give(data, at=at)

    def take_said(self, kind: object, said: Mapping[str, object]) -> bool:
        match kind:
            case "displayed":
                self._displayed.append(self._displayed_at(number_of(said.get("at")) / 1e3))
            case "clock":
                if self._answer is not None and not self._answer.done():
                    self._answer.set_result(number_of(said.get("at")) / 1e3)
            case _:
                return False
        return True

    def _displayed_at(self, at: float) -> float:
        """The session time of what the page displayed `at`, by its clock; that of now, if that is not known."""
        now, at = self._outlet.now(), at + self._offset
        return at if at < now else now
