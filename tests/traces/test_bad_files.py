"""Bad input: one clear sentence that names the file, the line, what was found and what is accepted."""

import os
import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from glassbench.netem.traces import FORMATS, TraceError, load, load_pair, open_trace
from glassbench.netem.traces.files import MAX_FILE_BYTES

WriteFile = Callable[[str, str | bytes], Path]

HEADER = "time_s,rate_mbps\n"
SABRE = '[{"duration_ms": 10, "bandwidth_kbps": 5, "latency_ms": 1}'
LONG = '{"duration_ms": 6e8, "bandwidth_kbps": 1, "latency_ms": 1}'
BAD = {
    "text": ("hello world\nfoo\n", "line 1: found the text 'hello world'"),
    "empty": ("", "found an empty file"),
    "white space": ("\n \n\t\n", "found nothing but white space"),
    "binary": (b"\x89PNG\r\n\x1a\n\x00\x00", "found binary data (a zero byte at offset 8)"),
    "binary without zeros": (b"\xff\xfe\x81\x92\n\xaa", "line 1: found the byte 0xff"),
    "utf-16": ("1\n2\n".encode("utf-16"), "found binary data"),
    "mahimahi with text later": ("1\n2\nthree\n4\n", "line 3: found 'three'"),
    "mahimahi negative": ("-5\n2\n", "line 1: found '-5'"),
    "mahimahi negative later": ("1\n-2\n", "line 2: found '-2'"),
    "mahimahi fraction": ("1\n2.5\n", "line 2: found '2.5'"),
    "mahimahi two columns": ("1\n2 3\n", "line 2: found '2 3'"),
    "mahimahi decreasing": ("1\n7\n6\n", "line 3: found 6 after 7"),
    "mahimahi decreasing after comments": ("# a\n\n1\n# b\n7\n6\n", "line 6: found 6 after 7"),
    "two columns with text": ("0 1\n1 fast\n", "line 2: found 'fast'"),
    "three columns": ("0 1\n1 2 3\n", "line 2: found 3 columns ('1,2,3')"),
    "two columns decreasing": ("# a\n1\t1\n0\t2\n", "line 3: found 0 s after 1 s"),
    "mm-link with text": ("5 # 1504\n6 ? 1\n", "line 2: found '6 ? 1'"),
    "mm-link without opportunities": ("5 + 80\n6 - 80 1\n", "found no opportunity of a size that a link has"),
    "mm-link decreasing": ("# a\n5 # 1504\n6 + 80\n4 # 1504\n", "line 4: found 4 ms, before the line above"),
    "mm-link before its base": ("# base timestamp: 9\n5 # 1504\n", "line 2: found 5 ms, before the line above"),
    "mm-link for ever": ("5 # 1504\n999999999999 + 80\n", "found a last line at 999999999999 ms"),
    "mahimahi only zeros": ("0\n0\n", "line 2: found 0 as the last line"),
    "mahimahi huge": ("1\n99999999999999999999999\n", "line 2: found a later time"),
    "mahimahi zero byte later": (b"1\n" * 4000 + b"\x00\n", "line 4001: found '\\x00'"),
    "csv without header": ("0,1\n1,2\n", "line 1: found numbers but no header"),
    "csv unknown column": ("time_s,rate_mbps,jitter_ms\n0,1,2\n", "line 1: found the column 'jitter_ms'"),
    "csv unknown unit": ("time_s,rate_gbps\n0,1\n", "line 1: found the column 'rate_gbps'"),
    "csv without unit": ("time,rate\n0,1\n", "line 1: found the column 'time'"),
    "csv without rate": ("time_s,delay_ms\n0,1\n", "line 1: found no rate column"),
    "csv two rates": ("time_s,rate_bps,rate_mbps\n0,1,1\n", "line 1: found more than one rate column"),
    "csv only header": (HEADER, "found no row after the header"),
    "csv only comments": ("# a\n# b\n", "found nothing but white space and comments"),
    "csv text": (HEADER + "0,1\n1,fast\n", "line 3: found 'fast'"),
    "csv missing cell": (HEADER + "0,1\n1\n2,1\n", "line 3: found 1 columns ('1')"),
    "csv every row short": (HEADER + "0\n1\n", "line 2: found 1 columns ('0')"),
    "csv empty cell in the middle": (HEADER + "0,1\n1,\n2,1\n", "line 3: found ''"),
    "csv nan": (HEADER + "0,1\n1,nan\n", "line 3: found nan as rate_mbps"),
    "csv infinite": (HEADER + "0,1\n1,inf\n", "line 3: found inf as rate_mbps"),
    "csv overflow": (HEADER + "0,1\n1,1e999\n", "line 3: found inf as rate_mbps"),
    "csv nan time": (HEADER + "nan,1\n1,1\n", "line 2: found nan as time_s"),
    "csv infinite time": (HEADER + "0,1\ninf,1\n", "line 3: found inf as time_s"),
    "csv negative rate": (HEADER + "0,1\n1,-2\n", "line 3: found -2 as rate_mbps"),
    "csv negative time": (HEADER + "-1,1\n1,2\n", "line 2: found -1 as time_s"),
    "csv decreasing time": (HEADER + "0,1\n2,1\n1,1\n", "line 4: found 1 s after 2 s"),
    "csv equal times after an empty line": (HEADER + "0,1\n\n2,1\n2,1\n", "line 5: found 2 s after 2 s"),
    "csv end before the last row": (HEADER + "0,1\n2,1\n1,\n", "line 4: found the end at 1 s after 2 s"),
    "csv loss over 100 percent": (
        "time_s,rate_mbps,loss_percent\n0,1,101\n",
        "line 2: found 101 as loss_percent, but loss_percent is a number from 0 to 100",
    ),
    "csv delay over a minute": ("time_s,rate_mbps,delay_ms\n0,1,60001\n", "line 2: found 60001 as delay_ms"),
    "csv no capacity for ever": (HEADER + "0,0\n1,0\n", "found a rate of 0 in every row"),
    "csv ten years": (HEADER + "0,1\n3e8,1\n", "found a duration of 6e+08 s"),
    "csv not utf-8": (HEADER.encode() + b"0,1\n1,\xff\n", "line 3: found the byte 0xff"),
    "csv hexadecimal": (HEADER + "0,0x10\n", "line 2: found '0x10'"),
    "csv wide garbage": (HEADER + ",".join("1" * 100_000) + "\n", "line 2: found more than 1000 characters"),
    "json object": ('{"duration_ms": 1}', "found the model 'duration_ms'"),
    "json object cut": ('{"StaticBwConfig": {', "line 1: found the end of the file"),
    "json object deep": ('{"RepeatedBwPatternConfig":{"pattern":[' * 30_000, "numbers too long or lists too deep"),
    "netem-trace of delay": ('{"StaticDelayConfig": {}}', "found no model of bandwidth"),
    "netem-trace twice": ('{"StaticBw": {}, "StaticBwConfig": {}}', "found two models of Bw"),
    "netem-trace random": ('{"NormalizedBwConfig": {}}', "found the model 'NormalizedBwConfig'"),
    "netem-trace bandwidth": ('{"StaticBwConfig": {"bw": "12 apples"}}', "found the bandwidth '\"12 apples\"'"),
    "netem-trace duration": ('{"StaticBwConfig": {"duration": "0s"}}', "found the duration '\"0s\"'"),
    "csv almost nothing": (HEADER + "0,1e-300\n1,0\n", "found a rate below 1 bit/s in every row"),
    "csv no time at all": (HEADER + "0,1\n1e-228,1\n", "found a duration of 2e-228 s"),
    "netem-trace nothing": ('{"StaticBwConfig": {"bw": "0bps"}}', "found a bandwidth of 0 throughout"),
    "netem-trace empty": ('{"RepeatedBwPatternConfig": {"count": 3}}', "found an empty pattern"),
    "netem-trace loss": ('{"StaticBw": {}, "StaticLoss": {"loss": [2]}}', "found the loss '[2]'"),
    "netem-trace long": (
        '{"RepeatedBwPattern": {"pattern": [{"RepeatedBwPattern": {"pattern": [{"StaticBw": {}}],'
        ' "count": 9000000}}]}}',
        "found more than 1000000 steps",
    ),
    "netem-trace sawtooth": (
        '{"RepeatedBwPatternConfig": {"pattern": [{"SawtoothBwConfig": {"bottom": "1Mbps"}}]}}',
        "in the place of a model of Bw, but a netem-trace file is a JSON object of models: RepeatedBwPattern",
    ),
    "netem-trace for ever": (
        '{"RepeatedBwPattern": {"pattern": [{"StaticBw": {}},'
        ' {"RepeatedBwPattern": {"pattern": [{"StaticBw": {}}]}}]}}',
        "found a pattern for ever (its count is 0) beside others",
    ),
    "json empty list": ("[]", "line 1: found ']'"),
    "json of numbers": ("[1, 2]", "line 1: found '1' in the list"),
    "json cut": (SABRE, "line 1: found the end of the file"),
    "json cut in an object": ('[{"duration_ms": 10, "band', "line 1: found"),
    "json trailing comma": (SABRE + ",]", "line 1: found ']'"),
    "json rest": (SABRE + "] []", "line 1: found '[]' after the list"),
    "json missing field": ('[{"duration_ms": 1, "bandwidth_kbps": 1}]', "found no latency_ms"),
    "json unknown field": (SABRE + ',\n{"speed": 1}]', "line 2: found the field 'speed'"),
    "json text value": ('[{"duration_ms": "1", "bandwidth_kbps": 1, "latency_ms": 1}]', "found duration_ms '\"1\"'"),
    "json true": ('[{"duration_ms": true, "bandwidth_kbps": 1, "latency_ms": 1}]', "found duration_ms 'true'"),
    "json nan": ('[{"duration_ms": NaN, "bandwidth_kbps": 1, "latency_ms": 1}]', "found duration_ms 'NaN'"),
    "json infinite": ('[{"duration_ms": 1, "bandwidth_kbps": 1e999, "latency_ms": 1}]', "'Infinity', out of its range"),
    "json negative": ('[{"duration_ms": 1, "bandwidth_kbps": -1, "latency_ms": 1}]', "found bandwidth_kbps '-1'"),
    "json zero duration": ('[{"duration_ms": 0, "bandwidth_kbps": 1, "latency_ms": 1}]', "found duration_ms '0'"),
    "json no capacity": ('[{"duration_ms": 9, "bandwidth_kbps": 0, "latency_ms": 1}]', "found a bandwidth of 0"),
    "json deep": ("[" * 100_000, "line 1: found"),
    "json deep object": ('[{"duration_ms": ' + '{"a":' * 100_000, "line 1: found"),
    "json many digits": ('[{"duration_ms": ' + "9" * 100_000, "line 1: found"),
    "json too large": ("[" + " " * (8 << 20), "found 8388609 characters of JSON"),
    "json too long": ("[" + ",".join([LONG] * 2) + "]", "found a duration of 1.2e+06 s"),
}


