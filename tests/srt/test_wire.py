"""Packets: bytes as the draft draws them, and parsers that take anything."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassbench.transport.framing import Malformed
from glassbench.transport.srt import handshake_packet, wire
from glassbench.transport.srt.handshake_packet import Handshake

SEQUENCES = st.integers(0, wire.SEQUENCE_MASK)


def test_a_data_packet_header_has_solo_order_and_message_bits_where_the_draft_draws_them() -> None:
    header = wire.HEADER.pack(5, wire.SOLO_IN_ORDER | 9, 7, 3)
    assert header.hex() == "00000005e00000090000000700000003"
    assert wire.retransmission(header + b"xy").hex() == "00000005e40000090000000700000003" + b"xy".hex()


def test_control_packets_have_their_type_after_the_control_bit() -> None:
    packet = wire.control(wire.ACKACK, timestamp=2, destination=3, info=1)
    assert packet.hex() == "80060000000000010000000200000003" + "00000000"  # what libsrt puts where there is no content
    assert wire.control_kind(0x8006_0000) == wire.ACKACK == 6
    assert (wire.HANDSHAKE, wire.KEEPALIVE, wire.ACK, wire.NAK, wire.SHUTDOWN, wire.DROPREQ) == (0, 1, 2, 3, 5, 7)


def test_a_loss_list_writes_single_numbers_and_marked_ranges() -> None:
    packed = wire.pack_loss_list([(4, 4), (6, 9)], 1456)
    assert packed.hex() == "000000048000000600000009"


@given(st.lists(st.tuples(SEQUENCES, st.integers(0, 8191)), max_size=40))
def test_a_loss_list_survives_the_wire_across_the_wrap(gaps: list[tuple[int, int]]) -> None:
    ranges = [(first, first + length & wire.SEQUENCE_MASK) for first, length in gaps]
    assert wire.parse_loss_list(wire.pack_loss_list(ranges, 1456)) == ranges


@given(st.integers(8, 1456), st.integers(0, 1000))
def test_a_loss_list_keeps_to_its_size_and_drops_the_newest(max_bytes: int, count: int) -> None:
    ranges = [(10 * i, 10 * i + 3) for i in range(count)]
    packed = wire.pack_loss_list(ranges, max_bytes)
    assert len(packed) <= max_bytes
    assert wire.parse_loss_list(packed) == ranges[: max_bytes // 8]


@pytest.mark.parametrize("words", ["80000005", "8000000500000004", "8000000580000009"])
def test_a_loss_list_with_an_open_or_backward_range_is_malformed(words: str) -> None:
    with pytest.raises(Malformed):
        wire.parse_loss_list(bytes.fromhex(words))


@given(SEQUENCES, st.integers(-(2**30), 2**30 - 1))
def test_sequence_distance_inverts_addition_on_the_circle(start: int, step: int) -> None:
    assert wire.sequence_distance(start, start + step & wire.SEQUENCE_MASK) == step


@given(st.lists(st.integers(0, 2**31 - 1), min_size=7, max_size=7))
def test_a_full_ack_survives_the_wire(fields: list[int]) -> None:
    ack = wire.FullAck(*fields)
    assert wire.parse_ack(wire.pack_full_ack(ack)) == ack
    assert wire.parse_ack(wire.pack_full_ack(ack)[:16]) == ack._replace(packet_rate=0, capacity=0, byte_rate=0)
    assert wire.parse_ack(wire.pack_light_ack(ack.sequence)).sequence == ack.sequence


@given(
    st.builds(
        Handshake,
        version=st.just(5),
        field=st.integers(0, 0xFFFF),
        sequence=SEQUENCES,
        mtu=st.integers(0, 2**32 - 1),
        window=st.integers(0, 2**32 - 1),
        kind=st.just(handshake_packet.CONCLUSION),
        socket=st.integers(0, 2**32 - 1),
        cookie=st.integers(0, 2**32 - 1),
        address=st.binary(min_size=16, max_size=16),
        encryption=st.integers(0, 0xFFFF),
        extensions=st.lists(
            st.tuples(st.integers(0, 0xFFFF), st.integers(0, 20).map(lambda words: bytes(range(4 * words)))), max_size=4
        ).map(tuple),
    )
)
def test_a_handshake_with_extensions_survives_the_wire(packet: Handshake) -> None:
    data = handshake_packet.pack(packet, timestamp=1, destination=2)
    assert handshake_packet.parse(data[wire.HEADER_BYTES :]) == packet


@settings(max_examples=300)
@given(st.binary(max_size=120))
def test_parsers_of_control_packets_answer_or_say_malformed(data: bytes) -> None:
    for parse in (wire.parse_ack, wire.parse_loss_list, wire.parse_range, handshake_packet.parse):
        try:
            parse(data)  # type: ignore[operator]
        except Malformed as error:
            assert str(error)
