"""The control connection: JSON objects over TLS, each behind its length in four bytes. The peer is not trusted.

No wait here is without an end. A deadline is that of a whole message, so a peer gains nothing by sending it byte by
byte, and a message is refused by its length before it is read.
"""

import select
import ssl
import struct
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from glassbench.experiments.worlds.hosts.messages import MAX_MESSAGE
from glassbench.netem.live.clock import monotonic_ns

_LENGTH = struct.Struct("!I")
_AT_ONCE = 65_536
_MOST_MISTAKES = 100

Message = TypeVar("Message", bound=BaseModel)


class ControlError(OSError):
    """The other end went away, or said something that it may not say."""


class Control:
    """One end of a connection. `limit` is the largest size of a message of the other end, in bytes; `heard` says
    whether any byte of one has come."""

    def __init__(self, connection: ssl.SSLSocket, limit: int = MAX_MESSAGE) -> None:
        connection.setblocking(False)
        self.limit = limit
        self.heard = False
        self._connection = connection
        self._buffer = bytearray()

    def fileno(self) -> int:
        return self._connection.fileno()

    def close(self) -> None:
        self._connection.close()

    def shake_hands(self, patience: float) -> None:
        """The handshake of TLS, in so many seconds. Raises ControlError."""
        until = _after(patience)
        while not self.has_shaken_hands():
            self._wait(until)  # its messages are so short that there is always room for ours

    def has_shaken_hands(self) -> bool:
        """Go on with the handshake of TLS as far as it goes now. Raises ControlError."""
        try:
            self._connection.do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        except OSError as error:
            raise ControlError(f"no handshake of TLS with it ({_reason(error)})") from None
        return True

    def send(self, message: BaseModel, patience: float) -> None:
        """Send a message. Raises ControlError, also when the other end does not take it in time."""
        until = _after(patience)
        data = message.model_dump_json(exclude_none=True).encode()
        left = memoryview(_LENGTH.pack(len(data)) + data)
        while left:
            try:
                left = left[self._connection.send(left[:_AT_ONCE]) :]
            except ssl.SSLWantReadError:
                self._wait(until)
            except ssl.SSLWantWriteError:
                self._wait(until, to_send=True)
            except OSError as error:
                raise ControlError(f"the other end went away ({_reason(error)})") from None

    def receive(self, kind: type[Message], patience: float) -> Message:
        """The next message, which has to be whole in so many seconds. Raises ControlError."""
        until = _after(patience)
        while (message := self.poll(kind)) is None:
            if not self._connection.pending():
                self._wait(until)
            elif monotonic_ns() > until:
                raise ControlError("the other end says no whole message")
        return message

    def poll(self, kind: type[Message]) -> Message | None:
        """A message if it is whole by now; reads once at most, so that nobody keeps us here. Raises ControlError."""
        if (message := self._parse(kind)) is None and self._read():
            message = self._parse(kind)
        return message

    def _wait(self, until: int, *, to_send: bool = False) -> None:
        """Wait until the connection is ready. Raises ControlError when the time is over."""
        left = (until - monotonic_ns()) * 1e-9
        if left <= 0:
            raise ControlError("the other end takes nothing" if to_send else "the other end says no whole message")
        select.select([] if to_send else [self], [self] if to_send else [], [], left)

    def _read(self) -> bool:
        try:
            data = self._connection.recv(_AT_ONCE)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        except OSError as error:
            raise ControlError(f"the other end went away ({_reason(error)})") from None
        if not data:
            raise ControlError("the other end went away")
        self.heard = True
        self._buffer += data
        return True

    def _parse(self, kind: type[Message]) -> Message | None:
        if len(self._buffer) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._buffer)
        if length > self.limit:
            raise ControlError(f"the other end wants to say {length} bytes; accepted are {self.limit}")
        if len(self._buffer) < _LENGTH.size + length:
            return None
        data = bytes(self._buffer[_LENGTH.size : _LENGTH.size + length])
        del self._buffer[: _LENGTH.size + length]
        try:
            return kind.model_validate_json(data)
        except ValidationError as error:
            raise ControlError(
                f"a message {kind.__name__!r} of the other end is wrong: {_mistake(kind, error)}"
            ) from None


def _after(seconds: float) -> int:
    return monotonic_ns() + round(seconds * 1e9)


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def _mistake(kind: type[BaseModel], error: ValidationError) -> str:
    if error.error_count() > _MOST_MISTAKES:  # to look at each takes time, which is what somebody may want
        return f"it has {error.error_count()} mistakes"
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = next((f"{part}: " for part in first["loc"] if part in kind.model_fields), "")
    return f"{place}{first['msg']}"
