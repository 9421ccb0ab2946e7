"""Thousands of sessions, streams and requests: what the server holds stays bounded, and others are served."""

import asyncio
import gc
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from glassbench.experiments.serve.server import PATH
from glassbench.transport.framing import MESSAGE

KINDS = "Viewer", "Stack", "WebTransportSession", "_Seat", "H3Stream", "QuicStream"
MOST_STREAMS = 2 * 128 + 20  # what aioquic lets a caller have open, each way, and ours


def run(made: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(made, 590))


def held(one: Any) -> Counter[str]:
    """What the server and the loop hold: objects by their kind."""
    one.left.clear()  # kept by the fixture alone
    gc.collect()
    kinds = Counter(type(each).__name__ for each in gc.get_objects())
    loop: Any = asyncio.get_running_loop()
    return Counter(
        {
            **{name: kinds[name] for name in KINDS},
            "connections": len(one.server._listener.connections),
            "seats": len(one.server._seats),
            "votes": len(one.server._votes),
            "timers": sum(not each.cancelled() for each in loop._scheduled),
        }
    )


@pytest.mark.parametrize("count", [60, pytest.param(2000, marks=pytest.mark.lengthy)])
def test_sessions_that_come_and_go_leave_nothing_and_delay_nobody(running: Callable[..., Any], count: int) -> None:
    async def watch() -> None:
        async with running(poll=("Sooner?", "QUIC", "RTP")) as one:
            good = await one.visit()
            await good.until(lambda: len(good.frames) > 3)
            before = held(one)

            async def visit() -> None:
                visitor = one.visitor(f"{PATH}?token={one.server.tokens.make()}")
                await visitor.until(lambda: bool(visitor.words), 60.0)
                visitor.say(b'{"kind": "vote", "answer": 1}')
                visitor.say(b"nonsense")
                visitor.leave()
                one.visitors.remove(visitor)

            for _ in range(count // 20):
                await asyncio.gather(*(visit() for _ in range(20)))
            await good.until(lambda: len(one.server._listener.connections) == 1)
            await served_on(good)
            after = held(one)
            assert max((after - before).values(), default=0) <= 3, after - before
            assert len(one.server.tokens._used) <= count + 1
            assert sum("came" in line for line in one.said) == count + 1
            assert sum("left" in line for line in one.said) == count
            good.leave()

    run(watch())


@pytest.mark.parametrize("ends", [True, False], ids=["ended", "left-open"])
def test_one_caller_that_asks_for_a_thousand_sessions_gets_one(running: Callable[..., Any], ends: bool) -> None:
    async def watch() -> None:
        async with running() as one:
            good, greedy = await one.visit(), await one.visit()
            for each in (good, greedy):
                await each.until(lambda each=each: len(each.frames) > 3)
            stack, http = greedy.end._stack, greedy.end._session._http
            for number in range(1000):
                token = one.server.tokens.make()
                asked = [
                    (b":method", b"CONNECT"),
                    (b":scheme", b"https"),
                    (b":authority", b"localhost"),
                    (b":path", f"{PATH}?token={token}".encode()),
                    (b":protocol", b"webtransport"),
                    (b"origin", one.origin.encode()),
                ]
                http.send_headers(stack.get_next_available_stream_id(), asked, end_stream=ends)
                if number % 20 == 19:
                    greedy._go()
                    await asyncio.sleep(0.02)
            await served_on(good)
            assert len(one.server.viewers) == 2
            assert not one.server.refusals()["tokens"], "who has a session takes no token"
            assert one.server.refusals()["nonsense"] >= (999 if ends else 100)
            assert all(len(each._end._stack._streams) < MOST_STREAMS for each in one.server.viewers)
            assert all(len(each._end._session._http._stream) < MOST_STREAMS for each in one.server.viewers)
            for each in (good, greedy):
                each.vanish()

    run(watch())


@pytest.mark.sampled(2)
@pytest.mark.parametrize("ends", [True, False], ids=["ended", "left-open"])
def test_a_thousand_streams_of_one_caller_are_read_or_wait(running: Callable[..., Any], ends: bool) -> None:
    async def watch() -> None:
        async with running() as one:
            greedy, good = await one.visit(), await one.visit()
            for each in (good, greedy):
                await each.until(lambda each=each: len(each.frames) > 3)
            hosted = one.server.viewers[0]._end
            for number in range(1000):
                greedy.stream(bytes([MESSAGE]) if number % 2 else b"", ends=ends)
                if number % 20 == 19:
                    await asyncio.sleep(0.02)
            await served_on(good)
            assert len(hosted._stack._streams) < MOST_STREAMS
            assert len(hosted._requests) <= 128
            assert len(hosted._session._http._stream) < MOST_STREAMS
            assert one.server.refusals()["nonsense"] >= (1000 if ends else 0)
            for each in (good, greedy):
                each.vanish()

    run(watch())


async def served_on(viewer: Any) -> None:
    seen = len(viewer.frames)
    await viewer.until(lambda: len(viewer.frames) > seen + 20)
