"""Transport-wide feedback on the wire: bytes as in the draft, there and back, bad bytes refused, memory bounded."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassbench.transport.framing import Malformed
from glassbench.transport.rtp import rtcp, twcc
from glassbench.transport.rtp.arrivals import MOST_PACKETS, Arrival
from glassbench.transport.rtp.twcc import MOST_STATUSES, TICKS, TransportReport


def arrivals_of(ticks: dict[int, int]) -> list[Arrival]:
    return [Arrival(sequence, tick / TICKS, 0) for sequence, tick in ticks.items()]


def told(report: TransportReport) -> dict[int, int]:
    """The ticks of those that came, by sequence number."""
    return {(report.base + place) & 0xFFFF: tick for place, tick in report.arrived}


def test_the_bytes_are_those_of_the_draft():
    """Sections 3.1 to 3.1.5: a reference time in units of 64 ms, symbols of two bits, small and large deltas."""
    came = arrivals_of({65534: 256 * 7 + 3, 65535: 256 * 7 + 258, 2: 256 * 7 + 600, 3: 256 * 7 + 599})
    packet = rtcp.transport_feedback(7, 9, twcc.pack(came, 5))
    head = "8fcd0006" + "00000007" + "00000009" + "fffe" + "0006" + "000007" + "05"
    vector = 0b11_01_01_00_00_10_10_00  # small, small, two that did not come, two large ones
    assert packet.hex() == head + f"{vector:04x}" + "03" + "ff" + "0156" + "ffff"
    assert rtcp.parse(packet) == [
        rtcp.TransportFeedback(7, 9, TransportReport(0xFFFE, 6, ((0, 1795), (1, 2050), (4, 2392), (5, 2391)), 1792, 5))
    ]


@pytest.mark.parametrize(
    ("sequences", "chunks"),
    [
        (range(20), "2014"),  # a run of small deltas
        (
            [*range(10), *range(110, 120)],
            "bff0" + "0060" + "200a",
        ),  # one bit each, a run of those that did not come, and one of those that came
        ([0, 2, 4, 6, 8, 10, 12, 13], "aaab"),  # 14 symbols of one bit
    ],
)
def test_each_chunk_is_the_one_that_takes_most(sequences, chunks):
    body = twcc.pack([Arrival(sequence, 1000.0 + sequence / 10_000, 0) for sequence in sequences], 0)
    assert body[8 : 8 + len(chunks) // 2].hex() == chunks


@given(
    first=st.integers(0, 0xFFFF),
    steps=st.lists(
        st.tuples(st.integers(1, 40), st.one_of(st.integers(-300, 300), st.integers(-32768, 32767))),
        min_size=1,
        max_size=60,
    ),
    start=st.one_of(st.integers(4_000_000, 4_100_000), st.integers(2**32 - 300, 2**32 + 300)),
)
@settings(max_examples=200)
def test_what_came_survives_with_its_times_across_both_wraps(first, steps, start):
    sequence, tick = first, start
    ticks = {}
    for step, delta in steps:
        ticks[sequence & 0xFFFF] = max(tick, 0)
        sequence, tick = sequence + step, tick + delta
    (item,) = rtcp.parse(rtcp.transport_feedback(1, 2, twcc.pack(arrivals_of(ticks), 0)))
    report = told(item.report)
    assert report.items() <= {sequence: tick & 0xFFFF_FFFF for sequence, tick in ticks.items()}.items()
    assert list(ticks)[-1] in report
    assert item.report.statuses <= MOST_STATUSES
    if sum(step for step, _ in steps) < MOST_STATUSES and all(abs(delta) < 2**14 for _, delta in steps):
        assert len(report) == len(ticks)


def test_a_packet_that_came_twice_counts_when_it_came_first():
    body = twcc.pack([Arrival(1, 1000.0, 0), Arrival(2, 1000.001, 0), Arrival(1, 1000.002, 0)], 0)
    report = twcc.parse(body)
    assert told(report) == {1: 4_000_000, 2: 4_000_004}


@pytest.mark.parametrize("gap", [8.3, 1000.0])
def test_after_a_silence_that_no_delta_can_tell_a_report_begins_behind_it(gap):
    body = twcc.pack([Arrival(1, 1000.0, 0), Arrival(2, 1000.0 + gap, 0), Arrival(3, 1000.001 + gap, 0)], 0)
    assert told(twcc.parse(body)).keys() == {2, 3}


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 40_000)), min_size=1, max_size=MOST_PACKETS))
@settings(max_examples=200)
def test_a_report_fits_the_smallest_datagram_whatever_came(came):
    body = twcc.pack([Arrival(sequence, 1000.0 + tick / TICKS, 0) for sequence, tick in came], 0)
    assert twcc.parse(body).arrived
    of_four_tracks, description = 8 + 4 * 24, 36  # our receiver report and CNAME
    assert of_four_tracks + description + 12 + len(body) <= 576


HEAD = "0001" + "0002" + "000007" + "05"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("00010002", "without its head"),
        ("0001" + "0000" + "00000705" + "2001" + "00", "on 0 packets"),
        ("0001" + "ffff" + "00000705" + "2001" + "00", "on 65535 packets"),
        (HEAD, "more packets than it has"),
        (HEAD + "2001", "more packets than it has"),
        (HEAD + "2002" + "01", "more arrivals than it has"),
        (HEAD + "4002" + "010203", "more arrivals than it has"),
        (HEAD + "6002" + "0102", "reserved symbol"),
        (HEAD + "f000" + "0102", "reserved symbol"),
        (HEAD + "2000" + "2002" + "0101", "empty run"),
    ],
)
def test_broken_reports_are_refused(body, why):
    with pytest.raises(Malformed, match=why):
        twcc.parse(bytes.fromhex(body))


def test_a_report_that_says_a_run_of_losses_twice_is_refused():
    """As GStreamer 1.22 does: 4 came, 15 did not, these again in a vector and a run, and then one came."""
    head = "0001" + "0014" + "000007" + "05"
    with pytest.raises(Malformed, match="more bytes than its packets need"):
        twcc.parse(bytes.fromhex(head + "2004" + "000f" + "8000" + "0001" + "a000" + "0102030405" + "00"))


def test_a_chunk_that_goes_on_beyond_the_count_ends_with_it():
    assert twcc.parse(bytes.fromhex(HEAD + "3fff" + "0102")).arrived == ((0, 1793), (1, 1795))
    assert twcc.parse(bytes.fromhex(HEAD + "bfff" + "0102")).arrived == ((0, 1793), (1, 1795))


def test_a_report_of_some_bytes_on_very_many_packets_takes_no_more_memory_than_bytes():
    body = bytes.fromhex("0001" + "8000" + "00000705" + "1fff" * 4 + "0004")
    report = twcc.parse(body)
    assert (report.statuses, report.arrived) == (2**15, ())


heads = st.tuples(st.integers(0, 0xFFFF), st.integers(0, 40), st.integers(0, 2**32 - 1)).map(
    lambda fields: fields[0].to_bytes(2, "big") + fields[1].to_bytes(2, "big") + fields[2].to_bytes(4, "big")
)


@given(st.one_of(st.binary(max_size=120), st.tuples(heads, st.binary(max_size=100)).map(b"".join)))
@settings(max_examples=500)
def test_any_bytes_are_a_report_or_malformed(body):
    with contextlib.suppress(Malformed):
        report = twcc.parse(body)
        assert len(report.arrived) <= len(body) - 8
        assert all(0 <= place < report.statuses and 0 <= tick < 2**32 for place, tick in report.arrived)
