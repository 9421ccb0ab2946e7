"""Any command behind an emulated link: it has a network namespace of its own, from which only the link leads out."""

import socket
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack

from glassbench.netem.live.device_port import OpenPort
from glassbench.netem.live.isolated_python import python_command
from glassbench.netem.live.namespaces import NamespacesRefused
from glassbench.netem.live.shell_builder import FAR_HARDWARE, NEAR_HARDWARE, PORTS

_PATIENCE = 30.0  # seconds for the namespaces to be made


class Shell:
    """A command that waits behind a link, until `start`. The emulator's ports are `to_far` and `to_near`; `level`
    counts the links from outside. Raises NamespacesRefused; `cleanup` ends everything."""

    def __init__(self, command: Sequence[str], cleanup: ExitStack) -> None:
        self._channel, theirs = socket.socketpair()
        cleanup.enter_context(self._channel)
        self._channel.settimeout(_PATIENCE)
        with theirs:
            self._process = subprocess.Popen(
                python_command("glassbench.netem.live.shell_builder", str(theirs.fileno()), *command),
                pass_fds=[theirs.fileno()],
            )
        cleanup.callback(self._end)
        answer, numbers, _, _ = socket.recv_fds(self._channel, 4096, len(PORTS))
        plain = [cleanup.enter_context(socket.socket(fileno=number)) for number in numbers]
        if len(plain) != len(PORTS):
            raise NamespacesRefused(answer.decode() or "the namespaces of the command could not be made")
        self.level = int(answer)
        hardware = (FAR_HARDWARE.format(self.level), NEAR_HARDWARE.format(self.level))
        self.to_far, self.to_near = (OpenPort(*one) for one in zip(plain, PORTS, hardware, strict=True))

    def start(self, far_command: str = "") -> None:
        """Start the command, and a shell's command on the far side, for as long as the first one runs."""
        self._channel.send(b"+" + far_command.encode())

    def ended(self) -> bool:
        """Whether the command has."""
        return self._process.poll() is not None

    def exit_code(self) -> int:
        """Of the command that has ended, as shells give it: 128 and the number of the signal that killed it."""
        code = self._process.wait()
        return code if code >= 0 else 128 - code

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()
