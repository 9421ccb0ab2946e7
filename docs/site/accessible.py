"""What the theme leaves undone for readers who do not see a page, or use no mouse: axe finds no violation then."""

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

_MENDED = {
    '<p class="caption" role="heading">': '<p class="caption" role="heading" aria-level="2">',
    '<aside class="sidebar-drawer">': '<aside class="sidebar-drawer" aria-label="All pages">',
    '<aside class="toc-drawer': '<aside aria-label="On this page" class="toc-drawer',
    "<pre>": '<pre tabindex="0">',  # a box that scrolls has to be reached by the keyboard
    '<div class="table-wrapper ': '<div tabindex="0" class="table-wrapper ',
    "<dl>\n<dd>": '<dl role="none">\n<dd>',  # the parameters of a long signature, a line each
}


def setup(app: Sphinx) -> dict[str, Any]:
    """Mend the pages when they are written."""
    app.connect("build-finished", _mend)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _mend(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.format != "html":
        return
    for name in [*app.env.all_docs, "genindex", "search"]:
        page = Path(app.outdir, f"{name}.html")
        html = page.read_text("utf-8")
        for theirs, ours in _MENDED.items():
            html = html.replace(theirs, ours)
        page.write_text(html, "utf-8")
