"""One end of a peer, driven like ours: the pipelines of ours around the stack."""

import faulthandler
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from glassbench.experiments.account.instants import INSTANTS
from glassbench.experiments.account.reports import EndReport
from glassbench.experiments.scenario import build
from glassbench.experiments.scenario.arm_table import ARMS
from glassbench.experiments.scenario.flow_spec import MEDIA
from glassbench.experiments.scenario.peers import PeerEntry
from glassbench.experiments.scenario.session_time import MEDIA_START
from glassbench.experiments.scenario.tracks import VIDEO_TRACK
from glassbench.experiments.worlds.ends import Ends, Place
from glassbench.experiments.worlds.live.end import (
    EndContext,
    MakeReceiver,
    ReceiverRun,
    SenderRun,
    our_receiver,
)
from glassbench.experiments.worlds.live.log import end_of
from glassbench.experiments.worlds.live.part import (
    NOT_CONNECTED,
    Orders,
    Part,
    PartReport,
    be_part,
    say_decided,
    say_shown,
)
from glassbench.experiments.worlds.live.replay import Told
from glassbench.experiments.worlds.live.task import HostPlug, Task
from glassbench.experiments.worlds.peers.peer import LOG, Carries, Peer, PeerContext, PeerError, video_of
from glassbench.experiments.worlds.peers.peer_transport import PeerTransport
from glassbench.experiments.worlds.peers.raw_pictures import Lossless, RawPictures
from glassbench.experiments.worlds.peers.stamped_receiver import StampedReceiver
from glassbench.netem.live.clock import LiveClock
from glassbench.netem.live.scheduling import run_as_others, stay_off
from glassbench.netem.live.udp_socket import UdpSocket, open_socket
from glassbench.transport.contract import Unsupported

_ON_THE_WIRE = {"first_sent_at", "last_sent_at", "first_arrival_at", "complete_at"}

KNOWS: Mapping[Carries, frozenset[str]] = {
    "messages": INSTANTS - _ON_THE_WIRE,
    "units": INSTANTS - _ON_THE_WIRE,
    "pictures": frozenset({"captured_at", "displayed_at"}),
}
"""The instants that can be known around a stack: what it does between is inside of it."""

_AROUND_A_DECODER = {"delivered_at", "released_at", "decoded_at"}


def be_peer(folder: str) -> None:
    """Be an end of a peer; `folder` is its own. What the stack writes goes to our standard error, the log that whoever
    started us keeps, even if the stack ends us; our own lines go to standard output."""
    faulthandler.enable()
    Path(folder, LOG).symlink_to("/proc/self/fd/2")
    ours = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = os.fdopen(ours, "w")
    be_part(lambda task: _part(task, Path(folder)))


