"""How much may be sent: SRTO_MAXBW, SRTO_INPUTBW, SRTO_MININPUTBW and SRTO_OHEADBW."""

from typing import Any

import pytest

from glassbench.netem.elements.delay import Delay
from glassbench.netem.elements.policer import Policer
from glassbench.transport import registry
from glassbench.transport.srt import SrtOptions
from glassbench.transport.srt.bandwidth import UNLIMITED, Bandwidth
from glassbench.transport.srt.wire import RETRANSMITTED_BIT

SECONDS = 8
PACKET_BYTES = 1444  # 1400 of payload
INPUT = 30 * PACKET_BYTES  # bytes a second


def sent(call: Any, since: float, until: float) -> tuple[int, int]:
    """Bytes of media and of repair, headers included, that left the sender in that time."""
    media = repair = 0
    for at, data in call.sender.wire:
        if since <= at < until and not data[0] & 0x80:
            if int.from_bytes(data[4:8], "big") & RETRANSMITTED_BIT:
                repair += len(data) + 28
            else:
                media += len(data) + 28
    return media, repair


def over_a_policer(make_call: Any, **options: int) -> Any:
    """8 s of a packet 30 times a second, 347 kbit/s, over 250 kbit/s, at a round trip of 20 ms."""
    call = make_call(there=[Policer(250e3, 10e3), Delay(0.01)], back=[Delay(0.01)], latency_ms=1000, **options)
    call.sender.wire.clear()
    call.run(1002.0)
    call.stream(30 * SECONDS, 1 / 30, 1376)
    call.run(1014.0)
    return call


def test_without_a_limit_repair_is_many_times_the_media(make_call: Any) -> None:
    media, repair = sent(over_a_policer(make_call), 0, 2000)
    assert media == pytest.approx(30 * SECONDS * PACKET_BYTES, rel=0.01)
    assert repair > 8 * media


@pytest.mark.parametrize("overhead", [10, 25])
def test_media_and_repair_together_keep_to_the_input_and_its_overhead(make_call: Any, overhead: int) -> None:
    call = over_a_policer(make_call, maxbw=0, inputbw=INPUT, oheadbw=overhead)
    media, repair = sent(call, 1002.0, 1002.0 + SECONDS)
    assert media == pytest.approx(SECONDS * INPUT, rel=0.02)  # no media had to wait for repair
    assert 0.95 < (media + repair) / (SECONDS * INPUT * (1 + overhead / 100)) < 1.01


def test_the_input_is_measured_where_it_is_not_given(make_call: Any) -> None:
    media, repair = sent(over_a_policer(make_call, maxbw=0), 1003.0, 1002.0 + SECONDS)
    assert (media + repair) / media == pytest.approx(1.25, abs=0.05)


def test_an_absolute_limit_holds_for_every_second(make_call: Any) -> None:
    call = over_a_policer(make_call, maxbw=60_000)
    for second in range(SECONDS):
        assert sum(sent(call, 1002.0 + second, 1003.0 + second)) <= 60_000 + 2 * PACKET_BYTES


def test_a_limit_below_the_media_paces_what_is_new(make_call: Any) -> None:
    call = make_call(latency_ms=1000, maxbw=10 * PACKET_BYTES)
    call.sender.wire.clear()
    call.run(1002.0)
    call.send(0, 13_800)  # ten packets
    call.run(1004.0)
    at = [at for at, data in call.sender.wire if not data[0] & 0x80]
    assert len(at) == 10
    assert at[-1] - at[0] == pytest.approx(9 / 10, abs=0.03)  # the average is still a little above the packets


def test_a_measured_rate_comes_after_half_a_second_and_then_each_second() -> None:
    bandwidth = Bandwidth(SrtOptions(maxbw=0, oheadbw=50), max_payload_bytes=1456)
    rates = []
    for tick in range(26):  # 10 messages of 956 bytes a second, then 20
        bandwidth.on_input([bytes(956)] * (1 if tick < 11 else 2), now=1000.0 + tick / 10 + 1e-6)
        rates.append(bandwidth.rate)
    assert rates[:6] == [UNLIMITED] * 6
    assert rates[6] == pytest.approx(10_000 * 1.5)
    assert rates[16] == rates[6]
    assert rates[17] == pytest.approx((4 + 2 * 7) * 1000 / 1.1 * 1.5)


def test_a_measured_rate_is_not_below_the_least_input() -> None:
    bandwidth = Bandwidth(SrtOptions(maxbw=0, mininputbw=40_000), max_payload_bytes=1456)
    for tick in range(8):
        bandwidth.on_input([bytes(956)], now=1000.0 + tick / 10)
    assert bandwidth.rate == 50_000


def test_a_burst_at_one_instant_is_no_rate() -> None:
    bandwidth = Bandwidth(SrtOptions(maxbw=0), max_payload_bytes=1456)
    bandwidth.on_input([b""], now=1000.0)
    bandwidth.on_input([bytes(956)] * 3000, now=1000.0)
    assert bandwidth.rate == UNLIMITED
    bandwidth.on_input([bytes(956)], now=1000.1)
    assert bandwidth.rate == pytest.approx(3001 * 1000 / 0.1 * 1.25)


def test_packets_are_paced_by_their_average_size_from_the_largest_on() -> None:
    bandwidth = Bandwidth(SrtOptions(maxbw=100_000), max_payload_bytes=1456)
    intervals = [bandwidth.interval(16 + 456) for _ in range(1000)]
    assert intervals[0] == pytest.approx((1456 - 1000 / 128 + 44) / 100_000)
    assert intervals[127] == pytest.approx((456 + 1000 / 2.718 + 44) / 100_000, rel=0.01)
    assert intervals[-1] == pytest.approx(500 / 100_000, rel=0.01)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"maxbw": -2}, r"transport srt: maxbw must be -1 to 1250000000, got -2"),
        ({"maxbw": 0, "oheadbw": 4}, r"transport srt: oheadbw must be 5 to 100, got 4"),
        ({"inputbw": 50_000}, r"inputbw, mininputbw and oheadbw have an effect with maxbw=0 only"),
        ({"maxbw": 9000, "oheadbw": 30}, r"inputbw, mininputbw and oheadbw have an effect with maxbw=0 only"),
        ({"maxbw": 0, "inputbw": 1, "mininputbw": 1}, r"mininputbw has an effect without inputbw only"),
        ({"retransmitalgo": 2}, r"option 'retransmitalgo' must be 0 or 1, got 2"),
        ({"peeridletimeo": -1}, r"peeridletimeo must be 0 to 3600000, got -1"),
        ({"lossmaxttl": 9000}, r"lossmaxttl must be 0 to 8192, got 9000"),
    ],
)
def test_settings_out_of_range_or_without_effect_are_refused(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        registry.validate_options("srt", options)
