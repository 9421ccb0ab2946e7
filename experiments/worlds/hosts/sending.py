"""The sending host: it runs one arm to a receiver on another host, and makes the ledger of both."""

import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import NamedTuple

from glassbench.experiments.account.arm_result import ArmResult
from glassbench.experiments.account.assemble import assemble
from glassbench.experiments.account.connection import Connection
from glassbench.experiments.account.ledger_error import LedgerError
from glassbench.experiments.account.reports import EndReport, LinkReport
from glassbench.experiments.scenario import Scenario
from glassbench.experiments.scenario.arm_spec import ArmSpec
from glassbench.experiments.scenario.flow import Flow
from glassbench.experiments.scenario.flow_spec import MEDIA
from glassbench.experiments.scenario.session_time import MEDIA_START
from glassbench.experiments.worlds.another_clock import change_instants, not_before_sent
from glassbench.experiments.worlds.capture import Capture
from glassbench.experiments.worlds.consensus import Claim
from glassbench.experiments.worlds.ends import Ends, Place, check_real_time
from glassbench.experiments.worlds.hosts.asked import ask_for
from glassbench.experiments.worlds.hosts.connect import connect
from glassbench.experiments.worlds.hosts.control import Control, ControlError
from glassbench.experiments.worlds.hosts.key import Key
from glassbench.experiments.worlds.hosts.link_bytes import link_bytes
from glassbench.experiments.worlds.hosts.messages import (
    VERSION,
    Answer,
    Hello,
    Reported,
    ReportedCounts,
    Said,
    Start,
    Started,
)
from glassbench.experiments.worlds.hosts.shared_socket import SharedSocket
from glassbench.experiments.worlds.hosts.tap import Tap
from glassbench.experiments.worlds.live.end import EndContext, Ended, SenderRun
from glassbench.experiments.worlds.live.replay import Told, replay
from glassbench.experiments.worlds.live.undisturbed import undisturbed
from glassbench.experiments.worlds.remote import Remote
from glassbench.experiments.worlds.world import Watch
from glassbench.netem.endpoint import Endpoint
from glassbench.netem.live.alignment import Alignment, align
from glassbench.netem.live.alignment_messages import BURST, Asker
from glassbench.netem.live.clock import LiveClock, monotonic_ns
from glassbench.netem.live.driver import drive
from glassbench.netem.live.recording import Recording
from glassbench.netem.live.socket_address import from_kernel
from glassbench.netem.live.udp_socket import UdpSocket, open_socket
from glassbench.netem.packet import Address
from glassbench.netem.simulator import START_AT
from glassbench.receiver.record import ReceivedRecord
from glassbench.sender.record import SentRecord
from glassbench.transport.contract import Unsupported

PATIENCE = 20.0  # seconds for an answer of the receiver
LEAD = 1.0  # seconds from the alignment of the clocks to the start of the session


def run_arm(
    scenario: Scenario, arm: ArmSpec, remote: Remote, watch: Watch | None = None, *, capture: Capture | None = None
) -> ArmResult:
    """Run one arm to a receiver on another host. The quality of pictures is not measured: they stay there.

    Instants of the receiver are put on this host's clock; `stats.between` says how far they may be off. `capture` gets
    the packets that this host sees, and what its end tells. Raises Unsupported, ControlError, OSError, and ValueError
    for a bad key.
    """
    watch = watch or Watch()
    ends = Ends(scenario.media(arm))
    check_real_time(ends.flow)
    connection = connect(remote, capture=capture is not None)
    address = from_kernel(connection.getpeername())  # media goes where control does
    with connection, open_socket("::" if connection.family == socket.AF_INET6 else "0.0.0.0") as plain:
        control = Control(connection)
        token = Key.parse(remote.key).token.hex()
        control.send(Hello(version=VERSION, token=token, flow=ask_for(ends)), PATIENCE)
        answer = control.receive(Answer, PATIENCE)
        if answer.unsupported:
            raise Unsupported(f"the receiver says: {answer.error}")
        if answer.alignment is None:
            raise ControlError(f"the receiver refused: {answer.error}")
        here = from_kernel(connection.getsockname())[0], plain.getsockname()[1]
        told, recording = Told(), Recording()
        config = ends.config("sender", Place(here, address), told if capture else None)
        end = SenderRun(ends, ends.transport("sender", config))
        secret = bytes.fromhex(answer.alignment)
        clock = _start(control, plain, secret, address)
        asker = Asker(secret, address, start_at=START_AT)
        decided = False

        def over(now: float) -> bool:
            nonlocal decided
            watch.progress(min(1.0, max(0.0, (now - START_AT) / (ends.last - START_AT))))
            if report := control.poll(Reported):
                if not report.decided:
                    raise ControlError(f"the receiver ended in the middle: {report.error}")
                decided = True
            return decided or watch.stop()

        def tell(claim: Claim) -> None:
            given_up = {track: tuple(sequences) for track, sequences in claim.given_up.items()}
            control.send(Said(frames=dict(claim.frames), given_up=given_up), PATIENCE)

        shared: list[SharedSocket] = []

        def around(media: Endpoint) -> SharedSocket:
            shared.append(SharedSocket(Tap(media, recording, here) if capture else media, asker, address))
            return shared[0]

        def write() -> list[str]:
            if capture is None:
                return []
            capture.describe(arm.transport, config, now=ends.start_at)
            return replay(capture, recording, ["down", "up"], {(MEDIA, "sender"): told})

        udp = UdpSocket(plain, clock)
        try:
            with undisturbed():
                ended = end.run(EndContext(udp, clock, over, around, claim=tell))
            asker.finish(now=clock.now())
            drive(asker, udp, clock, until=clock.now() + PATIENCE, done=lambda now: asker.done)
            control.send(Said(end=True), PATIENCE)
            received = take_reports(control, len(ended.report.sent))
        except OSError:
            with suppress(Exception):  # why the arm ended is what is told
                write()
            raise
    missing = write()  # not sooner: the receiver waits
    links = link_bytes(shared[0], received.counts, ended.report.ended_at)
    interrupted = watch.stop() and not decided
    return _result(
        scenario,
        ends,
        ended,
        received,
        links=links,
        alignment=align(asker.exchanges),
        interrupted=interrupted,
        missing=missing,
    )


