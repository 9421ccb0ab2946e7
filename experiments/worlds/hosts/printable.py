"""Text of somebody else, before a terminal or a page gets it."""

_MOST = 1000  # characters


def printable(text: str) -> str:
    """The text without what would steer a terminal or turn its writing direction, on one line, cut where it is long."""
    cut = text if len(text) <= _MOST else f"{text[:_MOST]}..."
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in cut)
