"""Two programs of the user as a stack: docs/peers.md has the protocol, and an example.

Each item on stdin and stdout is its length, four bytes, the highest first, and that many bytes.
"""

import os
import shlex
import subprocess
import threading
from collections.abc import Mapping
from contextlib import suppress
from queue import Full, Queue
from typing import ClassVar

from glassbench.experiments.worlds.peers.peer import Carries, Peer, PeerContext, PeerEnd, PeerError, PeerVideo
from glassbench.experiments.worlds.peers.program import Program
from glassbench.transport.contract import Frame, Unsupported

UNSUPPORTED = 127
"""The exit code of a program, or of a shell that finds none, which says that something is missing."""

_MOST_WAITING = 8  # items that a program has not taken
_MOST_ITEM_BYTES = 64 * 2**20
_LENGTH_BYTES = 4
_READY = b"ready\n"
_READY_PATIENCE = 20.0  # seconds
