"""Random scenarios of network x arm x media, each run in virtual time and judged by what must hold for all of them.

    python benchmarks/random_scenarios.py [--count 10000] [--seed 0] [--workers N]
    python benchmarks/random_scenarios.py --seed 0 --only 4711       one of them again, with its scenario as TOML

What is judged, besides what a run checks by itself (the ledger and the packets add up):

- the arm is measured, or says why it cannot be;
- no frame is complete before propagation and serialisation let it be;
- the dice of elements do not move each other: with an element more that does nothing, the ledger is the same;
- repair stays within its budget where the arm has one, and is noted where it is more than half of the media;
- an arm that shows nothing says why.

A quarter of a second of processor time each. Ends with 1 if one of them does not hold.
"""

import argparse
import os
import sys
import traceback
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

import numpy as np

from experiments import scenario
from experiments.measure.arm_result import ArmResult
from experiments.measure.ends import MEDIA_START
from experiments.measure.links import open_link
from experiments.measure.virtual import Reuse, run_arm
from experiments.scenario import Scenario
from experiments.scenario.toml_text import to_toml
from netem.simulator import START_AT
from receiver.quality import QualityMemo
from sender.encode_cache import EncodeCache

Table = dict[str, Any]

SLACK = 1e-6  # seconds
OPPORTUNITY_BYTES = 1504  # a delivery opportunity of a trace may have begun before the frame came

STREAMS = ("quic-stream", "quic-stream-per-gop", "quic-stream-per-frame", "webtransport-stream-per-frame")
DATAGRAMS = ("quic-datagram", "webtransport-datagram")
TRACES = ("lte-driving", "mmwave-blockage", "wifi-bursts", "satellite", "steps")


def draw(seed: int, index: int) -> Table:
    """Scenario number `index`, as it would stand in a file; the same for the same seed."""
    rng = np.random.default_rng([seed, index])
    content: Table = {
        "name": f"random-{index}",
        "seed": int(rng.integers(0, 2**31)),
        "duration": _ms(rng.uniform(300, 2500)),
        "arms": [_arm(rng)],
        "playout": _choice(rng, "immediate", "immediate", "adaptive", f"fixed:{_ms(rng.uniform(0, 300))}"),
        "timer": _choice(rng, "exact", "exact", "1ms"),
        "connect": _choice(rng, "before", "before", "with-media"),
        "mtu": int(_choice(rng, 1500, 1500, 1280, rng.integers(1280, 9001))),
        "video": _video(rng),
        "network": _network(rng),
    }
    if rng.random() < 0.3:
        content["chat"] = _chat(rng)
    if "deadline" in content["video"] and content["playout"].startswith("fixed"):
        content["playout"] = "immediate"  # a target after the deadline is refused
    return content


def judge(content: Table) -> list[str]:
    """What does not hold for this scenario, in sentences."""
    checked = scenario.build(content)
    result = _run(checked)
    if result.outcome == "unsupported":
        return [] if result.reason else ["unsupported without a reason"]
    if result.outcome != "measured":
        return [f"{result.outcome}: {result.reason}"]
    return [*_too_early(checked, result), *_repair(result), *_silence(result), *_moved_dice(content, result)]


def _run(checked: Scenario) -> ArmResult:
    return run_arm(checked, checked.arms[0], Reuse(EncodeCache(None), QualityMemo()), quality=False)


def _too_early(checked: Scenario, result: ArmResult) -> Iterator[str]:
    """Frames that were complete before the path could have carried them."""
    assert result.ledger is not None
    link = open_link(checked, "down", start_at=START_AT, media_start=MEDIA_START)
    delays = [getattr(spec, "delay", 0.0) if spec.kind == "delay" else 0.0 for spec, _ in link.parts]
    bottleneck = next((place for place, (spec, _) in enumerate(link.parts) if spec.kind in ("rate", "trace")), 0)
    before, after = sum(delays[:bottleneck]), sum(delays[bottleneck:])
    for frame in result.ledger[result.ledger["complete_at"].notna()].itertuples():
        start, end = MEDIA_START + frame.first_sent_at + before, MEDIA_START + frame.complete_at - after
        if end < start - SLACK:
            yield f"frame {frame.sequence} of track {frame.track} is faster than propagation by {start - end:.6f} s"
        for capacity in link.capacities:
            carried = capacity(start - SLACK, max(start, end) + SLACK) + OPPORTUNITY_BYTES
            if carried < frame.size_bytes:
                yield (
                    f"frame {frame.sequence} of track {frame.track} has {frame.size_bytes} B, "
                    f"the bottleneck carried {carried:.0f} meanwhile"
                )


