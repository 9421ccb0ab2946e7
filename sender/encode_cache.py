"""The encode cache: a stream is encoded once for all arms, all runs and all processes that ask for the same.

What an encoder gives for a frame depends on everything it was told before. So a chain of hashes names a frame: one of
the settings (source, size, rate, codec, library versions), then one per frame (which source instant, when captured,
forced to a keyframe or not; of an encoder that follows, its rung and its budget, too). Two runs share their frames up
to the first decision in which they differ, and a look-up needs only the end of the chain. On a miss the real encoder
catches up: it replays the decisions that it has not seen yet, from the start of the stream if need be. So an arm that
diverges late pays for one encode of the run so far.

The store is one SQLite file, and it is only ever a cache: a damaged file is thrown away, a damaged row is encoded
again, and where the folder cannot be written the cache lives in memory.
"""

import hashlib
import json
import os
import sqlite3
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Self, TypeVar

import av

from glassbench.sender.encoder import ENCODERS, Encoded, EncoderSettings, SourceEncoder
from glassbench.sender.source import PixelSource

FORMAT = 1  # of keys, rows and the stamp's layout
MAX_BYTES = 2 * 2**30
_FLUSH_FRAMES = 64
_LINK = struct.Struct("!QQ?")  # capture, captured_at in us, forced
_RUNG = struct.Struct("!IHH?I")  # of an encoder that follows: bit/s, width, height, a new encoder, bytes
_SCHEMA = """
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA synchronous = OFF;
CREATE TABLE IF NOT EXISTS stream (id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, used INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS frame (
    chain BLOB NOT NULL UNIQUE, stream INTEGER NOT NULL, keyframe INTEGER NOT NULL, crc INTEGER NOT NULL,
    payload BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS frame_stream ON frame (stream);
"""

_T = TypeVar("_T")


def default_directory(environment: Mapping[str, str] = os.environ) -> Path | None:
    """`$XDG_CACHE_HOME/glassbench`, or ~/.cache/glassbench (XDG Base Directory Specification: only absolute paths).

    None for a user without a home, as in a container with a made-up user id.
    """
    base = Path(environment.get("XDG_CACHE_HOME", ""))
    try:
        return (base if base.is_absolute() else Path.home() / ".cache") / "glassbench"
    except RuntimeError:
        return None


class EncodeCache:
    """Encoded frames by chain, at most `max_bytes` of them: the streams used least recently make room.

    To be opened by the process that uses it (not before a fork); several processes may share a directory. `directory`
    None keeps all in memory. `note` is one sentence if the directory cannot be used, else None.
    """

    def __init__(self, directory: Path | None, *, max_bytes: int = MAX_BYTES) -> None:
        self.note: str | None = None
        self.hits = 0
        self.misses = 0
        self._max_bytes = max_bytes
        self._path = None if directory is None else directory / f"encodes-{FORMAT}.sqlite"
        self._pending: list[tuple[bytes, int, int, int, bytes]] = []
        self._database = self._connect()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def stream(self, key: bytes) -> int:
        """The number of the stream with these settings, which becomes the one used last."""
        self.flush()
        return self._guarded(lambda database: _touch(database, key), 0)

    def get(self, chain: bytes) -> Encoded | None:
        """The frame at the end of a chain, or None."""
        row = self._guarded(lambda database: _find(database, chain), None)
        if row is None:
            self.misses += 1
        else:
            self.hits += 1
        return row

    def put(self, stream: int, chain: bytes, encoded: Encoded) -> None:
        """Store a frame. It is found, here and by other processes, after the next flush."""
        self._pending.append((chain, stream, encoded.keyframe, zlib.crc32(encoded.payload), encoded.payload))
        if len(self._pending) >= _FLUSH_FRAMES:
            self.flush()

    def flush(self) -> None:
        """Write what is pending, in one transaction."""
        rows, self._pending = self._pending, []
        if rows:
            self._guarded(lambda database: _write(database, rows, self._max_bytes), None)

    def close(self) -> None:
        """Flush and release the file."""
        self.flush()
        self._database.close()

    def _connect(self) -> sqlite3.Connection:
        if self._path is not None:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                return _open(self._path)
            except sqlite3.OperationalError as error:
                self.note = f"the encode cache {self._path} cannot be used ({error}): encodes are kept in memory"
            except sqlite3.DatabaseError:
                return self._start_anew()
            except OSError as error:
                self.note = (
                    f"the encode cache {self._path} cannot be used ({error.strerror}): encodes are kept in memory"
                )
        return _open(None)

    def _start_anew(self) -> sqlite3.Connection:
        """Throw the damaged file away."""
        assert self._path is not None
        try:
            self._path.unlink(missing_ok=True)
            return _open(self._path)
        except (sqlite3.DatabaseError, OSError) as error:
            self.note = (
                f"the damaged encode cache {self._path} cannot be replaced ({error}): encodes are kept in memory"
            )
            return _open(None)

    def _guarded(self, action: Callable[[sqlite3.Connection], _T], otherwise: _T) -> _T:
        """Do something with the store, so that no failure of it harms a run."""
        try:
            with self._database:
                return action(self._database)
        except sqlite3.OperationalError:
            return otherwise  # locked by another process for long, or the disk is full: do without
        except sqlite3.DatabaseError:
            self._database.close()
            self._database = self._start_anew()
            return otherwise


