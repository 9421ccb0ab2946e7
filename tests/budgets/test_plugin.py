"""The pytest plugin: a budget in a test of your own, and one clear sentence for whatever is wrong with it."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]
THREE_LINES = """\
import pytest

@pytest.mark.glass(scenario="call.toml", arm="rtp", {fields})
def test_rtp_is_soon(glass):
    glass.check()
"""


@pytest.fixture
def run(pytester, call, here):
    """Run a test file beside call.toml as any project would in which Glassbench is installed; `apart`: in a process of
    its own."""
    (pytester.path / "call.toml").write_text((here / "call.toml").read_text())
    pytester.makeini("[pytest]\naddopts = --strict-markers\n")

    def go(text: str, *arguments: str, apart: bool = False):
        pytester.makepyfile(test_call=text)
        return (pytester.runpytest_subprocess if apart else pytester.runpytest_inprocess)(*arguments)

    return go


def three_lines(fields: str) -> str:
    return THREE_LINES.format(fields=fields)


@pytest.mark.long
def test_three_lines_hold_a_budget_also_under_strict_markers(run):
    run(three_lines("p95={'max': '1s'}, shown={'min': '90%'}"), apart=True).assert_outcomes(passed=1)


def test_a_broken_budget_says_which_metric_by_how_much_and_which_stage(run):
    ended = run(three_lines("p50={'max': '10ms'}, p95={'max': '1s'}, seeds=range(1, 3)"))
    ended.assert_outcomes(failed=1)
    by = r"p50 29\.8 ms breaks max 10ms \(19\.\d+ ms over, 19\d\.\d%\)"
    ended.stdout.re_match_lines([rf"call\.toml, rtp, video: {by}: largest stage .*: transit, 21\.\d of .*"])
    text = ended.stdout.str()
    assert "results: " in text
    assert "Traceback" not in text and "pytest_plugin.py" not in text
    assert "breaks max 1s" not in text


def test_a_test_adds_to_the_marker_of_its_module_and_reads_a_baseline(run, pytester, budgets, measure_file):
    from glassbench.experiments.budgets.baseline import baseline_text

    measured = measure_file(budgets('[[budget]]\narm = "rtp"\np95 = { max = "1s" }'))
    (pytester.path / "base.json").write_text(baseline_text(measured, command=[]))
    ended = run(
        "import pytest\n"
        "pytestmark = pytest.mark.glass(scenario='call.toml', seeds=(1, 2), baseline='base.json')\n"
        "def test_plain(): pass\n"
        "@pytest.mark.glass(arm='rtp', p95={'max_increase': '0ms'})\n"
        "def test_rtp(glass): assert glass.check().kept\n"
        "@pytest.mark.glass(arm='rtp', p95={'max_increase': '0ms'}, seeds=[3])\n"
        "def test_other_seeds(glass): glass.check()\n"
    )
    ended.assert_outcomes(passed=2, errors=1)
    assert "base.json was recorded with other content or seeds of call.toml, rtp, video" in ended.stdout.str()


@pytest.mark.lengthy
def test_two_workers_of_xdist_hold_budgets_side_by_side(run):
    pytest.importorskip("xdist")
    text = (
        three_lines("p95={'max': '1s'}") + "\n\n" + three_lines("p50={'max': '10ms'}").replace("test_rtp", "test_too")
    )
    ended = run(text, "-n", "2")
    ended.assert_outcomes(passed=1, failed=1)
    ended.stdout.re_match_lines([r"call\.toml, rtp, video: p50 [23]\d\.\d ms breaks max 10ms .*"])


@pytest.mark.parametrize(
    ("marker", "sentence"),
    [
        ("'loss'", "takes fields by name, such as scenario='loss', arm='rtp'; found 'loss'"),
        ("scenario='call.toml'", "the field 'arm' is missing"),
        ("scenario='call.toml', arm='rdp', p95={'max': '1s'}", "arm: unknown arm 'rdp'"),
        ("scenario='no.toml', arm='rtp', p95={'max': '1s'}", "scenario: no.toml is neither a scenario file nor"),
        ("scenario='call.toml', arm='rtp', p96={'max': '1s'}", "p96: unknown field 'p96'"),
        ("scenario='call.toml', arm='rtp', p95='60ms'", "p95: needs a table such as"),
        ("scenario='call.toml', arm='rtp', p95={'max': '5%'}", "p95.max: unknown unit '%' in '5%'"),
        ("scenario='call.toml', arm='rtp'", "holds no metric; accepted: p50"),
        ("scenario='call.toml', arm='rtp', p95={'max_increase': '5%'}", "p95 max_increase 5% needs a baseline"),
        ("scenario='call.toml', arm='rtp', p95={'max': '1s'}, baseline=3", "baseline is the path of a file"),
        ("scenario='call.toml', arm='rtp', p95={'max': '1s'}, baseline='no'", "there is no baseline no; make one"),
    ],
)
def test_bad_arguments_of_the_marker_are_one_sentence(pytester, call, here, marker, sentence, monkeypatch):
    monkeypatch.chdir(here)
    from glassbench.experiments.budgets.pytest_plugin import glass

    class Node:
        name = "test_x"

        def iter_markers(self, name):
            return [eval(f"pytest.mark.glass({marker})").mark]

    class Request:
        node = Node()

    with pytest.raises(pytest.fail.Exception) as caught:
        glass.__wrapped__(Request(), here)
    assert str(caught.value).startswith("marker glass of test_x: ")
    assert sentence in str(caught.value) and "\n" not in str(caught.value)
    assert caught.value.pytrace is False


def test_a_marker_or_a_fixture_alone_is_an_error_not_a_budget_that_passes(run):
    ended = run(
        "import pytest\n"
        "@pytest.mark.glass(scenario='call.toml', arm='rtp', p95={'max': '1s'})\n"
        "def test_marker_alone(): pass\n"
        "def test_fixture_alone(glass): glass.check()\n"
    )
    ended.assert_outcomes(errors=2)
    text = ended.stdout.str()
    assert "test_marker_alone has the marker glass, but not the fixture that holds it; write def" in text
    assert "marker glass of test_fixture_alone: is missing" in text


def test_a_budget_that_was_never_checked_fails_its_test_and_hides_no_other_reason(run):
    marker = "@pytest.mark.glass(scenario='call.toml', arm='rtp', p95={'max': '1ms'})\n"
    ended = run(
        f"import pytest\nfrom unittest import TestCase\n"
        f"{marker}def test_forgot(glass): pass\n"
        f"{marker}def test_read_only(glass): assert glass.report is None\n"
        f"{marker}def test_skips(glass): pytest.skip('not today')\n"
        f"{marker}def test_fails(glass): assert False\n"
        f"{marker}@pytest.mark.usefixtures('glass')\ndef test_used(): pass\n"
        f"{marker}def test_caught(glass):\n    with pytest.raises(pytest.fail.Exception): glass.check()\n"
    )
    ended.assert_outcomes(failed=4, skipped=1, passed=1)
    text = ended.stdout.str()
    for name in ("test_forgot", "test_read_only", "test_used"):
        assert f"{name} ended without glass.check(), so that nothing was measured" in text
    assert "test_fails ended without" not in text


def test_a_testcase_of_unittest_is_told_what_it_can_do_and_can_do_it(run):
    marker = "@pytest.mark.glass(scenario='call.toml', arm='rtp', p95={'max': '1s'})\n"
    ended = run(
        f"import pytest\nfrom unittest import TestCase\n"
        f"class TestBare(TestCase):\n    {marker}    def test_bare(self): pass\n"
        f"{marker}class TestMarked(TestCase):\n    def test_of_a_class(self): pass\n"
        f"class TestTold(TestCase):\n"
        f"    @pytest.fixture(autouse=True)\n    def budget(self, glass): self.glass = glass\n"
        f"    {marker}    def test_told(self): self.glass.check()\n"
        f"    {marker}    def test_forgot(self): pass\n"
    )
    ended.assert_outcomes(errors=2, passed=1, failed=1)
    text = ended.stdout.str()
    for name in ("test_bare", "test_of_a_class"):
        assert (
            f"{name} has the marker glass, but not the fixture that holds it; a method of a unittest.TestCase" in text
        )
    assert "@pytest.fixture(autouse=True) def budget(self, glass): self.glass = glass; call self.glass.check()" in text
    assert "test_forgot ended without glass.check()" in text


def test_the_plugin_imports_nothing_that_takes_time():
    program = (
        "import sys, glassbench.experiments.budgets.pytest_plugin; "
        "print([name for name in sys.modules if name.split('.')[0] in ('numpy', 'pandas', 'pydantic', 'av', 'aioquic', "
        "'pyarrow', 'matplotlib', 'scipy', 'typer', 'rich') or name.startswith(('glassbench.transport', "
        "'glassbench.sender', 'glassbench.receiver', 'glassbench.netem'))])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT / "src", capture_output=True, text=True, timeout=60, check=True
    )
    assert ended.stdout == "[]\n"


def test_the_plugin_is_an_entry_point_of_pytest():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"glassbench": "glassbench.experiments.budgets.pytest_plugin"}
