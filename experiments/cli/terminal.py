"""Output on every terminal: as wide as it is, and with the characters that it has."""

import codecs
import re
import shutil
import sys
import unicodedata
from io import TextIOWrapper

import typer

_SPELLED = {
    "\N{INFINITY}": "inf",
    "\N{EN DASH}": "-",
    "\N{EM DASH}": "-",
    "\N{MINUS SIGN}": "-",
    "\N{MULTIPLICATION SIGN}": "x",
    "\N{LESS-THAN OR EQUAL TO}": "<=",
    "\N{GREATER-THAN OR EQUAL TO}": ">=",
    "\N{RIGHTWARDS ARROW}": "->",
    "\N{BOX DRAWINGS LIGHT HORIZONTAL}": "-",
}
_LEAST_WIDTH = 20  # characters: nothing is laid out for less
_BETWEEN_WORDS = re.compile(r" (?!(?:%|ms|s|fps|[kMG]?bit/s|[kMG]?B)(?:\W|$))")  # a number keeps its unit
_AFTER_JOINTS = re.compile(r"(?<=[:,])")  # where a name breaks that is longer than a line


def speak_plainly() -> None:
    """Let stdout spell out what its encoding lacks (Latin-1, ASCII), instead of ending the program."""
    codecs.register_error("glass", _spell)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="glass")


def spelled(text: str) -> str:
    """The text in letters that stdout has."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        codecs.register_error("glass", _spell)
        return text.encode(encoding, "glass").decode(encoding)
    return text


def width_of_stdout() -> int | None:
    """How many characters a line of the terminal has; None where stdout is none, whatever colours and COLUMNS say."""
    if sys.stdout is None or not sys.stdout.isatty():
        return None
    return max(_LEAST_WIDTH, shutil.get_terminal_size().columns)


def say(sentence: str, *, hanging: int = 2) -> None:
    """Print a sentence, which wraps at words in a terminal and is one line anywhere else.

    Its further lines are indented by `hanging` characters.
    """
    for index, line in enumerate(wrapped(spelled(sentence), width_of_stdout(), hanging=hanging)):
        typer.echo(" " * hanging * (index > 0) + line)


def wrapped(text: str, width: int | None, *, hanging: int = 0) -> list[str]:
    """The lines of a text: they break between words, and in a word that is longer than a line after a `:` or `,`.

    A word without these stays whole, so that a path can be copied. Lines after the first leave room for `hanging`
    characters.
    """
    from rich.cells import cell_len

    if width is None:
        return text.split("\n")
    lines = []
    for paragraph in text.split("\n"):
        line, room = "", width
        for word in _BETWEEN_WORDS.split(paragraph):
            pieces = [word] if cell_len(word) <= width - hanging else _AFTER_JOINTS.split(word)
            for index, piece in enumerate(pieces):
                longer = f"{line} {piece}" if line and not index else line + piece
                if line and cell_len(longer) > room:
                    lines.append(line)
                    longer, room = piece, width - hanging
                line = longer
        lines.append(line)
    return lines


def _spell(error: UnicodeError) -> tuple[str, int]:
    """Handles what cannot be encoded (codecs.register_error)."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_plain, error.object[error.start : error.end])), error.end


def _plain(letter: str) -> str:
    without_accents = unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
    return _SPELLED.get(letter) or without_accents or "?"
