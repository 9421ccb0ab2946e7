"""`glass doctor`: what this machine can do, and what to install or allow for the rest."""

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from importlib.util import find_spec

from glassbench.experiments.cli.options import AsJson
from glassbench.experiments.cli.output import print_json
from glassbench.experiments.cli.peers import peer_states
from glassbench.experiments.cli.terminal import say
from glassbench.netem.live.lab import Lab
from glassbench.netem.live.lab_plan import lan, port_to
from glassbench.netem.live.pauses import pauses
from glassbench.netem.live.processors import usable_processors
from glassbench.sender import x264_library
from glassbench.sender.encoder import EncoderError

_PATIENCE = 10.0  # seconds for a question to the kernel, asked in a process of its own
_RUN_FIRST = "import os; os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))"
_PROGRAMS = {
    "tshark": ("reading captures (glass compare --capture) on this machine", "apt install tshark"),
    "srt-live-transmit": ("the tests of srt against libsrt", "apt install srt-tools"),
    "ffmpeg": ("the tests of rtp against FFmpeg", "apt install ffmpeg"),
    "gst-launch-1.0": (
        "the tests of rtp against GStreamer",
        "apt install gstreamer1.0-tools gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-libav",
    ),
    "chromium": ("players and pages as arms, and tests of reports", "apt install chromium"),
}
_LISTENED = 2.0  # seconds
_PAUSE = 1e-3  # seconds: an emulator that is kept waiting for so long is late by as much as it may be
_WANTED_PROCESSORS = 4  # sender, emulator and receiver of a live run, and everything else


@dataclass(frozen=True)
class Finding:
    """One thing, whether it works here, and if not why and what helps."""

    what: str
    works: bool
    remedy: str = ""


def doctor(as_json: AsJson = False) -> None:
    """Say what this machine can do, a line each, and what helps where it cannot.

    Nothing is changed or installed; one processor is kept busy for two seconds.
    Virtual time needs none of it.
    """
    findings = list(_findings())
    if as_json:
        print_json({"rows": [asdict(finding) for finding in findings]})
        return
    for finding in findings:
        remedy = "" if finding.works else f": {finding.remedy}"
        say(f"{'yes' if finding.works else 'no ':3}  {finding.what}{remedy}", hanging=5)


def _findings() -> Iterator[Finding]:
    yield Finding("virtual time", works=True)
    yield _network("live runs between network namespaces, glass shell", [])
    yield _network(
        "live runs through the kernel's own netem (--emulator kernel)",
        [f"tc qdisc add dev {port_to('sender', 1)} root netem"],
    )
    yield Finding(
        "live runs through a relay (IPv4 loopback)", _binds("127.0.0.1"), "UDP sockets on 127.0.0.1 are refused"
    )
    yield _slices()
    yield Finding("IPv6 on loopback", _binds("::1"), "::1 cannot be bound; live runs use IPv4")
    yield Finding(
        "an emulator that runs before other programs (SCHED_FIFO)",
        _answers([sys.executable, "-I", "-c", _RUN_FIRST]),
        "it needs root (CAP_SYS_NICE); without, a busy machine makes more live runs be repeated",
    )
    processors = usable_processors()
    yield Finding(
        f"a processor for each part of a live run ({processors} found)",
        processors >= _WANTED_PROCESSORS,
        f"with fewer than {_WANTED_PROCESSORS} they wait for each other, and for whatever else runs",
    )
    yield _steadiness()
    for program, (use, remedy) in _PROGRAMS.items():
        yield Finding(f"{program}, for {use}", shutil.which(program) is not None, remedy)
    yield from _stacks()
    yield _vmaf()
    yield Finding(
        "sweeps on a cluster (Dask distributed)",
        find_spec("distributed") is not None,
        "pip install 'glassbench[cluster]'",
    )


def _stacks() -> Iterator[Finding]:
    states = peer_states()
    here = ", ".join(state.name for state in states if state.here)
    yield Finding(f"stacks of others as arms of live runs: {here or 'none'} (glass peers)", bool(here), "make peers")
    for state in states:
        if not state.here:
            yield Finding(f"{state.name}, {state.about}", False, state.remedy)


def _network(what: str, commands: list[str]) -> Finding:
    try:
        with ExitStack() as cleanup:
            Lab(lan({"sender": [], "receiver": []}), cleanup, kernel=commands)
    except OSError as error:
        return Finding(what, False, str(error))
    return Finding(what, works=True)


def _slices() -> Finding:
    what = "slices of pictures in real time (--arm NAME:slices=4)"
    try:
        x264_library.load()
    except EncoderError as error:
        return Finding(what, False, str(error))
    return Finding(what, works=True)


def _vmaf() -> Finding:
    what = "VMAF of what is displayed (--set video.vmaf=v0.6.1)"
    from glassbench.receiver.vmaf import VmafError, vmaf_version

    try:
        vmaf_version()
    except VmafError as error:
        return Finding(what, False, str(error))
    return Finding(what, works=True)


def _steadiness() -> Finding:
    lengths = pauses(_LISTENED, least=_PAUSE)
    return Finding(
        f"a processor of one's own ({len(lengths)} pauses of {_PAUSE * 1e3:g} ms or more in {_LISTENED:g} s)",
        not lengths,
        f"the longest took {max(lengths, default=0) * 1e3:.1f} ms: other programs run, or the host of a virtual machine"
        " does something else; more live runs are repeated",
    )


def _binds(host: str) -> bool:
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as plain:
            plain.bind((host, 0))
    except OSError:
        return False
    return True


def _answers(command: list[str]) -> bool:
    try:
        return subprocess.run(command, check=False, capture_output=True, timeout=_PATIENCE).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
