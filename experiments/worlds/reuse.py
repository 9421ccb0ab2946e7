"""What arms of one process share. It saves work and changes no result."""

from dataclasses import dataclass

from glassbench.receiver.quality import QualityMemo
from glassbench.sender.encode_cache import EncodeCache


@dataclass(frozen=True)
class Reuse:
    """Encoded frames and compared pictures."""

    cache: EncodeCache
    memo: QualityMemo
