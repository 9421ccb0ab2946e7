"""Processes of `glass receive` and `glass send`."""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
GLASS = [sys.executable, "-c", "import sys; from glassbench.experiments.cli.main import main; sys.exit(main())"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "src")}

Send = Callable[..., Any]


class Receiver:
    """A process of `glass receive`. `command` is what it says is to be typed on the sending host."""

    def __init__(self, folder: Path, address: str = "127.0.0.1:0", *options: str) -> None:
        self._log = folder / "receive.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*GLASS, "receive", address, *options],
                env=ENVIRONMENT,
                cwd=folder,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                process_group=0,
            )
        assert self.process.stdout is not None
        self.process.stdout.readline()
        self.command = shlex.split(self.process.stdout.readline())
        port = re.search(r":(\d+)$", self.command[2])
        assert port is not None
        self.port, self.key = int(port[1]), self.command[4]

    def log(self) -> str:
        return self._log.read_text()

    def end(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        code = self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@pytest.fixture
def make_receiver(tmp_path: Path) -> Iterator[Callable[..., Receiver]]:
    """Starts receivers; what was started ends with the test."""
    made: list[Receiver] = []

    def make(*arguments: str) -> Receiver:
        made.append(Receiver(tmp_path, *arguments))
        return made[-1]

    yield make
    for each in made:
        each.end()


@pytest.fixture
def receiver(make_receiver: Callable[..., Receiver]) -> Receiver:
    return make_receiver()


@pytest.fixture
def send(glass: Callable[..., Any], no_pictures: None) -> Send:
    """Runs `glass send` to a port of this host, in this process, which does not start anew for it."""

    def run(port: int, key: str, *options: str) -> Any:
        return glass("send", f"127.0.0.1:{port}", "--key", key, "--source", "lognormal", *options)

    return run
