"""The place of a receiver on another host."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Remote:
    """Where a receiver listens, and its key."""

    host: str
    port: int
    key: str
