"""The sending host: one arm to a receiver somewhere else, and the ledger of both."""

import math
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from typing import Any

import pandas as pd

from experiments.between.control import MAX_REPLY, Control, ControlError
from experiments.between.key import Key, matches, pinning_context
from experiments.between.link_bytes import link_bytes
from experiments.between.receiving import VERSION
from experiments.between.shared_socket import SharedSocket
from experiments.between.tap import Tap
from experiments.live.end import LiveSender, Session
from experiments.live.replay import Notes, replay
from experiments.live.undisturbed import undisturbed
from experiments.measure import ledger
from experiments.measure.arm_result import ArmResult
from experiments.measure.capture import Capture
from experiments.measure.connection import Connection
from experiments.measure.ends import MEDIA_START, Ends, Place
from experiments.measure.notes import with_notes
from experiments.measure.summary import summarize_arm
from experiments.scenario import Scenario, build
from experiments.scenario.arm_spec import ArmSpec
from netem.live.alignment import Alignment, align
from netem.live.alignment_messages import BURST, Asker
from netem.live.clock import LiveClock, monotonic_ns
from netem.live.driver import drive
from netem.live.lateness import Lateness
from netem.live.recording import Recording
from netem.live.udp_socket import UdpSocket, open_socket
from netem.packet import Address
from netem.simulator import START_AT
from receiver.record import ReceivedRecord
from sender.record import SentRecord
from transport.contract import Unsupported

PATIENCE = 20.0  # seconds for an answer of the receiver
LEAD = 1.0  # seconds from the alignment of the clocks to the start of the session

_OF_RECEIVER = ("lateness", "overflows", "unsent", "foreign", "moves", "strangers", "keyframe_requests")
_INSTANTS = ("first_arrival_at", "complete_at", "delivered_at", "released_at", "decoded_at", "displayed_at")


@dataclass(frozen=True)
class Remote:
    """Where a receiver listens, and its key."""

    host: str
    port: int
    key: str


def run_arm_between(
    scenario: Scenario,
    arm: ArmSpec,
    remote: Remote,
    *,
    capture: Capture | None = None,
    progress: Callable[[float], None] = lambda share: None,
    stop: Callable[[], bool] = lambda: False,
) -> ArmResult:
    """Run one arm to a receiver on another host. The quality of pictures is not measured: they stay there.

    Instants of the receiver are put on this host's clock; `stats.between` says how far they may be off. `capture` gets
    the packets that this host sees, and what its end tells. Raises ControlError, OSError, and ValueError for a bad key.
    """
    ends = Ends(scenario, arm)
    family, address = _resolve(remote)
    with (
        _connect(remote, address) as connection,
        open_socket("::" if family == socket.AF_INET6 else "0.0.0.0") as plain,
    ):
        control = Control(connection, MAX_REPLY)
        asked = {"version": VERSION, "scenario": _for_receiver(scenario), "arm": arm.label}
        control.send({"token": Key.parse(remote.key).token.hex(), **asked})
        answer = control.receive(PATIENCE)
        if "error" in answer:
            if answer.get("unsupported"):
                return _unsupported(arm, str(answer["error"])[:1000], capture)
            raise ControlError(f"the receiver refused: {str(answer['error'])[:1000]}")
        here = connection.getsockname()[0], plain.getsockname()[1]
        notes, recording = Notes(), Recording()
        config = ends.config("sender", Place(here, address), notes if capture else None)
        try:
            transport = ends.transport("sender", config)
        except Unsupported as error:
            return _unsupported(arm, str(error), capture)
        end = LiveSender(ends, transport)
        secret = bytes.fromhex(str(answer.get("alignment")))
        clock = _start(control, plain, secret, address)
        asker = Asker(secret, address, start_at=START_AT)

        def over(now: float) -> bool:
            progress(min(1.0, max(0.0, (now - START_AT) / (ends.last - START_AT))))
            if control.poll():
                raise ControlError("the receiver ended in the middle")
            return stop()

        shared: list[SharedSocket] = []

        def around(media: Any) -> SharedSocket:
            shared.append(SharedSocket(Tap(media, recording, here) if capture else media, asker, address))
            return shared[0]

        def write() -> list[str]:
            if capture is None:
                return []
            capture.describe(arm.transport, config, now=ends.start_at)
            return replay(capture, recording, {"sender": notes})

        udp = UdpSocket(plain, clock)
        try:
            with undisturbed():
                known = end.run(Session(udp, clock, over, around))
            asker.finish(now=clock.now())
            drive(asker, udp, clock, until=clock.now() + PATIENCE, done=lambda now: asker.done, lateness=Lateness())
            control.send({"end": True})
            received = control.receive(PATIENCE)
        except OSError:
            with suppress(Exception):  # why the arm ended is what is told
                write()
            raise
    known["missing"] = write()  # not sooner: the receiver waits
    links = link_bytes(shared[0], received.get("bytes"), known["ended_at"])
    return _result(ends, known, received, links, align(asker.exchanges), interrupted=stop())