def _silence(result: ArmResult) -> Iterator[str]:
    if result.summary["displayed"] == 0 and not result.notes:
        yield f"nothing is shown and nothing says why: {result.summary['fates']}"


def _repair(result: ArmResult) -> Iterator[str]:
    return iter(())


def _moved_dice(content: Table, result: ArmResult) -> Iterator[str]:
    """An element that does nothing, in front of the path, must not change a byte of the ledger."""
    down = content["network"].get("down")
    if down is None:
        return
    more = {
        **content,
        "network": {**content["network"], "down": [{"element": "random-loss", "probability": "0%"}, *down]},
    }
    again = _run(scenario.build(more))
    if again.ledger is None or result.ledger is None or not again.ledger.equals(result.ledger):
        yield "an element that does nothing changes the ledger"


def _arm(rng: np.random.Generator) -> str | Table:
    kind = _choice(rng, "udp", "rtp", "srt", "stream", "datagram", "stream", "datagram")
    if kind == "rtp":
        return {"transport": "rtp", "nack": bool(rng.random() < 0.8), "max_retries": int(rng.integers(1, 20))}
    if kind == "srt":
        return {
            "transport": "srt",
            "latency_ms": int(_choice(rng, 120, 0, 20, rng.integers(0, 1000))),
            "caller": _choice(rng, "sender", "receiver"),
        }
    if kind == "udp":
        return {"transport": "udp", "reorder_window": float(_choice(rng, 0.02, 0.0, rng.uniform(0, 0.2)))}
    options: Table = {"congestion": _choice(rng, "realtime", "realtime", "reno", "cubic")}
    if rng.random() < 0.2:
        options["queue_bytes"] = int(10 ** rng.uniform(3, 6))
    if kind == "stream":
        return {"transport": _choice(rng, *STREAMS), **options}
    return {"transport": _choice(rng, *DATAGRAMS), **options, "repair": bool(rng.random() < 0.8)}


def _video(rng: np.random.Generator) -> Table:
    video: Table = {
        "source": "lognormal",
        "fps": float(_choice(rng, 30, 25, 60, 1, 240, round(rng.uniform(1, 120), 3))),
        "bitrate": f"{10 ** rng.uniform(4.5, 7.2):.0f}bit/s",
        "encode_cost": _choice(rng, "none", "x264-ultrafast", "vp9-realtime", _cost(rng)),
        "decode_cost": _choice(rng, "none", "h264", _cost(rng)),
    }
    if rng.random() < 0.6:
        video["keyframe_interval"] = int(rng.integers(1, 200))
    if rng.random() < 0.6:
        video["deadline"] = _ms(10 ** rng.uniform(1.3, 3.7))
    return video


def _chat(rng: np.random.Generator) -> Table:
    chat: Table = {
        "interval": _ms(10 ** rng.uniform(0, 3)),
        "spacing": _choice(rng, "periodic", "poisson"),
        "size": f"{int(10 ** rng.uniform(1, 3.5))}B",
    }
    if rng.random() < 0.5:
        chat["deadline"] = _ms(10 ** rng.uniform(1, 3.5))
    return chat


def _network(rng: np.random.Generator) -> Table:
    if rng.random() < 0.3:
        network: Table = {"delay": _ms(rng.uniform(0, 200))}
        bottleneck = _choice(rng, "none", "rate", "trace")
        if bottleneck == "rate":
            network["rate"] = _rate(rng)
        if bottleneck == "trace":
            network["trace"] = _choice(rng, *TRACES)
        if bottleneck != "none" and rng.random() < 0.7:
            network["queue"] = _queue(rng)
        if rng.random() < 0.5:
            network["loss"] = _percent(rng, 20)
        if rng.random() < 0.3:
            network["jitter"] = _ms(rng.uniform(0.1, 30))
        return network
    far = rng.random() < 0.05
    return {"down": _path(rng, far), "up": _path(rng, far) if rng.random() < 0.8 else []}


