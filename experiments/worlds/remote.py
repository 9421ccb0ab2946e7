"""A receiver somewhere else."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Remote:
    """Where a receiver listens, and its key."""

    host: str
    port: int
    key: str
