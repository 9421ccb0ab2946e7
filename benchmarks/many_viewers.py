"""Twenty viewers of one `glass serve` on this machine, nineteen in Python and one in Chromium: what it does to the
others that one is throttled to a tenth of the stream's rate and one stops reading.

    python benchmarks/many_viewers.py --pairs 5

A pair is a server with twenty viewers that all do well, and another one in which two do not. Times are from capture to
the last byte of a frame, on the clock of each viewer against the smallest of its own, since server and viewers are
processes with clocks of their own; Chromium's are from capture to drawn, as its page shows them.
"""

import argparse
import asyncio
import base64
import re
import shutil
import statistics
import subprocess
import sys
from contextlib import suppress
from urllib.parse import urlsplit

import aiohttp
from playwright.async_api import async_playwright
from visitor import LOCAL, Visitor

from glassbench.experiments.worlds.browser.way import Way
from glassbench.netem.elements.delay import Delay
from glassbench.netem.elements.fixed_rate import FixedRate
from glassbench.netem.path import Path
from glassbench.netem.queues.drop_tail import DropTail
from glassbench.transport.quic.service import Visit

CODE = "import sys; from glassbench.experiments.cli.main import main; sys.exit(main())"
BITRATE_BPS = 600_000
WELL = 17  # viewers in Python that always do well
WARM_UP, SECONDS = 3.0, 10.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    pairs = parser.parse_args().pairs
    moved, moved_page = [], []
    for number in range(1, pairs + 1):
        (well, page), (others, page_then) = (asyncio.run(measure(bad)) for bad in (False, True))
        moved.append(others - well)
        moved_page.append(page_then - page)
        print(
            f"pair {number}: p95 of {WELL} viewers {well:.1f} and {others:.1f} ms above their fastest frame; "
            f"Chromium's {page:.1f} and {page_then:.1f} ms",
            flush=True,
        )
    print(
        f"moved by {statistics.median(moved):+.1f} ms, Chromium's by {statistics.median(moved_page):+.1f} ms (medians)"
    )


async def measure(bad: bool) -> tuple[float, float]:
    """The median of the viewers' 95th percentiles, and Chromium's, in ms."""
    options = ["--port", "0", "--no-keep", "--bitrate", f"{BITRATE_BPS // 1000}kbit/s"]
    server = subprocess.Popen(
        [sys.executable, "-c", CODE, "serve", *options], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert server.stdout is not None
        match = re.search(r"http://localhost:\d+", server.stdout.readline())
        assert match is not None
        url = match[0].replace("localhost", LOCAL)
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            page = await browser.new_page()
            await page.goto(url)
            viewers = [await visit(url) for _ in range(WELL)]
            slow, deaf = await visit(url, throttled=bad), await visit(url)
            await asyncio.sleep(WARM_UP)
            if bad:
                deaf.stop_reading()
            for viewer in viewers:
                viewer.events.clear()
            await asyncio.sleep(SECONDS)
            shown = await page.inner_text("#latency95")
            late = [above_fastest(viewer) for viewer in viewers]
            for viewer in (*viewers, slow, deaf):
                viewer.vanish()
            await browser.close()
        return statistics.median(late), float(shown.split()[0])
    finally:
        server.terminate()
        with suppress(subprocess.TimeoutExpired):
            server.wait(10)
        server.kill()


async def visit(url: str, *, throttled: bool = False) -> Visitor:
    """A viewer, with a token of its own."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        await session.get(url)
        async with session.post(f"{url}/token", headers={"Origin": url}) as answer:
            told = await answer.json()
    place = urlsplit(told["url"])
    asked = Visit(f"{place.path}?{place.query}".encode(), url.encode(), base64.b64decode(told["hash"]))
    assert place.port is not None
    return Visitor(place.port, asked, make_way=throttle if throttled else None)


def throttle(now: float) -> Way:
    """A tenth of the rate towards the viewer: what comes to it passes the path up of its own way."""
    slow = FixedRate(BITRATE_BPS / 10, DropTail(limit_bytes=60_000))
    return Way(Path([Delay(0.001)]), Path([slow, Delay(0.001)]), now)


def above_fastest(viewer: Visitor) -> float:
    took = sorted(event.complete_at - event.frame.captured_at for event in viewer.of_video)
    assert len(took) > 0.9 * SECONDS * 30, f"only {len(took)} frames came"
    return (took[int(0.95 * len(took))] - took[0]) * 1e3


if __name__ == "__main__":
    main()
