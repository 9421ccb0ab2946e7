"""Numbers in JSON, which has no infinity. Infinite is the text "Infinity", as in ProtoJSON, and null means undefined.

In jq the text sorts behind every number, as an infinite latency should, and is not below any limit. `float()`,
JavaScript's `Number()` and pandas' `to_numeric` read it.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

_TEXTS = {math.inf: "Infinity", -math.inf: "-Infinity"}
_NUMBERS = {text: number for number, text in _TEXTS.items()}


def json_text(content: object, *, indent: int | None = None) -> str:
    """Content as JSON. NaN is a defect: what is undefined is None. Raises ValueError."""
    return json.dumps(_finite(content), indent=indent, allow_nan=False)


def number_of(value: Any) -> Any:
    """A value as it was before it was written as JSON."""
    return _NUMBERS.get(value, value) if isinstance(value, str) else value


def numbers_of(table: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers of an arm, as they were before they were written as JSON: values, and tables of values."""
    return {
        name: {key: number_of(item) for key, item in value.items()} if isinstance(value, Mapping) else number_of(value)
        for name, value in table.items()
    }


def no_number(text: str) -> float:
    """What `json.loads` calls for NaN and Infinity as Python writes them, which JSON does not have. Raises
    ValueError."""
    raise ValueError(f"{text} is not a number of JSON")


def _finite(content: Any) -> Any:
    if isinstance(content, float):
        return _TEXTS.get(content, content)
    if isinstance(content, Mapping):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return content
