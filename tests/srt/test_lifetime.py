"""From connection to shutdown: timers without data, numbers that wrap, and the ways to end."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

from glassbench.netem.elements.delay import Delay
from glassbench.netem.elements.outage import Outage
from glassbench.netem.elements.random_loss import RandomLoss
from glassbench.transport.contract import Closed, FrameReceived
from glassbench.transport.srt import ends, wire

VIDEO = 1
KINDS = {
    wire.KEEPALIVE: "keepalive",
    wire.ACK: "ack",
    wire.NAK: "nak",
    wire.ACKACK: "ackack",
    wire.SHUTDOWN: "shutdown",
}


def kinds(sent: list[tuple[float, bytes]]) -> Counter[str]:
    return Counter(
        KINDS.get(wire.control_kind(int.from_bytes(data[:4], "big")), "other") if data[0] & 0x80 else "data"
        for _, data in sent
    )


def test_an_idle_connection_lives_on_keepalives_alone(make_call: Any) -> None:
    call = make_call()
    call.run(1001.0)
    call.sender.wire.clear()
    call.receiver.wire.clear()
    call.run(1061.0)
    for end in (call.sender, call.receiver):
        assert set(kinds(end.wire)) == {"keepalive"} and 59 <= len(end.wire) <= 61
    call.stream(3, 0.1)
    call.run(1062.0)
    assert len(call.received()) == 3


def test_acknowledgements_come_every_10_ms_of_data_and_stop_with_it(make_call: Any) -> None:
    call = make_call(rtt=0.03)
    call.run(1002.0)
    call.receiver.wire.clear()
    call.sender.wire.clear()
    call.stream(500, 0.002)
    call.run(1004.0)
    data_lasts = 1.0
    full = [(at, data) for at, data in call.receiver.wire if data[:4].hex() == "80020000" and len(data) == 44]
    assert len(full) == pytest.approx(data_lasts / 0.01, abs=12 if call.simulator._resolution else 2)
    assert [int.from_bytes(data[4:8], "big") for _, data in full] == list(range(1, len(full) + 1))
    assert kinds(call.sender.wire)["ackack"] == len(full)
    assert full[-1][0] < 1002.0 + data_lasts + 0.03
    rtt_us, rtt_variance_us = (int.from_bytes(full[-1][1][at : at + 4], "big") for at in (20, 24))
    assert rtt_us == pytest.approx(30_000, abs=20) and rtt_variance_us < 100
    packets, capacity, rate = (int.from_bytes(full[-1][1][at : at + 4], "big") for at in (32, 36, 40))
    assert packets == pytest.approx(500, rel=0.05) and rate == pytest.approx(500 * 1040, rel=0.05)
    assert capacity == 0


def test_a_burst_brings_a_light_acknowledgement_every_64_packets(make_call: Any) -> None:
    call = make_call()
    call.run(1002.0)
    call.receiver.wire.clear()
    call.send(0, 1_000_000)
    call.run(1003.0)
    light = [data for _, data in call.receiver.wire if data[:4].hex() == "80020000" and len(data) == 20]
    assert len(light) == pytest.approx(709 // 64, abs=1)
    assert all(data[4:8] == bytes(4) for data in light)


def test_shutdown_by_the_sender_lets_what_arrived_be_delivered(make_call: Any) -> None:
    call = make_call(rtt=0.04, latency_ms=200)
    call.run(1002.0)
    call.stream(4, 0.03)
    call.close("sender")
    assert call.closed("sender") == Closed(call.now, None)
    call.run(1004.0)
    assert len(call.receiver.of(FrameReceived)) == 4
    end = call.closed("receiver")
    assert end is not None and end.error is None
    assert end.at == call.receiver.of(FrameReceived)[-1].at
    assert call.sender.get_timer() is None and call.receiver.get_timer() is None


def test_shutdown_by_the_receiver_ends_the_sender(make_call: Any) -> None:
    call = make_call(rtt=0.04)
    call.run(1002.0)
    call.close("receiver")
    call.run(1003.0)
    assert call.closed("sender") == Closed(pytest.approx(1002.02), None)
    call.send(0)
    assert call.sender.transport.stats()["dropped_full"] == 1
    call.run(1010.0)
    assert call.closed("receiver") == Closed(1002.0, None)


@pytest.mark.parametrize(("peeridletimeo", "silence"), [(0, 5.1), (5000, 5.1), (5100, 5.4), (8000, 8.1)])
def test_an_end_that_hears_nothing_closes_at_the_expiry_after_the_timeout(
    make_call: Any, peeridletimeo: int, silence: float
) -> None:
    gone = [(3.0, 100.0)]
    call = make_call(
        there=[Outage(gone, epoch=1000.0), Delay(0.02)],
        back=[Outage(gone, epoch=1000.0), Delay(0.02)],
        peeridletimeo=peeridletimeo,
    )
    call.run(1002.0)
    call.stream(90, 1 / 30)
    call.run(1020.0)
    for name in ("sender", "receiver"):
        end = call.closed(name)
        assert end is not None and end.error == f"nothing heard from the peer for {silence:.1f} s"
        assert 1002.0 + silence <= end.at <= 1003.1 + silence


def test_an_outage_of_four_seconds_is_survived(make_call: Any) -> None:
    gone = [(3.0, 4.0)]
    call = make_call(there=[Outage(gone, epoch=1000.0), Delay(0.02)], back=[Outage(gone, epoch=1000.0), Delay(0.02)])
    call.run(1002.0)
    call.stream(300, 1 / 30, 3000)
    call.run(1020.0)
    assert call.closed("sender") is None and call.closed("receiver") is None
    assert set(call.received()) | set(call.lost()) == {(VIDEO, n) for n in range(300)}
    assert all((VIDEO, n) in call.received() for n in range(160, 300))


@pytest.mark.parametrize("first", [wire.SEQUENCE_MASK - 1, wire.SEQUENCE_MASK - 500, wire.SEQUENCE_MASK - 8192])
def test_sequence_numbers_wrap_under_loss(make_call: Any, monkeypatch: pytest.MonkeyPatch, first: int) -> None:
    monkeypatch.setattr(ends, "draw_sequence", lambda rng: first)
    call = make_call(there=[RandomLoss(0.05, np.random.default_rng(first)), Delay(0.02)], latency_ms=400)
    call.run(1004.0)
    call.stream(185, 1 / 30, 80_000)  # the last ones bring losses to light
    call.run(1012.0)
    assert {(VIDEO, n) for n in range(180)} <= set(call.received())
    assert max(call.delays()) - min(call.delays()) < 0.001 + 2e-6


def test_timestamps_wrap_after_71_minutes(make_call: Any) -> None:
    wrap = 2**32 / 1e6
    call = make_call(latency_ms=120)
    call.run(1000.0 + wrap - 1.0)
    call.stream(60, 1 / 30, 6000)
    call.run(1000.0 + wrap + 3.0)
    assert len(call.received()) == 60
    assert max(call.delays()) - min(call.delays()) < 0.001 + 2e-6
    assert min(call.delays()) == pytest.approx(0.14, abs=0.001)


def test_message_numbers_wrap_past_zero(make_call: Any) -> None:
    call = make_call()
    call.run(1002.0)
    call.sender.transport._connection._send_buffer._message_number = wire.MESSAGE_NUMBER_MASK - 1
    call.sender.wire.clear()
    call.send(0, 5000)
    call.run(1003.0)
    words = [int.from_bytes(data[4:8], "big") for _, data in call.sender.wire if not data[0] & 0x80]
    assert [word & wire.MESSAGE_NUMBER_MASK for word in words] == [wire.MESSAGE_NUMBER_MASK, 1, 2, 3]
    assert len(call.received()) == 1


def test_equal_calls_give_equal_bytes(make_call: Any) -> None:
    def run(seed: int) -> list[tuple[float, bytes]]:
        call = make_call(there=[RandomLoss(0.05, np.random.default_rng(3)), Delay(0.02)], seed=seed)
        call.sender.wire.clear()
        call.run(1002.0)
        call.stream(60, 1 / 30, 20_000)
        call.run(1006.0)
        sent: list[tuple[float, bytes]] = call.sender.wire
        return sent

    assert run(1) == run(1) != run(2)
