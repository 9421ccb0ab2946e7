"""VMAF (Netflix) of what was on the screen, by the FFmpeg with libvmaf that the extra `vmaf` brings.

The score of a picture depends on it, on its reference, and, by how much moves, on the references before and after
that; never on other pictures that were shown. So the pictures of the source go to libvmaf in their order with what was
on the screen beside them, and of a score that is missing only its reference and the two around that have to go. The
same pictures have the same scores in every run, with any number of threads. The model is made for a screen of 1080
lines at three times its height; it knows luma alone.
"""

import json
import math
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from typing import IO, NamedTuple

import av

from glassbench.receiver.planes import luma
from glassbench.receiver.quality import PairMemo
from glassbench.receiver.viewing import Pair, Screen, Viewing

MODEL = "v0.6.1"
INSTALL = "pip install 'glassbench[vmaf]'"
_MOST_SAID = 4000  # bytes of why it failed
_PATIENCE = 60.0  # seconds for FFmpeg to tell its version, and to end after the last picture


class VmafError(OSError):
    """There is no FFmpeg with libvmaf here, or it failed: one sentence."""


class VmafStopped(Exception):
    """Whoever waits for the scores does not want them any more."""


class InstantVmaf(NamedTuple):
    """The score, from 0 to 100, of what was on the screen for one source instant, and of the picture that was captured
    then, whenever it was shown; NaN if it never was."""

    vmaf: float
    own_vmaf: float


@cache
def vmaf_version() -> str:
    """The version of the FFmpeg that scores. Raises VmafError."""
    program = _program()
    try:
        told = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=_PATIENCE, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        raise VmafError(f"VMAF needs FFmpeg, and {program} does not run: {error}") from None
    version = re.match(r"ffmpeg version (\S+)", told.stdout)
    if version is None or "--enable-libvmaf" not in told.stdout:
        raise VmafError(f"VMAF needs FFmpeg with libvmaf, and {program} has none: {INSTALL}")
    return version.group(1)


def measure_vmaf(
    viewing: Viewing, reference: Iterable[av.VideoFrame], *, memo: PairMemo[float], stop: Callable[[], bool]
) -> list[InstantVmaf]:
    """The scores at each source instant: `reference` are its pictures (yuv420p, of the size of the viewing), read only
    as far as needed and only if a score is not in `memo` yet. Raises VmafError, and VmafStopped if `stop` says so."""
    on_screen = {index: viewing.pair(index, number) for index, number in enumerate(viewing.on_screen)}
    own = {index: viewing.pair(index, number) for index, number in enumerate(viewing.own) if number is not None}
    scores = memo.known([*on_screen.values(), *own.values()])
    missing: list[dict[int, int | None]] = [
        {index: number for index, number in enumerate(viewing.on_screen) if on_screen[index] not in scores},
        {
            index: number
            for index, number in enumerate(viewing.own)
            if number is not None and number != viewing.on_screen[index] and own[index] not in scores
        },
    ]
    with ExitStack() as stack:
        lanes = [_Lane(viewing, numbers, stack.enter_context(_scorer(viewing))) for numbers in missing if numbers]
        last = max((lane.last for lane in lanes), default=-1)
        for index, picture in zip(range(last + 1), reference, strict=False):
            if stop():
                raise VmafStopped
            for lane in lanes:
                lane.take(index, picture)
        for lane in lanes:
            for pair, score in lane.scores():
                scores[pair] = score
                memo.put(pair, score)
    return [
        InstantVmaf(scores[pair], scores[own[index]] if index in own else math.nan) for index, pair in on_screen.items()
    ]


