"""What an arm hands over while it runs, for other programs to open (`experiments.results.captures` keeps it)."""

from typing import Literal, Protocol

from glassbench.netem.capture import LinkCapture
from glassbench.transport.contract import Observer, TransportConfig


class Capture(Protocol):
    """A capture of one arm. It cannot change a result, and only `check` raises."""

    def link(self, name: str) -> LinkCapture:
        """The capture of a link, by its name ("down", "up", "cell down"). Ask for each link once, before packets
        pass."""

    def observer(self, end: Literal["sender", "receiver"], flow: str) -> Observer:
        """What an end of a flow tells of itself."""

    def describe(self, transport: str, sender: TransportConfig, *, now: float) -> None:
        """What cannot be seen from the packets: which transport it is, and what its ends agreed on."""

    def end(self) -> None:
        """The run is over: nothing is kept of what comes from now on."""

    def check(self) -> None:
        """Raises ResultsError if something could not be kept."""
