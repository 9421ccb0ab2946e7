"""Where the link of a live run is. This file is light to import, since the command line names them."""

from typing import Literal

Emulator = Literal["netns", "relay", "kernel"]
"""Between network namespaces of our own, a UDP relay on the loopback interface, or between namespaces by tc(8)."""
