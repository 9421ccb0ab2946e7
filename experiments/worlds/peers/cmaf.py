"""Fragments of MP4 as CMAF has them (ISO/IEC 14496-12 and 23000-19), one track of H.264: written and read.

Parameter sets stay in the samples ("avc3"), so that a decoder can begin at any keyframe. Times are microseconds.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from glassbench.transport.rtp import annex_b

TIMESCALE = 1_000_000
_TRACK = 1
_SPS, _PPS = 7, 8  # kinds of NAL units
_START_CODE = b"\0\0\0\1"
_KEYFRAME_FLAGS, _OTHER_FLAGS = 0x02000000, 0x01010000  # depends on none; depends on others, and is no sync sample
_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_BOX = struct.Struct(">I4s")
_SAMPLE = struct.Struct(">III")  # duration, size, flags
_MOST_BOX_BYTES = 64 * 2**20  # the mdat of a chunk that is a whole segment
_MOST_SAMPLES = 10_000  # of a chunk


class CmafError(ValueError):
    """Bytes that are not such a fragment."""


@dataclass(frozen=True, slots=True)
class Sample:
    """An access unit in Annex B, and its time in microseconds."""

    data: bytes
    time_us: int
    keyframe: bool


def parameter_sets(access_unit: bytes) -> tuple[bytes, bytes] | None:
    """The sequence and the picture parameter set of a keyframe; None if it has none."""
    units = {unit[0] & 0x1F: unit for unit in annex_b.split(access_unit) if unit}
    return (units[_SPS], units[_PPS]) if _SPS in units and _PPS in units else None


def codec_string(sps: bytes) -> str:
    """The codec as manifests name it (RFC 6381)."""
    return f"avc3.{sps[1:4].hex()}"


def init_segment(sps: bytes, pps: bytes, *, width: int, height: int) -> bytes:
    """The header of all fragments."""
    configuration = struct.pack(">B3sBB", 1, sps[1:4], 0xFF, 0xE1) + _sized(sps) + b"\1" + _sized(pps)
    entry = struct.pack(">6xH16xHHIII H32sHh", 1, width, height, 0x480000, 0x480000, 0, 1, b"", 24, -1)
    table = _full("stsd", 0, 0, struct.pack(">I", 1) + _box("avc3", entry + _box("avcC", configuration)))
    empty = [_full(name, 0, 0, bytes(count)) for name, count in (("stts", 4), ("stsc", 4), ("stsz", 8), ("stco", 4))]
    data = _box("dinf", _full("dref", 0, 0, struct.pack(">I", 1) + _full("url ", 0, 1, b"")))
    media = _box("minf", _full("vmhd", 0, 1, bytes(8)) + data + _box("stbl", table + b"".join(empty)))
    handler = _full("hdlr", 0, 0, struct.pack(">4x4s12x", b"vide") + b"video\0")
    about = _full("mdhd", 0, 0, struct.pack(">IIIIHH", 0, 0, TIMESCALE, 0, 0x55C4, 0))
    placed = struct.pack(">IIIII8xHHHH", 0, 0, _TRACK, 0, 0, 0, 0, 0, 0) + _MATRIX
    header = _full("tkhd", 0, 3, placed + struct.pack(">II", width << 16, height << 16))
    movie = struct.pack(">IIIIIH10x", 0, 0, TIMESCALE, 0, 0x10000, 0x0100) + _MATRIX + bytes(24)
    defaults = _full("trex", 0, 0, struct.pack(">IIIII", _TRACK, 1, 0, 0, 0))
    track = _box("trak", header + _box("mdia", about + handler + media))
    moov = _full("mvhd", 0, 0, movie + struct.pack(">I", _TRACK + 1)) + track + _box("mvex", defaults)
    return _box("ftyp", b"iso6\0\0\0\0iso6cmfc") + _box("moov", moov)


def chunk(number: int, samples: Sequence[Sample], *, end_us: int) -> bytes:
    """A fragment of these samples, each of which lasts until the next one, the last one until `end_us`. Raises
    Malformed of `annex_b`."""
    media = [b"".join(struct.pack(">I", len(unit)) + unit for unit in annex_b.split(one.data)) for one in samples]
    ends = [*(one.time_us for one in samples[1:]), end_us]
    rows = b"".join(
        _SAMPLE.pack(end - one.time_us, len(data), _KEYFRAME_FLAGS if one.keyframe else _OTHER_FLAGS)
        for one, end, data in zip(samples, ends, media, strict=True)
    )
    start = _full("tfdt", 1, 0, struct.pack(">Q", samples[0].time_us))
    head = _full("mfhd", 0, 0, struct.pack(">I", number)), _full("tfhd", 0, 0x020000, struct.pack(">I", _TRACK)), start

    def moof(offset: int) -> bytes:
        run = _full("trun", 0, 0x000701, struct.pack(">Ii", len(samples), offset) + rows)
        return _box("moof", head[0] + _box("traf", head[1] + head[2] + run))

    return moof(len(moof(0)) + _BOX.size) + _box("mdat", b"".join(media))


class ChunkReader:
    """Reads the samples of a resource that grows."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._rows: list[tuple[int, int, bool]] = []  # time, size and keyframe of the samples of the next mdat

    def feed(self, data: bytes) -> Iterator[Sample]:
        """The samples that are whole now. Raises CmafError."""
        self._buffer += data
        while len(self._buffer) >= _BOX.size:
            size, kind = _BOX.unpack_from(self._buffer)
            if not _BOX.size <= size <= _MOST_BOX_BYTES:
                raise CmafError(f"a box {kind!r} of {size} bytes")
            if len(self._buffer) < size:
                return
            content = bytes(self._buffer[_BOX.size : size])
            del self._buffer[:size]
            if kind == b"moof":
                self._rows = _samples(content)
            elif kind == b"mdat":
                yield from self._cut(content)

    def _cut(self, media: bytes) -> Iterator[Sample]:
        place = 0
        for time_us, size, keyframe in self._rows:
            yield Sample(_annex_b(media[place : place + size]), time_us, keyframe)
            place += size
        self._rows = []


