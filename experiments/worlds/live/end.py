"""One end of an arm by the clock of the machine: its pipeline, its socket, and a thread for its codec."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import av

from glassbench.experiments.account.connection import Connection
from glassbench.experiments.worlds.ends import Ends
from glassbench.experiments.worlds.live.codec_thread import CodecThread
from glassbench.netem.endpoint import Endpoint
from glassbench.netem.live.clock import LiveClock
from glassbench.netem.live.driver import drive
from glassbench.netem.live.scheduling import stay_off
from glassbench.netem.live.udp_socket import UdpSocket
from glassbench.receiver.pipeline import ReceiverPipeline
from glassbench.sender.encoder import Encoded, FrameEncoder, SourceEncoder
from glassbench.sender.pipeline import SenderPipeline
from glassbench.sender.size_model import SizeEncoder, SizeSource
from glassbench.transport.contract import Transport

Around = Callable[[Endpoint], Endpoint]
"""Puts another endpoint on the same socket."""


@dataclass(frozen=True)
class Session:
    """In what an end runs, until the end of the arm or until `done(now)`. The thread that has the network stays off the
    processor `off`; the codec may use it."""

    udp: UdpSocket
    clock: LiveClock
    done: Callable[[float], bool]
    around: Around = lambda end: end
    off: int | None = None


class LiveSender:
    """The sender end. The first picture is made here, before time runs: it takes many times what the others take."""

    def __init__(self, ends: Ends, transport: Transport) -> None:
        self._ends = ends
        self._transport = transport
        source, settings = ends.source, ends.scenario.video.settings()
        self._encoder: FrameEncoder
        self._prepare: Callable[[], None] = _nothing
        if isinstance(source, SizeSource):
            self._encoder = SizeEncoder(source, settings)
        else:
            self._encoder = real = SourceEncoder(source, settings)
            self._prepare = real.prepare
        self._prepare()

    def run(self, session: Session) -> dict[str, Any]:
        """What the end knows when it is over."""
        thread: CodecThread[Encoded] = CodecThread(session.clock, self._prepare)
        pipeline = self._ends.sender(self._transport, self._encoder, thread.took, thread)
        known = _run(self._ends, pipeline, session, thread)
        return {"captured": pipeline.captured, **known}


class LiveReceiver:
    """The receiver end. With `keep_decoded` it keeps what was decoded, for whoever measures its quality."""

    def __init__(self, ends: Ends, transport: Transport, *, keep_decoded: bool) -> None:
        self._keep_decoded = keep_decoded
        self._ends = ends
        self._transport = transport

    def run(self, session: Session) -> dict[str, Any]:
        """What the end knows when it is over."""
        thread: CodecThread[av.VideoFrame | None] = CodecThread(session.clock)
        pipeline = self._ends.receiver(
            self._transport, self._ends.decoder(), thread.took, thread, keep_decoded=self._keep_decoded
        )
        known = _run(self._ends, pipeline, session, thread)
        return {
            "records": list(pipeline.records.values()),
            "decoded": pipeline.decoded,
            "keyframe_requests": pipeline.keyframe_requests,
            "stamp_errors": pipeline.stamp_errors,
            "stamp_unreadable": pipeline.stamp_unreadable,
            "unannounced": pipeline.unannounced,
            **known,
        }


def _run(
    ends: Ends, pipeline: SenderPipeline | ReceiverPipeline, session: Session, thread: CodecThread[Any]
) -> dict[str, Any]:
    """Drive the end to the end; what both kinds of ends know then."""
    endpoint = session.around(pipeline)
    stay_off(session.off)  # not sooner: a thread begins on the processors of its maker
    session.clock.wait_until(ends.start_at)
    begun_at = session.clock.now()
    try:
        pipeline.connect(now=begun_at)
        driven = drive(endpoint, session.udp, session.clock, until=ends.last, wakes=[thread], done=session.done)
    finally:
        thread.close()
    driven.pauses.add(begun_at - ends.start_at)
    if isinstance(pipeline, ReceiverPipeline):
        pipeline.finish(now=driven.ended_at)
    return {
        "stats": {**pipeline.stats(), "too_large": session.udp.too_large},
        "connection": asdict(Connection.of(pipeline)),
        "ended_at": driven.ended_at,
        "overflows": session.udp.overflows,
        "unsent": session.udp.unsent,
        "foreign": session.udp.foreign,
        "lateness": driven.lateness.summary(),
        "pauses": driven.pauses.summary(),
    }


def _nothing() -> None:
    """What needs no preparation."""
