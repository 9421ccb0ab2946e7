"""The control connection: JSON objects over TLS, each behind its length in four bytes. The peer is not trusted."""

import json
import select
import ssl
import struct
from typing import Any

MAX_REQUEST = 1_000_000  # bytes; a scenario has some kilobytes
MAX_REPLY = 200_000_000  # an hour of frames has some ten megabytes

_LENGTH = struct.Struct("!I")


class ControlError(OSError):
    """The other end went away, or said what it may not."""


class Control:
    """One end of a connection. `limit` bounds what a message of the other end may have."""

    def __init__(self, connection: ssl.SSLSocket, limit: int) -> None:
        self._connection = connection
        self._limit = limit
        self._buffer = bytearray()

    def send(self, message: dict[str, Any]) -> None:
        """Raises ControlError."""
        data = json.dumps(message, allow_nan=False).encode()
        try:
            self._connection.sendall(_LENGTH.pack(len(data)) + data)
        except OSError as error:
            raise ControlError(f"the other end went away ({error})") from None

    def receive(self, patience: float) -> dict[str, Any]:
        """The next message, for which it waits so many seconds. Raises ControlError."""
        self._connection.settimeout(patience)
        while (message := self._parse()) is None:
            self._read()
        return message

    def hello(self, patience: float) -> dict[str, Any] | None:
        """The first message; None if the other end closes without one. Raises ControlError."""
        self._connection.settimeout(patience)
        try:
            self._buffer += (data := self._connection.recv(65_536))
        except OSError as error:
            raise ControlError(f"it said nothing ({error})") from None
        return self.receive(patience) if data else None

    def poll(self) -> dict[str, Any] | None:
        """A message if there is one by now. Raises ControlError."""
        while (message := self._parse()) is None:
            if not self._connection.pending() and not select.select([self._connection], [], [], 0)[0]:
                return None
            self._connection.settimeout(0.0)
            try:
                self._read()
            except ssl.SSLWantReadError:
                return None
            finally:
                self._connection.settimeout(None)
        return message

    def _read(self) -> None:
        try:
            data = self._connection.recv(65_536)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise ssl.SSLWantReadError from None
        except TimeoutError:
            raise ControlError("the other end says nothing") from None
        except OSError as error:
            raise ControlError(f"the other end went away ({error})") from None
        if not data:
            raise ControlError("the other end went away")
        self._buffer += data

    def _parse(self) -> dict[str, Any] | None:
        if len(self._buffer) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._buffer)
        if length > self._limit:
            raise ControlError(f"the other end wants to say {length} bytes; accepted are {self._limit}")
        if len(self._buffer) < _LENGTH.size + length:
            return None
        data = bytes(self._buffer[_LENGTH.size : _LENGTH.size + length])
        del self._buffer[: _LENGTH.size + length]
        try:
            message = json.loads(data)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            raise ControlError("the other end said what is no JSON object")
        return message
