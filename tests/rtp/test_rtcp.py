"""RTCP: bytes as in the RFCs, both directions, compound packets, bad bytes refused."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassbench.transport.framing import Malformed
from glassbench.transport.rtp import rtcp

word = st.integers(0, 2**32 - 1)
blocks = st.builds(rtcp.Block, word, st.integers(0, 255), st.integers(-(2**23), 2**23 - 1), word, word, word, word)


@given(word, st.lists(blocks, max_size=31))
@settings(max_examples=50)
def test_receiver_reports_survive(ssrc, reported):
    assert rtcp.parse(rtcp.receiver_report(ssrc, reported)) == [rtcp.ReceiverReport(ssrc), *reported]


def test_a_cumulative_loss_beyond_24_bits_is_clamped():
    report = rtcp.receiver_report(1, [rtcp.Block(2, 0, 2**30, 0, 0, 0, 0), rtcp.Block(2, 0, -(2**30), 0, 0, 0, 0)])
    assert [block.lost for block in rtcp.parse(report)[1:]] == [2**23 - 1, -(2**23)]


@given(word, st.integers(0, 2**64 - 1), word, word, word)
@settings(max_examples=50)
def test_a_compound_of_everything_survives(ssrc, ntp, timestamp, packets, octets):
    compound = (
        rtcp.sender_report(ssrc, ntp, timestamp, packets, octets)
        + rtcp.source_description([ssrc, 5], "5000@10.0.0.1")
        + rtcp.reference_delay(ssrc, rtcp.ReferenceDelay(9, 10, 11))
        + rtcp.receiver_reference(ssrc, ntp)
        + rtcp.picture_loss(ssrc, 3)
        + rtcp.goodbye([ssrc, 5])
    )
    assert len(compound) % 4 == 0
    assert rtcp.is_rtcp(compound)
    assert rtcp.parse(compound) == [
        rtcp.SenderReport(ssrc, ntp, timestamp, packets, octets),
        rtcp.ReferenceDelay(9, 10, 11),
        rtcp.ReceiverReference(ssrc, ntp),
        rtcp.KeyframeRequest(ssrc, 3),
        rtcp.Goodbye((ssrc, 5)),
    ]


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=200, unique=True), st.integers(0, 65535))
@settings(max_examples=100)
def test_nacked_numbers_survive_across_the_wrap(offsets, start):
    sequences = tuple((start + offset) & 0xFFFF for offset in sorted(offsets))
    (parsed,) = rtcp.parse(rtcp.nack(1, 2, sequences))
    assert parsed == rtcp.Nack(1, 2, sequences)


def test_seventeen_numbers_in_a_row_are_one_pair():
    assert rtcp.nack(1, 2, range(100, 117)).hex() == "81cd0003" + "00000001" + "00000002" + "0064ffff"


@pytest.mark.parametrize("cname", ["a", "ab", "abc", "abcd", "abcde", "abcdef"])
def test_the_description_ends_with_a_zero_byte_on_a_word_boundary(cname):
    data = rtcp.source_description([7], cname)
    assert len(data) == 4 * (int.from_bytes(data[2:4], "big") + 1)
    assert data[8:10] == bytes((1, len(cname)))
    assert data[-1] == 0


def test_full_intra_request_names_its_sources():
    fir = bytes.fromhex("84ce0006 00000001 00000000 0000000a 05000000 0000000b 06000000")
    assert rtcp.parse(fir) == [rtcp.KeyframeRequest(1, 10), rtcp.KeyframeRequest(1, 11)]


def test_types_that_are_not_known_are_skipped_and_padding_at_the_end_is_taken_off():
    unknown = bytes.fromhex("80cc0001 00000001")
    padded_pli = bytes.fromhex("a1ce0003 00000001 00000002 00000004")
    assert rtcp.parse(unknown + padded_pli) == [rtcp.KeyframeRequest(1, 2)]


@pytest.mark.parametrize(
    "data",
    [
        "",
        "80c9",
        "80c90001",  # shorter than its length
        "40c90001 00000001",  # version 1
        "80600001 00000001",  # not an RTCP type
        "81c90001 00000001",  # a block announced and not there
        "80c80001 00000001",  # SR without its fields
        "80c90000",  # RR without an SSRC
        "81cd0001 00000001",  # NACK without a media SSRC
        "82cb0001 00000001",  # BYE of two with one
        "a0c90001 00000001 80c90001 00000001",  # padding before the end
        "a0c90001 00000005",  # more padding than packet
        "80cf0002 00000001 04000009",  # XR block longer than its packet
    ],
)
def test_broken_packets_are_refused(data):
    with pytest.raises(Malformed):
        rtcp.parse(bytes.fromhex(data))


heads = st.sampled_from([200, 201, 202, 203, 204, 205, 206, 207]).flatmap(
    lambda kind: st.tuples(st.integers(0, 63), st.integers(0, 20), st.binary(max_size=84)).map(
        lambda fields: bytes((0x80 | fields[0], kind, 0, fields[1])) + fields[2]
    )
)


@given(st.one_of(st.binary(max_size=100), heads, st.lists(heads, max_size=3).map(b"".join)))
@settings(max_examples=400)
def test_random_bytes_are_refused_or_parsed(data):
    with contextlib.suppress(Malformed):
        rtcp.parse(data)


@pytest.mark.parametrize("now", [1000.25, 70_000.5])
@pytest.mark.parametrize("round_trip", [0.0, 0.0401, 1.5])
def test_a_round_trip_is_what_is_left_of_the_time_since_the_quoted_report(now, round_trip):
    quoted = rtcp.middle(round((now - round_trip - 0.3) * 2**32))
    assert rtcp.round_trip(round(now * 2**32), quoted, round(0.3 * 65536)) == pytest.approx(round_trip, abs=1e-4)


def test_a_round_trip_that_cannot_be_is_none():
    assert rtcp.round_trip(1000 << 32, 0, 5) is None  # the peer has not heard a report yet
    assert rtcp.round_trip(1000 << 32, rtcp.middle(1001 << 32), 0) is None  # in the future
