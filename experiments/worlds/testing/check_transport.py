"""The contract of a transport, as a check that others can import."""

from collections.abc import Callable, Collection

from glassbench.demands import Broken
from glassbench.experiments.scenario.arm_spec import parse_arm
from glassbench.experiments.worlds.testing import clean_paths, lifetimes, rough_paths
from glassbench.experiments.worlds.testing.subject import Subject
from glassbench.netem.simulator import LivelockError
from glassbench.transport import registry
from glassbench.transport.registry import TransportEntry

TIMER_RESOLUTIONS = {"exact timers": 0.0, "timers of 1 ms": 0.001}

DEMANDS: dict[str, Callable[[Subject], None]] = {
    "media": clean_paths.media,
    "connects": clean_paths.connects,
    "clock": clean_paths.reads_no_clock,
    "delivers": clean_paths.delivers,
    "events": clean_paths.events,
    "reproducible": clean_paths.reproducible,
    "counters": clean_paths.counters,
    "datagram-size": clean_paths.datagram_size,
    "large-frames": clean_paths.large_frames,
    "keyframe-request": clean_paths.keyframe_request,
    "lossy-path": rough_paths.lossy_path,
    "outage": rough_paths.outage,
    "overload": rough_paths.overload,
    "bounded": rough_paths.bounded,
    "hostile-bytes": rough_paths.hostile_bytes,
    "time-moves-on": lifetimes.time_moves_on,
    "odd-calls": lifetimes.odd_calls,
    "close": lifetimes.close,
}


def check_transport(transport: TransportEntry | str, *, demands: Collection[str] = tuple(DEMANDS)) -> None:
    """Demand of both ends of a transport what `transport.contract` promises. Raises Broken with the name of the first
    demand that is not met.

    `transport` is an entry, which is checked with its default options, or an arm by its name in the table, such as
    "srt:latency_ms=200". The ends run in the simulator, over a path of 20 ms each way, with timers that are exact and
    with timers that come on whole milliseconds, as under epoll. `demands` are those to look at:

    1. `media`: the entry carries "h264" and "data"; its makers refuse all that it does not carry by Unsupported, with
       the name of the media.
    2. `connects`: each end tells `Connected` once, within 2 s, and does not close.
    3. `clock`: no clock is read, under whatever name.
    4. `delivers`: over a path without loss every frame of both tracks comes once, unchanged, and none is given up.
    5. `events`: of every frame `FrameStarted` and `FrameSent` come once, after its capture; events are in the order of
        their instants; a frame arrives first, is complete and is delivered in this order, no sooner than it can.
    6. `reproducible`: two runs of one seed are equal, in events and datagrams, with loss and a queue on the path.
    7. `counters`: those of `stats()` are whole numbers that begin with 0 and never fall; `datagrams_sent` is what was
        sent, if it is among them.
    8. `datagram-size`: no datagram is larger than `max_datagram_bytes`.
    9. `large-frames`: a frame of half a megabyte without a deadline arrives whole.
    10. `keyframe-request`: one for a track reaches the sender within 0.1 s, once; one for an unknown track does not.
    11. `lossy-path`: with loss, duplicates and reordering each frame is received once, or lost, which is told at most
        once; 60 % of them arrive; no end gives up.
    12. `outage`: frames flow again after nothing came through for a second.
    13. `overload`: on a link that carries a tenth of the media nothing comes twice, and nothing is told twice.
    14. `bounded`: where nothing gets through, at most 32 frames of a megabyte wait; the others are dropped and told.
    15. `hostile-bytes`: datagrams of a stranger, random, mutated or cut, raise nothing, change nothing that is told,
        and are not answered without bound.
    16. `time-moves-on`: no timer stays in the past, in none of these runs; a minute without media is survived with at
        most 5000 wake-ups a second.
    17. `odd-calls`: a second `connect`, a timer handled too early, calls before `connect`, `close` at once: harmless.
    18. `close`: both ends tell `Closed` once, without an error; calls after it are harmless, and no timer is left.

    It takes some seconds, most of them for `time-moves-on` and `hostile-bytes`.
    """
    entry, options = _entry(transport)
    subjects = {mode: Subject(entry, options, resolution) for mode, resolution in TIMER_RESOLUTIONS.items()}
    for name in demands:
        for mode, subject in subjects.items():
            _meet(name, mode, subject)


def _entry(transport: TransportEntry | str) -> tuple[TransportEntry, dict[str, object]]:
    """The entry with its complete options."""
    if isinstance(transport, TransportEntry):
        return transport, registry.complete_options(transport, {})
    arm = parse_arm(transport)
    return registry.get(arm.transport), registry.validate_options(arm.transport, dict(arm.options))


def _meet(name: str, mode: str, subject: Subject) -> None:
    try:
        DEMANDS[name](subject)
    except LivelockError as error:
        raise Broken("time-moves-on", f"with {mode}: {error}") from error
    except Broken as broken:
        raise Broken(broken.demand, f"with {mode}: {broken.reason}") from None
    except AssertionError as unmet:
        raise Broken(name, f"with {mode}: {unmet}") from None
    except Exception as error:
        raise Broken(name, f"with {mode}: it raises {type(error).__name__}: {error}") from error