def check_receiver(remote: Remote, *, capture: bool) -> None:
    """Raises OSError, ControlError or ValueError if no receiver with this key is there, or none to `capture` from."""
    family, address = _resolve(remote)
    if capture and family != socket.AF_INET:
        raise ControlError(
            f"packets are captured of IPv4 only, and the receiver was found at {address[0]}; "
            "accepted with --capture is its IPv4 address"
        )
    with _connect(remote, address):
        pass


def _resolve(remote: Remote) -> tuple[int, Address]:
    """Raises OSError."""
    try:
        found = socket.getaddrinfo(remote.host, remote.port, type=socket.SOCK_DGRAM)
    except OSError as error:
        raise OSError(error.errno, f"{remote.host}: {error.strerror}") from None
    family, _, _, _, address = found[0]
    return family, (str(address[0]), int(address[1]))


def _unsupported(arm: ArmSpec, reason: str, capture: Capture | None) -> ArmResult:
    if capture is not None:
        capture.remove()
    return ArmResult(arm.label, "unsupported", reason)


def _connect(remote: Remote, address: Address) -> Any:
    """A TLS connection to who has the certificate of the key. Raises OSError and ControlError."""
    try:
        plain = socket.create_connection(address, PATIENCE)
    except OSError as error:
        raise OSError(error.errno, f"{remote.host} port {remote.port}: {error.strerror or error}") from None
    connection = pinning_context().wrap_socket(plain)
    if not matches(Key.parse(remote.key), connection.getpeercert(binary_form=True)):
        connection.close()
        where = f"{remote.host} port {remote.port}"
        raise ControlError(f"{where} is not the receiver of this key: it has another certificate")
    return connection


def _for_receiver(scenario: Scenario) -> dict[str, Any]:
    """What decides the receiver, and names nothing of this host: neither the network nor the clip."""
    content = scenario.dump()
    video = content["video"]
    for name in ("encode_cost", "decode_cost"):
        video.pop(name, None)
    if scenario.video.has_pictures():
        video.update(source="synthetic", width=320, height=180)
    else:
        video.update(source="lognormal")
    return build({**content, "video": video, "network": {}}).dump()


def _start(control: Control, plain: socket.socket, secret: bytes, address: Address) -> LiveClock:
    """Align the clocks a first time, so that both sessions begin together; the clock of this one."""
    before = LiveClock(monotonic_ns())
    asker = Asker(secret, address, start_at=before.now())
    drive(
        asker,
        UdpSocket(plain, before),
        before,
        until=before.now() + PATIENCE,
        done=lambda now: len(asker.exchanges) > 0 and now > START_AT + 0.012 * BURST,
        lateness=Lateness(),
    )
    if not asker.exchanges:
        raise ControlError("the receiver answers by TCP and not by UDP: is UDP blocked on the way?")
    alignment = align(asker.exchanges)
    ahead = before.now() + LEAD - START_AT  # by how much the session begins later than the clock that was aligned
    control.send({"start": alignment.to_remote(before.now()) - before.now() + ahead})
    if not control.receive(PATIENCE).get("started"):
        raise ControlError("the receiver did not start")
    return before.later(ahead)


