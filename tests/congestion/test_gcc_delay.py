"""What Google Congestion Control concludes from delays: groups, trendline, adaptive threshold, overuse.

Libwebrtc's are the inputs and outcomes of its `trendline_estimator_unittest.cc` and `inter_arrival_delta.cc`.
"""

import pytest

from glassbench.transport.congestion.gcc.arrival import ArrivalGroups, GroupDelta
from glassbench.transport.congestion.gcc.overuse import DelayDetector, OveruseDetector, Trendline, Usage

CLOCK = 54321.0  # the peer's clock is ahead by so much


def trendline(groups, *, arrivals=0.01, longer):
    """Groups that arrive each `arrivals` seconds, each `longer` seconds later than the one before it was."""
    line = Trendline()
    for number in range(groups):
        line.add(GroupDelta(arrivals - longer, arrivals, CLOCK + number * arrivals))
    return line


def add_all(groups, packets):
    return [
        groups.add(sent_at=sent_at, received_at=CLOCK + received_at, now=received_at)
        for sent_at, received_at in packets
    ]


def states(ratio, groups=24, interval=0.02):
    """The usage after each group of a stream that arrives with `ratio` times the intervals it was sent with."""
    line, detector = Trendline(), OveruseDetector()
    usages = []
    for number in range(groups):
        delta = GroupDelta(interval, ratio * interval, CLOCK + number * ratio * interval)
        line.add(delta)
        detector.update(line, delta)
        usages.append(detector.usage)
    return usages


@pytest.mark.parametrize(("longer", "trend", "overuse"), [(0.0005, 11.9, False), (0.00055, 13.1, True)])
def test_half_a_millisecond_a_group_of_ten_is_just_below_the_first_threshold(longer, trend, overuse):
    line = trendline(60, longer=longer)
    assert line.trend == pytest.approx(trend, abs=0.05)
    assert (line.trend > OveruseDetector().threshold) is overuse


def test_a_trend_weighs_as_much_as_there_are_groups_but_no_more_than_sixty():
    assert trendline(19, longer=0.0005).trend == 0  # no line before there are 20 points
    weights = [line.trend / line.slope for line in (trendline(n, longer=0.0005) for n in (20, 40, 60, 200))]
    assert weights == pytest.approx([80, 160, 240, 240])


def test_a_clock_that_drifts_is_no_queue():
    line = trendline(200, longer=0.01 * 200e-6)
    assert line.trend < 0.1


def test_packets_that_leave_within_five_milliseconds_are_a_group():
    packets = [(0.0, 0.05), (0.005, 0.055), (0.0051, 0.063), (0.01, 0.064), (0.02, 0.07)]
    deltas = add_all(ArrivalGroups(), packets)
    assert deltas[:4] == [None] * 4
    assert deltas[4].sent_in == pytest.approx(0.005)  # by the last packet of each
    assert deltas[4].received_in == pytest.approx(0.009)


def test_packets_that_were_held_back_and_arrive_together_are_a_group():
    """Wi-Fi gathers packets: sent 10 ms apart, they arrive within 1 ms. That is one group, not a queue that drains."""
    packets = [(0.0, 0.02), (0.01, 0.08), (0.02, 0.081), (0.03, 0.082), (0.05, 0.09)]
    deltas = add_all(ArrivalGroups(), packets)
    assert [delta is None for delta in deltas] == [True, True, True, True, False]
    assert deltas[4].sent_in == pytest.approx(0.03)
    assert deltas[4].received_in == pytest.approx(0.062)


def test_packets_that_arrive_close_together_as_they_were_sent_are_not_held_back():
    deltas = add_all(ArrivalGroups(), [(0.0, 0.05), (0.004, 0.054), (0.006, 0.057), (0.02, 0.07)])
    assert [delta is None for delta in deltas] == [True, True, True, False]


def test_a_burst_is_a_group_for_a_tenth_of_a_second_at_most():
    packets = [(0.01 * n, 1.0 + 0.004 * n) for n in range(60)]  # held back all the time, 4 ms apart
    assert sum(delta is not None for delta in add_all(ArrivalGroups(), packets)) == 1


def test_a_packet_that_left_before_its_group_is_ignored():
    packets = [(0.0, 0.05), (0.02, 0.07), (0.01, 0.2), (0.04, 0.09)]
    assert add_all(ArrivalGroups(), packets)[3] == pytest.approx((0.02, 0.02, CLOCK + 0.07))


