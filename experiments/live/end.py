"""One end of an arm by the clock of the machine: its pipeline, its socket, and a thread for its codec."""

from collections.abc import Callable
from typing import Any

import av

from experiments.live.codec_thread import CodecThread
from experiments.measure.ends import Ends
from netem.endpoint import Endpoint
from netem.live.clock import LiveClock
from netem.live.driver import drive
from netem.live.lateness import Lateness
from netem.live.scheduling import stay_off
from netem.live.udp_socket import UdpSocket
from receiver.pipeline import ReceiverPipeline
from sender.encoder import Encoded, FrameEncoder, SourceEncoder
from sender.pipeline import SenderPipeline
from sender.size_model import SizeEncoder, SizeSource
from transport.contract import Transport

Around = Callable[[Endpoint], Endpoint]
"""Puts another endpoint on the same socket."""


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

    def run(
        self,
        udp: UdpSocket,
        clock: LiveClock,
        done: Callable[[float], bool],
        *,
        around: Around = lambda end: end,
        off: int | None = None,
    ) -> dict[str, Any]:
        """Until the end of the run or until `done(now)`; what the end knows then. This thread, which has the network,
        stays off the processor `off`; the codec may use it."""
        thread: CodecThread[Encoded] = CodecThread(clock, self._prepare)
        pipeline = self._ends.sender(self._transport, self._encoder, thread.took, thread)
        late = Lateness()
        ended_at = _drive(
            self._ends, pipeline, around(pipeline), udp, thread, clock=clock, done=done, late=late, off=off
        )
        return {"captured": pipeline.captured, **_common(pipeline, udp, late, ended_at)}


class LiveReceiver:
    """The receiver end. With `keep_shown` it keeps what was shown, for whoever measures its quality."""

    def __init__(self, ends: Ends, transport: Transport, *, keep_shown: bool) -> None:
        self._keep_shown = keep_shown
        self._ends = ends
        self._transport = transport

    def run(
        self,
        udp: UdpSocket,
        clock: LiveClock,
        done: Callable[[float], bool],
        *,
        around: Around = lambda end: end,
        off: int | None = None,
    ) -> dict[str, Any]:
        """Until the end of the run or until `done(now)`; what the end knows then. This thread, which has the network,
        stays off the processor `off`; the codec may use it."""
        thread: CodecThread[av.VideoFrame | None] = CodecThread(clock)
        pipeline = self._ends.receiver(
            self._transport, self._ends.decoder(), thread.took, thread, keep_shown=self._keep_shown
        )
        late = Lateness()
        ended_at = _drive(
            self._ends, pipeline, around(pipeline), udp, thread, clock=clock, done=done, late=late, off=off
        )
        pipeline.finish(now=ended_at)
        return {
            "records": list(pipeline.records.values()),
            "shown": pipeline.shown,
            "keyframe_requests": pipeline.keyframe_requests,
            "stamp_errors": pipeline.stamp_errors,
            "stamp_unreadable": pipeline.stamp_unreadable,
            **_common(pipeline, udp, late, ended_at),
        }


def _drive(
    ends: Ends,
    pipeline: SenderPipeline | ReceiverPipeline,
    endpoint: Endpoint,
    udp: UdpSocket,
    thread: CodecThread[Any],
    *,
    clock: LiveClock,
    done: Callable[[float], bool],
    late: Lateness,
    off: int | None,
) -> float:
    stay_off(off)  # not sooner: a thread begins on the processors of its maker
    clock.wait_until(ends.start_at)
    try:
        pipeline.connect(now=clock.now())
        return drive(endpoint, udp, clock, until=ends.last, wakes=[thread], done=done, lateness=late)
    finally:
        thread.close()


def _common(
    pipeline: SenderPipeline | ReceiverPipeline, udp: UdpSocket, late: Lateness, ended_at: float
) -> dict[str, Any]:
    closed = pipeline.closed
    return {
        "stats": dict(pipeline.stats()),
        "closed": None if closed is None else closed.error or "orderly",
        "ended_at": ended_at,
        "overflows": udp.overflows,
        "unsent": udp.unsent,
        "lateness": late.summary(),
    }


def _nothing() -> None:
    """What needs no preparation."""
