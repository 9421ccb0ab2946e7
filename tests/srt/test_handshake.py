"""Caller and listener: the bytes, the agreement, and a network that loses, repeats and reorders."""

import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from glassbench.netem.elements.duplication import Duplication
from glassbench.netem.elements.outage import Outage
from glassbench.netem.elements.random_delay import RandomDelay
from glassbench.netem.elements.random_loss import RandomLoss
from glassbench.transport.contract import Address, Closed, Connected, Track, TransportConfig
from glassbench.transport.srt import SrtReceiver, SrtSender, handshake_packet, wire
from glassbench.transport.srt.handshake import INDUCTION, Caller, Handshake, Listener, Offer, RefusedError, Rejection

SENDER: Address = ("10.0.0.1", 9000)
RECEIVER: Address = ("10.0.0.2", 9000)
VIDEO = Track(1, "video", "h264", 0)
OFFER = Offer(socket=77, sequence=1000, mtu=1500, window=8192, receive_latency_ms=0, send_latency_ms=120)
ANSWER = Offer(socket=88, sequence=5, mtu=1480, window=8192, receive_latency_ms=200, send_latency_ms=0)


def cif(data: bytes) -> bytes:
    return data[wire.HEADER_BYTES :]


def induction_answer(caller: Caller, listener: Listener) -> Handshake:
    answer, agreed = listener.receive(handshake_packet.parse(cif(caller.take(now=1000.0))), 0, SENDER, now=1000.0)
    assert answer is not None and agreed is None
    return handshake_packet.parse(cif(answer))


def conclusion(caller: Caller, listener: Listener) -> Handshake:
    assert caller.receive(induction_answer(caller, listener), 0, now=1000.0) is None
    return handshake_packet.parse(cif(caller.take(now=1000.0)))


def make_pair() -> tuple[Caller, Listener]:
    return Caller(OFFER, RECEIVER, now=1000.0), Listener(ANSWER, b"secret", now=1000.0)


def test_the_packets_are_those_of_the_draft() -> None:
    caller, listener = make_pair()
    first = caller.take(now=1000.001)
    assert first[:16].hex() == "8000000000000000000003e800000000"
    assert cif(first) == struct.pack("!IHHIIIiII", 4, 0, 2, 1000, 1500, 8192, 1, 77, 0) + bytes([2, 0, 0, 10]) + bytes(
        12
    )
    answer, _ = listener.receive(handshake_packet.parse(cif(first)), 0, SENDER, now=1000.0)
    assert answer is not None and answer[12:16] == (77).to_bytes(4, "big")
    parsed = handshake_packet.parse(cif(answer))
    assert (parsed.version, parsed.field, parsed.kind) == (5, 0x4A17, INDUCTION)
    assert parsed.cookie != 0
    caller.receive(parsed, 0, now=1000.0)
    second = cif(caller.take(now=1000.0))
    assert second[:48] == struct.pack("!IHHIIIiII", 5, 0, 1, 1000, 1500, 8192, -1, 77, parsed.cookie) + second[32:48]
    # HSREQ, 3 words: version 1.5.1, TSBPDSND|TSBPDRCV|CRYPT|TLPKTDROP|PERIODICNAK|REXMITFLG, latencies
    assert second[48:].hex() == "00010003000105010000003f00000078"
    last, agreed = listener.receive(handshake_packet.parse(second), 0, SENDER, now=1000.0)
    assert last is not None and agreed is not None
    assert cif(last)[48:].hex() == "00020003000105010000003f00c80000"


def test_each_direction_has_the_larger_latency_and_the_smaller_mtu() -> None:
    caller, listener = make_pair()
    request = conclusion(caller, listener)
    answer, there = listener.receive(request, 0, SENDER, now=1000.0)
    assert answer is not None and there is not None
    here = caller.receive(handshake_packet.parse(cif(answer)), 0, now=1000.0)
    assert here is not None
    assert here.send_latency == there.receive_latency == 0.2
    assert here.receive_latency == there.send_latency == 0.0
    assert here.max_payload_bytes == there.max_payload_bytes == 1480 - 44
    assert here.send_sequence == there.receive_sequence == 1000
    assert here.receive_sequence == there.send_sequence
    assert (here.peer_socket, there.peer_socket) == (88, 77)


