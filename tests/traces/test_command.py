"""`glass trace`: what it prints and writes, and how it ends on bad input."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from glassbench.experiments.cli.errors import run_app
from glassbench.experiments.cli.trace import app
from glassbench.experiments.scenario import load as load_scenario
from glassbench.experiments.scenario.trace_window import trace_window
from glassbench.netem.traces import load, load_pair

SCENARIO = """\
name = "calls"
seed = 5
duration = "60s"
arms = ["udp"]
[video]
source = "lognormal"
[network]
trace = "x.csv"
"""
WriteFile = Callable[[str, str | bytes], Path]
Glass = Callable[..., tuple[int, str, str]]


@pytest.fixture
def glass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Glass:
    """Run `glass trace ...` in an empty folder; returns exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = run_app(app, arguments, name="glass trace")
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_list_names_every_shipped_trace_and_format_with_statistics(glass: Glass) -> None:
    code, out, err = glass("list", "--duration", "5s")
    assert (code, err) == (0, "")
    for name in ("lte-driving", "mmwave-blockage", "wifi-bursts", "satellite", "steps", "mahimahi", "csv", "sabre"):
        assert f" {name} " in out
    assert "longest" in out
    rows = json.loads(glass("list", "--json", "--duration", "10s")[1])["rows"]
    record = {row["name"]: row for row in rows}
    assert record["steps"]["down"]["max_mbps"] == pytest.approx(10.0)


def test_inspect_says_format_and_statistics_and_writes_a_plot(glass: Glass, write: WriteFile) -> None:
    write("x.down", "".join(f"{ms}\n" for ms in range(1, 3001)))
    write("x.up", "".join(f"{ms}\n" for ms in range(1, 5001, 5)) + "6000\n")
    code, out, err = glass("inspect", "x.down")
    assert (code, err) == (0, "")
    assert "format mahimahi, because its first line is one number" in out
    assert " ".join(out.split()).count("3.0 12.03 12.03 12.03 0 0.00") == 1
    assert "1.004" in out
    assert Path("trace-x.png").read_bytes().startswith(b"\x89PNG")


def test_inspect_json_is_one_object_and_nothing_else(glass: Glass) -> None:
    code, out, _ = glass("inspect", "steps", "--json", "--duration", "20s", "--plot", "p.png")
    record = json.loads(out)
    assert code == 0
    assert record["plot"] == "p.png" and Path("p.png").exists()
    assert record["down"]["mean_delay_ms"] == pytest.approx(50.0)
    assert record["down"]["duration_s"] == 20.0
    assert record["up"]["mean_mbps"] == pytest.approx(4.0)


def test_inspect_says_the_window_that_a_run_takes(glass: Glass, write: WriteFile) -> None:
    write("x.csv", "time_s,rate_mbps\n0,1\n30,2\n100,\n")
    write("calls.toml", SCENARIO)
    (drawn,) = [line for line in glass("inspect", "x.csv", "--seed", "5")[1].splitlines() if "window" in line]
    window = trace_window(load_scenario("calls.toml"))
    assert window is not None
    assert drawn == (
        f"A run of 60 s with seed 5 takes the window from {window.start:.10g} s on; the trace repeats after 100 s."
    )
    record = json.loads(glass("inspect", "x.csv", "--seed", "5", "--duration", "20s", "--json")[1])
    assert record["run"] == {"seed": 5, "start_s": window.start, "length_s": 20.0, "period_s": 100.0}
    assert json.loads(glass("inspect", "steps", "--json")[1])["run"] is None


def test_a_log_is_inspected_and_converted_by_the_names_of_its_columns(glass: Glass, write: WriteFile) -> None:
    rows = ["2024-05-01 10:00:00,8000,500", "2024-05-01 10:00:01,-,400", "2024-05-01 10:00:05,4000,"]
    write("log.csv", "\n".join(["when,down,up", *rows]))
    columns = "time=when,rate=down:kbit/s,up=up:kbit/s"
    out = glass("inspect", "log.csv", "--trace-columns", columns)[1]
    assert "format log, because its rate is the column 'down'" in out
    assert "note: log.csv: rows without a rate, in which the one before holds: 1" in out
    assert glass("convert", "log.csv", "up.csv", "--trace-columns", "time=when,rate=up:kbit/s")[0] == 0
    assert load("up.csv").capacity_bytes(0.0, 1.0) == pytest.approx(62_500)


def test_convert_says_what_is_lost_and_reads_back(glass: Glass, write: WriteFile) -> None:
    write("x.csv", "time_s,rate_mbps,delay_ms\n0,12.032,20\n1,6.016,20\n")
    code, out, _ = glass("convert", "x.csv", "x.down")
    assert code == 0
    assert "x.csv: format csv, because" in out and "wrote x.down, format mahimahi" in out
    assert "1504 bytes" in out and "the delay was left out" in out
    assert load("x.down").capacity_bytes(0.0, 2.0) == 1500 * 1504
    code, out, _ = glass("convert", "x.down", "y.txt", "--to", "sabre")
    assert code == 0 and load("y.txt").format == "sabre"


