"""The dashboard in Chromium, while something is measured."""

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next((name for name in ("chromium", "chromium-browser", "google-chrome") if shutil.which(name)), None)
CODE = "import sys; from glassbench.experiments.cli.main import main; sys.exit(main())"
FLAGS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--no-first-run"]
PHONE = {"width": 360, "height": 740}

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium; to run this: sudo apt install chromium"),
]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_run_that_goes_on_is_followed_at_phone_width_and_axe_finds_nothing(
    scheme: Any, answering: Any, results: Path, tmp_path: Path
) -> None:
    async def follow() -> None:
        from axe_playwright_python.async_playwright import Axe
        from playwright.async_api import async_playwright

        printed: list[str] = []
        async with answering(results) as port, async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=shutil.which(str(CHROMIUM)), args=FLAGS)
            page = await browser.new_page(viewport=PHONE, color_scheme=scheme)
            page.on("console", lambda message: printed.append(message.text))
            page.on("pageerror", lambda error: printed.append(str(error)))
            await page.goto(f"http://127.0.0.1:{port}/")
            await until(lambda: has(page, "#experiments", "test"))
            command = [sys.executable, "-c", CODE, "compare", "--duration", "4s", "--arm", "udp", "--arm", "rtp"]
            with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL) as run:
                await until(lambda: has(page, "#experiments", "adaptive"))
                await page.keyboard.press("Tab")
                await page.keyboard.press("Enter")
                await until(lambda: shown(page, "#chosen"))
                assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
                found = await Axe().run(page)
                assert found.violations_count == 0, found.generate_report()
                await asyncio.to_thread(run.wait, 60)
                assert run.returncode == 0
            await until(lambda: has(page, "#sentence", "Soonest"))
            await until(lambda: shown(page, "#chart svg"))
            assert printed == []
            await browser.close()

    asyncio.run(asyncio.wait_for(follow(), 120))


async def until(holds: Callable[[], Coroutine[Any, Any, bool]], seconds: float = 30.0) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not await holds():
        assert loop.time() < end, "waited in vain"
        await asyncio.sleep(0.05)


async def has(page: Any, selector: str, words: str) -> bool:
    return words in str(await page.inner_text(selector))


async def shown(page: Any, selector: str) -> bool:
    return bool(await page.locator(selector).first.is_visible())
