"""`glass budget check` and `record` as they are typed: exit codes, reports, and files that cannot be written."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

from glassbench.experiments.cli.app import app
from glassbench.experiments.cli.errors import run_app

ROOT = Path(__file__).parents[2]
KEPT = '[[budget]]\narm = "rtp"\np95 = { max = "1s" }\nshown = { min = "90%" }\n'
BROKEN = KEPT + '[[budget]]\narm = "srt"\np50 = { max = "100ms", max_increase = "1ms" }\n'


@pytest.fixture
def glass(capsys):
    """Run `glass budget` with these arguments: (code, stdout, stderr)."""

    def run(*arguments: str):
        code = run_app(app, ["budget", *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def baseline(budgets, glass) -> str:
    budgets(BROKEN)
    code, out, _ = glass("record", "budgets.toml", "--workers", "1")
    assert (code, out.splitlines()[0]) == (0, "wrote budgets.baseline.json")
    return "budgets.baseline.json"


def test_kept_is_0_and_says_how_much_is_left(glass, budgets):
    budgets(KEPT)
    code, out, err = glass("check", "budgets.toml", "--workers", "1")
    assert (code, err) == (0, "")
    assert "All 2 budgets are kept." in out
    assert " ms left" in out and "kept" in out
    assert "results: results/budgets-" in out


def test_broken_is_1_and_says_by_how_much_and_where(glass, budgets, baseline):
    code, out, err = glass("check", "budgets.toml", "--baseline", baseline, "--workers", "1")
    assert (code, err) == (1, "")
    assert "1 of 4 budgets is broken." in out
    assert "ms over (4" in out
    assert "largest stage of" in " ".join(out.split())


def test_a_second_check_of_the_same_code_finds_what_the_first_measured(glass, budgets):
    budgets(KEPT)
    first = glass("check", "budgets.toml", "--workers", "1")
    (ledger,) = Path("results").rglob("ledger.parquet")
    written = ledger.stat().st_mtime_ns
    assert glass("check", "budgets.toml", "--workers", "1") == first
    assert ledger.stat().st_mtime_ns == written


def test_another_version_of_the_code_does_not_find_results_of_before(glass, budgets, monkeypatch):
    budgets(KEPT)
    glass("check", "budgets.toml", "--workers", "1")
    monkeypatch.setattr("glassbench.experiments.results.versions._source_digest", lambda: "another")
    glass("check", "budgets.toml", "--workers", "1")
    assert len(list(Path("results").iterdir())) == 2


def test_another_version_is_compared_and_named(glass, budgets, baseline, monkeypatch):
    text = Path(baseline).read_text().replace('"numpy": "', '"numpy": "0.')
    Path(baseline).write_text(text)
    code, out, _ = glass("check", "budgets.toml", "--baseline", baseline, "--workers", "1")
    assert code == 1
    assert "note: budgets.baseline.json was recorded with another version of numpy (0." in out


def test_json_is_one_object_and_nothing_else(glass, budgets, baseline):
    arguments = ("--baseline", baseline, "--workers", "1", "--json", "--junit", "x.xml")
    code, out, err = glass("check", "budgets.toml", *arguments)
    assert (code, err) == (1, "wrote x.xml\n")
    assert out.count("\n") == 1
    report = json.loads(out)
    assert report["kept"] is False and report["exact"] is True
    assert [verdict["verdict"] for verdict in report["verdicts"]] == ["kept", "kept", "broken", "kept"]
    broken, increase = report["verdicts"][2:]
    assert broken["excess"] == pytest.approx(broken["value"] - 100, abs=1e-6)
    assert broken["blame"]["stage"] == "hold"
    assert increase["baseline"] == increase["value"]


def test_junit_is_read_by_a_parser_and_has_a_case_a_budget(glass, budgets, baseline):
    glass("check", "budgets.toml", "--baseline", baseline, "--workers", "1", "--junit", "x.xml")
    root = ElementTree.parse("x.xml").getroot()
    (suite,) = root.findall("testsuite")
    for element in (root, suite):
        assert [element.get(name) for name in ("tests", "failures", "errors")] == ["4", "1", "0"]
    cases = suite.findall("testcase")
    assert [case.get("name") for case in cases] == [
        "p95 max 1s",
        "shown min 90%",
        "p50 max 100ms",
        "p50 max_increase 1ms",
    ]
    assert cases[0].get("classname") == "call_toml.rtp, video"  # readers split it at the last dot
    assert all(float(element.get("time")) >= 0 for element in (root, suite, *cases))
    (failure,) = suite.iter("failure")
    assert "p50 141.6 ms breaks max 100ms" in failure.get("message")


def test_markdown_has_broken_budgets_first_and_a_table_that_stays_one(glass, budgets, call, here):
    scenario = (here / "call.toml").read_text()
    (here / "call.toml").write_text(scenario.replace('"srt"', '{ transport = "srt", label = "a|b <i> `x`" }'))
    budgets(KEPT + '[[budget]]\narm = "a|b <i> `x`"\np50 = { max = "100ms" }\n')
    assert glass("check", "budgets.toml", "--workers", "1", "--markdown", "x.md")[0] == 1
    lines = Path("x.md").read_text().splitlines()
    assert lines[0] == "### Latency budgets: 1 of 3 budgets is broken."
    assert lines[2].rstrip() == (
        "call.toml: lognormal, 2 s, 2 Mbit/s over 8 Mbit/s, no deadline, loss 2 %, 20 ms each way, 150 kB"
    )
    rows = [line for line in lines if line.startswith("| ")][1:]
    assert rows[0].startswith(r"| **broken** | call.toml | a\|b \<i\> \`x\` | video | p50 | 141.6 ms | max 100ms |")
    assert len({line.replace("\\|", "").count("|") for line in lines if line.startswith("|")}) == 1


def test_an_arm_that_cannot_be_measured_keeps_nothing_and_is_an_error_in_junit(glass, budgets, call, here):
    scenario = (here / "call.toml").read_text()
    with_slices = scenario.replace('"rtp"', '{ transport = "rtp", label = "rtp", slices = 2 }')
    (here / "call.toml").write_text(with_slices.replace('source = "lognormal"', 'source = "lognormal"\ncodec = "av1"'))
    budgets(KEPT)
    code, out, _ = glass("check", "budgets.toml", "--workers", "1", "--junit", "x.xml")
    assert code == 1
    assert "not measured: rtp with seed 1: unsupported: " in " ".join(out.split())
    assert ElementTree.parse("x.xml").getroot().get("errors") == "2"
    code, out, err = glass("record", "budgets.toml", "--workers", "1")
    assert (code, out) == (2, "")
    assert "call.toml, rtp, video was not measured, so there is nothing to record: rtp with seed 1: unsupported" in err


def test_characters_that_xml_has_not_are_replaced(glass, budgets, monkeypatch):
    from glassbench.experiments.budgets import junit

    assert junit._clean("a\x00b\x1b[31m\ud800é\n") == "a�b�[31m�é\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("check", "no.toml"), "there is no file no.toml; expected a file of budgets (TOML)"),
        (("check", "budgets.toml"), "budgets.toml: call.toml, srt, video: p50 max_increase 1ms needs a baseline: "),
        (("check", "budgets.toml", "--baseline", "no.json"), "there is no baseline no.json; make one with "),
        (("check", "budgets.toml", "--baseline", "budgets.toml"), "budgets.toml is not valid JSON: "),
        (("record", "no.toml"), "there is no file no.toml"),
        (("check",), "Missing argument 'BUDGETS.toml'"),
    ],
)
def test_bad_input_is_2_and_one_sentence_before_anything_runs(glass, budgets, arguments, sentence):
    budgets(BROKEN)
    code, out, err = glass(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {sentence}") and err.count("\n") == 1
    assert not Path("results").exists()


@pytest.mark.parametrize("option", ["--junit", "--markdown"])
def test_a_report_that_cannot_be_written_is_2_and_the_verdict_is_shown_all_the_same(glass, budgets, option):
    budgets(KEPT)
    Path("folder").mkdir()
    Path("file").touch()
    for place, reason in (("no/x", "No such file"), ("folder", "Is a directory"), ("file/x", "Not a directory")):
        code, out, err = glass("check", "budgets.toml", "--workers", "1", option, place)
        assert code == 2
        assert "All 2 budgets are kept." in out
        assert err.startswith(f"error: cannot write {place}: {reason}") and err.count("\n") == 1


def test_a_full_disk_is_one_sentence_and_keeps_the_other_report(glass, budgets, monkeypatch):
    budgets(KEPT)
    write = Path.write_bytes

    def full(self: Path, content: bytes) -> int:
        if "x.xml." in self.name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))
        return write(self, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    code, out, err = glass("check", "budgets.toml", "--workers", "1", "--junit", "x.xml", "--markdown", "x.md")
    assert (code, err) == (1, "error: cannot write x.xml: No space left on device\n")
    assert "All 2 budgets are kept." in out
    assert Path("x.md").exists() and not Path("x.xml").exists()
    assert not list(Path().glob("*.part")) and not list(Path().glob(".*.part"))


def test_a_disk_that_is_full_while_it_measures_keeps_the_finished_cells_and_the_check_goes_on(
    glass, budgets, monkeypatch
):
    budgets(KEPT)
    write = Path.write_bytes

    def full(self: Path, content: bytes) -> int:
        if "000001" in str(self):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))
        return write(self, content)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        code, out, err = glass("check", "budgets.toml", "--workers", "1")
    assert (code, out) == (1, "")
    assert "No space left on device; 1 of 2 cells are kept in results/budgets-" in err
    assert glass("check", "budgets.toml", "--workers", "1")[0] == 0


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="needs /dev/stdout")
def test_a_device_is_written_to_and_stays_a_device(glass, budgets, here):
    budgets(KEPT)
    (here / "link.md").symlink_to("target.md")
    glass("check", "budgets.toml", "--workers", "1", "--markdown", "link.md")
    assert (here / "link.md").is_symlink()
    assert (here / "target.md").read_text().startswith("### Latency budgets")
    assert glass("check", "budgets.toml", "--workers", "1", "--junit", "/dev/null")[0] == 0
    assert Path("/dev/null").is_char_device()


@pytest.mark.long  # tests/experiments/test_runner.py and tests/sweeps/test_dataset.py have what it is made of
def test_an_interrupt_is_130_and_the_same_command_goes_on(budgets, call, here, tmp_path):
    scenario = (here / "call.toml").read_text()
    (here / "call.toml").write_text(scenario.replace('"2s"', '"15s"'))
    path = budgets(KEPT)
    path.write_text(path.read_text().replace("[1, 2]", "[1, 2, 3, 4]"))
    program = "import sys; from glassbench.experiments.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "budget", "check", "budgets.toml", "--workers", "1"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    process = subprocess.Popen(
        command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        end = time.monotonic() + 60
        while not list(Path("results").glob("*/cells/*/arm.json")) and process.poll() is None:
            assert time.monotonic() < end
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, out) == (130, "")
    assert err.startswith("error: interrupted; ") and err.count("\n") == 1
    assert " of 4 cells are kept in results/budgets-" in err and "the same command goes on" in err
    kept = {file: file.stat().st_mtime_ns for file in Path("results").glob("*/cells/*/arm.json")}
    assert 0 < len(kept) < 4
    again = subprocess.run(command, env=environment, text=True, capture_output=True, timeout=120, check=False)
    assert (again.returncode, again.stderr) == (0, "")
