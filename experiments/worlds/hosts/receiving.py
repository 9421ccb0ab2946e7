"""One arm on the receiving host, for a sender that has shown the key.

Media comes to the UDP port with the number of the TCP port, at the address at which the sender found us.
"""

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict

from glassbench.experiments.worlds.consensus import Claim
from glassbench.experiments.worlds.ends import Ends, Place
from glassbench.experiments.worlds.hosts.asked import Limits, asked_for
from glassbench.experiments.worlds.hosts.control import Control, ControlError
from glassbench.experiments.worlds.hosts.door import Guest, Say
from glassbench.experiments.worlds.hosts.messages import (
    MAX_RECORDS,
    VERSION,
    Answer,
    Reported,
    ReportedCounts,
    ReportedFrame,
    Said,
    Start,
    Started,
)
from glassbench.experiments.worlds.hosts.printable import printable
from glassbench.experiments.worlds.hosts.shared_socket import SharedSocket
from glassbench.experiments.worlds.live.end import EndContext, Ended, ReceiverRun, our_receiver
from glassbench.experiments.worlds.live.undisturbed import undisturbed
from glassbench.netem.endpoint import Endpoint
from glassbench.netem.live.alignment_messages import TOKEN_BYTES, Answerer
from glassbench.netem.live.clock import LiveClock, monotonic_ns
from glassbench.netem.live.driver import drive
from glassbench.netem.live.socket_address import from_kernel
from glassbench.netem.live.udp_socket import UdpSocket, open_socket
from glassbench.netem.packet import Address
from glassbench.netem.simulator import START_AT
from glassbench.receiver.record import ReceivedRecord
from glassbench.transport.contract import Unsupported

PATIENCE = 20.0  # seconds for one step of the sender: to align the clocks, and to take what was received
AFTER = 30.0  # seconds after the end of an arm in which the sender has to ask for what was received

_SOON = 10.0  # seconds from now to the start of a session, at most


def receive_arm(guest: Guest, limits: Limits, draw: Callable[[int], bytes], say: Say) -> None:
    """Receive the arm that a sender asks for, and report it.

    Whatever the sender does ends in a sentence to `say`. `draw` gives unguessable bytes.
    """
    try:
        ends = _asked_for(guest, limits, say)
        if ends is not None:
            say(f"receiving {printable(ends.arm.label)}, {ends.flow.duration:g} s")
            _receive(guest, ends, draw(TOKEN_BYTES))
            say(f"received {printable(ends.arm.label)}")
    except MemoryError:
        _give_up(guest, say, f"it needs more than the {limits.memory / 1e6:g} MB of --max-memory")
    except ControlError as error:
        say(f"{guest.peer[0]}: ended: {printable(str(error))}")
    except OSError as error:
        _give_up(guest, say, printable(str(error)))
    except Exception as error:  # a defect that a sender found; the next arm has a process of its own
        _give_up(guest, say, f"{type(error).__name__}: {printable(str(error))}")


def _asked_for(guest: Guest, limits: Limits, say: Say) -> Ends | None:
    """What the sender asks for; None if it is refused, which the sender is told. Raises ControlError."""
    try:
        if guest.hello.version != VERSION:
            raise ValueError(f"version: found {guest.hello.version}; this receiver speaks {VERSION}")
        ends = asked_for(guest.hello.flow, limits)
        nowhere: Address = ("192.0.2.1", 9)
        ends.transport("receiver", ends.config("receiver", Place(nowhere, nowhere)))
    except (ValueError, Unsupported) as error:
        sentence = printable(str(error))
        say(f"{guest.peer[0]}: refused an arm: {sentence}")
        guest.control.send(Answer(error=sentence, unsupported=isinstance(error, Unsupported)), PATIENCE)
        return None
    return ends


def _give_up(guest: Guest, say: Say, reason: str) -> None:
    say(f"{guest.peer[0]}: ended: {reason}")
    with suppress(ControlError):
        guest.control.send(Reported(error=reason), 1.0)


