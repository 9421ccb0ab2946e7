"""The page of a report: one HTML file that needs no other, no network, and shows everything without its script too."""

import base64
import hashlib
import re
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from glassbench.experiments.results.report.content import Report
from glassbench.experiments.results.report.svg import arm_id

_PACKAGE = "glassbench.experiments.results.report"


def page(report: Report) -> str:
    """The report as HTML, the same text for the same report. Everything but our own drawings and script is escaped, and
    the browser runs no script but ours, by its digest."""
    environment = Environment(
        loader=PackageLoader(_PACKAGE, "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"arm_id": arm_id, "breakable": _breakable}
    script = (files(_PACKAGE) / "templates" / "report.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    html = environment.get_template("report.html.jinja").render(report=report, script=Markup(script), digest=digest)
    return html.encode("utf-8", "replace").decode()  # half characters, which JSON can hold, are no text


def _breakable(text: str, longest: int = 24) -> Markup:
    """A text whose words of more letters than this, as names of arms are, may go on in the next line after each `:` and
    `,`."""
    return Markup("").join(
        Markup("<wbr>").join(re.split(r"(?<=[:,])(?=.)", word, flags=re.DOTALL)) if len(word) > longest else word
        for word in re.split(r"(\s+)", text)
    )
