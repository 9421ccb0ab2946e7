"""What changes in the header of a whole IP packet on its way (RFC 791, RFC 8200)."""

_ECN = 3


def ecn_of(data: bytes) -> int:
    """The ECN field of an IPv4 or IPv6 packet (RFC 3168)."""
    return data[1] & _ECN if data[0] >> 4 == 4 else data[1] >> 4 & _ECN


def with_ecn(data: bytes, ecn: int) -> bytes:
    """The same IP packet with this ECN field."""
    if ecn_of(data) == ecn:
        return data
    changed = bytearray(data)
    if data[0] >> 4 == 6:
        changed[1] = data[1] & ~(_ECN << 4) & 0xFF | ecn << 4
        return bytes(changed)
    changed[1] = data[1] & ~_ECN & 0xFF | ecn
    header_bytes = (data[0] & 0x0F) * 4
    changed[10:12] = b"\0\0"
    changed[10:12] = checksum(bytes(changed[:header_bytes])).to_bytes(2, "big")
    return bytes(changed)


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071). A sum of 16-bit words with end-around carry is the remainder by 2**16 - 1."""
    if len(data) % 2:
        data += b"\0"
    return -int.from_bytes(data, "big") % 0xFFFF
