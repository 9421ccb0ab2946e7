"""The connection to a receiver somewhere else."""

import socket
import ssl

from glassbench.experiments.worlds.hosts.address import resolve
from glassbench.experiments.worlds.hosts.control import Control, ControlError
from glassbench.experiments.worlds.hosts.key import Key, matches, pinning_context
from glassbench.experiments.worlds.remote import Remote
from glassbench.netem.live.socket_address import family_of, to_kernel
from glassbench.netem.packet import Address

PATIENCE = 10.0  # seconds for one address of a host to answer


def connect(remote: Remote, *, capture: bool) -> ssl.SSLSocket:
    """A TLS connection to the first address of the host that has the certificate of the key.

    With `capture` it has to be an address of IPv4. Raises OSError and ControlError with what each address answered, and
    ValueError for a bad key.
    """
    addresses = resolve(remote.host, remote.port)
    tried = [address for address in addresses if not capture or family_of(address[0]) == socket.AF_INET]
    if not tried:
        raise ControlError(
            f"packets are captured of IPv4 only, and the receiver was found at {addresses[0][0]}; "
            "accepted with --capture is its IPv4 address"
        )
    key = Key.parse(remote.key)
    failed: list[str] = []
    for address in tried:
        try:
            return _connect(key, address)
        except OSError as error:
            place = f"at {address[0]}: " if len(tried) > 1 else ""
            failed.append(f"{place}{error.strerror or error}")
    raise ControlError(f"{remote.host} port {remote.port}: {'; '.join(failed)}")


def _connect(key: Key, address: Address) -> ssl.SSLSocket:
    """Raises OSError and ControlError."""
    plain = socket.socket(family_of(address[0]), socket.SOCK_STREAM)
    try:
        plain.settimeout(PATIENCE)
        plain.connect(to_kernel(address))
        connection = pinning_context().wrap_socket(plain, do_handshake_on_connect=False)
    except OSError:
        plain.close()
        raise
    try:
        Control(connection).shake_hands(PATIENCE)
    except OSError:
        connection.close()
        raise
    if not matches(key, connection.getpeercert(binary_form=True)):
        connection.close()
        raise ControlError("there is not the receiver of this key: it has another certificate")
    return connection
