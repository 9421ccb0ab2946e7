"""`glass peers`: the stacks of others that live runs can have as arms, and which of them are here."""

from dataclasses import asdict, dataclass

from glassbench.experiments.cli.options import AsJson
from glassbench.experiments.cli.output import print_json
from glassbench.experiments.cli.table_layout import print_whole
from glassbench.experiments.cli.terminal import say
from glassbench.experiments.cli.whole_table import TableColumn, WholeTable
from glassbench.transport.contract import Unsupported


@dataclass(frozen=True)
class PeerState:
    """A peer: whether it is here, in which version, or what brings it, and what it carries."""

    name: str
    about: str
    here: bool
    version: str
    remedy: str
    carries: str
    codecs: list[str]


def peers(*, as_json: AsJson = False) -> None:
    """List the stacks of others that live runs can have as arms, and which are here."""
    states = peer_states()
    if as_json:
        print_json({"rows": [asdict(state) for state in states]})
        return
    print_whole(peers_table(states))
    say("A peer is an arm of a live run: glass compare --live --arm libsrt:latency_ms=120 --arm srt:latency_ms=120")
    say("Their options: glass list transports. Your own stack: docs/peers.md")


def peers_table(states: list[PeerState]) -> WholeTable:
    """A row per peer."""
    columns = [TableColumn("name", "name"), TableColumn("version"), TableColumn("what it is", "prose")]
    table = WholeTable("", columns)
    for state in states:
        encodes = ", encodes" if state.carries == "pictures" else ":"
        carried = f"carries {state.carries}{encodes} {', '.join(state.codecs)}"
        about = [state.about, carried, *([] if state.here else [state.remedy])]
        table.add_row(state.name, state.version if state.here else "not here", "\n".join(about))
    return table


def peer_states() -> list[PeerState]:
    """The state of each peer, in the order of the table."""
    from glassbench.experiments.scenario.peers import PEERS

    states = []
    for name, entry in PEERS.items():
        stack = entry.load()
        try:
            version, remedy = stack.version(), ""
        except Unsupported as error:
            version, remedy = "", str(error)
        states.append(PeerState(name, entry.summary, not remedy, version, remedy, stack.carries, entry.codecs))
    return states
