"""Writes TOML, which the standard library only reads: tables of texts, numbers, lists and tables."""

import json
import re
from collections.abc import Mapping, Sequence

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def to_toml(content: Mapping[str, object]) -> str:
    """A document that `tomllib` reads back as `content`: plain values first, then a section for each table."""
    plain = {key: value for key, value in content.items() if not isinstance(value, Mapping)}
    lines = [f"{_key(key)} = {_value(value)}" for key, value in plain.items()]
    for key, value in content.items():
        if isinstance(value, Mapping):
            lines += ["", f"[{_key(key)}]", *(f"{_key(name)} = {_value(inner)}" for name, inner in value.items())]
    return "\n".join(lines).strip() + "\n"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {_value(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, Sequence):
        items = [_value(item) for item in value]
        return (
            "[\n" + "".join(f"  {item},\n" for item in items) + "]"
            if "{" in "".join(items)
            else f"[{', '.join(items)}]"
        )
    raise TypeError(f"TOML has no value for {type(value).__name__}")


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _text(key)


def _text(text: str) -> str:
    # JSON escapes as TOML does, but for the delete character, and for surrogates, which neither can hold.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