def _result(
    ends: Ends,
    known: dict[str, Any],
    received: dict[str, Any],
    links: pd.DataFrame,
    alignment: Alignment,
    *,
    interrupted: bool,
) -> ArmResult:
    sent: list[SentRecord] = known["captured"]
    records = [_record(each, alignment) for each in _list(received.get("records"))]
    first = MEDIA_START
    bound = alignment.bound(first, max(first, known["ended_at"]))
    shift = _not_before_sent(sent, records)
    if shift > bound:
        raise ControlError(
            f"frames arrived {shift * 1e3:.3f} ms before they were sent, and clocks are aligned to {bound * 1e3:.3f} "
            "ms: one of them stepped"
        )
    _move(records, shift)
    _decide_again(ends.scenario, sent, records)
    frames = ledger.join(sent, records, media_start=MEDIA_START)
    there = received.get("known")
    there = there if isinstance(there, dict) else {}
    result = ArmResult(
        ends.arm.label,
        "incomplete" if interrupted else "measured",
        "interrupted" if interrupted else None,
        ledger=frames,
        links=links,
        summary=summarize_arm(ends.scenario, frames, links, now=known["ended_at"]),
        stats={
            "sender": known["stats"],
            "receiver": _counters(there.get("stats")),
            "connection": {
                "sender": known["connection"],
                "receiver": asdict(Connection.parse(there.get("connection"))),
            },
            "between": {
                "clock_bound_ms": round(bound * 1e3, 6),
                "clock_drift_ppm": round(alignment.drift * 1e6, 3),
                "clocks_linear": alignment.linear,
                "moved_ms": round(shift * 1e3, 6),
                "sender": {name: known[name] for name in ("lateness", "overflows", "unsent")},
                "receiver": {name: there.get(name) for name in _OF_RECEIVER},
            },
        },
        notes=(*ends.source.notes, *known["missing"]),
    )
    return with_notes(result, ends.scenario)


def _record(content: Any, alignment: Alignment) -> ReceivedRecord:
    """The receiver is trusted with a ledger, but not to send one that is well-formed. Raises ControlError."""
    if not isinstance(content, dict) or set(content) != {field.name for field in fields(ReceivedRecord)}:
        raise ControlError("the receiver sent records that are none")
    numbers = {name: value for name, value in content.items() if name != "outcome"}
    if not all(value is None or _is_number(value) for value in numbers.values()):
        raise ControlError("the receiver sent records with what is no number")
    if content["outcome"] not in (None, "displayed", "late", "undecodable"):
        raise ControlError("the receiver sent records with an outcome that is none")
    for name in _INSTANTS:
        if content[name] is not None:
            content[name] = alignment.to_local(content[name])
    return ReceivedRecord(**content)


def _counters(content: Any) -> dict[str, int]:
    """What the receiver counted; what is no count is left out."""
    counted = content.items() if isinstance(content, dict) else ()
    return {str(name): value for name, value in counted if type(value) is int and 0 <= value < 2**53}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _list(content: Any) -> list[Any]:
    if not isinstance(content, list):
        raise ControlError("the receiver sent no records")
    return content


def _not_before_sent(sent: list[SentRecord], records: list[ReceivedRecord]) -> float:
    """Seconds by which arrivals are before their departure, at most: so much the clocks are known to be off."""
    departures = {(each.track, each.sequence): each.first_sent_at for each in sent}
    early = [
        departure - each.first_arrival_at
        for each in records
        if each.first_arrival_at is not None and (departure := departures.get((each.track, each.sequence))) is not None
    ]
    return max([0.0, *early])


def _decide_again(scenario: Scenario, sent: list[SentRecord], records: list[ReceivedRecord]) -> None:
    """Whether a decoded frame met its deadline, on the clock that now holds for both ends: the receiver had its own."""
    deadlines = {track.id: track.deadline for track in scenario.tracks()}
    captured_at = {(each.track, each.sequence): each.captured_at for each in sent}
    for each in records:
        deadline = deadlines.get(each.track)
        if each.decoded_at is not None and deadline is not None and (each.track, each.sequence) in captured_at:
            each.decide(each.decoded_at, expires_at=captured_at[each.track, each.sequence] + deadline)


def _move(records: list[ReceivedRecord], seconds: float) -> None:
    for record in records:
        for name in _INSTANTS:
            if (at := getattr(record, name)) is not None:
                setattr(record, name, at + seconds)
