"""The axes of a sweep as numbers: what "20ms" and "1%" are in SI units, beside the texts."""

import pandas as pd

from glassbench.experiments.scenario.units import DURATION, FRACTION, RATE, SIZE, UnitError

_KINDS = {"s": DURATION, "bps": RATE, "bytes": SIZE, "share": FRACTION}
"""What is behind the name of an axis, and of what kind its values are."""

_LABELS = {"s": "s", "bps": "bit/s", "bytes": "bytes", "share": "share"}


def with_numbers(table: pd.DataFrame, columns: dict[str, str]) -> pd.DataFrame:
    """The table with a column of numbers behind each of these `columns` of an axis whose values all are texts of one
    kind: `network.delay_s`, `network.rate_bps`, `network.queue_bytes` or `network.loss_share`.

    `columns` has the column by the name of the axis. An axis of other texts, or of numbers, gets none.
    """
    for axis, column in columns.items():
        if (numbers := _numbers(table[column])) is not None:
            kind, values = numbers
            table = table.copy(deep=False)
            table.insert([*map(str, table)].index(column) + 1, f"{axis}_{kind}", values)
    return table


def number_column(table: pd.DataFrame, axis: str) -> str | None:
    """The column that has an axis as numbers, in a table of a dataset whose axes stand there by their names; None if it
    has none."""
    if pd.api.types.is_numeric_dtype(table[axis]) and not pd.api.types.is_bool_dtype(table[axis]):
        return axis
    return next((name for kind in _KINDS if (name := f"{axis}_{kind}") in table), None)


def axis_label(axis: str, column: str | None) -> str:
    """What stands at an axis of a figure: its name, and the unit of its numbers."""
    kind = "" if column is None else column.removeprefix(axis).removeprefix("_")
    return f"{axis}, {_LABELS[kind]}" if kind in _LABELS else axis


def _numbers(values: pd.Series) -> tuple[str, pd.Series] | None:
    texts = values.dropna().unique()
    if not len(texts) or not all(isinstance(text, str) for text in texts):
        return None
    for kind, quantity in _KINDS.items():
        try:
            numbers = {text: quantity.parse(text) for text in texts}
        except UnitError:
            continue
        return kind, values.map(numbers).astype("Float64")
    return None
