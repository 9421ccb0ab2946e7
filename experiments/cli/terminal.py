"""Output on every terminal: characters that it lacks are spelled with those that all terminals have."""

import codecs
import sys
import unicodedata
from io import TextIOWrapper

_SPELLED = {
    "\N{INFINITY}": "inf",
    "\N{EN DASH}": "-",
    "\N{EM DASH}": "-",
    "\N{MINUS SIGN}": "-",
    "\N{MULTIPLICATION SIGN}": "x",
    "\N{LESS-THAN OR EQUAL TO}": "<=",
    "\N{GREATER-THAN OR EQUAL TO}": ">=",
    "\N{RIGHTWARDS ARROW}": "->",
}


def speak_plainly() -> None:
    """Let stdout spell out what its encoding lacks (Latin-1, ASCII), instead of ending the program."""
    codecs.register_error("glass", _spell)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="glass")


def _spell(error: UnicodeError) -> tuple[str, int]:
    """Handles what cannot be encoded (codecs.register_error)."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_plain, error.object[error.start : error.end])), error.end


def _plain(letter: str) -> str:
    without_accents = unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
    return _SPELLED.get(letter) or without_accents or "?"
