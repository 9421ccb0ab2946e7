"""What every transport of the table must do; `check_transport` lists it. A new one gets these tests by its line in
`transport/registry.py`, and an option that changes much of a connection by an arm in `VARIANTS`.
"""

import pytest

from glassbench.testing import check_transport
from glassbench.transport import registry

ALIKE = (
    *("quic-datagram", "quic-stream", "quic-stream-per-gop"),
    *("webtransport-adaptive", "webtransport-stream", "webtransport-stream-per-frame", "webtransport-stream-per-gop"),
)
"""Those of which `make test` looks at another one of their kind."""
VARIANTS = (
    "quic-datagram:zero_rtt=true",
    "quic-datagram:control=cubic",
    "quic-datagram:control=gcc",
    "rtp:ecn=true",
    "rtp:control=gcc",
    "quic-stream-per-frame:zero_rtt=true",
    "quic-stream:control=reno",
    "quic-datagram:ecn=true",
    "quic-datagram:control=bbr",
    "quic-datagram:control=reno",
    "quic-datagram:control=gcc,window=cubic",
    *(f"rtp:control={control}" for control in ("adaptive", "bbr", "cubic", "realtime", "reno", "scream")),
    *(f"rtp:control={control},feedback=twcc" for control in ("adaptive", "cubic", "gcc", "scream")),
)


@pytest.mark.parametrize(
    "arm",
    [
        *(pytest.param(name, marks=[pytest.mark.long] * (name in ALIKE)) for name in sorted(registry.TRANSPORTS)),
        *(pytest.param(arm, marks=pytest.mark.lengthy) for arm in VARIANTS),
    ],
)
def test_each_transport_keeps_the_contract(arm):
    check_transport(arm)
