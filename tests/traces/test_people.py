"""Traces as people have them: other programs' logs and formats, with byte order marks, comments and gaps."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from glassbench.experiments.scenario import ScenarioError, build
from glassbench.netem.schedule import OpportunitySchedule, RateSchedule
from glassbench.netem.traces import FORMATS, Series, Trace, TraceError, load, load_pair
from glassbench.netem.traces.columns import Column, parse_columns
from glassbench.netem.traces.columns import parse as parse_log

WriteFile = Callable[[str, str | bytes], Path]

COMMA = {"time": Column("Zeit", "s"), "rate": Column("Rate", "Mbit/s")}


def steps(trace: Trace) -> tuple[list[float], list[float], float]:
    assert isinstance(trace.schedule, RateSchedule)
    return trace.schedule.times.tolist(), trace.schedule.rates_bps.tolist(), trace.duration


def series(steps: Series | None) -> tuple[list[float], list[float]]:
    assert steps is not None
    return steps.times.tolist(), steps.values.tolist()


@pytest.mark.parametrize("format", FORMATS)
def test_a_byte_order_mark_comments_empty_lines_and_line_ends_say_nothing(
    write: WriteFile, files: dict[str, str], format: str
) -> None:
    plain = load(write("plain", files[format]))
    assert plain.format == format
    lines = files[format].splitlines()
    commented = "\r\n".join(["# recorded on a train", "", lines[0], "  # in a tunnel", *lines[1:], "# the end", ""])
    for content in (commented, commented.replace("\r\n", "\r")):
        other = load(write("other", b"\xef\xbb\xbf" + content.encode()))
        assert other.format == format
        assert other.content() == plain.content()


def test_comments_longer_than_any_head_are_comments(write: WriteFile) -> None:
    assert load(write("x", "# " + "long " * 5000 + "\n" * 5000 + "1\n2\n")).format == "mahimahi"


def test_two_columns_are_seconds_and_mbit_per_second(write: WriteFile) -> None:
    trace = load(write("x", "0.0\t1.5\n0.5\t3\n 1.5   0.25 \n"))
    assert steps(trace) == ([0.0, 0.5, 1.5], [1.5e6, 3e6, 0.25e6], 2.5)


def test_a_log_of_mm_link_has_its_opportunities_from_its_base_until_its_end(write: WriteFile) -> None:
    head = "# mahimahi mm-link (Downlink) [x] > log\n# queue: droptail\n# base timestamp: 40\n"
    events = "42 # 1504\n42 + 80\n42 - 80 0\n45 # 1504\n45 # 1504\n46 + 1504\n47 d 1 1504\n"
    trace = load(write("x", head + events))
    assert isinstance(trace.schedule, OpportunitySchedule)
    assert trace.schedule.opportunities_ms.tolist() == [2, 5, 5]
    assert trace.duration == 0.007


def test_opportunities_of_other_sizes_carry_their_bytes_in_their_millisecond(write: WriteFile) -> None:
    trace = load(write("x", "2 # 1000\n2 # 500\n4 # 250\n5 + 80\n"))
    assert steps(trace) == ([0.0, 0.001, 0.002, 0.003, 0.004], [0.0, 12e6, 0.0, 2e6, 0.0], 0.005)


BW = {"StaticBwConfig": {"bw": {"gbps": 0, "bps": 12_000_000}, "duration": {"secs": 1, "nanos": 0}}}
HUMAN = {"StaticBwConfig": {"bw": "1Gbps 500Mbps", "duration": "1s 500ms"}}


def netem_trace(write: WriteFile, **models: object) -> Trace:
    return load(write("x.json", json.dumps(models, indent=1)))


def test_netem_trace_patterns_are_one_after_the_other_and_once_through(write: WriteFile) -> None:
    trace = netem_trace(write, RepeatedBwPatternConfig={"pattern": [BW, HUMAN], "count": 5})
    assert steps(trace) == ([0.0, 1.0], [12e6, 1.5e9], 2.5)
    inner = {"RepeatedBwPattern": {"pattern": [BW, {"StaticBw": {}}, HUMAN], "count": 2}}
    short = {"TraceBwConfig": {"pattern": [["2ms", ["1Mbps"]]]}}
    trace = netem_trace(write, RepeatedBwPattern={"pattern": [inner, short]})
    assert steps(trace) == ([0.0, 2.0, 3.5, 5.5, 7.0], [12e6, 1.5e9, 12e6, 1.5e9, 1e6], 7.002)


def test_delay_and_loss_of_netem_trace_repeat_beside_its_bandwidth(write: WriteFile) -> None:
    delays = [
        {"StaticDelayConfig": {"delay": "10ms", "duration": "1s"}},
        {"StaticDelayConfig": {"delay": {"secs": 0, "nanos": 0}}},
    ]
    trace = netem_trace(
        write,
        StaticBwConfig={"bw": "8kbps", "duration": "5s"},
        RepeatedDelayPatternConfig={"pattern": delays, "count": 0},
        StaticLossConfig={"loss": [0.25], "duration": "1s"},
    )
    assert steps(trace) == ([0.0], [8e3], 5.0)
    assert series(trace.delay) == ([0.0, 1.0, 2.0, 3.0, 4.0], [0.01, 0.0, 0.01, 0.0, 0.01])
    assert series(trace.loss) == ([0.0], [0.25])


@pytest.mark.parametrize(
    ("chances", "mean"),
    [([0.1], 0.1), ([0.1, 0.1, 0.1], 0.1), ([0.1, 0.5], 1 / 6), ([0.5, 0.0], 1 / 3), ([0.0, 1.0], 0.0), ([1.0], 1.0)],
)
def test_a_loss_of_several_chances_is_its_mean(write: WriteFile, chances: list[float], mean: float) -> None:
    """Of [0.1, 0.5]: a packet after one that came is lost by 0.1, and starts a run of 2 losses in the mean."""
    assert series(netem_trace(write, StaticBw={}, StaticLoss={"loss": chances}).loss)[1] == pytest.approx([mean])


COLUMNS = "time=Timestamp,rate=DL_bitrate:kbit/s,up=UL_bitrate:kbit/s,rtt=PINGAVG:ms"
G_NETTRACK = """\
Timestamp,Speed,DL_bitrate,UL_bitrate,PINGAVG
2019.12.14_10.16.29,0,-,200,-
2019.12.14_10.16.30,0,8000,300,-
2019.12.14_10.16.31,0,4000,100,40
2019.12.14_10.16.31,0,6000,-,60
2019.12.14_10.16.32,0,-,500,-
2019.12.14_10.16.37,0,0,500,20
"""


def test_a_log_of_g_nettrack_may_have_repeated_times_gaps_and_dashes(write: WriteFile) -> None:
    pair = load_pair(write("g.csv", G_NETTRACK), columns=COLUMNS)
    assert steps(pair.down) == ([0.0, 1.0, 7.0], [8e6, 5e6, 0.0], 8.0)
    assert steps(pair.up) == ([0.0, 1.0, 2.0], [300e3, 100e3, 500e3], 8.0)
    assert series(pair.down.delay) == series(pair.up.delay) == ([0.0, 7.0], [0.025, 0.01])
    assert len(pair.notes) == 2
    assert "g.csv: 5 s without a row, in which the one before holds" in pair.notes[0]
    assert "g.csv: rows without a rate, in which the one before holds: 1" in pair.notes[1]


@pytest.mark.parametrize("separator", [";", "\t"])
def test_a_comma_stands_before_decimals_where_it_does_not_separate_cells(write: WriteFile, separator: str) -> None:
    rows = ["Zeit", "0,0", "0,5", "2"], ["Rate", "1,5", "-", ",25"]
    log = write("log", "".join(f"{separator.join(row)}\r\n" for row in zip(*rows, strict=True)))
    assert steps(parse_log(log.read_text(), "log", COMMA).down) == ([0.0, 2.0], [1.5e6, 0.25e6], 3.0)
    quoted = 'Zeit,Rate\n"0,5","1"\n'
    with pytest.raises(TraceError, match="line 2: found '0,5' as time"):
        parse_log(quoted, "log", parse_columns("time=Zeit:s,rate=Rate:Mbit/s"))


def test_where_the_time_of_a_log_steps_back_the_rest_is_appended(write: WriteFile) -> None:
    rows = [f"{second},{rate}" for rate in (1, 2) for second in (58, 59, 60)]
    pair = load_pair(write("x.csv", "\n".join(["t,r", *rows])), columns="time=t:s,rate=r:Mbit/s")
    assert steps(pair.down) == ([0.0, 3.0], [1e6, 2e6], 6.0)
    assert "steps back in time: 1" in pair.notes[0]
    assert pair.up is pair.down and "has no sibling" in pair.notes[-1]


@pytest.mark.parametrize(
    "times",
    [
        ("2024-02-28T23:59:59Z", "2024-02-29T00:00:00Z"),
        ("2024-02-29T00:59:59.250+01:00", "2024-02-29T01:00:00.250+0100"),
        ("2024/2/28 23:59:59", "2024/2/29 0:00:00"),
        ("1709164799", "1709164800"),
    ],
)
def test_a_time_of_a_log_is_a_number_with_a_unit_or_a_date(write: WriteFile, times: tuple[str, str]) -> None:
    unit = ":s" if times[0].isdigit() else ""
    content = "".join(f'"{time}";{rate}\n' for time, rate in zip(times, (1, 2), strict=True))
    pair = load_pair(write("x.csv", "t;r\n" + content), columns=f"time=t{unit},rate=r:Mbit/s")
    assert steps(pair.down) == ([0.0, 1.0], [1e6, 2e6], 2.0)


@pytest.mark.parametrize(
    ("columns", "content", "message"),
    [
        (
            "rate=r:bps",
            "t,r\n",
            "columns: found no time, but accepted are a time and a rate, as in time=",
        ),
        (
            "time=t:s,rate=r",
            "t,r\n",
            "columns: found no unit in 'rate=r', but accepted are rate=r:bit/s, ",
        ),
        (
            "time=t:s,rate=r:mbps",
            "t,r\n",
            "columns: found the unit 'mbps' in 'rate=r:mbps', but accepted are rate=r:bit/s, ",
        ),
        ("time=t:s,speed=r:bps", "t,r\n", "columns: found 'speed=r:bps', but accepted are a time and a rate"),
        ("time=t:s,rate=r:bps,rate=q:bps", "t,r\n", "columns: found rate twice"),
        ("time=t:s,rate=r:bps,delay=d:s,rtt=e:s", "t,r\n", "columns: found both delay and rtt"),
        ("time=t:s,rate=x:bps", "t,r\n0,1\n", "x.csv: found no column 'x', but the header has 't', 'r'"),
        ("time=t:s,rate=r:bps", "t,r\n0,1\n1\n", "x.csv, line 3: found 1 cells, but the header has 2"),
        ("time=t:s,rate=r:bps", "t,r\n0,1\nsoon,1\n", "line 3: found 'soon' as time, but a time is a number from 0"),
        (
            "time=t,rate=r:bps",
            "t,r\n0,1\n",
            "line 2: found '0' as time, but a time has a unit, as in time=t:ms",
        ),
        ("time=t,rate=r:bps", "t,r\n2024-13-01 00:00:00,1\n", "line 2: found '2024-13-01 00:00:00' as time, but month"),
        (
            "time=t:s,rate=r:bps",
            "t,r\n0,-5\n",
            "line 2: found '-5' as rate, but a rate is a number from 0 to 1e+12",
        ),
        ("time=t:s,rate=r:bps", "t,r\n0,-\n1,\n", "found nothing in the column 'r', but a log has rows with a rate"),
        ("time=t:s,rate=r:bps", "t,r\n0,0\n1,0\n", "found a rate of 0 in every row"),
        ("time=t:s,rate=r:bps", "t,r\n0,1\n9e11,1\n", "found a duration of 1.8e+12 s"),
        ("time=t:s,rate=r:bps,loss=l:%", "t,r,l\n0,1,-\n", "found no loss in the rows from the first rate on"),
        ("time=t:s,rate=r:bps", "t,r\n0," + "x" * 200_000, "line 2: found field larger than field limit"),
    ],
)
def test_what_is_wrong_with_a_log_or_its_columns_is_one_sentence(
    write: WriteFile, columns: str, content: str, message: str
) -> None:
    with pytest.raises(TraceError) as caught:
        load_pair(write("x.csv", content), columns=columns)
    text = str(caught.value)
    assert message in text
    assert "\n" not in text and text.isprintable() and len(text) < 700


@settings(max_examples=150, derandomize=True)
@given(st.text(alphabet='0123456789.,;-+e:_ \n\t"#tr', max_size=120))
@example('t,r\n"')
@example("t,r\n1e-300,1\n2e-300,1\n")
def test_any_text_is_a_log_or_one_error(text: str) -> None:
    for columns in ("time=t:s,rate=r:Mbit/s", "time=t,rate=r:Mbit/s"):
        for content in (text, f"t,r\n{text}"):
            try:
                log = parse_log(content, "f", parse_columns(columns))
            except TraceError as error:
                assert str(error).startswith("f")
                continue
            statistics = log.down.statistics()
            assert statistics.duration > 0 and statistics.mean_bps > 0


def scenario(**network: object) -> dict[str, object]:
    return {"name": "x", "duration": "1s", "arms": ["udp"], "video": {"source": "lognormal"}, "network": network}


def test_a_scenario_names_the_columns_of_its_log_in_both_forms(write: WriteFile) -> None:
    path = str(write("g.csv", G_NETTRACK))
    short = build(scenario(trace=path, trace_columns=COLUMNS))
    element = {"element": "trace", "trace": path, "columns": COLUMNS}
    assert short.network.trace_period() == build(scenario(down=[element], up=[element])).network.trace_period() == 8.0
    assert build(short.dump()) == short


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (
            {"trace_columns": COLUMNS},
            "network.trace_columns: 'trace_columns' needs 'trace': a log",
        ),
        ({"trace": "./g.csv", "trace_columns": "time=x"}, "network.trace_columns: found no rate, but accepted are"),
        ({"trace": "./g.csv", "trace_columns": COLUMNS}, "network.trace: g.csv: cannot be read"),
        ({"trace": "steps", "trace_columns": COLUMNS}, "network.trace_columns: steps is a shipped trace, but columns"),
        (
            {"down": [{"element": "trace", "trace": "./g.csv", "columns": "time=x"}], "up": []},
            "network.down[0].columns: found no rate, but accepted are",
        ),
    ],
)
def test_a_mistake_in_the_columns_of_a_scenario_names_the_field(network: dict[str, object], message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        build(scenario(**network))
    assert str(caught.value).startswith(message)
