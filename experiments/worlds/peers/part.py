"""The process of an end of a peer: it goes to its host first, and all that it starts ends with it.

Its arguments are the file descriptors of the namespaces of its host. It imports what starts threads after it is there.
"""

import signal
import sys

from glassbench.netem.live.namespaces import Namespaces, end_with_parent, own_folder, run_enclosed


def main() -> None:
    """Be an end of a peer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Namespaces(*map(int, sys.argv[1:])).enter()
    end_with_parent(signal.SIGKILL)
    sys.exit(run_enclosed(_inside))


def _inside() -> int:
    folder = own_folder()
    from glassbench.experiments.worlds.peers.run import be_peer

    be_peer(folder)
    return 0
