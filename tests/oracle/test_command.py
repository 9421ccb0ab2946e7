"""`glass oracle`: what it prints, draws, and how it ends on bad input."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from glassbench.experiments.cli.app import app
from glassbench.experiments.cli.errors import run_app

Glass = Callable[..., tuple[int, str, str]]


@pytest.fixture
def glass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Glass:
    """Run `glass oracle ...` in a folder with a trace; returns exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    Path("x.down").write_text("".join(f"{mark}\n" for mark in range(10, 1001, 10)))

    def run(*arguments: str) -> tuple[int, str, str]:
        code = run_app(app, ["oracle", *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


SLOW = ("--fps", "10", "--encode", "5ms", "--decode", "2ms", "--delay", "30ms")


def test_a_trace_of_a_file_has_the_delay_counted_by_hand(glass: Glass) -> None:
    # Ready 5 ms after a capture, through 5 ms later, 30 ms on the way, 2 ms in the decoder.
    code, out, err = glass("x.down", *SLOW, "--json")
    record = json.loads(out)
    assert (code, err) == (0, "")
    assert (record["captures"], record["duration_s"], record["exact"], record["notes"]) == (10, 1.0, True, [])
    delays = {"p50_ms": 42.0, "p95_ms": 42.0, "p99_ms": 42.0}
    assert record["one_schedule"] == delays
    assert record["each_alone"] == record["newest_first"] == delays | {"mean_ms": 42.0}


def test_each_packet_of_a_frame_takes_an_opportunity_and_the_start_moves_the_trace(glass: Glass) -> None:
    assert json.loads(glass("x.down", *SLOW, "--packets", "3", "--json")[1])["each_alone"]["p95_ms"] == 62.0
    assert json.loads(glass("x.down", *SLOW, "--trace-start", "4ms", "--json")[1])["each_alone"]["p95_ms"] == 38.0


def test_the_table_says_when_the_bound_is_exact_and_when_not(glass: Glass) -> None:
    code, out, _ = glass("x.down", "--duration", "500ms")
    assert code == 0
    assert out.startswith("x.down, 0.5 s from 0 s on: signal delay at 60 fps, a frame of 1 packet\n")
    assert "so the bound is exact" in out
    code, out, _ = glass("x.down", "--packets", "2", "--encode", "20ms")
    assert "a frame of 2 packets" in out and "No sender is below the first two rows." in out
    assert "note: the encoder is slower than the captures come" in out


def test_a_generated_trace_depends_on_its_seed_and_a_recorded_delay_is_told(glass: Glass) -> None:
    first, again, second = (glass("satellite", "--duration", "5s", "--seed", seed)[1] for seed in ("1", "1", "2"))
    assert first == again != second
    Path("x.csv").write_text("time_s,rate_mbps,delay_ms,loss_percent\n0,8,10,0\n1,8,15,1\n2,,,\n")
    out = glass("x.csv", "--decode", "0ms", "--delay", "0ms", "--fps", "20")[1]
    assert "note: the trace records delays of 5 ms difference" in out
    assert "note: the loss that the trace records is left out" in out
    record = json.loads(glass("x.csv", "--decode", "0ms", "--delay", "0ms", "--fps", "20", "--json")[1])
    assert record["each_alone"]["p95_ms"] == pytest.approx(8 + 1.504 + 10, abs=1e-3)
    assert record["newest_first"]["p95_ms"] == pytest.approx(8 + 1.504 + 15, abs=1e-3)


def test_a_plot_is_drawn_where_it_is_wanted(glass: Glass) -> None:
    code, out, _ = glass("x.down", "--plot", "o.png")
    assert code == 0 and "wrote o.png" in out
    assert Path("o.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads(glass("x.down", "--plot", "o.png", "--json")[1])["plot"] == "o.png"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("nothing",), "nothing: found neither a file nor a shipped trace of this name"),
        (("x.down", "--encode", "8"), "--encode: no unit in '8'; a duration takes us, ms, s, min"),
        (("x.down", "--delay", "1e9s"), "--delay: found '1e9s', which is more than any trace lasts"),
        (
            ("x.down", "--trace-start", "1s"),
            "--trace-start: must be before the end of the trace, which repeats after 1 s; found 1",
        ),
        (("steps", "--trace-start", "2h"), "--trace-start: unknown unit 'h' in '2h'"),
        (
            ("steps", "--trace-start", "4000s"),
            "--trace-start: a generated trace begins at most at 3600 s, found 4000 s",
        ),
        (("x.down", "--duration", "0s"), "--duration: the media last more than 0 s and at most 3600 s, found 0 s"),
        (("steps", "--trace-columns", "time=a:s,rate=b:kbit/s"), "columns: steps is a shipped trace"),
    ],
)
def test_bad_input_is_one_sentence(glass: Glass, arguments: tuple[str, ...], sentence: str) -> None:
    code, out, err = glass(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"error: {sentence}")


def test_a_plot_of_a_format_that_nobody_writes_is_refused_before_anything_runs(glass: Glass) -> None:
    code, out, err = glass("x.down", "--plot", "bound.gif")
    assert (code, out) == (2, "")
    assert "found the ending '.gif', but accepted are .png, .pdf, .svg, or none for a PNG" in " ".join(err.split())


def test_a_plot_has_the_format_of_its_ending_and_the_size_that_is_asked_for(glass: Glass) -> None:
    assert glass("x.down", *SLOW, "--plot", "bound.svg", "--figure-size", "column")[0] == 0
    assert 'viewBox="0 0 244.8 ' in Path("bound.svg").read_text()  # 3.4 inches of 72 points
