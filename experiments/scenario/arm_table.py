"""What an arm can be: a transport of ours, or a peer."""

from collections.abc import Iterator, Mapping

from glassbench.experiments.scenario.peers import PEERS, PeerEntry
from glassbench.transport.contract import Unsupported
from glassbench.transport.registry import TRANSPORTS, TransportEntry, complete_options


class _Arms(Mapping[str, TransportEntry]):
    """Both tables as one, the transports first. It raises PluginError as they do."""

    def __getitem__(self, name: str) -> TransportEntry:
        return TRANSPORTS[name] if name in TRANSPORTS else PEERS[name]

    def __contains__(self, name: object) -> bool:
        return name in TRANSPORTS or name in PEERS

    def __iter__(self) -> Iterator[str]:
        yield from TRANSPORTS
        yield from (name for name in PEERS if name not in TRANSPORTS)

    def __len__(self) -> int:
        return sum(1 for _ in self)


ARMS: Mapping[str, TransportEntry] = _Arms()


EVERY = "all"
"""What stands for `every_arm` in a list of arms."""


def every_arm() -> list[str]:
    """All transports, and the peers that are here and run with their defaults."""
    return [*TRANSPORTS, *(name for name, entry in PEERS.items() if name not in TRANSPORTS and _runs(entry))]


def _runs(entry: PeerEntry) -> bool:
    try:
        complete_options(entry, {})
        entry.load().version()
    except (ValueError, Unsupported):
        return False
    return True


def options_of(name: str, options: Mapping[str, object]) -> dict[str, object]:
    """The options of an arm, completed with their defaults. Raises ValueError as `complete_options` does."""
    return complete_options(ARMS[name], options)