def _path(rng: np.random.Generator, far: bool) -> list[Table]:
    """Some elements in a random order; at most one bottleneck, so that the judge knows what it carried."""
    kinds = ["random-delay", "jitter", "reordering", "duplication", "random-loss", "gilbert-elliott"]
    kinds += ["loss-episodes", "outage", "policer", "size-limit", "delay", "delay"]
    chosen = [str(kind) for kind in rng.choice(kinds, size=rng.integers(0, 4), replace=True)]
    if rng.random() < 0.6:
        chosen.append(_choice(rng, "rate", "rate", "trace"))
    elements = [_element(rng, kind) for kind in chosen]
    if far:
        elements.append({"element": "delay", "delay": _ms(rng.uniform(1000, 20000))})
    rng.shuffle(elements)  # type: ignore[arg-type]
    return elements


def _element(rng: np.random.Generator, kind: str) -> Table:
    fields: Table = {}
    match kind:
        case "delay":
            fields = {"delay": _ms(10 ** rng.uniform(-1, 2.5))}
        case "random-delay":
            fields = {
                "mean": _ms(rng.uniform(1, 50)),
                "deviation": _ms(rng.uniform(0, 20)),
                "reorder": bool(rng.random() < 0.5),
            }
        case "jitter":
            fields = {"mean": _ms(rng.uniform(0.1, 30))}
        case "reordering":
            fields = {"probability": _percent(rng, 50), "lateness": _ms(rng.uniform(1, 50))}
        case "duplication" | "random-loss":
            fields = {"probability": _percent(rng, 60)}
        case "gilbert-elliott":
            fields = {"mean_loss": _percent(rng, 30), "mean_burst": float(rng.uniform(1.5, 20))}
        case "loss-episodes":
            fields = {"mean_loss": _percent(rng, 30), "mean_duration": _ms(rng.uniform(1, 200))}
        case "outage":
            fields = {"windows": [{"start": _ms(rng.uniform(0, 2000)), "duration": _ms(rng.uniform(1, 8000))}]}
        case "policer":
            fields = {"rate": _rate(rng), "burst": f"{int(10 ** rng.uniform(3.2, 5))}B"}
        case "size-limit":
            fields = {
                "largest": f"{int(rng.integers(600, 1600))}B",
                "start": _ms(_choice(rng, 0, rng.uniform(0, 2000))),
            }
        case "rate":
            fields = {"rate": _rate(rng), "queue": _queue(rng)}
        case "trace":
            fields = {"trace": _choice(rng, *TRACES), "queue": _queue(rng)}
    return {"element": kind, **fields}


def _queue(rng: np.random.Generator) -> Table:
    if rng.random() < 0.3:
        return {"discipline": "codel", "target": _ms(rng.uniform(1, 50)), "ecn": bool(rng.random() < 0.5)}
    if rng.random() < 0.2:
        return {"packets": int(rng.integers(1, 500))}
    return {"bytes": f"{int(10 ** rng.uniform(3.3, 6))}B"}


def _rate(rng: np.random.Generator) -> str:
    return f"{10 ** rng.uniform(4.7, 8):.0f}bit/s"


def _cost(rng: np.random.Generator) -> str:
    return f"fixed:{_ms(rng.uniform(0, 60))}"


def _percent(rng: np.random.Generator, most: float) -> str:
    return f"{rng.uniform(0, most):.3f}%"


def _ms(value: float) -> str:
    return f"{float(value):.3f}ms"


def _choice(rng: np.random.Generator, *values: Any) -> Any:
    return values[int(rng.integers(len(values)))]


def _judged(seed: int, index: int) -> list[str]:
    try:
        return judge(draw(seed, index))
    except Exception:  # whatever it is, it is a finding, and the others are still to be judged
        return [traceback.format_exc(limit=-3)]


def main() -> None:
    """Judge all, print what does not hold with the number of its scenario, and end with 1 if there is any."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="the number of one scenario, which is printed as TOML too")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    if options.only is not None:
        print(to_toml(scenario.build(draw(options.seed, options.only)).dump()))
        numbers = range(options.only, options.only + 1)
    else:
        numbers = range(options.count)
    failed = 0
    with ProcessPoolExecutor(options.workers) as pool:
        for index, findings in zip(
            numbers, pool.map(partial(_judged, options.seed), numbers, chunksize=8), strict=True
        ):
            failed += bool(findings)
            for finding in findings[:3]:
                print(f"{index}: {finding}", flush=True)
            if index % 1000 == 999:
                print(f"{index + 1} judged, {failed} with findings", file=sys.stderr, flush=True)
    print(f"{len(numbers)} scenarios of seed {options.seed} judged: {failed} with findings")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