@pytest.mark.parametrize("step", [3600.0, -3600.0])
def test_a_peer_that_sets_its_clock_begins_anew(step):
    groups = ArrivalGroups()
    packets = [(0.01 * n, 0.05 + 0.01 * n) for n in range(5)]
    assert sum(delta is not None for delta in add_all(groups, packets)) == 3
    deltas = [
        groups.add(sent_at=0.1 + 0.01 * n, received_at=CLOCK + step + 0.01 * n, now=0.2 + 0.01 * n) for n in range(12)
    ]
    assert None not in deltas[6:]
    assert all(delta.received_in == pytest.approx(0.01) for delta in deltas if delta is not None)


def test_libwebrtc_a_stream_that_arrives_as_it_was_sent_is_normal():
    assert set(states(1.0)) == {Usage.NORMAL}


def test_libwebrtc_a_stream_that_arrives_ten_per_cent_slower_becomes_an_overuse_and_stays_one():
    usages = states(1.1, groups=40)
    first = usages.index(Usage.OVERUSE)
    assert first < 24
    assert set(usages[:first]) == {Usage.NORMAL}
    assert set(usages[first:]) == {Usage.OVERUSE}


def test_libwebrtc_a_stream_that_arrives_fifteen_per_cent_faster_is_an_underuse():
    usages = states(0.85)
    assert usages[-1] is Usage.UNDERUSE
    assert Usage.OVERUSE not in usages


class Line(Trendline):
    """A trendline of a given trend."""

    def __init__(self, trend):
        super().__init__()
        self.groups = 60
        self.slope = trend / 240


def detect(detector, trends, *, interval=0.006):
    usages = []
    for number, trend in enumerate(trends):
        detector.update(Line(trend), GroupDelta(interval, interval, CLOCK + number * interval))
        usages.append(detector.usage)
    return usages


@pytest.mark.parametrize(("interval", "groups"), [(0.0041, 3), (0.004, 4), (0.03, 2)])
def test_overuse_takes_more_than_ten_milliseconds_over_the_threshold_and_two_groups(interval, groups):
    """The first counts half: 2.05 + 4.1 + 4.1 ms, or 2 + 4 + 4 + 4; and one group of 30 ms is one only."""
    usages = detect(OveruseDetector(), [30.0] * 5, interval=interval)
    assert usages.index(Usage.OVERUSE) == groups - 1


def test_a_trend_that_falls_is_no_overuse_though_it_is_over_the_threshold():
    assert Usage.OVERUSE not in detect(OveruseDetector(), [40.0, 38.0, 36.0, 34.0, 32.0])


def test_one_group_under_the_threshold_starts_the_time_anew():
    assert Usage.OVERUSE not in detect(OveruseDetector(), [30.0, 30.0, 0.0, 30.0, 30.0, 0.0])


def test_the_threshold_rises_by_0_0087_a_millisecond_of_what_the_trend_is_over_it():
    detector = OveruseDetector()
    detect(detector, [20.0, 20.0], interval=0.01)
    assert detector.threshold == pytest.approx(12.5 + 0.0087 * 10 * (20 - 12.5))


def test_the_threshold_falls_by_0_039_a_millisecond_of_what_the_trend_is_under_it():
    detector = OveruseDetector()
    detect(detector, [-9.0, -9.0], interval=0.01)
    assert detector.threshold == pytest.approx(12.5 - 0.039 * 10 * (12.5 - 9))


def test_a_pause_counts_as_a_tenth_of_a_second_for_the_threshold():
    detector = OveruseDetector()
    detect(detector, [13.0, 13.0], interval=1.0)
    assert detector.threshold == pytest.approx(12.5 + 0.0087 * 100 * 0.5)


def test_the_threshold_stays_between_6_and_600():
    detector = OveruseDetector()
    detect(detector, [0.0] * 100)
    assert detector.threshold == 6.0
    for number in range(2000):
        detector.update(Line(detector.threshold + 14.9), GroupDelta(0.1, 0.1, CLOCK + 10 + number / 10))
    assert detector.threshold == 600.0


def test_a_trend_15_over_the_threshold_is_a_sudden_fall_of_capacity_and_does_not_move_it():
    detector = OveruseDetector()
    detect(detector, [12.5 + 15.1] * 5)
    assert detector.threshold == 12.5


def test_after_two_seconds_without_news_the_delay_is_measured_anew():
    detector = DelayDetector()
    for number in range(30):
        detector.add(sent_at=number * 0.02, received_at=CLOCK + number * 0.022, now=number * 0.022)
    assert detector.usage is Usage.OVERUSE
    detector.add(sent_at=10.0, received_at=CLOCK + 10.0, now=10.0)
    assert detector.usage is Usage.NORMAL
