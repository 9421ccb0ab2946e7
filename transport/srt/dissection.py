"""An SRT caller begins with version 4, as a caller of UDT does, and Wireshark tries UDT first. A handshake of version
5, which only SRT has, tells Wireshark what it sees."""

from glassbench.transport.contract import TransportConfig
from glassbench.transport.dissection import DissectionHint
from glassbench.transport.srt import handshake_packet


def version_5(sender: TransportConfig) -> DissectionHint:
    """What a listener answers to a call (draft-sharabayko-srt 4.3.1.1)."""
    answer = handshake_packet.Handshake(
        version=5,
        field=handshake_packet.MAGIC,
        sequence=0,
        mtu=1500,
        window=8192,
        kind=handshake_packet.INDUCTION,
        socket=0,
        cookie=0,
    )
    data = handshake_packet.pack(answer, timestamp=0, destination=0)
    return DissectionHint(data, sender.peer, sender.local, "Not sent: tells Wireshark SRT from UDT")
