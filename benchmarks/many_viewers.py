"""Twenty viewers of one `glass serve` on this machine, nineteen in Python and one in Chromium: what it does to the
others that one is throttled to a tenth of the stream's rate and one stops reading. Or what twenty do to its memory.

    python benchmarks/many_viewers.py --pairs 5
    python benchmarks/many_viewers.py --memory 10min

A pair is a server with twenty viewers that all do well, and another one in which two do not. Times are from capture to
the last byte of a frame, on the clock of each viewer against the smallest of its own, since server and viewers are
processes with clocks of their own; Chromium's are from capture to drawn, as its page shows them.

With `--memory` all twenty are in Python. Each ten seconds one vanishes without a word and another one comes, and the
memory of the server (its resident set) is read.
"""

import argparse
import asyncio
import base64
import re
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
from playwright.async_api import async_playwright
from visitor import LOCAL, Visitor

from glassbench.experiments.scenario.units import DURATION
from glassbench.experiments.worlds.browser.way import Way
from glassbench.netem.elements.delay import Delay
from glassbench.netem.elements.fixed_rate import FixedRate
from glassbench.netem.path import Path as NetworkPath
from glassbench.netem.queues.drop_tail import DropTail
from glassbench.transport.quic.service import Visit

CODE = "import sys; from glassbench.experiments.cli.main import main; sys.exit(main())"
BITRATE_BPS = 600_000
WELL = 17  # viewers in Python that always do well
WARM_UP, SECONDS = 3.0, 10.0
TWENTY, SAMPLE = 20, 10.0  # viewers, and seconds from one look at the memory to the next


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--memory", metavar="DURATION", help="for how long to read the memory of the server")
    chosen = parser.parse_args()
    if chosen.memory is not None:
        asyncio.run(remember(DURATION.parse(chosen.memory)))
        return
    pairs = chosen.pairs
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
    with serving() as (_, url):
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


async def remember(seconds: float) -> None:
    """Print the memory of a server each SAMPLE seconds, and how much it grows a minute in the second half."""
    samples: list[tuple[float, float]] = []
    with serving() as (process, url):
        viewers = [await visit(url) for _ in range(TWENTY)]
        for number in range(1, round(seconds / SAMPLE) + 1):
            came = len(viewers[-1].frames)
            await asyncio.sleep(SAMPLE)
            assert len(viewers[-1].frames) > came, "the newest gets no frames"
            viewers.pop(0).vanish()
            viewers.append(await visit(url))
            for viewer in viewers:
                viewer.events.clear()
            samples.append((number * SAMPLE / 60, resident_mb(process)))
            print(f"{number * SAMPLE:5.0f} s  {samples[-1][1]:6.1f} MB", flush=True)
        for viewer in viewers:
            viewer.vanish()
    late = samples[len(samples) // 2 :]
    slope = statistics.linear_regression(*zip(*late, strict=True)).slope
    print(
        f"second half: {slope:+.2f} MB a minute; {late[0][1]:.1f} MB at its begin and {late[-1][1]:.1f} MB at the end"
    )


def resident_mb(process: int) -> float:
    return int(re.findall(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())[0]) / 1e3


@contextmanager
def serving() -> Iterator[tuple[int, str]]:
    """A server: the number of its process, and where its page is."""
    options = ["--port", "0", "--no-keep", "--bitrate", f"{BITRATE_BPS // 1000}kbit/s"]
    server = subprocess.Popen(
        [sys.executable, "-c", CODE, "serve", *options], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert server.stdout is not None
        match = re.search(r"http://localhost:\d+", server.stdout.readline())
        assert match is not None
        yield server.pid, match[0].replace("localhost", LOCAL)
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
    return Way(NetworkPath([Delay(0.001)]), NetworkPath([slow, Delay(0.001)]), now)


def above_fastest(viewer: Visitor) -> float:
    took = sorted(event.complete_at - event.frame.captured_at for event in viewer.of_video)
    assert len(took) > 0.9 * SECONDS * 30, f"only {len(took)} frames came"
    return (took[int(0.95 * len(took))] - took[0]) * 1e3


if __name__ == "__main__":
    main()
