"""The link table: what passed over the links of an arm, whichever world they were in."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from glassbench.experiments.account.arm_result import LINK_TYPES

_TYPES = {name: kind for name, kind in LINK_TYPES.items() if name != "arm"}


def link_table(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """One row per direction and window, with all columns of LINK_TYPES but the arm."""
    return pd.DataFrame(list(rows), columns=list(_TYPES)).astype(_TYPES)
