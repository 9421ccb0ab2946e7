"""A server and viewers in Python: who is let in, what each gets, and what strangers can do to it."""

import asyncio
import json
import random
import socket
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from glassbench.experiments.serve.server import PATH
from glassbench.experiments.worlds.browser.kept import BLOCK, KeptFrames
from glassbench.experiments.worlds.browser.viewer import WORDS_BPS
from glassbench.transport.framing import MAX_MESSAGE_BYTES
from glassbench.transport.quic.served import MAPPINGS


def run(made: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(made, 60))


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_a_viewer_gets_the_stream_from_a_keyframe_on_by_every_mapping(
    running: Callable[..., Any], mapping: str
) -> None:
    async def watch() -> None:
        async with running() as one:
            viewer = await one.visit(mapping)
            await viewer.until(lambda: len(viewer.frames) >= 10)
            first = min(viewer.frames, key=lambda frame: frame.sequence)
            assert first.keyframe and first.sequence == 0
            viewer.end.request_keyframe(0, now=one.server.now())
            viewer._go()
            await viewer.until(lambda: any(frame.keyframe and frame.sequence for frame in viewer.frames))
            viewer.leave()
            while not one.left:
                await asyncio.sleep(0.01)
            assert one.server.viewers == []
            assert one.said[0] == f"viewer 1 came, {mapping}; 1 watch"

    run(watch())


def test_a_token_lets_in_one_session_and_a_bad_one_none(running: Callable[..., Any]) -> None:
    async def watch() -> None:
        async with running() as one:
            place = urlsplit((await one.token())["url"])
            path = f"{place.path}?{place.query}"
            viewer = one.visitor(path)
            await viewer.until(lambda: bool(viewer.frames))
            for wrong, status in (
                (path, 401),
                (f"{PATH}?token=abc", 401),
                (PATH, 401),
                ("/elsewhere", 404),
                (f"{path}&mapping=pigeons", 404),
            ):
                refused = one.visitor(wrong)
                await refused.until(lambda each=refused: bool(each.closed))  # type: ignore[misc]
                assert refused.closed == [f"the listener answered {status} to our CONNECT"]
                assert not refused.events[:-1]
                refused.vanish()
            stranger = one.visitor(path, origin="http://elsewhere.example")
            await stranger.until(lambda: bool(stranger.closed))
            assert stranger.closed == ["the listener answered 403 to our CONNECT"]
            stranger.vanish()
            refusals = one.server.refusals()
            assert (refusals["tokens"], refusals["paths"], refusals["origins"]) == (3, 2, 1)
            viewer.leave()

    run(watch())


def test_words_go_to_all_with_votes_and_what_is_none_is_counted(running: Callable[..., Any]) -> None:
    async def watch() -> None:
        async with running(poll=("Sooner?", "QUIC", "RTP")) as one:
            viewers = [await one.visit(), await one.visit()]
            for each in viewers:
                await each.until(lambda each=each: bool(each.words))
            viewers[0].say(json.dumps({"kind": "chat", "text": "<b>hello"}).encode())
            viewers[1].say(json.dumps({"kind": "vote", "answer": 1}).encode())
            for nonsense in (b"[]", b"{}", b'{"kind": "vote", "answer": 9}', b"\xff", b"[" * 60_000):
                viewers[1].say(nonsense)
            for each in viewers:
                await each.until(lambda each=each: len(kinds(each)) >= 3 and {"chat", "poll"} <= kinds(each))
            chat = next(word for word in map(json.loads, viewers[1].words) if word["kind"] == "chat")
            assert (chat["viewer"], chat["text"]) == (1, "<b>hello")
            poll = [word for word in map(json.loads, viewers[0].words) if word["kind"] == "poll"][-1]["poll"]
            assert poll["votes"] == [0, 1]

            def refused() -> tuple[int, int]:
                return sum(each.nonsense for each in one.server.viewers), one.server.refusals()["words"]

            await viewers[0].until(lambda: refused() == (3, 2))
            for each in viewers:
                each.leave()

    run(watch())


def kinds(viewer: Any) -> set[str]:
    return {json.loads(word)["kind"] for word in viewer.words}


