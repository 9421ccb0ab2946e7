"""Completion in bash, whose words end at `:` and `=` too, though an arm such as `rtp:control=gcc` has both.

Typer's script for bash hands over the words as bash has them, a line each, and bash puts an answer in the place of the
last of them.
"""

import io
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout

_BREAKS = re.compile("[:=]+")  # of bash's COMP_WORDBREAKS, those that are in our words; bash makes one word of a row


@contextmanager
def whole_words() -> Iterator[None]:
    """Complete within: if bash asks, the words are whole, and it is given what follows its own last word."""
    if os.environ.get("_GLASS_COMPLETE") != "complete_bash" or "COMP_WORDS" not in os.environ:
        yield
        return
    place = int(os.environ.get("COMP_CWORD", "0"))
    words, has_already = joined(os.environ["COMP_WORDS"].split("\n")[: place + 1])
    os.environ |= {"COMP_WORDS": "\n".join(words), "COMP_CWORD": str(len(words) - 1)}
    answer = io.StringIO()
    try:
        with redirect_stdout(answer):
            yield
    finally:
        sys.stdout.writelines(f"{line[has_already:]}\n" for line in answer.getvalue().splitlines())


def joined(words: Sequence[str]) -> tuple[list[str], int]:
    """The words as they were typed, and how many characters bash has already of what completes the last one: of
    `--option=value` that is the value."""
    whole: list[str] = []
    before = ""
    for word in words:
        if whole and (_BREAKS.fullmatch(before) or _BREAKS.fullmatch(word)):
            whole[-1] += word
        else:
            whole.append(word)
        before = word
    last = whole[-1]
    again = "" if _BREAKS.fullmatch(before) else before
    value_at = last.find("=") + 1 if last.startswith("--") else 0
    return whole, max(0, len(last) - len(again) - value_at)
