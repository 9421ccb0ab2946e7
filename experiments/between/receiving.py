"""The receiving host: one TCP port for control, and while a sender is admitted the UDP port of the same number."""

import hmac
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from experiments.between.control import MAX_REQUEST, Control, ControlError
from experiments.between.key import Key
from experiments.between.shared_socket import SharedSocket
from experiments.live.end import LiveReceiver, Session
from experiments.live.undisturbed import undisturbed
from experiments.measure.ends import Ends, Place
from experiments.scenario import Scenario, ScenarioError, build
from experiments.scenario.named_files import named_files
from netem.live.alignment_messages import TOKEN_BYTES, Answerer
from netem.live.clock import LiveClock, monotonic_ns
from netem.live.driver import drive
from netem.live.lateness import Lateness
from netem.live.udp_socket import UdpSocket, open_socket
from netem.packet import Address
from transport.contract import Unsupported

VERSION = 1
PATIENCE = 5.0  # seconds for a stranger to say who it is; others wait for so long
AFTER = 60.0  # seconds after the end of an arm in which the sender has to ask for what was received

Say = Callable[[str], None]


def listen(host: str, port: int) -> socket.socket:
    """A TCP socket on an address of this host. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    plain = socket.socket(family, socket.SOCK_STREAM)
    try:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        plain.bind((host, port))
        plain.listen(8)
    except OSError as error:
        plain.close()
        raise OSError(error.errno, f"cannot listen on {host} port {port}: {error.strerror}") from None
    return plain


def serve(
    listener: socket.socket, key: Key, context: ssl.SSLContext, *, draw: Callable[[int], bytes], say: Say
) -> None:
    """Receive arm after arm until interrupted. `draw` gives so many unguessable bytes; `say` is told what happens.

    Nothing that a sender or a stranger says ends it.
    """
    while True:
        plain, peer = listener.accept()
        with plain:
            try:
                plain.settimeout(PATIENCE)
                with context.wrap_socket(plain, server_side=True) as connection:
                    control = Control(connection, MAX_REQUEST)
                    if (hello := control.hello(PATIENCE)) is None:
                        continue  # it only looked who is there
                    if not hmac.compare_digest(str(hello.get("token")).encode(), key.token.hex().encode()):
                        raise ControlError("it has not the key")
                    _admitted(control, hello, listener.getsockname()[:2], draw, say)
            except OSError as error:
                say(f"{peer[0]}: refused or ended: {error}")


def _admitted(control: Control, hello: dict[str, Any], here: Address, draw: Callable[[int], bytes], say: Say) -> None:
    try:
        scenario, arm = _asked_for(hello)
    except (ValueError, KeyError, Unsupported) as error:
        sentence = str(error) if not isinstance(error, KeyError) else f"the scenario has no arm {error}"
        control.send({"error": sentence, "unsupported": isinstance(error, Unsupported)})
        say(f"refused an arm: {sentence}")
        return
    with open_socket(*here) as plain:
        secret = draw(TOKEN_BYTES)
        control.send({"alignment": secret.hex()})
        say(f"receiving {arm}, {scenario.duration:g} s")
        _receive(control, scenario, arm, plain, secret)
        say(f"received {arm}")


def _asked_for(hello: dict[str, Any]) -> tuple[Scenario, str]:
    """Raises ValueError, KeyError and Unsupported."""
    if hello.get("version") != VERSION:
        raise ValueError(f"version: found {str(hello.get('version'))[:20]}, this receiver speaks {VERSION}")
    content = hello.get("scenario")
    if not isinstance(content, dict) or named_files(content):
        raise ScenarioError("a receiver opens no files; accepted are scenarios that name none")
    scenario, arm = build(content), str(hello.get("arm"))
    ends = Ends(scenario, scenario.arm(arm))
    nowhere: Address = ("192.0.2.1", 9)
    ends.transport("receiver", ends.config("receiver", Place(nowhere, nowhere)))
    return scenario, arm


def _receive(control: Control, scenario: Scenario, arm: str, plain: socket.socket, secret: bytes) -> None:
    start, peer, origin = _align_first(control, plain, secret)
    clock = LiveClock(origin + round(start * 1e9))
    ends = Ends(scenario, scenario.arm(arm))
    here = plain.getsockname()[:2]
    transport = ends.transport("receiver", ends.config("receiver", Place((here[0], here[1]), peer)))
    end, answerer = LiveReceiver(ends, transport, keep_decoded=False), Answerer(secret)
    shared: list[SharedSocket] = []
    asked: list[dict[str, Any]] = []

    def around(media: Any) -> SharedSocket:
        shared.append(SharedSocket(media, answerer, peer))
        return shared[0]

    def over(now: float) -> bool:
        if message := control.poll():
            asked.append(message)
        return bool(asked)

    control.send({"started": True})
    with undisturbed():
        known = end.run(Session(UdpSocket(plain, clock), clock, over, around))
    udp = UdpSocket(plain, clock)
    if not asked:  # the arm is over here; the last questions of the alignment may still come
        drive(answerer, udp, clock, until=clock.now() + AFTER, done=over, lateness=Lateness())
    records = [asdict(record) for record in known.pop("records")]
    del known["decoded"]
    counted = {"sent": shared[0].sent_bytes, "received": shared[0].received_bytes}
    counts = {"foreign": shared[0].foreign, "moves": shared[0].moves, "strangers": answerer.strangers}
    control.send({"records": records, "known": {**known, **counts}, "bytes": counted})
    with suppress(ControlError):
        control.receive(PATIENCE)  # until the sender has it and closes


def _align_first(control: Control, plain: socket.socket, secret: bytes) -> tuple[float, Address, int]:
    """Answer questions until the sender knows our clock: how much later its session begins than ours, where it sends
    from, and the origin of our session."""
    origin = monotonic_ns()
    clock, answerer = LiveClock(origin), Answerer(secret)
    udp = UdpSocket(plain, clock)
    peer: Address | None = None
    end = clock.now() + AFTER
    while clock.now() < end:
        if message := control.poll():
            start = message.get("start")
            if peer is None or not isinstance(start, int | float) or abs(start) > 1e9:
                raise ControlError("its clock was not aligned")
            return float(start), peer, origin
        udp.wait(0.02)
        for data, source, ecn, at in udp.receive():
            answerer.receive_datagram(data, source, ecn, now=at)
            for answer in answerer.datagrams_to_send(now=at):
                peer = answer[1]
                udp.send([answer])
    raise ControlError("no datagram of it arrives: is UDP blocked on the way?")
