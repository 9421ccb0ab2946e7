"""A smaller MTU from an instant on: what is larger is dropped then, everything else passes at once."""

import pytest

from glassbench.netem.elements.size_limit import SizeLimit
from glassbench.netem.packet import Packet


def passed(limit: SizeLimit, size_bytes: int, at: float) -> bool:
    limit.push(Packet(b"", ("a", 1), ("b", 2), 0, size_bytes, 0, at, at))
    return [packet.at for packet in limit.pop(at)] == [at]


def test_larger_packets_are_dropped_from_the_instant_on_and_counted() -> None:
    limit = SizeLimit(1000, 5.0)
    assert passed(limit, 1500, 4.999)
    assert not passed(limit, 1001, 5.0)
    assert passed(limit, 1000, 6.0)
    counts = limit.counts()
    assert (counts.pushed, counts.popped, counts.dropped, counts.inside) == (3, 2, 1, 0)


def test_a_size_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"SizeLimit\.largest_bytes"):
        SizeLimit(0)