@pytest.mark.parametrize(("content", "message"), BAD.values(), ids=BAD.keys())
def test_a_bad_file_is_refused_in_one_sentence(write: WriteFile, content: str | bytes, message: str) -> None:
    assert message in refused(write("bad.trace", content))


@pytest.mark.parametrize("format", FORMATS)
def test_nonsense_behind_a_good_file_is_refused_with_a_line(
    write: WriteFile, files: dict[str, str], format: str
) -> None:
    assert re.search(r", line \d+: found ", refused(write("bad.trace", files[format] + "nonsense here\n")))


def refused(path: Path) -> str:
    """The sentence by which a file is refused."""
    with pytest.raises(TraceError) as caught:
        load(path)
    text = str(caught.value)
    assert text.startswith(str(path))
    assert "accepted" in text or ", but " in text
    assert "\n" not in text and len(text) < 600
    assert text.isascii() and text.isprintable()
    return text


def test_a_directory_a_missing_file_a_device_and_a_name_that_cannot_be(tmp_path: Path) -> None:
    for path, message in (
        (tmp_path, "found a directory"),
        (tmp_path / "none", "No such file"),
        (Path("/dev/zero"), "found a device or pipe"),
        (tmp_path / ("x" * 300), "File name too long"),
        (Path("a\0b"), "is not a file name"),
    ):
        with pytest.raises(TraceError, match=message):
            load(path)
        with pytest.raises(TraceError):
            load_pair(path)


def test_a_file_that_may_not_be_read(write: WriteFile) -> None:
    path = write("x.down", "1\n")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read every file")
    with pytest.raises(TraceError, match="Permission denied"):
        load(path)


def test_a_file_of_a_gigabyte_is_refused_without_reading_it(tmp_path: Path) -> None:
    path = tmp_path / "big.down"
    with path.open("wb") as file:
        file.write(b"1\n2\n")
        file.truncate(1 << 30)
    tracemalloc.start()
    with pytest.raises(TraceError, match=f"found 1073741824 bytes, but a trace file has at most {MAX_FILE_BYTES}"):
        load(path)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_more_lines_than_accepted_are_refused_before_they_become_numbers(write: WriteFile) -> None:
    with pytest.raises(TraceError, match="more than 8000000 lines"):
        load(write("x.down", b"1\n" * 8_000_001))


def test_an_unknown_name_lists_the_shipped_traces() -> None:
    with pytest.raises(TraceError, match=r"neither a file nor a shipped trace.*lte-driving.*steps"):
        open_trace("lte-drivin", seed=1, duration=10.0)
