"""What a stranger that was let in can send in place of what it films: nothing crashes, and others go on."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import numpy as np
import pytest
from visitor import Visitor

from glassbench.transport.contract import Frame
from glassbench.transport.framing import message, record, split_frame
from glassbench.transport.quic.service import Visit

ASKED = {
    "what": "canvas",
    "codec": "vp8",
    "width": "320",
    "height": "180",
    "fps": "30",
    "bitrate": "500000",
    "mapping": "datagram",
}


def run(made: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(made, 60))


async def caller(one: Any, **changed: str) -> Visitor:
    """Somebody who asks to send, with a token."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as session:
        await session.get(f"{one.url}send.html")
        async with session.post(f"{one.url}token?for=send", headers={"Origin": one.origin}) as answer:
            place = urlsplit((await answer.json())["url"])
    fields = "".join(f"&{name}={value}" for name, value in {**ASKED, **changed}.items())
    visit = Visit(
        f"{place.path}?{place.query}{fields}".encode(), one.origin.encode(), one.server.certificate.fingerprint
    )
    visitor = Visitor(one.receiving.port, visit)
    one.visitors.append(visitor)
    return visitor


async def sends(visitor: Visitor) -> None:
    """Wait until it has a session."""
    await visitor.until(lambda: visitor.end._session is not None and visitor.end._session.ready)


@pytest.mark.parametrize("codec", ["h264", "vp8", "vp9", "av1"])
def test_frames_that_are_no_pictures_and_words_that_are_none_harm_nobody(
    codec: str, running: Callable[..., Any]
) -> None:
    dice = np.random.default_rng(7)
    words: list[object] = [1, [], {"kind": "sent", "rows": [[1]]}, {"kind": "sent", "counted": 3}, {"kind": "other"}]

    async def attack() -> None:
        async with running() as one:
            good = await one.visit()
            bad = await caller(one, codec=codec)
            await sends(bad)
            for n in range(60):
                payload = dice.bytes(int(dice.integers(0, 3000)))
                frame = Frame(0, 0, n, float(dice.uniform(0, 1e9)), n % 3 == 0, 0, 1, None, payload)
                for part in split_frame(frame, 1000):
                    bad.datagram(part)
                bad.datagram(dice.bytes(50))
                bad.stream(message(json.dumps(words[n % len(words)]).encode()))
                bad.stream(dice.bytes(200))
                bad.stream(record(frame)[:-1] if payload else b"\x02")
                await asyncio.sleep(0.005)
            page = one.receiving.pages[0]
            await bad.until(lambda: page.hearing.nonsense > 20)
            before = len(good.frames)
            await good.until(lambda: len(good.frames) > before + 5)
            assert one.receiving.refusals()["nonsense"] > 20
            bad.leave()
            await good.until(lambda: not one.receiving.pages and bool(one.sent))

    run(attack())


@pytest.mark.parametrize(
    ("changed", "counted"),
    [
        ({"width": "100000"}, "films"),
        ({"width": "321"}, "films"),
        ({"codec": "hevc"}, "films"),
        ({"fps": "nan"}, "films"),
        ({"fps": "1e9"}, "films"),
        ({"bitrate": "-1"}, "films"),
        ({"what": "window"}, "films"),
        ({"mapping": "pigeon"}, "films"),
        ({"token": "again"}, "tokens"),
    ],
)
def test_what_cannot_be_filmed_is_refused_and_counted(
    changed: dict[str, str], counted: str, running: Callable[..., Any]
) -> None:
    async def ask() -> None:
        async with running() as one:
            if "token" in changed:
                one.server.tokens.take = lambda token: False
            visitor = await caller(one, **changed)
            await visitor.until(lambda: bool(visitor.closed))
            assert one.receiving.refusals()[counted] == 1
            assert not one.receiving.pages and not one.sent

    run(ask())


def test_no_more_pages_send_than_the_server_has_decoders_for(running: Callable[..., Any]) -> None:
    async def ask() -> None:
        async with running() as one:
            for _ in range(4):
                await sends(await caller(one))
            async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
                await session.get(one.url)
                async with session.post(f"{one.url}token?for=send", headers={"Origin": one.origin}) as answer:
                    assert answer.status == 503
                    assert (await answer.json())["reason"] == "4 pages send already, and no more may"

    run(ask())