def _start(control: Control, plain: socket.socket, secret: bytes, address: Address) -> LiveClock:
    """Align the clocks a first time, so that both sessions begin together. Returns the clock of this session."""
    before = LiveClock(monotonic_ns())
    asker = Asker(secret, address, start_at=before.now())

    def aligned(now: float) -> bool:
        if control.poll(Started):
            raise ControlError("the receiver started before it was told when")
        return len(asker.exchanges) > 0 and now > START_AT + 0.012 * BURST

    drive(asker, UdpSocket(plain, before), before, until=before.now() + PATIENCE, done=aligned)
    if not asker.exchanges:
        raise ControlError("the receiver answers by TCP and not by UDP: is UDP blocked on the way?")
    alignment = align(asker.exchanges)
    ahead = before.now() + LEAD - START_AT  # by how much the session begins later than the clock that was aligned
    control.send(Start(start=alignment.to_remote(before.now()) - before.now() + ahead), PATIENCE)
    control.receive(Started, PATIENCE)
    return before.later(ahead)


class Received(NamedTuple):
    """What the receiver reports, its instants by its own clock."""

    records: list[ReceivedRecord]
    counts: ReportedCounts


def take_reports(control: Control, captured: int) -> Received:
    """What the receiver reports of `captured` frames, all in the time of one message. Raises ControlError."""
    until = monotonic_ns() + round(PATIENCE * 1e9)
    records: list[ReceivedRecord] = []
    while True:
        report = control.receive(Reported, (until - monotonic_ns()) * 1e-9)
        records += [record.received() for record in report.records]
        if report.decided:
            continue  # we had stopped waiting for it
        if report.error is not None:
            raise ControlError(f"the receiver has nothing to report: {report.error}")
        if len(records) > captured:
            raise ControlError(f"the receiver has records of more than the {captured} frames that were captured")
        if report.counts is not None:
            return Received(records, report.counts)
        if not report.records:
            raise ControlError("the receiver reports nothing")


def _result(
    scenario: Scenario,
    ends: Ends,
    ended: Ended,
    received: Received,
    *,
    links: list[LinkReport],
    alignment: Alignment,
    interrupted: bool,
    missing: list[str],
) -> ArmResult:
    sender, process = ended
    records, counts = received.records, received.counts
    change_instants(records, alignment.to_local)
    bound = alignment.bound(MEDIA_START, max(MEDIA_START, sender.ended_at))
    shift = not_before_sent(sender.sent, records)
    if shift > bound:
        raise ControlError(
            f"frames arrived {shift * 1e3:.3f} ms before they were sent, and clocks are aligned to {bound * 1e3:.3f} "
            "ms: one of them stepped"
        )
    change_instants(records, lambda at: at + shift)
    _decide_again(ends.flow, sender.sent, records)
    receiver = EndReport(
        "receiver", sender.ended_at, Connection(**dict(counts.connection)), counts.stats, received=records
    )
    own = asdict(process)
    between = {
        "clock_bound_ms": round(bound * 1e3, 6),
        "clock_drift_ppm": round(alignment.drift * 1e6, 3),
        "clocks_linear": alignment.linear,
        "moved_ms": round(shift * 1e3, 6),
        "sender": {name: own[name] for name in ("lateness", "pauses", "overflows", "unsent")},
        "receiver": counts.model_dump(exclude={"stats", "connection", "sent_bytes", "received_bytes"}),
    }
    try:
        return assemble(
            scenario,
            ends.arm,
            ends.source,
            [sender, receiver],
            links,
            outcome="incomplete" if interrupted else "measured",
            reason="interrupted" if interrupted else None,
            about={"between": between},
            notes=missing,
        )
    except LedgerError as error:
        raise ControlError(f"the records of the receiver contradict what was sent: {error}") from None


def _decide_again(flow: Flow, sent: Sequence[SentRecord], records: list[ReceivedRecord]) -> None:
    """Decide again whether a decoded frame met its deadline, on the clock that now holds for both ends: the receiver
    had its own."""
    deadlines = {track.id: track.deadline for track in flow.tracks()}
    captured_at = {(each.track, each.sequence): each.captured_at for each in sent}
    for each in records:
        deadline = deadlines.get(each.track)
        if each.decoded_at is not None and deadline is not None and (each.track, each.sequence) in captured_at:
            each.decide(each.decoded_at, expires_at=captured_at[each.track, each.sequence] + deadline)
