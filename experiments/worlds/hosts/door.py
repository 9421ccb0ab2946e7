"""The door of a receiver: strangers are heard side by side, until one of them has shown the key.

The receiver waits for none of them. A stranger has PATIENCE seconds for its handshake and its whole first message.
MAX_STRANGERS are heard at a time, and when one more comes, the one that came first has to go.
"""

import errno
import hmac
import selectors
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from glassbench.experiments.worlds.hosts.address import resolve
from glassbench.experiments.worlds.hosts.control import Control, ControlError
from glassbench.experiments.worlds.hosts.key import Key
from glassbench.experiments.worlds.hosts.messages import MAX_HELLO, MAX_MESSAGE, Hello
from glassbench.experiments.worlds.hosts.printable import printable
from glassbench.netem.live.clock import monotonic_ns
from glassbench.netem.live.pauses import HasFileno
from glassbench.netem.live.socket_address import family_of, from_kernel, to_kernel, unmapped
from glassbench.netem.packet import Address

PATIENCE = 5.0  # seconds
MAX_STRANGERS = 64

_BACKLOG = 128
_LINES = 20  # about strangers in SPELL seconds; a flood of them floods no log
_SPELL = 10.0

Say = Callable[[str], None]


def listen(host: str, port: int) -> socket.socket:
    """A TCP socket on the first address of a host that is one of ours. Raises OSError."""
    failed: list[str] = []
    for address in resolve(host, port):
        plain = socket.socket(family_of(address[0]), socket.SOCK_STREAM)
        try:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            plain.bind(to_kernel(address))
            plain.listen(_BACKLOG)
        except OSError as error:
            plain.close()
            failed.append(error.strerror or str(error))
        else:
            return plain
    raise OSError(f"cannot listen on {host} port {port}: {', '.join(dict.fromkeys(failed))}")


@dataclass(frozen=True)
class Guest:
    """Somebody who has shown the key: its connection, what it asked for, and its and our address."""

    control: Control
    hello: Hello
    peer: Address
    here: Address

    def close(self) -> None:
        self.control.close()


class Door:
    """The door around a listening socket. `say` is told who is refused."""

    def __init__(self, listener: socket.socket, key: Key, context: ssl.SSLContext, say: Say) -> None:
        listener.setblocking(False)
        self._listener = listener
        self._token = key.token.hex().encode()
        self._context = context
        self._say = say
        self._strangers: list[_Stranger] = []  # in the order in which they came
        self._told = 0
        self._spell_ends = 0.0

    def hear(self, seconds: float, wakes: Sequence[HasFileno | int] = ()) -> list[Guest]:
        """Hear all who say something, for so long, or until somebody does or one of `wakes` is readable. Gives those
        who have shown the key, and leaves them to the caller."""
        now = _now()
        for stranger in [each for each in self._strangers if each.until <= now]:
            self._refuse(stranger, "it did not say in time who it is")
        ends = min([now + seconds, *(each.until for each in self._strangers)])
        with selectors.PollSelector() as selector:  # holds nothing in the kernel that a child process could share
            for source in (self._listener, *self._strangers, *wakes):
                selector.register(source, selectors.EVENT_READ)
            ready = [key.fileobj for key, _ in selector.select(max(0.0, ends - now))]
        guests = []
        for stranger in [each for each in self._strangers if each in ready]:
            try:
                hello = stranger.listen(self._token)
            except ControlError as error:
                self._refuse(stranger, str(error))
            else:
                if hello is not None:
                    self._strangers.remove(stranger)
                    stranger.control.limit = MAX_MESSAGE
                    guests.append(Guest(stranger.control, hello, stranger.peer, stranger.here))
        if self._listener in ready:
            self._open()
        return guests

    def close(self) -> None:
        """Close everything. In a child process, which has a copy of everything, this lets go of what belongs to the
        parent."""
        self._listener.close()
        for stranger in self._strangers:
            stranger.control.close()
        self._strangers.clear()

    def _open(self) -> None:
        if len(self._strangers) >= MAX_STRANGERS:
            self._refuse(self._strangers[0], "too many came after it")
        try:
            plain, name = self._listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE) and self._strangers:
                self._refuse(self._strangers[0], "this host has no more sockets for strangers")
            return
        try:
            here = unmapped(from_kernel(plain.getsockname()))
            connection = self._context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        except OSError:  # it is gone again
            plain.close()
            return
        self._strangers.append(_Stranger(Control(connection, MAX_HELLO), unmapped(from_kernel(name)), here))

    def _refuse(self, stranger: "_Stranger", reason: str) -> None:
        self._strangers.remove(stranger)
        stranger.control.close()
        if stranger.only_looked:
            return
        now = _now()
        if now >= self._spell_ends:
            self._told, self._spell_ends = 0, now + _SPELL
        self._told += 1
        if self._told <= _LINES:
            self._say(f"{stranger.peer[0]}: refused: {printable(reason)}")
        elif self._told == _LINES + 1:
            self._say(f"more are refused, of whom nothing is said for {_SPELL:g} s")


class _Stranger:
    def __init__(self, control: Control, peer: Address, here: Address) -> None:
        self.control = control
        self.peer = peer
        self.here = here
        self.until = _now() + PATIENCE
        self._has_shaken_hands = False

    def fileno(self) -> int:
        return self.control.fileno()

    @property
    def only_looked(self) -> bool:
        """Whether it made a connection and said nothing, as somebody who only wants to know whether anybody is
        there."""
        return self._has_shaken_hands and not self.control.heard

    def listen(self, token: bytes) -> Hello | None:
        """Its message, once that is whole and has the key. Raises ControlError."""
        self._has_shaken_hands = self._has_shaken_hands or self.control.has_shaken_hands()
        hello = self.control.poll(Hello) if self._has_shaken_hands else None
        if hello is not None and not hmac.compare_digest(hello.token.encode(), token):
            raise ControlError("it has not the key")
        return hello


def _now() -> float:
    return monotonic_ns() * 1e-9
