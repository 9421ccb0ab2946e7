"""A wire from an end to the emulator: a pair of virtual Ethernet devices between two network namespaces (veth(4)).

Everything that would let packets appear on their own, or in another size than they have on a real link, is off: the
neighbours are known, so nobody asks for them, and no device merges segments or leaves checksums to hardware.
"""

import array
import fcntl
import socket
import struct
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import ip_interface
from pathlib import Path

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from glassbench.netem.live.lab_plan import Attachment
from glassbench.netem.live.namespaces import enter_network, this_network

_SIOCETHTOOL = 0x8946
_OFFLOADS = (0x1F, 0x24, 0x2C, 0x21, 0x19, 0x17, 0x15)  # TSO, GSO, GRO, UFO, SG, TX and RX checksums (ethtool.h)
_NO_DAD = 0x02  # IFA_F_NODAD
_PERMANENT = 0x80  # NUD_PERMANENT
_AFTER_OWN = 100  # metric: a network of the host's own devices is nearer
_IFREQ = struct.Struct("16sP8x")


def lay_wire(end: int, emulator: int, port: str, attachment: Attachment) -> None:
    """A pair of devices: `port` in the namespace `emulator`, the other in the namespace `end`, both up.

    Both are file descriptors of namespaces; the thread comes back into its own. Raises OSError.
    """
    home = this_network()
    try:
        enter_network(emulator)
        with IPRoute() as ip:
            ip.link("add", ifname=port, kind="veth", peer={"ifname": attachment.device, "net_ns_fd": end})
            _bring_up(ip, port, attachment.mtu)
        enter_network(end)
        with IPRoute() as ip:
            _attach(ip, attachment)
    except NetlinkError as error:
        raise OSError(error.code, f"no wire between network namespaces can be laid ({error})") from None
    finally:
        enter_network(home)


def addresses() -> list[str]:
    """The addresses of this thread's namespace."""
    with IPRoute() as ip:
        return [str(message.get("address")) for message in ip.get_addr()]


def start_loopback() -> None:
    """Bring up `lo` of this thread's namespace, which is down in a new one."""
    with IPRoute() as ip:
        ip.link("set", index=ip.link_lookup(ifname="lo")[0], state="up")


def send_nothing_unasked() -> None:
    """Let devices that this thread's namespace will have send no IPv6 packets of their own (RFC 4861, RFC 9777)."""
    for devices in ("all", "default"):
        with suppress(OSError):  # /proc is read-only in some containers, and there are kernels without IPv6
            Path("/proc/sys/net/ipv6/conf", devices, "disable_ipv6").write_text("1")


def forward_packets() -> None:
    """Let this thread's namespace pass on packets for others, so that links can be nested."""
    for file in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
        with suppress(OSError):  # /proc is read-only in some containers: then links do not nest, all else works
            Path("/proc/sys/net", file).write_text("1")


def bridge(ports: Iterable[str]) -> None:
    """Let these devices of this thread's namespace pass each other's packets (a bridge, without spanning trees)."""
    with IPRoute() as ip:
        ip.link("add", ifname="bridge", kind="bridge", br_mcast_snooping=0)  # or it would send reports
        index = ip.link_lookup(ifname="bridge")[0]
        for port in ports:
            ip.link("set", index=ip.link_lookup(ifname=port)[0], master=index)
        ip.link("set", index=index, state="up")


def _attach(ip: IPRoute, attachment: Attachment) -> None:
    index = ip.link_lookup(ifname=attachment.device)[0]
    ip.link("set", index=index, address=attachment.hardware)
    _bring_up(ip, attachment.device, attachment.mtu)
    for address in map(ip_interface, _usable(attachment.addresses)):
        no_dad = {"flags": _NO_DAD} if address.version == 6 else {}
        ip.addr("add", index=index, address=str(address.ip), prefixlen=address.network.prefixlen, **no_dad)
    for neighbour, hardware in attachment.neighbours:
        if _usable([neighbour]):
            where = {"dst": neighbour, "lladdr": hardware, "family": _family(neighbour)}
            ip.neigh("replace", ifindex=index, state=_PERMANENT, **where)
    for network, via in attachment.routes:
        if _usable([via]):
            ip.route("replace", dst=network, gateway=via, oif=index, family=_family(via), priority=_AFTER_OWN)


def _usable(addresses: Iterable[str]) -> list[str]:
    """Those that this kernel can have: it may be one without IPv6."""
    ipv6 = Path("/proc/net/if_inet6").exists()
    return [address for address in addresses if ipv6 or _family(address) == socket.AF_INET]


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _bring_up(ip: IPRoute, device: str, mtu: int) -> None:
    _without_offloads(device)
    ip.link("set", index=ip.link_lookup(ifname=device)[0], mtu=mtu, state="up")


def _without_offloads(device: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for command in _OFFLOADS:
            value = array.array("I", [command, 0])
            with suppress(OSError):  # one that this kernel does not have is off
                fcntl.ioctl(any_socket, _SIOCETHTOOL, _IFREQ.pack(device.encode(), value.buffer_info()[0]))
