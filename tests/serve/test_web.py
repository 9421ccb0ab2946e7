"""The page by HTTP: who gets it, and who gets a token."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp
import pytest

from glassbench.experiments.serve.serving import Site
from glassbench.experiments.worlds.browser.pages import page_texts


def run(made: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(made, 30))


def test_every_file_that_the_page_names_is_there() -> None:
    pages = page_texts("glassbench.experiments.serve")
    for name in ("index.html", "style.css", "page.js", "graph.js", "numbers.js"):
        assert name in pages
    imported = {part.split('"')[0][2:] for text in pages.values() for part in text.split(' from "')[1:]}
    assert imported <= set(pages) and "worker.js" in pages


def test_the_page_is_isolated_and_names_of_others_are_refused(running: Callable[..., Any]) -> None:
    async def look() -> None:
        async with running() as one, aiohttp.ClientSession() as session:
            async with session.get(one.url) as answer:
                assert answer.status == 200
                assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
                assert answer.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
                assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
                assert "HttpOnly" in answer.headers["Set-Cookie"] and "Strict" in answer.headers["Set-Cookie"]
            async with session.get(one.url, headers={"Host": "elsewhere.example"}) as answer:
                assert answer.status == 421
            for path in ("token", "nothing.js", "../server.py", "page.py", "%2e%2e/web.py", "a/b.js"):
                async with session.get(one.url + path) as answer:
                    assert answer.status in (404, 405), path

    run(look())


def test_a_token_needs_the_page_and_its_origin(running: Callable[..., Any]) -> None:
    async def ask(one: Any, session: aiohttp.ClientSession, origin: str) -> int:
        async with session.post(f"{one.url}token", headers={"Origin": origin}) as answer:
            return answer.status

    async def look() -> None:
        async with running() as one:
            jar = aiohttp.CookieJar(unsafe=True)
            async with aiohttp.ClientSession(cookie_jar=jar) as session:
                assert await ask(one, session, one.origin) == 403, "without the cookie of the page"
                await session.get(one.url)
                assert await ask(one, session, "http://elsewhere.example") == 403
                assert await ask(one, session, one.origin) == 200
                assert {await ask(one, session, one.origin) for _ in range(30)} == {200, 429}

    run(look())


def test_another_host_wants_a_certificate() -> None:
    with pytest.raises(ValueError, match=r"found host 192\.0\.2\.7 without --cert and --key: a browser"):
        Site("192.0.2.7").context()
    assert Site().context() is None
