"""Low-latency HLS (RFC 8216bis): parts of segments, playlists that are held until they have news, preload hints."""

import asyncio
import re
from collections.abc import Mapping
from math import ceil

from glassbench.experiments.worlds.peers.cmaf import ChunkReader
from glassbench.experiments.worlds.peers.http_origin import Channel, OriginEnd, Segment
from glassbench.experiments.worlds.peers.http_player import HttpStack, PlayerEnd
from glassbench.experiments.worlds.peers.peer import PeerContext, PeerEnd, PeerError

PLAYLIST = "live.m3u8"
_HOLD_BACK = 3  # parts: the least that PART-HOLD-BACK may be
_PARTS_OF = 2  # segments whose parts are listed
_PART = re.compile(r'^#EXT-X-PART:.*URI="([^"]+)"', re.MULTILINE)
_HINT = re.compile(r'^#EXT-X-PRELOAD-HINT:.*URI="([^"]+)"', re.MULTILINE)
_PART_TARGET = re.compile(r"PART-TARGET=([\d.]+)")
_TARGET = re.compile(r"^#EXT-X-TARGETDURATION:(\d+)", re.MULTILINE)
_BLOCKS = re.compile(r"CAN-BLOCK-RELOAD=YES")
_NAME = re.compile(r"(\d+)\.(\d+)\.m4s")


class LlHls(HttpStack):
    """A chunked origin, and a plain client."""

    @classmethod
    def end(cls, context: PeerContext) -> PeerEnd:
        if context.role == "receiver":
            return _HlsPlayer(context)
        return origin(context)


def origin(context: PeerContext) -> OriginEnd:
    """The sending end."""
    return OriginEnd(context, {f"/{PLAYLIST}": answer})


async def answer(channel: Channel, query: Mapping[str, str]) -> tuple[str, str]:
    """The playlist, as soon as it has the segment and the part that the query names."""
    number, part = (
        int(text) if text.isdecimal() else -1 for text in (query.get("_HLS_msn", ""), query.get("_HLS_part", ""))
    )

    def has_it() -> bool:
        newest = channel.segments.get(channel.newest)
        return newest is not None and (newest.number, len(newest.chunks)) > (number, max(part, 0))

    await channel.until(has_it)
    return _playlist(channel), "application/vnd.apple.mpegurl"


def _playlist(channel: Channel) -> str:
    part = channel.chunk_frames * channel.interval_us / 1e6
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:9",
        f"#EXT-X-TARGETDURATION:{ceil(channel.segment_us / 1e6)}",
        f"#EXT-X-PART-INF:PART-TARGET={part:.6f}",
        f"#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK={_HOLD_BACK * part:.6f}",
        f"#EXT-X-MEDIA-SEQUENCE:{min(channel.segments)}",
        '#EXT-X-MAP:URI="init.mp4"',
    ]
    for number, segment in sorted(channel.segments.items()):
        if number > channel.newest - _PARTS_OF:
            lines += _parts(segment)
        if segment.complete:
            lines += [f"#EXTINF:{segment.duration:.6f},", f"{number}.m4s"]
    growing = channel.segments[channel.newest]
    lines.append(f'#EXT-X-PRELOAD-HINT:TYPE=PART,URI="{growing.number}.{len(growing.chunks)}.m4s"')
    return "\n".join(lines) + "\n"


def _parts(segment: Segment) -> list[str]:
    return [
        f"#EXT-X-PART:DURATION={(chunk.end_us - chunk.start_us) / 1e6:.6f},"
        f'URI="{segment.number}.{index}.m4s"{",INDEPENDENT=YES" if chunk.independent else ""}'
        for index, chunk in enumerate(segment.chunks)
    ]


class _HlsPlayer(PlayerEnd):
    """It asks for each part as soon as a playlist lists it or hints at it, and for the next playlist meanwhile."""

    async def play(self) -> None:
        text = await self._load(PLAYLIST)
        self._read(text)
        number = max((self._place(uri)[0] for uri in _PART.findall(text)), default=0)
        newest = (number, -1)  # begin with the segment that grows
        fetched: asyncio.Queue[asyncio.Future[bytes | None]] = asyncio.Queue()
        self.beside(self._show_in_order(fetched))
        while not self.is_over:
            listed = _PART.findall(text)
            for uri in [*listed, *_HINT.findall(text)]:
                if self._place(uri) > newest:
                    newest = self._place(uri)
                    future: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
                    fetched.put_nowait(future)
                    self.beside(self._fetch_part(uri, future))
            number, part = max(map(self._place, listed), default=(number, -1))
            text = await self._load(f"{PLAYLIST}?_HLS_msn={number}&_HLS_part={part + 1}")

    async def _load(self, path: str) -> str:
        playlist = await self.fetch(path)
        if playlist is None:
            raise PeerError("the origin has no playlist")
        return playlist.decode()

    async def _fetch_part(self, uri: str, future: asyncio.Future[bytes | None]) -> None:
        try:
            future.set_result(await self.fetch(uri))
        finally:
            if not future.done():
                future.set_result(None)

    async def _show_in_order(self, fetched: asyncio.Queue[asyncio.Future[bytes | None]]) -> None:
        reader = ChunkReader()
        while True:
            data = await (await fetched.get())
            if data is not None:  # a part was hinted at that never came: its segment has ended
                self.show(data, reader)

    def _place(self, uri: str) -> tuple[int, int]:
        """Segment and part of a URI. Raises PeerError."""
        match = _NAME.fullmatch(uri)
        if match is None:
            raise PeerError(f"the playlist names {uri!r}, accepted is 'segment.part.m4s'")
        return int(match[1]), int(match[2])

    def _read(self, text: str) -> None:
        part, target = _PART_TARGET.search(text), _TARGET.search(text)
        self._settings = {
            "part_target_s": float(part[1]) if part else None,
            "target_duration_s": int(target[1]) if target else None,
            "can_block_reload": _BLOCKS.search(text) is not None,
        }
