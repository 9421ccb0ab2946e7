"""The server: who is answered, what it opens, and how it bears browsers that are slow, silent, or too many."""

import asyncio
import itertools
import logging
import os
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from glassbench.experiments.dash import overview, server, serving
from glassbench.experiments.dash.overview import Overview

TOKEN = "a-token"


@pytest.fixture(autouse=True)
def nothing_is_logged(caplog: pytest.LogCaptureFixture) -> Any:
    yield
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


def ran(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(scene(), 120))


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:9", "[::1]:8000", "LOCALHOST"])
def test_names_of_loopback_are_answered(results: Path, answering: Any, asked: Any, host: str) -> None:
    async def scene() -> None:
        async with answering(results) as port:
            status, head, body = await asked(port, "/", host=host)
            assert status == 200 and b"Glassbench, live" in body
            assert "script-src 'self'" in head and "nosniff" in head

    ran(scene)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "", "localhost:8000:1"]
)
@pytest.mark.parametrize("path", ["/", "/events", "/results/test-seed3/report.html"])
def test_another_name_is_refused_since_it_may_be_led_here(
    results: Path, answering: Any, asked: Any, host: str, path: str
) -> None:
    async def scene() -> None:
        async with answering(results) as port:
            assert (await asked(port, path, host=host))[0] == 403

    ran(scene)


@pytest.mark.parametrize(
    "path", ["/", "/events", "/dash.js", "/a-toke/", "/a-tokenx/", "/A-TOKEN/", "/\udcff/", "/?a-token"]
)
def test_without_the_token_nothing_is_answered(results: Path, answering: Any, asked: Any, path: str) -> None:
    async def scene() -> None:
        async with answering(results, TOKEN) as port:
            status, _, body = await asked(port, path.replace("\udcff", "%FF"), host="anything.example")
            assert (status, body) == (403, b"The address must have the token that glass dash printed.\n")
            assert (await asked(port, f"/{TOKEN}/", host="anything.example"))[0] == 200
            assert (await asked(port, f"/{TOKEN}/dash.js"))[0] == 200

    ran(scene)


def test_the_address_with_its_token_leads_to_the_page_without_its_last_slash_too(
    results: Path, answering: Any, asked: Any
) -> None:
    async def scene() -> None:
        async with answering(results, TOKEN) as port:
            status, head, _ = await asked(port, f"/{TOKEN}", host="anything.example")
            assert status == 302 and f"Location: /{TOKEN}/\r\n" in head
            assert (await asked(port, f"/{TOKEN[:-1]}"))[0] == 403

    ran(scene)


def test_reports_are_apart_from_the_page_and_run_no_script_where_there_is_a_token(
    results: Path, answering: Any, asked: Any
) -> None:
    (results / "test-seed3" / "report.html").write_text("<script>1</script>")

    async def scene() -> None:
        for token, allowed in ((None, True), (TOKEN, False)):
            async with answering(results, token) as port:
                prefix = "" if token is None else f"/{token}"
                status, head, body = await asked(port, f"{prefix}/results/test-seed3/report.html")
                assert (status, body) == (200, b"<script>1</script>")
                assert "sandbox" in head and "default-src 'none'" in head and "no-referrer" in head
                assert ("allow-scripts" in head) is allowed
                assert "allow-same-origin" not in head

    ran(scene)


@pytest.mark.parametrize(
    "name",
    [
        "../secret.html",
        "test-seed3/../../secret.html",
        "..%2fsecret.html",
        "test-seed3%2f..%2f..%2fsecret.html",
        "%2e%2e/secret.html",
        "/etc/passwd",
        "%2fetc%2fpasswd.html",
        "test-seed3/link.html",
        "linked/page.html",
        "test-seed3/manifest.json",
        "test-seed3/ledger.parquet",
        "test-seed3/none.html",
        "test-seed3/folder.html",
        "test-seed3/pipe.html",
        "test-seed3/%00.html",
        "test-seed3/./report.html%00",
        ".html",
    ],
)
def test_nothing_outside_of_the_folder_and_no_other_kind_of_file_is_opened(
    results: Path, tmp_path: Path, answering: Any, asked: Any, name: str
) -> None:
    (tmp_path / "secret.html").write_text("secret")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "page.html").write_text("secret")
    (results / "test-seed3" / "link.html").symlink_to(tmp_path / "secret.html")
    (results / "test-seed3" / "folder.html").mkdir()
    os.mkfifo(results / "test-seed3" / "pipe.html")
    (results / "linked").symlink_to(tmp_path / "other")

    async def scene() -> None:
        async with answering(results) as port:
            status, _, body = await asked(port, f"/results/{name}")
            assert status == 404 and b"secret" not in body

    ran(scene)


def test_other_methods_and_paths_are_refused(results: Path, answering: Any, asked: Any) -> None:
    async def scene() -> None:
        async with answering(results) as port:
            for method in ("POST", "PUT", "DELETE"):
                assert (await asked(port, "/", method=method))[0] == 405
            assert (await asked(port, "/../../etc/passwd"))[0] == 404
            assert (await asked(port, "/none.js"))[0] == 404

    ran(scene)


