"""Texts of files as they may stand in a drawing."""


def plain(text: str, longest: int = 60) -> str:
    """A label as it may stand in a drawing: no control characters, no half characters, not endless."""
    clean = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    return clean if len(clean) <= longest else clean[: longest - 1] + "…"
