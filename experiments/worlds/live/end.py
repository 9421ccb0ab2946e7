"""One end of an arm, driven by the clock of the machine: its pipeline, its socket, and a thread for its codec."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import av

from glassbench.experiments.account.reports import EndReport
from glassbench.experiments.worlds.consensus import Claim
from glassbench.experiments.worlds.end_report import receiver_report, sender_report
from glassbench.experiments.worlds.ends import Ends
from glassbench.experiments.worlds.live.codec_thread import CodecThread
from glassbench.experiments.worlds.live.process_report import ProcessReport
from glassbench.experiments.worlds.shown_slices import ShownSlice, ShownSlices
from glassbench.netem.endpoint import Endpoint
from glassbench.netem.live.clock import LiveClock
from glassbench.netem.live.driver import Driven, drive
from glassbench.netem.live.pauses import HasFileno
from glassbench.netem.live.scheduling import stay_off
from glassbench.netem.live.udp_socket import UdpSocket
from glassbench.receiver.end import ReceiverEnd
from glassbench.sender.encoder import Encoded, EncoderSettings, FrameEncoder, MakeEncoder, SourceEncoder
from glassbench.sender.end import SenderEnd
from glassbench.sender.size_model import SizeEncoder, SizeSource
from glassbench.sender.sliced_encoder import SlicedEncoder
from glassbench.transport.contract import Transport

_LOOK = 0.05  # seconds between two looks at whether the arm is over

DecoderThread = CodecThread[av.VideoFrame | None]
MakeReceiver = Callable[[DecoderThread], ReceiverEnd]

Around = Callable[[Endpoint], Endpoint]
"""Puts another endpoint on the same socket."""


@dataclass(frozen=True)
class EndContext:
    """What an end runs with, until the end of the arm or until `done(now)`. The thread that has the network stays off
    the processor `off`; the codec may use it.

    When one of `wakes` is readable, there is something to do, as when the codec is done.
    `claim` takes what the sender claims, again when that has changed; `claimed` is what the receiver has heard of it
    last, and `decided` is called once, when the receiver knows the fate of all that is claimed. If there is `shown`,
    the receiver tells it of each slice of its video.
    """

    udp: UdpSocket
    clock: LiveClock
    done: Callable[[float], bool]
    around: Around = lambda end: end
    off: int | None = None
    wakes: Sequence[HasFileno] = ()
    claim: Callable[[Claim], None] = lambda claim: None
    claimed: Callable[[], Claim | None] = lambda: None
    decided: Callable[[], None] = lambda: None
    shown: Callable[[ShownSlice], None] | None = None


class Ended(NamedTuple):
    """What an end wrote down, and how its process ran."""

    report: EndReport
    process: ProcessReport


class SenderRun:
    """The sender end; `make` is what encodes in place of FFmpeg.

    The first picture is made here, before time runs: it takes many times what the others take.
    """

    def __init__(self, ends: Ends, transport: Transport, make: MakeEncoder | None = None) -> None:
        self._ends = ends
        self._transport = transport
        source, settings = ends.source, ends.encoder_settings
        self._encoder: FrameEncoder | None = None  # a bulk transfer has none
        self._prepare: Callable[[], None] = _nothing
        self._thread: CodecThread[Encoded] | None = None
        if not ends.flow.greedy:
            if isinstance(source, SizeSource):
                self._encoder = SizeEncoder(source, settings)
            else:
                self._encoder = real = SourceEncoder(source, settings, make or self._sliced(settings))
                self._prepare = real.prepare
        self._prepare()

    def run(self, context: EndContext) -> Ended:
        """Send until the arm is over."""
        self._thread = thread = CodecThread[Encoded](context.clock, self._prepare)
        pipeline: SenderEnd
        if self._encoder is None:
            pipeline = self._ends.greedy_sender(self._transport)
        else:
            pipeline = self._ends.sender(self._transport, self._encoder, thread.took, thread)
        told: Claim | None = None

        def look(now: float) -> None:
            nonlocal told
            claim = Claim.of(pipeline, now=now)
            if claim is not None and claim != told:
                context.claim(claim)
                told = claim

        endpoint = context.around(pipeline)
        driven = _drive(pipeline, endpoint, context, thread, ends=self._ends, look=look)
        counted = {"too_large": context.udp.too_large}
        report = sender_report(pipeline, ended_at=driven.ended_at, flow=self._ends.flow.name, counted=counted)
        _say_goodbye(pipeline, endpoint, context, now=driven.ended_at)
        return Ended(report, _process_report(context.udp, driven))

    def _sliced(self, settings: EncoderSettings) -> MakeEncoder | None:
        """What encodes in place of FFmpeg if slices leave one by one."""
        return None if settings.slices == 1 else partial(SlicedEncoder, give=self._give)

    def _give(self, part: Encoded) -> None:
        assert self._thread is not None
        self._thread.give(part)


def our_receiver(ends: Ends, transport: Transport, *, keep_decoded: bool) -> MakeReceiver:
    """A receiver of ours over a transport. With `keep_decoded` it keeps what was decoded, for whoever measures its
    quality."""
    return lambda thread: ends.receiver(transport, ends.decoder(), thread.took, thread, keep_decoded=keep_decoded)


class ReceiverRun:
    """The receiver end: what `make` makes around the thread of the decoder."""

    def __init__(self, ends: Ends, make: MakeReceiver) -> None:
        self._ends = ends
        self._make = make

    def run(self, context: EndContext) -> Ended:
        """Receive until the arm is over."""
        thread: DecoderThread = CodecThread(context.clock)
        pipeline = self._make(thread)
        slices = None if self._ends.flow.greedy else ShownSlices(self._ends)
        has_decided = False

        def look(now: float) -> None:
            nonlocal has_decided
            if context.shown is not None and slices and (shown := slices.look(pipeline.records, now=now)) is not None:
                context.shown(shown)
            claim = context.claimed()
            if claim is not None and not has_decided and claim.decided_by(pipeline.records):
                has_decided = True
                context.decided()

        endpoint = context.around(pipeline)
        driven = _drive(pipeline, endpoint, context, thread, ends=self._ends, look=look)
        pipeline.finish(now=driven.ended_at)
        counted = {"too_large": context.udp.too_large}
        report = receiver_report(pipeline, ended_at=driven.ended_at, flow=self._ends.flow.name, counted=counted)
        _say_goodbye(pipeline, endpoint, context, now=driven.ended_at)
        return Ended(report, _process_report(context.udp, driven))


def _drive(
    pipeline: SenderEnd | ReceiverEnd,
    endpoint: Endpoint,
    context: EndContext,
    thread: CodecThread[Any],
    *,
    ends: Ends,
    look: Callable[[float], None],
) -> Driven:
    """Drive an end until the arm is over, and `look` now and then."""
    next_look_at = 0.0

    def done(now: float) -> bool:
        nonlocal next_look_at
        if now >= next_look_at:
            next_look_at = now + _LOOK
            look(now)
        return context.done(now)

    stay_off(context.off)  # not sooner: a thread begins on the processors of its maker
    context.clock.wait_until(ends.start_at)
    begun_at = context.clock.now()
    try:
        pipeline.connect(now=begun_at)
        driven = drive(endpoint, context.udp, context.clock, until=ends.last, wakes=[thread, *context.wakes], done=done)
    finally:
        thread.close()
    driven.pauses.add(begun_at - ends.start_at)
    return driven


def _say_goodbye(pipeline: SenderEnd | ReceiverEnd, endpoint: Endpoint, context: EndContext, *, now: float) -> None:
    """End the connection in its protocol's own way. This is no part of what was measured."""
    pipeline.close(now=now)
    context.udp.send(endpoint.datagrams_to_send(now=now))


def _process_report(udp: UdpSocket, driven: Driven) -> ProcessReport:
    return ProcessReport(
        lateness=driven.lateness.summary(),
        pauses=driven.pauses.summary(),
        overflows=udp.overflows,
        unsent=udp.unsent,
        foreign=udp.foreign,
    )


def _nothing() -> None:
    """The preparation of what needs none."""