class _Lane:
    """Pictures of a viewing, by their numbers, on their way to a scorer, each between the references around its own."""

    def __init__(self, viewing: Viewing, numbers: Mapping[int, int | None], scorer: "_Scorer") -> None:
        self._viewing = viewing
        self._numbers = numbers
        self._scorer = scorer
        self._screen = Screen(viewing)
        count = len(viewing.captured_at)
        around = {near for index in numbers for near in (index - 1, index, index + 1)}
        self._indices = sorted(index for index in around if 0 <= index < count)
        self._taken = set(self._indices)

    @property
    def last(self) -> int:
        """The index of the last reference that is needed."""
        return self._indices[-1]

    def take(self, index: int, reference: av.VideoFrame) -> None:
        """Take the picture of the source at an instant, which never goes back. Raises VmafError."""
        if index in self._numbers:
            self._scorer.compare(self._screen.picture(self._numbers[index], reference), reference)
        elif index in self._taken:
            self._scorer.compare(reference, reference)  # only what moves in the reference counts

    def scores(self) -> Iterator[tuple[Pair, float]]:
        """The score of each of the pictures. Raises VmafError."""
        for index, score in zip(self._indices, self._scorer.scores(), strict=True):
            if index in self._numbers:
                yield self._viewing.pair(index, self._numbers[index]), score


class _Scorer:
    """FFmpeg, which gets pairs of pictures through one pipe, the shown one above its reference, and writes a score for
    each to `log` at the end, and to `errors` why it failed. One pipe cannot make it and us wait for each other."""

    def __init__(
        self, process: "subprocess.Popen[bytes]", log: IO[bytes], errors: IO[bytes], width: int, height: int
    ) -> None:
        self._process = process
        self._log = log
        self._errors = errors
        self._size = height, width
        self._chroma = bytes(2 * height * ((width + 1) // 2))  # which no score looks at

    def compare(self, displayed: av.VideoFrame, reference: av.VideoFrame) -> None:
        """Take a pair of yuv420p pictures. Raises VmafError."""
        height, width = self._size
        try:
            for picture in (displayed, reference):
                self._stdin.write(luma(picture)[:height, :width].tobytes())
            self._stdin.write(self._chroma)
        except OSError:
            raise self._failure() from None

    def scores(self) -> list[float]:
        """The score of each pair, in order. Raises VmafError."""
        try:
            self._stdin.close()
            if self._process.wait(_PATIENCE) != 0:
                raise self._failure()
            self._log.seek(0)
            frames = json.loads(self._log.read())["frames"]
        except (OSError, subprocess.TimeoutExpired, ValueError):
            raise self._failure() from None
        return [float(frame["metrics"]["vmaf"]) for frame in frames]

    @property
    def _stdin(self) -> IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin

    def _failure(self) -> VmafError:
        self._errors.seek(0)
        said = self._errors.read(_MOST_SAID).decode(errors="replace").split("\n")
        return VmafError(f"FFmpeg did not score the pictures: {next((line for line in said if line), 'it ended')}")


@contextmanager
def _scorer(viewing: Viewing) -> Iterator[_Scorer]:
    """A scorer of pictures of the size of a viewing. Nothing is left of it. Raises VmafError."""
    width, height = viewing.width, viewing.height
    parts = f"[0:v]split[a][b];[a]crop={width}:{height}:0:0:exact=1[shown]"
    parts += f";[b]crop={width}:{height}:0:{height}:exact=1[reference]"
    source = ["-f", "rawvideo", "-pixel_format", "yuv420p", "-video_size", f"{width}x{2 * height}", "-i", "pipe:0"]
    # Files without a name: they are gone with the last process, however that ends.
    with tempfile.TemporaryFile() as log, tempfile.TemporaryFile() as errors:
        score = f"libvmaf=model=version=vmaf_{MODEL}:log_fmt=json:log_path=/dev/fd/{log.fileno()}"
        graph = f"{parts};[shown][reference]{score}"
        process = subprocess.Popen(
            [_program(), "-nostdin", "-loglevel", "error", *source, "-filter_complex", graph, "-f", "null", "-"],
            pass_fds=[log.fileno()],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            process_group=0,  # Ctrl-C is for us alone
        )
        try:
            yield _Scorer(process, log, errors, width, height)
        finally:
            process.kill()
            process.wait()
            assert process.stdin is not None
            with suppress(OSError):  # what was still to be said to it
                process.stdin.close()


def _program() -> str:
    """The path of FFmpeg. Raises VmafError."""
    try:
        import imageio_ffmpeg
    except ImportError:
        raise VmafError(f"VMAF needs FFmpeg with libvmaf, which is not here: {INSTALL}") from None
    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError:
        raise VmafError("VMAF needs FFmpeg with libvmaf, which imageio-ffmpeg does not have for this machine") from None
