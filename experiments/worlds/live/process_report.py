"""How a process of a live arm ran, as far as the machine let it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ProcessReport:
    """`lateness` and `pauses` are summaries in milliseconds; of the emulator there is a lateness for each direction.

    `overflows` counts datagrams that the kernel dropped because nobody took them, `unsent` those that it did not take,
    `foreign` those of anybody else. `processor_s` was spent computing, `waited_s` waiting for a processor.
    """

    lateness: Mapping[str, Any]
    pauses: Mapping[str, float]
    overflows: int = 0
    unsent: int = 0
    foreign: int = 0
    scheduling: str = ""
    processor_s: float = 0.0
    waited_s: float = 0.0