def _samples(moof: bytes) -> list[tuple[int, int, bool]]:
    """Time, size and keyframe of the samples that a moof of `chunk` announces. Raises CmafError."""
    try:
        traf = _child(moof, b"traf")
        (time_us,) = struct.unpack_from(">4xQ", _child(traf, b"tfdt"))
        run = _child(traf, b"trun")
        (count,) = struct.unpack_from(">4xI", run)
        if count > _MOST_SAMPLES:
            raise CmafError(f"a fragment of {count} samples")
        rows = []
        for index in range(count):
            duration, size, flags = _SAMPLE.unpack_from(run, 12 + index * _SAMPLE.size)
            rows.append((time_us, size, flags == _KEYFRAME_FLAGS))
            time_us += duration
        return rows
    except struct.error as error:
        raise CmafError(f"a moof that is too short: {error}") from None


def _child(content: bytes, wanted: bytes) -> bytes:
    place = 0
    while place + _BOX.size <= len(content):
        size, kind = _BOX.unpack_from(content, place)
        if kind == wanted:
            return content[place + _BOX.size : place + size]
        place += max(size, _BOX.size)
    raise CmafError(f"no box {wanted!r}")


def _annex_b(sample: bytes) -> bytes:
    units, place = [], 0
    while place + 4 <= len(sample):
        size = int.from_bytes(sample[place : place + 4], "big")
        units.append(sample[place + 4 : place + 4 + size])
        place += 4 + size
    return b"".join(_START_CODE + unit for unit in units)


def _box(kind: str, content: bytes) -> bytes:
    return _BOX.pack(_BOX.size + len(content), kind.encode()) + content


def _full(kind: str, version: int, flags: int, content: bytes) -> bytes:
    return _box(kind, struct.pack(">I", version << 24 | flags) + content)


def _sized(unit: bytes) -> bytes:
    return struct.pack(">H", len(unit)) + unit
