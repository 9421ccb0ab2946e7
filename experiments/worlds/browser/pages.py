"""The files of the pages, as they are in the package."""

from importlib.resources import files

KINDS = {"html": "text/html", "js": "text/javascript", "css": "text/css"}
"""The files that a page has, by their ending, and what a browser is told of them."""


def page_texts(*packages: str) -> dict[str, str]:
    """The files of the folder `page` in each package, and of those that all pages share, by their names."""
    return {
        each.name: each.read_text(encoding="utf-8")
        for package in (*packages, __package__)
        for each in (files(package) / "page").iterdir()
        if each.name.partition(".")[2] in KINDS
    }