def test_bytes_that_are_no_http_end_their_connection_alone(results: Path, answering: Any, asked: Any) -> None:
    async def scene() -> None:
        async with answering(results) as port:
            for data in (
                b"\x16\x03\x01\x02\x00\x01",
                b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n",
                b"\r\n\r\n" * 99,
            ):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(data)
                writer.write_eof()
                await asyncio.wait_for(reader.read(), 30)
                writer.close()
                await writer.wait_closed()
            assert (await asked(port, "/"))[0] == 200

    ran(scene)


def test_a_browser_is_told_what_is_there_and_then_only_what_is_new(
    results: Path, answering: Any, follow: Any, begin: Callable[..., Path]
) -> None:
    async def scene() -> None:
        async with answering(results) as port, follow(port, "?chosen=begun") as stream:
            first = await stream.next("experiments")
            assert (first["order"], first["trouble"]) == (["test-seed3"], "")
            assert (await stream.next("chosen"))["note"] == "This folder is not there any more."
            folder = begin(results)
            news = await stream.next("experiments", lambda content: "begun" in content["order"])
            assert [record["path"] for record in news["changed"]] == ["begun"]
            [arm] = (await stream.next("chosen", lambda content: content["arms"]))["arms"]
            assert (arm["since"], arm["slices"], arm["style"]["color"]) == (0, [[0.5, 15, 15, 30.0, 40.0]], 1)
            with (folder / "cells" / "000000" / "live.jsonl").open("a") as file:
                file.write('{"elapsed": 2, "share": 0.7, "slices": [[1.0, 30, 29, 31.0, 45.0]], "left_out": 0}\n')
            [arm] = (await stream.next("chosen"))["arms"]
            assert (arm["since"], arm["slices"]) == (1, [[1.0, 30, 29, 31.0, 45.0]])

    ran(scene)


def test_a_browser_too_many_is_told_so(
    results: Path, answering: Any, follow: Any, asked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MOST_WATCHING", 2)

    async def scene() -> None:
        async with answering(results) as port, follow(port) as one, follow(port) as another:
            await one.next("experiments")
            await another.next("experiments")
            status, _, body = await asked(port, "/events")
            assert (status, body) == (503, b"2 browsers watch already, and more are not served.\n")

    ran(scene)


def test_a_browser_that_reads_nothing_is_disconnected_and_delays_no_other(
    results: Path, answering: Any, follow: Any, begin: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "PATIENCE", 0.5)
    monkeypatch.setattr(server, "LOOK", 0.02)
    monkeypatch.setattr(server, "MOST_WATCHING", 2)
    begin(results)
    numbers = itertools.count()  # each look finds another megabyte, so that the buffers of the kernel fill
    monkeypatch.setattr(overview, "_links", lambda root, path: [f"{next(numbers)}{'x' * 1_000_000}"])

    async def scene() -> None:
        async with answering(results) as port, follow(port) as stream:
            with socket.create_connection(("127.0.0.1", port)) as slow:
                slow.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
                while await _status(port) == 200:  # until it is counted
                    await asyncio.sleep(0.01)
                while await _status(port) == 503:
                    assert (await asyncio.wait_for(stream.next("experiments"), 5))["changed"]

    ran(scene)


async def _status(port: int) -> int:
    """The status with which events begin."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    line = await reader.readline()
    writer.close()
    return int(line.split()[1])


def test_connections_that_say_nothing_are_bounded_and_ended(
    results: Path, answering: Any, asked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "MOST_CONNECTIONS", 5)
    monkeypatch.setattr(serving, "_FIRST_WORD", 0.5)

    async def scene() -> None:
        async with answering(results) as port:
            pairs = [await asyncio.open_connection("127.0.0.1", port) for _ in range(8)]
            pairs[0][1].write(b"GET / HTTP/1.1\r\nHost: lo")
            ends = [await asyncio.wait_for(_end_of(reader), 20) for reader, _ in pairs]
            assert ends == [b""] * 8
            assert (await asked(port, "/"))[0] == 200
            for _, writer in pairs:
                writer.close()

    ran(scene)


async def _end_of(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionError:
        return b""


def test_a_look_that_fails_is_told_and_the_next_one_goes_on(
    results: Path, answering: Any, follow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, failures = Overview.look, iter([True])

    def look(self: Overview, *, now: float) -> Any:
        if next(failures, False):
            raise RuntimeError("no luck")
        return real(self, now=now)

    monkeypatch.setattr(Overview, "look", look)

    async def scene() -> None:
        async with answering(results) as port, follow(port) as stream:
            assert (await stream.next("experiments"))["trouble"] == "A look failed: no luck."
            assert (await stream.next("experiments"))["trouble"] == ""

    ran(scene)
