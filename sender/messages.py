"""The second track: small messages (chat, control) at given instants, next to the video."""

import math
from dataclasses import dataclass

import numpy as np

from glassbench.transport.contract import Track


@dataclass(frozen=True, slots=True)
class Messages:
    """Messages of `size_bytes` on a data track, sent at `instants` (seconds, increasing, whole microseconds)."""

    track: Track
    size_bytes: int
    instants: tuple[float, ...]

    def __post_init__(self) -> None:
        if not 1 <= self.size_bytes <= 2**20:
            raise ValueError(f"a message must have 1 to {2**20} bytes, got {self.size_bytes}")

    def payload(self, sequence: int) -> bytes:
        """The content of a message: its number, repeated to its size."""
        return (sequence.to_bytes(4, "big") * (self.size_bytes // 4 + 1))[: self.size_bytes]


def periodic_instants(*, start_at: float, duration: float, interval: float) -> tuple[float, ...]:
    """One message each `interval` seconds, the first at `start_at`."""
    _check(interval)
    count = math.ceil(round(duration / interval, 6))
    return tuple(_whole_microseconds(start_at + index * interval) for index in range(count))


def poisson_instants(
    *, start_at: float, duration: float, interval: float, rng: np.random.Generator
) -> tuple[float, ...]:
    """A Poisson process of mean spacing `interval` seconds. Where two instants round to one microsecond, the later one
    takes the next microsecond."""
    _check(interval)
    instants: list[float] = []
    at = start_at + rng.exponential(interval)
    while at < start_at + duration:
        instant = _whole_microseconds(at)
        if instants and instant <= instants[-1]:
            instant = _whole_microseconds(instants[-1] + 1e-6)
        instants.append(instant)
        at += rng.exponential(interval)
    return tuple(instants)


def _check(interval: float) -> None:
    if not 1e-3 <= interval <= 3600:
        raise ValueError(f"the interval of messages must be 1 ms to 1 h, got {interval} s")


def _whole_microseconds(at: float) -> float:
    return round(at * 1e6) / 1e6
