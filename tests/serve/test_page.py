"""The page in Chromium: what is drawn and measured, and what is kept of it."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from glassbench import load
from glassbench.experiments.serve.recording import keep
from glassbench.transport.quic.served import MAPPINGS

pytestmark = pytest.mark.browser

PHONE = {"width": 360, "height": 740}


def run(made: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(made, 120))


async def text_of(page: Any, name: str) -> str:
    return str(await page.inner_text(f"#{name}"))


async def until(holds: Callable[[], Coroutine[Any, Any, bool]], seconds: float = 30.0) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not await holds():
        assert loop.time() < end, "waited in vain"
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("codec", "mapping"),
    [
        ("h264", "datagram"),
        *(pytest.param("h264", mapping, marks=pytest.mark.lengthy) for mapping in MAPPINGS if mapping != "datagram"),
        pytest.param("vp8", "datagram", marks=pytest.mark.lengthy),
        pytest.param("vp9", "stream-per-frame", marks=pytest.mark.long),
    ],
)
def test_what_a_page_drew_is_kept_as_results_and_its_stamps_are_read(
    codec: str, mapping: str, running: Callable[..., Any], watching: Callable[..., Any], tmp_path: Path
) -> None:
    async def watch() -> None:
        async with running(codec=codec, width=640, height=360, bitrate="1Mbit/s", deadline="1s") as one:
            async with watching(one.url) as (page, printed):
                await page.select_option("#mapping", mapping)
                await until(lambda: _drawn(page, 20))
                assert (await text_of(page, "status")).startswith("Connected as viewer")
                await asyncio.sleep(2)
                assert (await text_of(page, "latency")).endswith(" ms")
                await page.click("#connect")
                await until(lambda: _left(one))
                assert printed == []
            number, viewer = one.left[-1]
            assert viewer.mapping == mapping
            path = keep(viewer, number, one.scenario, tmp_path / "results", ["glass", "serve"])
        assert path is not None
        data = load(path)
        frames = data.ledger
        shown = frames[frames["fate"] == "displayed"]
        assert len(shown) > 30 and len(shown) >= 0.8 * len(frames), frames["fate"].value_counts()
        assert (shown["stamp_sequence"] == shown["sequence"]).mean() >= 0.99
        assert (shown["stamp_captured_at"] - shown["captured_at"]).abs().max() < 2e-6
        browser = data.manifest["browser"]
        assert (browser["codec"], browser["mapping"]) == (codec, mapping)
        assert "Chrome" in browser["agent"]
        assert 0 < data.summary["g2g_p50_ms"].iloc[0] < 1000

    run(watch())


async def _drawn(page: Any, count: int) -> bool:
    shown = await text_of(page, "fps")
    return shown.isdigit() and int(shown) >= count


async def _left(one: Any) -> bool:
    return not one.server.viewers and bool(one.left)


def test_the_page_finds_its_way_back_when_the_server_has_begun_anew(
    running: Callable[..., Any], watching: Callable[..., Any]
) -> None:
    async def watch() -> None:
        async with contextlib.AsyncExitStack() as stack:
            first = await stack.enter_async_context(running())
            page, _ = await stack.enter_async_context(watching(first.url))
            await until(lambda: _drawn(page, 5))
            await first.stop()
            await until(lambda: _says(page, "Not connected: "))
            second = await stack.enter_async_context(running(port=int(first.url.rsplit(":", 1)[1][:-1])))
            await until(lambda: _says(page, "Connected as viewer 1"))
            await until(lambda: _drawn(page, 5))
            assert second.server.refusals()["tokens"] == 0

    run(watch())


async def _says(page: Any, words: str) -> bool:
    return (await text_of(page, "status")).startswith(words)


def test_it_works_by_keyboard_and_at_phone_width_and_axe_finds_nothing(
    running: Callable[..., Any], watching: Callable[..., Any]
) -> None:
    async def watch() -> None:
        from axe_playwright_python.async_playwright import Axe

        async with (
            running(poll=("Sooner?", "QUIC", "RTP")) as one,
            watching(one.url, viewport=PHONE) as (page, printed),
        ):
            await until(lambda: _drawn(page, 5))
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            await page.focus("#text")
            await page.keyboard.type("hello")
            await page.keyboard.press("Enter")
            await until(lambda: _in(page, "chat", "viewer 1: hello ("))
            for _ in range(4):
                await page.keyboard.press("Tab")
                if await page.evaluate("document.activeElement.parentElement.id") == "answers":
                    break
            await page.keyboard.press("Enter")
            await until(lambda: _in(page, "answers", "QUIC: 1"))
            results = await Axe().run(page)
            assert results.violations_count == 0, results.generate_report()
            assert printed == []

    run(watch())


async def _in(page: Any, name: str, words: str) -> bool:
    return words in await text_of(page, name)


def test_a_browser_without_webtransport_is_told_so(running: Callable[..., Any], watching: Callable[..., Any]) -> None:
    async def watch() -> None:
        async with running() as one, watching(one.url) as (page, _):
            await page.add_init_script("delete window.WebTransport")
            await page.reload()
            await until(lambda: _says(page, "This browser has no WebTransport: the stream cannot be shown here."))

    run(watch())


def test_a_page_that_is_refused_says_why(running: Callable[..., Any], watching: Callable[..., Any]) -> None:
    async def watch() -> None:
        async with running(max_viewers=1) as one:
            viewer = await one.visit()
            await viewer.until(lambda: bool(viewer.frames))
            async with watching(one.url) as (page, _):
                await until(lambda: _says(page, "Not connected: the server refused: 1 watch already, and no more may."))

    run(watch())
