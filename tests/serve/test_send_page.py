"""The page in Chromium on which somebody sends: what arrives, and what is kept of it."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from glassbench import load
from glassbench.experiments.serve.recording import keep_sent
from glassbench.transport.quic.served import MAPPINGS

pytestmark = pytest.mark.browser

FAKE = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream", "--auto-accept-this-tab-capture"]
PHONE = {"width": 360, "height": 740}


def run(made: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(made, 120))


async def until(page: Any, name: str, holds: Callable[[str], bool]) -> None:
    """Wait until it holds for the text of an element. (The page forbids Playwright's own way, which is `eval`.)"""
    while not holds(await page.inner_text(f"#{name}")):
        await asyncio.sleep(0.05)


async def received(page: Any, count: int) -> None:
    """Wait until so many frames arrived."""
    await until(page, "received", lambda text: int(text.partition(",")[0]) >= count)


async def gone(one: Any) -> None:
    """Wait until a page has left."""
    while not one.sent:
        await asyncio.sleep(0.05)


async def begin(page: Any, **settings: str) -> None:
    for name, value in settings.items():
        await page.select_option(f"#{name}", value)
    await page.click("#start")


async def says(page: Any, text: str) -> None:
    """Wait until it does."""
    await until(page, "status", lambda status: text in status)


@pytest.mark.parametrize(
    ("what", "codec", "mapping", "size"),
    [
        ("canvas", "vp8", "datagram", "640x360"),
        *(
            pytest.param("canvas", "vp8", mapping, "640x360", marks=pytest.mark.lengthy)
            for mapping in MAPPINGS
            if mapping != "datagram"
        ),
        # A browser encodes and shows it in real time: beside other work frames are late.
        pytest.param("camera", "vp9", "stream-per-frame", "1280x720", marks=[pytest.mark.long, pytest.mark.quiet]),
        pytest.param("screen", "vp8", "stream-per-gop", "640x360", marks=pytest.mark.lengthy),
        pytest.param("camera", "h264", "datagram", "640x360", marks=pytest.mark.lengthy),
    ],
)
def test_what_a_page_sent_is_kept_as_results_and_its_stamps_are_read(
    what: str,
    codec: str,
    mapping: str,
    size: str,
    running: Callable[..., Any],
    watching: Callable[..., Any],
    tmp_path: Path,
) -> None:
    async def send() -> None:
        async with running() as one:
            async with watching(f"{one.url}send.html", flags=FAKE) as (page, printed):
                await begin(page, what=what, codec=codec, mapping=mapping, size=size)
                await received(page, 40)
                assert (await page.inner_text("#status")).startswith(f"Sending: {codec}, {size}")
                assert (await page.inner_text("#latency")).endswith(" ms")
                await page.click("#start")
                await gone(one)
                assert printed == []
            number, sent = one.sent[-1]
            path = keep_sent(sent, number, one.scenario, tmp_path / "results", ["glass", "serve"])
        assert path is not None
        data = load(path)
        frames = data.ledger
        went = frames[frames["sequence"] >= 0]
        shown = went[went["fate"] == "displayed"]
        assert len(shown) >= 40 and len(shown) >= 0.9 * len(went), frames["fate"].value_counts()
        assert (shown["stamp_sequence"] == shown["sequence"]).mean() >= 0.99
        browser = data.manifest["browser"]
        assert (browser["codec"], browser["mapping"]) == (codec, mapping)
        assert data.manifest["scenario"]["video"]["source"] == f"page:{what}"
        assert 0 < data.summary["g2g_p50_ms"].iloc[0] < 1000

    run(send())


@pytest.mark.long
def test_the_encoder_is_told_less_when_the_path_carries_less(
    running: Callable[..., Any], watching: Callable[..., Any]
) -> None:
    async def send() -> None:
        network = {"uplink": {"rate": "0.6Mbit/s", "delay": "20ms"}}
        async with running(network=network) as one, watching(f"{one.url}send.html") as (page, _):
            await begin(page)
            await until(page, "rate", lambda text: "bit" in text and float(text.split()[0]) < 0.7)
            frames = len(one.receiving.pages[0].records)
            await received(page, frames + 30)
            records = one.receiving.pages[0].hearing.ledger.records
            assert records[0].target_bps == 1.5e6 and records[-1].target_bps < 0.7e6

    run(send())


def test_a_page_whose_token_is_wrong_is_refused_and_counted(
    running: Callable[..., Any], watching: Callable[..., Any]
) -> None:
    async def send() -> None:
        async with running() as one, watching(f"{one.url}send.html") as (page, _):

            async def changed(route: Any) -> None:
                answer = await route.fetch()
                told = await answer.json()
                await route.fulfill(json={**told, "url": told["url"][:-4] + "AAAA"})

            await page.route("**/token?for=send", changed)
            await begin(page)
            await says(page, "Ended: ")
            assert one.receiving.refusals()["tokens"] == 1
            assert not one.receiving.pages

    run(send())


def test_the_page_passes_axe_at_phone_width_and_by_keyboard(
    running: Callable[..., Any], watching: Callable[..., Any]
) -> None:
    async def look() -> None:
        from axe_playwright_python.async_playwright import Axe

        async with running() as one, watching(f"{one.url}send.html", viewport=PHONE) as (page, printed):
            results = await Axe().run(page)
            assert results.violations_count == 0, results.generate_report()
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            await page.focus("#start")
            await page.keyboard.press("Enter")
            await until(page, "start", lambda text: text == "Stop")
            assert printed == []

    run(look())


def test_who_lacks_webcodecs_is_told(running: Callable[..., Any], watching: Callable[..., Any]) -> None:
    async def look() -> None:
        async with running() as one, watching(f"{one.url}send.html") as (page, _):
            await page.add_init_script("delete window.VideoEncoder")
            await page.reload()
            await says(page, "This browser has no WebCodecs: nothing can be sent from here.")
            assert await page.is_disabled("#start")

    run(look())