def test_who_talks_without_end_is_heard_a_few_times_a_second(running: Callable[..., Any]) -> None:
    async def watch() -> None:
        async with running() as one:
            viewer = await one.visit()
            await viewer.until(lambda: bool(viewer.words))
            for number in range(60):
                viewer.say(json.dumps({"kind": "chat", "text": str(number)}).encode())
            await viewer.until(lambda: one.server.refusals()["words"] >= 40)
            viewer.leave()

    run(watch())


def test_a_viewer_may_ask_for_a_rendition(running: Callable[..., Any]) -> None:
    async def watch() -> None:
        async with running() as one:
            viewer = await one.visit()
            await viewer.until(lambda: len(viewer.frames) > 3)
            viewer.say(b'{"kind": "rendition", "place": 1}')
            await viewer.until(lambda: any(json.loads(word).get("rendition") == 1 for word in viewer.words))
            viewer.leave()

    run(watch())


def test_hostile_bytes_change_nothing_for_who_watches(running: Callable[..., Any]) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    dice = random.Random(seed)

    async def watch() -> None:
        async with running() as one:
            viewer = await one.visit()
            hostile = await one.visit("stream")
            await viewer.until(lambda: len(viewer.frames) > 3)
            await hostile.until(lambda: len(hostile.frames) > 3)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
                for _ in range(2000):
                    data = dice.randbytes(dice.choice([0, 1, 20, 1200, 1400]))
                    if dice.random() < 0.5 and data:
                        data = bytes([dice.choice([0xC0, 0xC3, 0xE0, 0x40, 0x5F])]) + data[1:]
                    plain.sendto(data, ("127.0.0.1", one.server.port))
            for _ in range(30):
                hostile.stream(dice.randbytes(dice.choice([0, 1, 5, 3000])), ends=dice.random() < 0.5)
                hostile.datagram(dice.randbytes(dice.choice([0, 1, 46, 900])))
            hostile.say(bytes(MAX_MESSAGE_BYTES + 1))
            before = len(viewer.frames)
            await viewer.until(lambda: len(viewer.frames) > before + 15)
            refusals = one.server.refusals()
            assert refusals["strangers"] > 1000
            assert len(one.server._listener.connections) == 2, "nothing is kept of them"
            viewer.leave()
            hostile.leave()

    run(watch())