def _part(task: Task, folder: Path) -> Part:
    assert isinstance(task.plug, HostPlug) and task.role is not None
    role, plug = task.role, task.plug
    scenario = build(task.scenario)
    ends = Ends(scenario.flows(scenario.arm(task.arm))[task.flow])
    stack = _stack(ends)
    context = PeerContext(
        role=role,
        local=plug.local,
        peer=plug.peer,
        options=ends.options,
        video=video_of(ends),
        seed=ends.flow.seed,
        duration=ends.flow.stop - ends.flow.start,
        folder=folder,
        side=socket.socket(fileno=plug.side),
        media_start=MEDIA_START + ends.flow.start,
    )
    end = stack.end(context)
    carries = stack.carried(ends.options)
    framed = carries == "messages"
    told = Told() if task.capture else None
    own = end.own_transport(ends.config(role, Place(plug.local, plug.peer), told))
    transport = PeerTransport(end, role, ends.flow.tracks(), framed=framed) if own is None else own
    with _as_a_stack(task.processor):
        try:
            end.start()
        except Unsupported as error:
            context.outlet.refuse(str(error))
        except PeerError as error:
            context.outlet.fail(str(error))
    run: SenderRun | ReceiverRun
    tells_all = own is not None
    keeps = task.quality and ends.flow.name == MEDIA
    if role == "sender":
        run = SenderRun(ends, transport, _raw if carries == "pictures" else None)
    elif own is not None:
        run = ReceiverRun(ends, our_receiver(ends, own, keep_decoded=keeps))
    elif (receiver := end.own_receiver(transport, ends.flow.main_track, ends.announced())) is not None:
        tells_all = True
        run = ReceiverRun(ends, lambda thread: receiver)
    else:
        assert isinstance(transport, PeerTransport)
        run = ReceiverRun(
            ends,
            our_receiver(ends, transport, keep_decoded=keeps)
            if framed
            else _stamped(ends, transport, gives_pictures=carries == "pictures" or stack.decodes, keep_decoded=keeps),
        )

    def drive(clock: LiveClock, orders: Orders) -> PartReport:
        context.outlet.now = clock.now
        outlet = context.outlet
        try:
            ended = run.run(
                EndContext(
                    # Nobody sends to a socket of ours if the stack has its own.
                    UdpSocket(open_socket() if own is None else open_socket(*plug.local), clock),
                    clock,
                    lambda now: orders.stopped() or outlet.failed is not None,
                    off=task.processor,
                    wakes=[outlet],
                    claim=lambda claim: print(claim.line(), flush=True),
                    claimed=orders.claimed,
                    decided=say_decided,
                    shown=say_shown if task.watched and ends.flow.name == MEDIA else None,
                )
            )
        finally:
            failed = outlet.failed  # what closing brings about is no failure of its own
            with suppress(PeerError, OSError):
                end.close()
        if failed is None and ended.report.connection.connected_at is None:
            failed = NOT_CONNECTED
        about = {"version": stack.version(), "settings": dict(end.settings()), "log": _log_of(context)}
        return PartReport(
            ended.process,
            replace(ended.report, tells_pictures=own is not None)
            if tells_all
            else replace(_reported(ended.report, carries, decodes=stack.decodes), estimates=end.estimates()),
            told if own is not None else None,
            peer=about,
            unsupported=outlet.unsupported,
            failed=_sentence(failed, ends, task),
        )

    return drive


def _stack(ends: Ends) -> type[Peer]:
    entry = ARMS[ends.arm.transport]
    assert isinstance(entry, PeerEntry)
    stack: type[Peer] = entry.load()
    return stack


def _raw(*args: Any, **kwargs: Any) -> RawPictures:
    return RawPictures()


def _stamped(ends: Ends, transport: PeerTransport, *, gives_pictures: bool, keep_decoded: bool) -> MakeReceiver:
    announced = ends.announced()
    assert announced is not None
    return lambda thread: StampedReceiver(
        transport,
        track=ends.flow.main_track,
        frames=announced[VIDEO_TRACK],
        size=ends.picture_size,
        codec=None if gives_pictures else ends.flow.video.codec,
        worker=thread,
        keep_decoded=keep_decoded,
    )


def _reported(report: EndReport, carries: Carries, *, decodes: bool) -> EndReport:
    """The report, with what a stack lets us know. How large a picture became inside of it is not among that."""
    if carries == "pictures":
        for record in report.sent:
            record.size_bytes = 0
    media = "" if carries == "messages" else Lossless.MEDIA
    knows = KNOWS[carries] - _AROUND_A_DECODER if decodes else KNOWS[carries]
    return replace(report, knows=knows, decoded_media=media)


def _sentence(failed: str | None, ends: Ends, task: Task) -> str | None:
    return None if failed is None else f"the {task.role} of {ends.arm.transport} failed: {failed}"


def _log_of(context: PeerContext) -> str:
    with suppress(OSError), context.log.open("rb") as log:
        return end_of(log)
    return ""


@contextmanager
def _as_a_stack(processor: int | None) -> Iterator[None]:
    """What is started here runs as other programs do, and leaves the emulator its processor: a packet wakes it up, and
    it would take that in the middle of the emulator's work."""
    before = os.sched_getaffinity(0)
    run_as_others()
    stay_off(processor)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