def _receive(guest: Guest, ends: Ends, secret: bytes) -> None:
    """Raises ControlError, and OSError without the port."""
    with _media_socket(guest.here) as plain:
        control = guest.control
        control.send(Answer(alignment=secret.hex()), PATIENCE)
        start, peer, origin = _align_first(control, plain, secret)
        clock = LiveClock(origin + round(start * 1e9))
        transport = ends.transport("receiver", ends.config("receiver", Place(from_kernel(plain.getsockname()), peer)))
        end, answerer = ReceiverRun(ends, our_receiver(ends, transport, keep_decoded=False)), Answerer(secret)
        shared: list[SharedSocket] = []
        sender = _Sender(control)

        def around(media: Endpoint) -> SharedSocket:
            shared.append(SharedSocket(media, answerer, peer))
            return shared[0]

        control.send(Started(), PATIENCE)
        context = EndContext(
            UdpSocket(plain, clock), clock, sender.asks, around, claimed=sender.claimed, decided=sender.tell_decided
        )
        with undisturbed():
            ended = end.run(context)
        if not sender.asked:  # the arm is over here; the last questions of the alignment may still come
            drive(answerer, UdpSocket(plain, clock), clock, until=clock.now() + AFTER, done=sender.asks)
        for report in _reports(ended.report.received, _counts(ended, shared[0], answerer)):
            control.send(report, PATIENCE)
        with suppress(ControlError):
            control.receive(Said, PATIENCE)  # it closes when it has all


class _Sender:
    """What the sender says during an arm."""

    def __init__(self, control: Control) -> None:
        self.asked = False
        self._control = control
        self._claim: Claim | None = None

    def asks(self, now: float) -> bool:
        """Whether it has asked for the reports. Raises ControlError."""
        if said := self._control.poll(Said):
            self._claim = said.claim()
            self.asked = self.asked or said.end
        return self.asked

    def claimed(self) -> Claim | None:
        return self._claim

    def tell_decided(self) -> None:
        """Raises ControlError."""
        self._control.send(Reported(decided=True), PATIENCE)


def _media_socket(here: Address) -> socket.socket:
    try:
        return open_socket(*here)
    except OSError as error:
        raise OSError(f"it has no UDP port {here[1]} for media: {error.strerror}") from None


def _counts(ended: Ended, shared: SharedSocket, answerer: Answerer) -> ReportedCounts:
    report, process = ended
    return ReportedCounts.model_validate(
        {
            "stats": dict(report.counters),
            "connection": asdict(report.connection),
            "lateness": dict(process.lateness),
            "pauses": dict(process.pauses),
            "overflows": process.overflows,
            "unsent": process.unsent,
            "unannounced": report.pipeline["unannounced"],
            "keyframe_requests": report.pipeline["keyframe_requests"],
            "foreign": shared.foreign,
            "moves": shared.moves,
            "strangers": answerer.strangers,
            "sent_bytes": shared.sent_bytes,
            "received_bytes": shared.received_bytes,
        }
    )


def _reports(records: Sequence[ReceivedRecord], counts: ReportedCounts) -> Iterator[Reported]:
    last = max(0, (len(records) - 1) // MAX_RECORDS * MAX_RECORDS)
    for first in range(0, last + 1, MAX_RECORDS):
        part = tuple(
            ReportedFrame.model_validate(record, from_attributes=True)
            for record in records[first : first + MAX_RECORDS]
        )
        yield Reported(records=part, counts=counts if first == last else None)


def _align_first(control: Control, plain: socket.socket, secret: bytes) -> tuple[float, Address, int]:
    """Answer questions until the sender knows our clock: how much later its session begins than ours, where it sends
    from, and the origin of our session. Raises ControlError."""
    origin = monotonic_ns()
    clock, answerer = LiveClock(origin), Answerer(secret)
    udp = UdpSocket(plain, clock)
    peer: Address | None = None
    end = clock.now() + PATIENCE
    while clock.now() < end:
        if message := control.poll(Start):
            if peer is None:
                raise ControlError("its clock was not aligned")
            if not abs(START_AT + message.start - clock.now()) <= _SOON:
                raise ControlError(f"it wants to start more than {_SOON:g} s from now")
            return message.start, peer, origin
        udp.wait(0.02)
        for data, source, ecn, at in udp.receive():
            answerer.receive_datagram(data, source, ecn, now=at)
            for answer in answerer.datagrams_to_send(now=at):
                peer = answer[1]
                udp.send([answer])
    raise ControlError("no datagram of it arrives: is UDP blocked on the way?" if peer is None else "it does not start")