def test_generate_writes_both_directions_which_inspect_finds(glass: Glass) -> None:
    code, out, _ = glass("generate", "lte-driving", "--seed", "3", "--duration", "4s", "--to", "mahimahi")
    assert code == 0 and "wrote lte-driving.down" in out and "wrote lte-driving.up" in out
    assert load_pair("lte-driving.up").down.duration == 4.0
    assert glass("generate", "satellite", "--duration", "4s", "--out", "sat")[0] == 0
    pair = load_pair("sat")
    assert Path(pair.up.name).name == "sat.up.csv"
    assert pair.down.loss is not None


def test_a_file_that_is_replaced_is_told(glass: Glass) -> None:
    assert "replaced" not in glass("generate", "steps", "--duration", "4s")[1]
    assert glass("generate", "steps", "--duration", "4s")[1].count("it replaced a file of that name") == 2
    assert not [path for path in Path.cwd().iterdir() if path.name.endswith(".part")]


@pytest.mark.parametrize(
    ("file", "reason"), [("no/plot.png", "No such file or directory"), ("folder", "Is a directory")]
)
def test_a_plot_that_cannot_be_written_does_not_hide_the_numbers(glass: Glass, file: str, reason: str) -> None:
    Path("folder").mkdir()
    code, out, err = glass("inspect", "steps", "--plot", file)
    assert (code, err) == (2, f"error: cannot write {file}: {reason}\n")
    assert "longest" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["inspect", "nowhere"], "nowhere: found neither a file nor a shipped trace of this name (lte-driving"),
        (["inspect", "no/where"], "no/where: cannot be read (No such file or directory)"),
        (["inspect", "."], ".: found a directory"),
        (["inspect", "bad.csv"], "bad.csv, line 3: found 'x'"),
        (["inspect", "apart.down"], "apart.down: no run can replay it: apart.down carries nothing in its first 1 s"),
        (["inspect", "steps", "--seed", "-1"], "Invalid value for '--seed'"),
        (
            ["inspect", "steps", "--trace-columns", "time=t,rate=r:bps"],
            "columns: steps is a shipped trace, but columns are",
        ),
        (["inspect", "good.csv", "--trace-columns", "rate=r"], "columns: found no unit in 'rate=r', but accepted are"),
        (
            ["convert", "good.csv", "out.xyz"],
            "out.xyz: found no known ending, but accepted are .down .up .mahi (mahimahi)",
        ),
        (
            ["convert", "good.csv", "out.csv", "--to", "pcap"],
            "--to: found 'pcap', but accepted are mahimahi, csv, sabre",
        ),
        (["generate", "lte"], "trace generator: found 'lte'"),
        (["generate", "steps", "--duration", "100000s"], "duration of trace steps: found 100000 s"),
        (["generate", "steps", "--seed", "one"], "Invalid value for '--seed'"),
        (["list", "--nothing"], "No such option"),
        (["nothing"], "No such command"),
    ],
)
def test_bad_input_is_one_sentence_on_stderr_and_exit_code_2(
    glass: Glass, write: WriteFile, arguments: list[str], message: str
) -> None:
    write("bad.csv", "time_s,rate_mbps\n0,1\n1,x\n")
    write("good.csv", "time_s,rate_mbps\n0,1\n1,2\n")
    write("apart.down", "2000\n3000\n")
    write("apart.up", "1\n1000\n")
    Path("folder").mkdir()
    code, out, err = glass(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ") and err.count("\n") == 1
    assert message in err


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (ValueError("two\n  lines"), 2, "two lines"),
        (PermissionError(13, "Permission denied", "x"), 2, "x: Permission denied"),
        (OSError("disk"), 2, "disk"),
    ],
)
def test_run_app_maps_errors_to_exit_codes(
    capsys: pytest.CaptureFixture[str], error: BaseException, code: int, message: str
) -> None:
    failing = typer.Typer()

    @failing.command()
    def command() -> None:
        raise error

    assert run_app(failing, []) == code
    assert capsys.readouterr().err == f"error: {message}\n"


def test_run_app_returns_an_exit_code_and_lets_a_bug_through() -> None:
    app = typer.Typer()

    @app.command()
    def command(bug: bool = False) -> None:
        if bug:
            raise RuntimeError("a bug")
        raise typer.Exit(7)

    assert run_app(app, []) == 7
    with pytest.raises(RuntimeError, match="a bug"):
        run_app(app, ["--bug"])


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    program = "import sys; from glassbench.experiments.cli.errors import run_app; "
    program += "from glassbench.experiments.cli.trace import app; "
    program += "sys.exit(run_app(app, ['list', '--duration', '2']))"
    read_end, write_end = os.pipe()
    os.close(read_end)
    root = Path(__file__).parents[2] / "src"
    done = subprocess.run(
        [sys.executable, "-c", program], stdout=write_end, stderr=subprocess.PIPE, cwd=root, check=False
    )
    os.close(write_end)
    assert b"Traceback" not in done.stderr