def test_half_open_handshakes_are_bounded_and_then_forgotten(
    running: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glassbench.experiments.worlds.browser.many_listener._HANDSHAKE_PATIENCE", 1.0)

    async def watch() -> None:
        async with running() as one:
            viewer = await one.visit()
            await viewer.until(lambda: len(viewer.frames) > 3)
            callers = [one.visitor(PATH) for _ in range(50)]
            for each in callers:
                each.vanish()  # its first packet is on the way
            before = len(viewer.frames)
            await viewer.until(lambda: len(viewer.frames) > before + 20)
            assert len(one.server._listener.connections) <= 1 + 32
            assert one.server.refusals()["full"] >= 18
            await viewer.until(lambda: len(one.server._listener.connections) == 1)
            assert one.server.refusals()["slow"] + one.server.refusals()["tokens"] >= 32
            late = await one.visit()
            await late.until(lambda: len(late.frames) > 3)
            late.leave()
            viewer.leave()

    run(watch())


def test_half_open_handshakes_give_way_to_a_newcomer_after_a_second(running: Callable[..., Any]) -> None:
    async def watch() -> None:
        async with running() as one:
            callers = [one.visitor(PATH) for _ in range(40)]
            for each in callers:
                each.vanish()  # its first packet is on the way
            began = asyncio.get_running_loop().time()
            late = await one.visit()
            await late.until(lambda: len(late.frames) > 3)
            assert asyncio.get_running_loop().time() - began < 5.0, "it does not wait until those are given up"
            assert one.server.refusals()["slow"] > 0
            late.leave()

    run(watch())


def test_no_more_watch_than_may(running: Callable[..., Any]) -> None:
    async def watch() -> None:
        async with running(max_viewers=1) as one:
            viewer = await one.visit()
            await viewer.until(lambda: len(viewer.frames) > 3)
            assert (await one.token())["reason"] == "1 watch already, and no more may"
            viewer.leave()

    run(watch())


def test_one_who_stops_reading_delays_nobody_and_is_bounded(running: Callable[..., Any]) -> None:
    async def watch() -> None:
        async with running(bitrate="3Mbit/s", deadline="400ms") as one:
            deaf, viewer = await one.visit("stream-per-frame"), await one.visit()
            await deaf.until(lambda: len(deaf.frames) > 3)
            deaf.stop_reading()
            before = len(viewer.frames)
            await viewer.until(lambda: len(viewer.frames) > before + 60)
            serving = next(each for each in one.server.viewers if each.mapping == "stream-per-frame")
            assert serving.stats()["dropped_expired"] > 20, "what cannot arrive in time is given up"
            assert serving._end._queue.bytes < 1_000_000
            viewer.leave()
            deaf.vanish()

    run(watch())


def test_behind_an_emulated_link_each_viewer_has_its_delay_and_its_own_queue(running: Callable[..., Any]) -> None:
    async def watch() -> None:
        async with running(network={"rate": "2Mbit/s", "delay": "60ms", "queue": "100kB"}) as one:
            viewers = [await one.visit(), await one.visit("stream-per-frame")]
            for viewer in viewers:
                await viewer.until(lambda each=viewer: len(each.frames) > 20)
                ahead = one.server.now() - viewer.now()
                took = [event.complete_at + ahead - event.frame.captured_at for event in viewer.of_video[5:]]
                assert 0.06 < sorted(took)[len(took) // 2] < 0.2
                assert min(took) > 0.059
            for viewer in viewers:
                viewer.leave()

    run(watch())


def test_over_a_link_that_carries_less_a_viewer_gets_a_smaller_rendition(running: Callable[..., Any]) -> None:
    async def watch() -> None:
        network = {"rate": "600kbit/s", "delay": "10ms", "queue": "60kB"}
        async with running(network=network, bitrate="900kbit/s", deadline="1s") as one:
            viewer = await one.visit()
            await viewer.until(lambda: any(json.loads(word).get("rendition") == 1 for word in viewer.words), 20.0)
            viewer.leave()

    run(watch())


def test_a_certificate_is_made_anew_in_time_and_sessions_that_stand_go_on(running: Callable[..., Any]) -> None:
    async def watch() -> None:
        async with running() as one:
            before = one.server.certificate
            viewer = await one.visit()
            await viewer.until(lambda: len(viewer.frames) > 3)
            one.days_later = timedelta(days=11)
            assert one.server.certificate is before
            one.days_later = timedelta(days=12, hours=1)
            assert one.server.certificate.fingerprint != before.fingerprint
            late = await one.visit()
            await late.until(lambda: len(late.frames) > 3)
            seen = len(viewer.frames)
            await viewer.until(lambda: len(viewer.frames) > seen + 5)
            for each in (viewer, late):
                each.leave()

    run(watch())


def test_a_viewer_whose_address_changes_goes_on(running: Callable[..., Any]) -> None:
    async def watch() -> None:
        async with running() as one:
            viewer = await one.visit()
            await viewer.until(lambda: len(viewer.frames) > 5)
            viewer.move()
            before = len(viewer.frames)
            await viewer.until(lambda: len(viewer.frames) > before + 20)
            assert len(one.server._listener.connections) == 1
            viewer.leave()

    run(watch())


def be_impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has been silent for two seconds is given up."""
    for module in ("worlds.browser.many_listener", "serve.server"):
        monkeypatch.setattr(f"glassbench.experiments.{module}.SILENCE", 2.0)


def test_one_who_vanishes_without_a_word_is_given_up_and_a_pause_is_not(
    running: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    be_impatient(monkeypatch)

    async def watch() -> None:
        async with running() as one:
            gone, viewer, pausing = [await one.visit() for _ in range(3)]
            for each in (gone, viewer, pausing):
                await each.until(lambda each=each: len(each.frames) > 3)
            gone.vanish()
            pausing.stop_reading()
            await asyncio.sleep(1.0)
            pausing.read_again()
            await viewer.until(lambda: len(one.server.viewers) == 2, 6.0)
            seen = len(pausing.frames)
            await pausing.until(lambda: len(pausing.frames) > seen + 60)
            assert one.server.refusals()["silent"] == 1 and len(one.server.viewers) == 2
            assert one.said[-1] == "viewer 1 was silent for 2 s; 2 watch"
            for each in (viewer, pausing):
                each.leave()

    run(watch())


def test_one_who_wakes_after_it_was_given_up_learns_it_at_once(
    running: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    be_impatient(monkeypatch)

    async def watch() -> None:
        async with running() as one:
            sleeper = await one.visit()
            await sleeper.until(lambda: len(sleeper.frames) > 3)
            sleeper.stop_reading()
            while one.server.viewers:
                await asyncio.sleep(0.05)
            sleeper.read_again()
            await sleeper.until(lambda: bool(sleeper.closed), 1.0)
            back = await one.visit()
            await back.until(lambda: len(back.frames) > 3)
            back.leave()

    run(watch())


def test_records_of_all_viewers_have_a_bound_and_what_a_page_tells_beyond_is_left_out(
    running: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glassbench.experiments.serve.server._MOST_KEPT", 150)
    monkeypatch.setattr("glassbench.experiments.worlds.browser.viewer._ON_THE_WAY", 20)

    async def watch() -> None:
        async with running() as one:
            first = await one.visit()
            await first.until(lambda: bool(first.frames))
            second = await one.visit()
            await first.until(lambda: len(first.frames) > 140)
            kept, other = one.server.viewers
            assert (len(kept.captured), len(other.captured)) == (100, 0)
            assert len(kept.records) < 100 + 20 + 20 and len(other.records) < 20 + 20
            rows = [[n, 1, 1, 1, 1, 1, -1, -1] for n in (98, 99, 100, 120, 9_000)]
            first.say(json.dumps({"kind": "ledger", "rows": rows}).encode())
            await first.until(lambda: len(kept.ledger) == 2)
            assert kept.ledger.refused == 1, "what was never sent"
            for each in (first, second):
                each.leave()

    run(watch())


def test_the_room_for_records_comes_back_with_the_end_of_who_had_it() -> None:
    class Somebody:
        pass

    room, first, second = KeptFrames(2 * BLOCK), Somebody(), Somebody()
    assert room.take(first, 10 * BLOCK) and room.take(first, 10 * BLOCK)
    assert not room.take(second, 10 * BLOCK)
    del first
    assert room.take(second, BLOCK) and not room.take(second, BLOCK)


@pytest.mark.parametrize("mapping", ["datagram", "stream-per-frame", "stream"])
def test_words_come_in_time_though_the_pictures_fill_the_path(running: Callable[..., Any], mapping: str) -> None:
    async def watch() -> None:
        network = {"rate": "150kbit/s", "delay": "10ms", "queue": "20kB"}
        async with running(network=network, bitrate="900kbit/s", deadline="1s") as one:
            viewer = await one.visit(mapping)
            await viewer.until(lambda: any(each.given_up > 10 for each in one.server.viewers), 20.0)
            took = []
            for number in range(6):
                began = one.server.now()
                text = f"word {number}"
                viewer.say(json.dumps({"kind": "chat", "text": text}).encode())
                await viewer.until(lambda text=text: any(text.encode() in word for word in viewer.words))  # type: ignore[misc]
                took.append(one.server.now() - began)
                await asyncio.sleep(0.3)
            assert max(took) < 2.0, took
            viewer.vanish()

    run(watch())


def test_who_floods_the_chat_takes_no_more_of_the_path_of_others_than_is_for_words(running: Callable[..., Any]) -> None:
    async def watch() -> None:
        async with running(network={"rate": "1Mbit/s", "delay": "5ms", "queue": "60kB"}, poll=("?", "a", "b")) as one:
            flooding, viewer = await one.visit(), await one.visit()
            for each in (flooding, viewer):
                await each.until(lambda each=each: len(each.frames) > 20)
            said = len(viewer.words)
            began = one.server.now()
            line = json.dumps({"kind": "chat", "text": "\u00e9" * 500}).encode()
            for number in range(40):
                flooding.say(line if number % 4 else b'{"kind": "vote", "answer": 1}')
                await asyncio.sleep(0.1)
            heard = sum(map(len, viewer.words[said:]))
            seconds = one.server.now() - began
            assert 0.5 < heard * 8 / (WORDS_BPS * (seconds + 1)) < 1.3
            assert one.server.viewers[1].given_up == 0 and one.server.viewers[1].rate_bps > 600_000
            assert any(json.loads(word)["kind"] == "poll" for word in viewer.words[said:])
            for each in (flooding, viewer):
                each.leave()

    run(watch())