def test_a_conclusion_with_a_foreign_or_old_cookie_is_ignored() -> None:
    caller, listener = make_pair()
    request = conclusion(caller, listener)
    assert listener.receive(replace(request, cookie=request.cookie ^ 1), 0, SENDER, now=1000.0) == (None, None)
    assert listener.receive(request, 0, ("10.9.9.9", 1), now=1000.0) == (None, None)
    assert listener.receive(request, 0, SENDER, now=1000.0 + 180) == (None, None)
    assert listener.receive(request, 0, SENDER, now=1000.0 + 60)[1] is not None


def with_extension(request: Handshake, **changes: int) -> Handshake:
    version, flags, receive, send = struct.unpack("!IIHH", request.extensions[0][1])
    values = {"version": version, "flags": flags} | changes
    return replace(request, extensions=((1, struct.pack("!IIHH", values["version"], values["flags"], receive, send)),))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda r: replace(r, version=4), Rejection.VERSION),
        (lambda r: replace(r, version=6), Rejection.VERSION),
        (lambda r: replace(r, extensions=()), Rejection.ROGUE),
        (lambda r: replace(r, mtu=60), Rejection.ROGUE),
        (lambda r: replace(r, window=1), Rejection.ROGUE),
        (lambda r: replace(r, sequence=0xFFFFFFFF), Rejection.ROGUE),
        (lambda r: replace(r, extensions=(*r.extensions, (3, bytes(64)))), Rejection.UNSECURE),
        (lambda r: replace(r, extensions=(*r.extensions, (6, b"elif"))), Rejection.CONGESTION),
        (lambda r: replace(r, extensions=(*r.extensions, (7, b"cef,"))), Rejection.FILTER),
        (lambda r: replace(r, extensions=(*r.extensions, (8, bytes(8)))), Rejection.GROUP),
        (lambda r: with_extension(r, flags=0x7F), Rejection.MESSAGEAPI),
        (lambda r: with_extension(r, version=0x010200), Rejection.ROGUE),
    ],
)
def test_a_listener_refuses_with_the_code_of_libsrt_and_then_takes_a_good_caller(
    spoil: Callable[[Handshake], Handshake], reason: Rejection
) -> None:
    caller, listener = make_pair()
    good = conclusion(caller, listener)
    answer, agreed = listener.receive(spoil(good), 0, SENDER, now=1000.0)
    assert answer is not None and agreed is None
    assert handshake_packet.parse(cif(answer)).kind == 1000 + reason
    assert listener.receive(good, 0, SENDER, now=1000.0)[1] is not None


def test_stream_id_and_live_congestion_control_are_accepted() -> None:
    caller, listener = make_pair()
    good = conclusion(caller, listener)
    more = replace(good, extensions=(*good.extensions, (5, b"1234"), (6, b"evil")))
    assert listener.receive(more, 0, SENDER, now=1000.0)[1] is not None


def test_a_second_caller_is_refused_as_backlog() -> None:
    caller, listener = make_pair()
    assert listener.receive(conclusion(caller, listener), 0, SENDER, now=1000.0)[1] is not None
    other = replace(handshake_packet.parse(cif(Caller(OFFER, RECEIVER, now=1000.0).take(now=1000.0))))
    peer = ("10.0.0.3", 5)
    answer, _ = listener.receive(other, 0, peer, now=1000.0)
    assert answer is not None
    request = replace(conclusion(*make_pair()), cookie=handshake_packet.parse(cif(answer)).cookie)
    answer, agreed = listener.receive(request, 0, peer, now=1000.0)
    assert answer is not None and agreed is None
    assert handshake_packet.parse(cif(answer)).kind == 1000 + Rejection.BACKLOG


@pytest.mark.parametrize(("reason", "name"), [(11, "UNSECURE"), (4, "ROGUE"), (1402, "a reason of its application")])
def test_a_caller_says_why_it_was_rejected(reason: int, name: str) -> None:
    caller, listener = make_pair()
    answer = induction_answer(caller, listener)
    with pytest.raises(RefusedError, match=name) as caught:
        caller.receive(replace(answer, kind=1000 + reason), 0, now=1000.0)
    assert caught.value.reason == reason


