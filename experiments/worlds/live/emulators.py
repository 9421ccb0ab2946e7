"""Where the link of a live run is. This file is light to import, since the command line names them."""

from typing import Literal

Emulator = Literal["netns", "relay", "kernel", "host"]
"""Between network namespaces of our own, a UDP relay on the loopback interface, between namespaces by tc(8), or no link
of ours: the network of this host as it is."""
