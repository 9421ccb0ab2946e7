"""Reads a TOML file into a model. A mistake is one sentence with file and line, field, what was found, and what is
accepted."""

import errno
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from glassbench.experiments.scenario.schema import Spec
from glassbench.experiments.scenario.toml_lines import KeyPath, key_lines, line_of
from glassbench.sender.regular_file import read_regular_text

MAX_FILE_BYTES = 2**20

Model = TypeVar("Model", bound=Spec)


def read_text(path: Path, *, what: str, error: type[ValueError]) -> str:
    """The text of a file that should be a `what`, such as "scenario". Raises `error`; FileNotFoundError passes."""
    try:
        return read_regular_text(path, most_bytes=MAX_FILE_BYTES)
    except FileNotFoundError:
        raise
    except OSError as reason:
        if reason.errno == errno.EFBIG:
            raise error(f"{path} is larger than {MAX_FILE_BYTES} bytes, so it is no {what}") from None
        raise error(f"cannot read {what} {path}: {reason.strerror}") from None
    except UnicodeDecodeError:
        raise error(f"{path} is not a text in UTF-8, so it is no {what}") from None


def parse_model(model: type[Model], text: str, *, file: str, what: str, error: type[ValueError]) -> Model:
    """The model of a TOML text; `file` is its name in messages. Raises `error` about the first mistake in the file."""
    try:
        content = tomllib.loads(text)
        lines = key_lines(text)
    except tomllib.TOMLDecodeError as reason:
        raise error(f"{file} is not valid TOML: {reason}") from None
    except RecursionError:
        raise error(f"{file} is nested too deeply to be a {what}") from None
    try:
        return model.model_validate(content)
    except ValidationError as reason:
        line, place, sentence = min(
            ((line_of(lines, place), place, sentence) for place, sentence in _mistakes(reason)),
            key=lambda mistake: mistake[0],
        )
        raise error(f"{file}:{line}: {_name(place)}{sentence}") from None


def placed(text: str, place: KeyPath, sentence: str, *, file: str) -> str:
    """A sentence about a place of a valid TOML text, in the form in which `parse_model` says it."""
    return f"{file}:{line_of(key_lines(text), place)}: {_name(place)}{sentence}"


def first_sentence(error: ValidationError) -> str:
    """The first mistake of a value that stands in no file: its field and the sentence."""
    place, sentence = first_mistake(error)
    return f"{_name(place)}{sentence}"


def first_mistake(error: ValidationError) -> tuple[KeyPath, str]:
    """The place of the first mistake of a value, and the sentence about it."""
    return _mistakes(error)[0]


def _mistakes(error: ValidationError) -> list[tuple[KeyPath, str]]:
    """Where and what, but no list that is too short because its items are wrong: pydantic counts the right ones."""
    details = error.errors()
    wrong = {place[:end] for place in (detail["loc"] for detail in details) for end in range(len(place))}
    return [
        _place_and_sentence(detail)
        for detail in details
        if not (detail["type"] == "too_short" and detail["loc"] in wrong)
    ]


def _place_and_sentence(detail: Mapping[str, Any]) -> tuple[KeyPath, str]:
    place: KeyPath = tuple(detail["loc"])
    if detail["type"] == "scenario":
        return place + tuple(detail["ctx"]["path"]), str(detail["msg"])
    if detail["type"] == "missing":
        return place[:-1], f"the field {place[-1]!r} is missing"
    text = str(detail["msg"]).replace("Input should", "must").replace(" should ", " must ").rstrip(".")
    text = re.sub("(valid )?[Tt]uple", "list", text).removesuffix(" after validation, not 0")
    return place, f"{text[0].lower()}{text[1:]}, found {_shown(detail['input'])}"


def _name(place: KeyPath) -> str:
    name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")
    return f"{name}: " if name else ""


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