def test_a_caller_refuses_a_listener_of_version_4() -> None:
    caller, listener = make_pair()
    with pytest.raises(RefusedError, match="version 4"):
        caller.receive(replace(induction_answer(caller, listener), version=4), 0, now=1000.0)


def test_both_ends_connect_after_two_round_trips(make_call: Any) -> None:
    call = make_call(rtt=0.1)
    call.run(1001.0)
    assert [e.at for e in call.receiver.of(Connected)] == pytest.approx([1000.15])
    assert [e.at for e in call.sender.of(Connected)] == pytest.approx([1000.2])


def test_the_caller_repeats_every_quarter_of_a_second_and_gives_up_after_three(make_call: Any) -> None:
    call = make_call(there=[Outage([(0.0, 60.0)], epoch=1000.0)], connect=False)
    call.sender.wire.clear()
    call.connect()
    call.run(1010.0)
    assert [at for at, _ in call.sender.wire] == pytest.approx([1000 + 0.25 * i for i in range(12)])
    end = call.closed("sender")
    assert end is not None and end.at == pytest.approx(1003.0)
    assert end.error == "no answer from 10.0.0.2:9000 within 3 s"
    assert call.sender.get_timer() is None


@pytest.mark.parametrize("seed", range(12))
def test_the_handshake_survives_loss_duplication_and_reordering(make_call: Any, seed: int) -> None:
    def path(stream: int) -> list[Any]:
        return [
            RandomLoss(0.3, np.random.default_rng(100 * seed + stream)),
            Duplication(0.5, np.random.default_rng(100 * seed + stream + 1)),
            RandomDelay("uniform", 0.1, 0.05, np.random.default_rng(100 * seed + stream + 2), reorder=True),
        ]

    call = make_call(there=path(0), back=path(10), seed=seed)
    call.run(1004.0)
    assert len(call.sender.of(Connected)) == len(call.receiver.of(Connected)) == 1
    call.stream(20, 0.1)
    call.run(call.now + 2.0)
    received = set(call.received())
    newest = max(sequence for _, sequence in received)  # nothing tells a receiver of losses at the very end
    assert newest > 10 and received | set(call.lost()) == {(VIDEO.id, n) for n in range(newest + 1)}


def test_the_receiver_may_call_and_the_sender_listen(make_call: Any) -> None:
    call = make_call(caller="receiver", latency_ms=80)
    call.run(1001.0)
    call.stream(10, 0.03)
    call.request_keyframe()
    call.run(1002.0)
    assert call.delays() == pytest.approx([0.02 + 0.08] * 10, abs=0.002)
    assert len(call.sender.transport.stats()) and call.sender.transport.stats()["keyframe_requests"] == 1


def test_a_rejection_closes_the_caller_with_a_sentence() -> None:
    sender = SrtSender(TransportConfig(SENDER, RECEIVER, 1, (VIDEO,)))
    sender.connect(now=1000.0)
    request = handshake_packet.parse(cif(sender.datagrams_to_send(now=1000.0)[0].data))
    refusal = replace(request, kind=1000 + Rejection.UNSECURE)
    sender.receive_datagram(
        handshake_packet.pack(refusal, timestamp=0, destination=request.socket), RECEIVER, now=1000.1
    )
    assert sender.next_event() == Closed(
        1000.1,
        "the listener rejected the connection, since it wants encryption, which is not supported (11, UNSECURE)",
    )
    assert sender.next_event() is None and sender.get_timer() is None and not sender.datagrams_to_send(now=1001.0)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not() -> None:
    def first_bytes(seed: int) -> bytes:
        sender = SrtSender(TransportConfig(SENDER, RECEIVER, seed, (VIDEO,)))
        sender.connect(now=1000.0)
        return sender.datagrams_to_send(now=1000.0)[0].data

    assert first_bytes(1) == first_bytes(1) != first_bytes(2)


@pytest.mark.parametrize("value", [-1, 65536])
def test_a_latency_that_does_not_fit_the_wire_is_refused(value: int) -> None:
    with pytest.raises(ValueError, match="latency_ms must be 0 to 65535"):
        SrtReceiver(TransportConfig(RECEIVER, SENDER, 1, (VIDEO,), 1452, {"latency_ms": value}))
