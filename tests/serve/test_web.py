"""The page by HTTP: who gets it, and who gets a token."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives import serialization

from glassbench.experiments.serve import entrance, web
from glassbench.experiments.serve.serving import Site
from glassbench.experiments.worlds.browser.pages import page_texts
from glassbench.transport.quic.web_certificate import make_certificate


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


async def connected(one: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(*address(one))


def address(one: Any) -> tuple[str, int]:
    return "127.0.0.1", int(one.origin.rpartition(":")[2])


async def ended(reader: asyncio.StreamReader, seconds: float) -> bool:
    """Whether the server ends a connection within so many seconds."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            with contextlib.suppress(ConnectionError):
                while await reader.read(1 << 16):
                    pass
            return True
    return False


async def page_comes(one: Any) -> None:
    async with aiohttp.ClientSession() as session, session.get(one.url, timeout=aiohttp.ClientTimeout(2)) as answer:
        assert answer.status == 200


def test_thousands_of_idle_connections_keep_nobody_from_the_page(running: Callable[..., Any]) -> None:
    async def look() -> None:
        async with running() as one:
            viewer = await one.visit()
            idle: list[socket.socket] = []
            for _ in range(40):
                idle += [socket.create_connection(address(one)) for _ in range(50)]
                await asyncio.sleep(0.02)
                while len(idle) > 300:  # client and server are one process here, which may have so many files
                    idle.pop(0).close()
            await page_comes(one)
            assert one.server.refusals()["connections"] >= 2000 - 300 - entrance.MOST_CONNECTIONS
            await viewer.until(lambda: len(viewer.frames) > 5)
            viewer.leave()
            for each in idle:
                each.close()

    run(look())


def test_who_asks_a_byte_at_a_time_or_reads_nothing_has_its_time_and_no_more(
    running: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entrance, "LONGEST", 1.0)

    async def look() -> None:
        async with running() as one:
            slow, writer = await connected(one)
            deaf, asking = await connected(one)
            posting, body = await connected(one)
            ends = asyncio.gather(ended(slow, 4.0), ended(posting, 4.0))
            asking.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 20_000)
            body.write(b"POST /token HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
            for each in b"GET / HTTP/1.1\r\nHost: " + bytes(20):
                writer.write(bytes([each]))
                body.write(b"x")
                await asyncio.sleep(0.05)
            assert await ends == [True, True]
            assert await ended(deaf, 1.0)
            assert one.server.refusals()["connections"] >= 2
            await page_comes(one)
            for each in (writer, asking, body):
                each.transport.abort()

    run(look())


def test_what_the_page_is_refused_is_counted(running: Callable[..., Any]) -> None:
    async def look() -> None:
        async with running() as one, aiohttp.ClientSession() as session:
            for headers in ({"Host": "elsewhere.example"}, {}):
                async with session.post(f"{one.url}token", headers=headers) as answer:
                    assert answer.status in (403, 421)
            assert one.server.refusals()["requests"] == 2

    run(look())


def test_a_handshake_of_https_that_stands_still_has_its_time_and_others_get_the_page(
    running: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(entrance, "LONGEST", 1.0)
    made = make_certificate(["127.0.0.1"], datetime.now(UTC))
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (tmp_path / "cert").write_bytes(made.certificate.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "key").write_bytes(made.private_key.private_bytes(*form))
    place = Site("127.0.0.1", certificate=tmp_path / "cert", key=tmp_path / "key")

    async def look() -> None:
        async with running() as one, aiohttp.ClientSession() as session:
            listening = web.listening_socket("127.0.0.1", 0)
            port = listening.getsockname()[1]
            app = web.application(one.server, one.receiving, place.names(port), is_secure=True)
            runner = await web.start(app, listening, place.context())
            silent, writer = await asyncio.open_connection("127.0.0.1", port)
            nonsense, other = await asyncio.open_connection("127.0.0.1", port)
            other.write(b"GET / HTTP/1.1\r\n\r\n")
            async with session.get(f"https://127.0.0.1:{port}/", ssl=False) as answer:
                assert answer.status == 200
            assert await ended(nonsense, 0.5)
            assert await ended(silent, 3.0)
            assert one.server.refusals()["connections"] >= 1
            for each in (writer, other):
                each.transport.abort()
            await runner.cleanup()

    run(look())
