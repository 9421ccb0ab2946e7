"""Tables whose columns have the types that they are to have from the beginning."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd


def typed_table(rows: Sequence[Mapping[str, object]], types: Mapping[str, str]) -> pd.DataFrame:
    """A table of these rows with the columns of `types`, each of the type that pandas calls so. Converting a table that
    is there already takes pandas much longer."""
    columns = {}
    for name, kind in types.items():
        values = [row[name] for row in rows]
        nullable = kind[0].isupper() or kind == "string"  # pandas' own, which numpy lacks
        columns[name] = pd.array(values, dtype=kind) if nullable else np.array(values, dtype=kind)  # type: ignore[call-overload]
    return pd.DataFrame(columns)
