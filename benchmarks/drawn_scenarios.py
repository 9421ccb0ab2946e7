"""Scenarios drawn at random: any network, arm and media that `random_scenarios.py` judges."""

from typing import Any

import numpy as np

Table = dict[str, Any]

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


def _arm(rng: np.random.Generator) -> str | Table:
    kind = _choice(rng, "udp", "rtp", "srt", "stream", "datagram", "stream", "datagram")
    if kind == "rtp":
        return {
            "transport": "rtp",
            "nack": bool(rng.random() < 0.8),
            "max_retries": int(rng.integers(1, 20)),
            "rtx_share": float(_choice(rng, 1.0, 1.0, rng.uniform(0.01, 3))),
        }
    if kind == "srt":
        return {
            "transport": "srt",
            "latency_ms": int(_choice(rng, 120, 0, 20, rng.integers(0, 1000))),
            "caller": _choice(rng, "sender", "receiver"),
            "retransmitalgo": int(_choice(rng, 1, 1, 0)),
            "lossmaxttl": int(_choice(rng, 0, 0, rng.integers(1, 50))),
            **_srt_limit(rng),
        }
    if kind == "udp":
        return {"transport": "udp", "reorder_window": float(_choice(rng, 0.02, 0.0, rng.uniform(0, 0.2)))}
    options: Table = {"control": _choice(rng, "realtime", "realtime", "reno", "cubic")}
    if options["control"] != "realtime" and rng.random() < 0.5:
        options["stack"] = "stock"
    if rng.random() < 0.2:
        options["queue_bytes"] = int(10 ** rng.uniform(3, 6))
    if kind == "stream":
        return {"transport": _choice(rng, *STREAMS), **options}
    return {"transport": _choice(rng, *DATAGRAMS), **options, "repair": bool(rng.random() < 0.8)}


def _srt_limit(rng: np.random.Generator) -> Table:
    rate = int(10 ** rng.uniform(4.5, 6.5))  # bytes a second
    overhead = int(rng.integers(5, 101))
    return _choice(
        rng,
        {},
        {},
        {"maxbw": rate},
        {"maxbw": 0, "inputbw": rate, "oheadbw": overhead},
        {"maxbw": 0, "oheadbw": overhead},
    )


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
    rng.shuffle(elements)
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
