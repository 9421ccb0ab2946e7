"""Congestion control for our scheduler: one file a controller, and this table. Sans-IO, and nothing of QUIC in it.

To add one: a subclass of `RealtimeController` in a file of its own, a line here, and its name in
`transport.quic.options.Congestion`.
"""

from glassbench.transport.congestion.realtime import RealtimeController

CONTROLLERS: dict[str, type[RealtimeController]] = {"realtime": RealtimeController}
