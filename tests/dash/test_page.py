"""The page in Chromium: it follows what runs, at phone width too, by keyboard, and says when the server has gone."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = "import sys; from glassbench.experiments.cli.main import main; sys.exit(main())"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--no-first-run"]
PHONE, DESKTOP = 360, 1280
HOSTILE = "<img src=x onerror=document.title='run'>"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium; to run this: sudo apt install chromium"),
]

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is missing; it is in the extra: dev")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start `glass` beside the results."""
    processes: list[subprocess.Popen[str]] = []
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "XDG_CACHE_HOME": str(tmp_path / "cache")}

    def run(*arguments: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", PROGRAM, *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=tmp_path, env=environment, text=True)
        processes.append(process)
        return process

    yield run
    for process in processes:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


@pytest.fixture
def dash(start: Start) -> Callable[..., str]:
    """dash(port=0): start a dashboard of the results, and give its address."""

    def address(port: int = 0) -> str:
        process = start("dash", "--port", str(port), "--json")
        assert process.stdout is not None
        return str(json.loads(process.stdout.readline())["address"])

    return address


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open an address; in the end nothing may stand in the console but what is `said` on purpose."""
    contexts, said = [], []

    def opened(address: str, width: int = DESKTOP, scheme: str = "light") -> Any:
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(address)
        return page

    yield opened
    for context in contexts:
        context.close()
    # What Chromium says of a server that has gone, nobody can keep it from saying.
    assert [text for text in said if "net::ERR_" not in text] == []


@pytest.mark.lengthy
@pytest.mark.parametrize(("width", "scheme"), [(PHONE, "dark"), (DESKTOP, "light")])
def test_a_run_is_followed_from_its_first_slice_to_its_verdict(
    results: Path, dash: Callable[..., str], start: Start, visit: Callable[..., Any], width: int, scheme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is missing; it is in the extra: dev")
    page = visit(dash(), width, scheme)
    page.get_by_role("button", name="test-seed3").wait_for()
    run = start("compare", "--duration", "20s", "--arm", "rtp", "--arm", "quic-adaptive", "--workers", "1")
    page.get_by_role("button", name="adaptive-rtp-quic-adaptive-seed20").click()
    page.locator("#chart path.curve[data-arm=rtp]").wait_for()
    assert run.poll() is None
    assert page.locator("#experiments progress").count() == 1
    assert re.search(r"running: \d+ %, \d of 3 cells", page.inner_text("#sentence"))
    assert axe.Axe().run(page).response["violations"] == []
    page.locator("#sentence", has_text="Soonest").wait_for()
    page.locator("#arms tr", has_text="measured").nth(1).wait_for()
    assert page.locator("#chart path.curve").count() == 2
    assert axe.Axe().run(page).response["violations"] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    run.communicate(timeout=60)
    page.get_by_role("link", name="latency-cdf.png").wait_for()


def test_results_are_chosen_and_arms_are_hidden_by_keyboard(
    results: Path, dash: Callable[..., str], begin: Callable[..., Path], visit: Callable[..., Any]
) -> None:
    begin(results)
    page = visit(dash())
    page.get_by_role("button", name="test-seed3").focus()
    page.keyboard.press("Enter")
    page.locator("#chosen-head", has_text="test-seed3").wait_for()
    assert page.evaluate("document.activeElement.id") == "chosen-head"
    page.locator("#chart path.curve").nth(1).wait_for(state="attached")
    page.get_by_role("checkbox", name="rtp").focus()
    page.keyboard.press("Space")
    assert page.eval_on_selector_all("#chart path.curve", "lines => lines.map(line => line.dataset.arm)") == ["udp"]
    page.get_by_role("radio", name="p95").focus()
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("radio", name="p50").is_checked()
    page.reload()
    page.locator("#chosen-head", has_text="test-seed3").wait_for()


def test_an_arm_that_is_hidden_keeps_the_focus_when_news_come(
    results: Path, dash: Callable[..., str], begin: Callable[..., Path], visit: Callable[..., Any]
) -> None:
    folder = begin(results)
    page = visit(dash() + "#begun")
    box = page.get_by_role("checkbox", name="rtp")
    box.focus()
    page.keyboard.press("Space")
    with (folder / "cells" / "000000" / "live.jsonl").open("a") as file:
        file.write('{"elapsed": 2, "share": 0.7, "slices": [[1.0, 30, 29, 31.0, 45.0]], "left_out": 0}\n')
    page.locator("#arms tr", has_text="29 of 30").wait_for()
    assert page.evaluate("document.activeElement.dataset.arm") == "rtp"
    assert not box.is_checked()


def test_what_results_are_called_is_text(
    results: Path, dash: Callable[..., str], begin: Callable[..., Path], visit: Callable[..., Any]
) -> None:
    begin(results, HOSTILE.replace("/", ""), title=HOSTILE, command=[HOSTILE])
    page = visit(dash())
    page.get_by_role("button", name=HOSTILE).click()
    page.locator("#chosen-head", has_text=HOSTILE).wait_for()
    assert page.locator("img").count() == 0
    assert page.title() == "Glassbench, live"


def test_a_report_is_shown_with_its_script_and_apart_from_the_page(
    results: Path, dash: Callable[..., str], visit: Callable[..., Any]
) -> None:
    script = (
        "<title>no</title><script>document.title = origin; fetch('/events').catch(() => document.title += ' alone')"
    )
    (results / "test-seed3" / "report.html").write_text(f"{script}</script>")
    address = dash()
    page = visit(address)
    with page.expect_popup() as opened:
        page.get_by_role("link", name="report.html").click()
    report = opened.value
    report.wait_for_function("document.title === 'null alone'")
    assert report.evaluate("window.opener") is None


@pytest.mark.lengthy
def test_a_server_that_has_gone_is_said_and_one_that_comes_back_is_followed_again(
    results: Path, dash: Callable[..., str], start: Start, visit: Callable[..., Any], begin: Callable[..., Path]
) -> None:
    process = start("dash", "--port", "0", "--json")
    assert process.stdout is not None
    address = json.loads(process.stdout.readline())["address"]
    page = visit(address)
    page.locator("#connection", has_text="Connected").wait_for()
    process.send_signal(signal.SIGINT)
    page.locator("#connection.gone", has_text="The server has gone").wait_for()
    assert process.wait(timeout=60) == 0
    begin(results)
    dash(int(address.rpartition(":")[2].strip("/")))
    page.get_by_role("button", name="begun").wait_for()
    assert page.inner_text("#connection").startswith("Connected")