class CachedEncoder:
    """A FrameEncoder that asks the cache first. Same bytes as `SourceEncoder`, whatever is cached."""

    def __init__(self, source: PixelSource, settings: EncoderSettings, cache: EncodeCache) -> None:
        self._source = source
        self._settings = settings
        self._cache = cache
        self._chain = _settings_key(source, settings)
        self._stream = cache.stream(self._chain)
        self._ladder = settings.ladder(width=source.width, height=source.height, fps=source.fps)
        self._decisions: list[tuple[int, float, bool, int | None]] = []
        self._encoder: SourceEncoder | None = None
        self._replayed = 0

    def encode(
        self, capture: int, captured_at: float, *, force_keyframe: bool, budget_bytes: int | None = None
    ) -> Encoded:
        """Encode source instant `capture` as the next frame."""
        self._decisions.append((capture, captured_at, force_keyframe, budget_bytes))
        link = _LINK.pack(capture, round(captured_at * 1e6), force_keyframe)
        if budget_bytes is not None:
            rung, opens = self._ladder.next(budget_bytes, force_keyframe=force_keyframe)
            told = budget_bytes if ENCODERS[self._settings.codec].keeps_budgets else 0
            link += _RUNG.pack(rung.bitrate_bps, rung.width, rung.height, opens, told)
        self._chain = hashlib.sha256(self._chain + link).digest()
        encoded = self._cache.get(self._chain)
        if encoded is None:
            encoded = self._encode()
            self._cache.put(self._stream, self._chain, encoded)
        return encoded._replace(size=(self._ladder.rung.width, self._ladder.rung.height))

    def _encode(self) -> Encoded:
        if self._encoder is None:
            self._encoder = SourceEncoder(self._source, self._settings)
        for capture, captured_at, force_keyframe, budget_bytes in self._decisions[self._replayed :]:
            encoded = self._encoder.encode(
                capture, captured_at, force_keyframe=force_keyframe, budget_bytes=budget_bytes
            )
        self._replayed = len(self._decisions)
        return encoded


def _settings_key(source: PixelSource, settings: EncoderSettings) -> bytes:
    entry = ENCODERS[settings.codec]
    description = {
        "format": FORMAT,
        "source": source.identity,
        "size": [source.width, source.height],
        "fps": str(source.fps),
        "settings": asdict(settings),
        "told": [entry.library, settings.options(source.fps)],
        "libraries": {"av": av.__version__, **av.library_versions},
    }
    return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).digest()


def _open(path: Path | None) -> sqlite3.Connection:
    database = sqlite3.connect(":memory:" if path is None else path, timeout=5.0)
    try:
        database.executescript(_SCHEMA)
    except sqlite3.DatabaseError:
        database.close()
        raise
    return database


def _touch(database: sqlite3.Connection, key: bytes) -> int:
    database.execute(
        "INSERT INTO stream (key, used) SELECT ?, COALESCE(MAX(used), 0) + 1 FROM stream WHERE true "
        "ON CONFLICT (key) DO UPDATE SET used = excluded.used",
        (key,),
    )
    (number,) = database.execute("SELECT id FROM stream WHERE key = ?", (key,)).fetchone()
    return int(number)


def _find(database: sqlite3.Connection, chain: bytes) -> Encoded | None:
    row = database.execute("SELECT keyframe, crc, payload FROM frame WHERE chain = ?", (chain,)).fetchone()
    if row is None or zlib.crc32(row[2]) != row[1]:
        return None
    return Encoded(row[2], bool(row[0]))


def _write(database: sqlite3.Connection, rows: list[tuple[bytes, int, int, int, bytes]], max_bytes: int) -> None:
    database.executemany("INSERT OR REPLACE INTO frame VALUES (?, ?, ?, ?, ?)", rows)
    if _size(database) > max_bytes:  # another process may have evicted a stream that was still being written
        database.execute("DELETE FROM frame WHERE stream NOT IN (SELECT id FROM stream)")
    while _size(database) > max_bytes:
        oldest = database.execute("SELECT id FROM stream ORDER BY used LIMIT 1").fetchone()
        if oldest is None:
            break
        database.execute("DELETE FROM frame WHERE stream = ?", oldest)
        database.execute("DELETE FROM stream WHERE id = ?", oldest)
    database.execute("PRAGMA incremental_vacuum").fetchall()


def _size(database: sqlite3.Connection) -> int:
    pages, free, page_bytes = (
        database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * page_bytes)
