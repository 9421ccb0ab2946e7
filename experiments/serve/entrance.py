"""The connections on which the page is asked for: few, and none for long, whatever a client does or does not do."""

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import Callable

MOST_CONNECTIONS = 128
LONGEST = 30.0  # seconds of a connection, however slowly somebody asks or reads

_LOOK = 0.25  # seconds between two looks whether somebody has gone
_AT_ONCE = 64  # connections taken before anything else is done


class Entrance:
    """Takes connections of a listening socket, and gives each to a protocol that `make` makes. With more than
    MOST_CONNECTIONS the oldest gives its place to the newest: who loads a page needs it for an instant. `counted`
    counts those that had to go, under `connections`."""

    def __init__(
        self,
        listening: socket.socket,
        context: ssl.SSLContext | None,
        make: Callable[[], asyncio.Protocol],
        counted: Counter[str],
    ) -> None:
        self._listening = listening
        self._context = context
        self._make = make
        self._counted = counted
        self._open: dict[asyncio.Task[None], None] = {}  # the oldest first
        listening.setblocking(False)
        listening.listen()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(listening.fileno(), self._take)

    def close(self) -> None:
        """Take no more, and end those that stand."""
        self._loop.remove_reader(self._listening.fileno())
        self._listening.close()
        for task in self._open:
            task.cancel()

    def _take(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                one, _ = self._listening.accept()
            except BlockingIOError:
                return
            except OSError:  # it has gone already, or there are no more files
                self._end_oldest()
                return
            if len(self._open) >= MOST_CONNECTIONS:
                self._end_oldest()
            task = self._loop.create_task(self._serve(one))
            self._open[task] = None
            task.add_done_callback(lambda done: self._open.pop(done, None))

    def _end_oldest(self) -> None:
        if self._open:
            oldest = next(iter(self._open))
            del self._open[oldest]
            oldest.cancel()
            self._counted["connections"] += 1

    async def _serve(self, one: socket.socket) -> None:
        """From the handshake of TLS to the end."""
        transport: asyncio.Transport | None = None
        try:
            async with asyncio.timeout(LONGEST):
                transport, _ = await self._loop.connect_accepted_socket(self._make, one, ssl=self._context)
                while one.fileno() >= 0:  # its transport closes it
                    await asyncio.sleep(_LOOK)
        except TimeoutError:
            self._counted["connections"] += 1
        except OSError:  # of TLS
            pass
        finally:
            if transport is not None:
                transport.abort()
            else:
                one.close()
