"""Bad input on the command line: one sentence on stderr, exit code 2, nothing on stdout, and no run folder."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from glassbench.experiments.scenario.shipped import SCENARIOS
from glassbench.receiver import vmaf

Glass = Callable[..., Any]

SHORT = ("compare", "--source", "lognormal", "--arm", "udp", "--duration", "200ms", "--workers", "1")

SCENARIO = """\
name = "test"
duration = "200ms"
arms = ["udp"]
[video]
source = "lognormal"
[network]
rate = "5Mbit/s"
"""


def refused(glass: Glass, *arguments: str) -> str:
    """The sentence with which a command is refused."""
    code, out, err = glass(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ") and err.endswith("\n") and err.count("\n") == 1
    assert not list(Path.cwd().rglob("manifest.json"))
    return str(err).removeprefix("error: ").rstrip()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("x.down", "1\n2\nhello\n", "x.down, line 3: found 'hello', but each line of a mahimahi trace"),
        ("x.down", "1\n-2\n", "x.down, line 2: found '-2', but each line of a mahimahi trace"),
        ("x.down", "5\n3\n", "x.down, line 2: found 3 after 5, but"),
        ("x.down", "", "x.down: found an empty file; accepted are mahimahi"),
        ("x.down", " \n\n", "x.down: found nothing but white space and comments; accepted are mahimahi"),
        ("x.down", "0\n0\n", "x.down, line 2: found 0 as the last line"),
        ("x.csv", "time_s,rate_mbps\n", "x.csv: found no row after the header"),
        ("x.csv", "time_s,rate_mbps\n0,0\n1,0\n", "x.csv: found a rate of 0 in every row"),
        ("x.csv", "time_s,rate_mbps\n0,1\n-1,2\n", "x.csv, line 3: found -1 as time_s"),
        ("x.csv", "time_s,rate_mbps\n0,1\n2,2\n1,3\n", "x.csv, line 4: found 1 s after 2 s"),
        ("x.csv", "time_s,rate_mbps\n0,-1\n", "x.csv, line 2: found -1 as rate_mbps"),
        ("x.csv", "time_s,rate_mbps\n0,1\n1,fast\n", "x.csv, line 3: found 'fast'"),
        ("x.json", '[{"duration_ms": 0, "bandwidth_kbps": 5, "latency_ms": 1}]', "x.json, line 1: found"),
    ],
)
def test_a_bad_trace(glass: Glass, name: str, content: str, sentence: str) -> None:
    Path(name).write_text(content)
    assert refused(glass, *SHORT, "--trace", name).startswith(f"--trace: {sentence}")


def test_a_trace_of_a_gigabyte_is_refused_without_reading_it(glass: Glass) -> None:
    with Path("huge.down").open("wb") as file:
        file.truncate(2**30)
    sentence = refused(glass, *SHORT, "--trace", "huge.down")
    assert sentence == "--trace: huge.down: found 1073741824 bytes, but a trace file has at most 67108864"


def test_vmaf_without_what_scores_is_refused_before_anything_runs(
    glass: Glass, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    vmaf.vmaf_version.cache_clear()
    sentence = refused(glass, *SHORT, "--set", "video.vmaf=v0.6.1")
    assert sentence == "VMAF needs FFmpeg with libvmaf, which is not here: pip install 'glassbench[vmaf]'"
    assert not Path("results").exists()


def write_video(path: str, *, width: int = 320, height: int = 180, frames: int = 3) -> None:
    """Lossless noise."""
    rng = np.random.default_rng(1)
    with av.open(path, "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv444p"
        container.start_encoding()
        for _ in range(frames):
            picture = rng.integers(0, 255, (height, width, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        if frames:
            container.mux(stream.encode())


def write_sound(path: str) -> None:
    with av.open(path, "w") as container:
        stream = container.add_stream("pcm_s16le", rate=48_000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4800), dtype=np.int16), format="s16", layout="mono")
        frame.rate = 48_000
        container.mux(stream.encode(frame))


@pytest.mark.parametrize(
    ("name", "write", "sentence"),
    [
        ("text.mp4", lambda path: Path(path).write_text("no video"), "cannot open text.mp4 as video"),
        ("empty.mp4", lambda path: Path(path).write_text(""), "cannot open empty.mp4 as video"),
        ("silent.mkv", lambda path: write_video(path, frames=0), "cannot open silent.mkv as video: End of file"),
        ("sound.wav", write_sound, "sound.wav has no video stream: found audio; a video file"),
        ("small.mkv", lambda path: write_video(path, width=101, height=75), "small.mkv is used at 100x74; at least"),
        ("folder", lambda path: Path(path).mkdir(), "cannot open folder as video: Is a directory"),
        ("nowhere", lambda path: None, "unknown source 'nowhere': no file of that name, and known are bikes"),
        ("", lambda path: None, "unknown source '': no file of that name"),
        (
            "sizes:list",
            lambda path: Path("list").write_text("500\nmany\n"),
            "list line 2: 'many' is not a frame size; accepted",
        ),
        ("sizes:list", lambda path: Path("list").write_text("# nothing\n"), "list holds no frame sizes"),
        ("sizes:list", lambda path: Path("list").write_bytes(b"\xff\xfe"), "the list of frame sizes list is not a"),
        ("sizes:list", lambda path: None, "cannot read the list of frame sizes list: No such file or directory"),
    ],
)
def test_a_bad_source(glass: Glass, name: str, write: Callable[[str], Any], sentence: str) -> None:
    write(name)
    assert refused(glass, *SHORT, "--source", name).startswith(f"--source: {sentence}")


def test_a_truncated_video_and_odd_sizes_are_used_as_far_as_they_go_and_said(glass: Glass) -> None:
    write_video("whole.mkv", width=321, height=181, frames=10)
    content = Path("whole.mkv").read_bytes()
    Path("cut.mkv").write_bytes(content[: len(content) // 2])
    code, out, err = glass(*SHORT, "--source", "cut.mkv")
    assert (code, err) == (0, "")
    assert "note: cut.mkv is cropped from 321x181 to 320x180 (4:2:0 is even)" in out
    assert "note: cut.mkv is looped after" in out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--arm", "upd"], "--arm: unknown transport 'upd' (did you mean 'udp'?); accepted: udp, rtp, srt"),
        (["--arm", ""], "--arm: unknown transport ''; accepted: udp"),
        (["--arm", "udp"], "--arm: two arms are labelled 'udp'"),
        (["--arm", "srt:latency=5"], "--arm: transport srt: unknown option 'latency'; accepted are latency_ms"),
        (["--arm", "srt:latency_ms=long"], "--arm: transport srt: option 'latency_ms' must be int, got 'long'"),
        (["--arm", "srt:latency_ms=-1"], "--arm: transport srt: latency_ms must be 0 to 65535, got -1"),
        (
            ["--arm", "quic-stream:control=vegas"],
            "--arm: transport quic-stream: control must be realtime, reno",
        ),
        (["--duration", "10"], "--duration: no unit in '10'; a duration takes us, ms, s, min"),
        (["--duration", "2h"], "--duration: unknown unit 'h' in '2h'; a duration takes us, ms, s, min"),
        (["--duration", "61min"], "--duration: a run has at most 3600 s, found 3660 s"),
        (["--seed", "-1"], "Invalid value for '--seed'"),
        (["--seed", "one"], "Invalid value for '--seed'"),
        (["--workers", "0"], "Invalid value for '--workers'"),
        (["--trace", "nowhere"], "--trace: nowhere: found neither a file nor a shipped trace of this name"),
        (["--nothing"], "No such option: --nothing"),
        (["more"], "Got unexpected extra argument"),
    ],
)
def test_a_bad_option_of_compare(glass: Glass, arguments: list[str], sentence: str) -> None:
    assert refused(glass, *SHORT, *arguments).startswith(sentence)


@pytest.mark.parametrize(
    ("arm", "reason"),
    [
        ("udp:encoder=follow", "encoder=follow is not possible: it has no estimate of what the network carries"),
        ("udp:control=gcc", "there is no option 'control': its receiver tells nothing that a congestion controller"),
        ("srt:control=gcc", "there is no option 'control': SRT's live mode has no congestion control"),
        ("rtp:encoder=follow", "encoder=follow is not possible: control=none has no estimate of what the network"),
        ("rtp:control=none,encoder=follow", "encoder=follow is not possible: control=none has no estimate"),
        (
            "quic-datagram:control=none",
            "control must be realtime, reno, cubic, gcc, adaptive, scream or bbr, got 'none'",
        ),
        ("webtransport-datagram:control=none", "control must be realtime, reno, cubic, gcc, adaptive, scream or bbr"),
        (
            "quic-stream:stack=stock,control=cubic,encoder=follow",
            "encoder=follow is not possible: aioquic as it is (stack=stock) says nothing of its rate",
        ),
        (
            "quic-adaptive:stack=stock,control=cubic",
            "encoder=follow is not possible: aioquic as it is (stack=stock) says nothing of its rate",
        ),
    ],
)
def test_a_controller_or_an_encoder_that_follows_where_there_can_be_none(glass: Glass, arm: str, reason: str) -> None:
    transport = arm.partition(":")[0]
    assert refused(glass, *SHORT, "--arm", arm).startswith(f"--arm: transport {transport}: {reason}")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('"udp"', '"upd"', "x.toml:3: arms[0]: unknown transport 'upd'"),
        ('"udp"', '"udp:speed=9"', "x.toml:3: arms[0]: transport udp: unknown option 'speed'"),
        ("source", "sauce", "x.toml:5: video.sauce: unknown field 'sauce' (did you mean 'source'?)"),
        ('"5Mbit/s"', '"5Mb"', "x.toml:7: network.rate: unknown unit 'Mb' in '5Mb'; a bit rate takes bit/s"),
        (
            "[network]",
            'codec = "h265"\n[network]',
            "x.toml:6: video.codec: unknown codec 'h265' (did you mean 'h264'?)",
        ),
        ("[network]", 'preset = "best"\n[network]', "x.toml:6: video.preset: unknown preset 'best' for h264"),
        ('"lognormal"', '"text.mp4"', "x.toml:5: video.source: cannot open text.mp4 as video"),
        (
            'rate = "5Mbit/s"',
            'trace = "text.mp4"',
            "x.toml:7: network.trace: text.mp4, line 1: found the text 'no video'",
        ),
        ("]", "", "x.toml is not valid TOML:"),
    ],
)
def test_a_bad_scenario_file(glass: Glass, old: str, new: str, sentence: str) -> None:
    Path("text.mp4").write_text("no video")
    Path("x.toml").write_text(SCENARIO.replace(old, new, 1))
    assert refused(glass, "run", "x.toml").startswith(sentence)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run"], "Missing argument 'NAME|FILE'"),
        (
            ["run", "nowhere"],
            f"nowhere is neither a scenario file nor a shipped scenario ({', '.join(SCENARIOS)})",
        ),
        (["run", "."], "cannot read scenario .: Is a directory"),
        (["list"], "Missing argument 'KIND'"),
        (["list", "colours"], "Invalid value for 'KIND'"),
        (["report", "nowhere"], "nowhere is not a folder of results; expected a folder with manifest.json in it"),
        (["report", "."], "manifest.json is missing; is this the folder of a run?"),
        (["compar"], "No such command 'compar'"),
    ],
)
def test_other_commands(glass: Glass, arguments: list[str], sentence: str) -> None:
    assert refused(glass, *arguments).startswith(sentence)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("nonsense", "run/manifest.json is not valid JSON: Expecting value"),
        ('{"schema": 0}', "run/manifest.json has schema 0; this version of Glassbench reads 4"),
        ('{"schema": 2, "scenario": {}}', "run/manifest.json has schema 2; this version of Glassbench reads 4"),
        ('{"schema": 4}', "run/manifest.json has no field 'name' with a text"),
        ('{"schema": 4, "name": "x"}', "run is not complete; it goes on where it stopped by: run it again"),
    ],
)
def test_a_report_of_something_else(glass: Glass, content: str, sentence: str) -> None:
    Path("run").mkdir()
    Path("run/manifest.json").write_text(content)
    code, out, err = glass("report", "run")
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {sentence}") and err.count("\n") == 1


@pytest.mark.parametrize(("place", "reason"), [("file", "a file of that name is in"), ("file/sub", "Not a directory")])
def test_results_in_the_place_of_a_file(glass: Glass, place: str, reason: str) -> None:
    Path("file").write_text("")
    assert refused(glass, *SHORT, "--results", place).startswith(f"cannot write results to {place}: {reason}")
