"""What Wireshark cannot tell from the packets of a connection, said in its own terms by a packet ahead of them."""

from collections.abc import Callable
from typing import NamedTuple

from glassbench.transport.contract import Address, TransportConfig


class DissectionHint(NamedTuple):
    """A UDP payload that was never sent, from whom and to whom it would be, and what it is for."""

    data: bytes
    source: Address
    destination: Address
    comment: str


MakeHint = Callable[[TransportConfig], DissectionHint]
"""The hint for a connection, from what its sender end is made of."""
