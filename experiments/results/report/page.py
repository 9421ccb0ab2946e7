"""The page of a report: one HTML file that needs no other, no network and no script."""

from jinja2 import Environment, PackageLoader, StrictUndefined

from glassbench.experiments.results.report.content import Report


def page(report: Report) -> str:
    """The report as HTML, the same text for the same report. Everything but our own drawings is escaped."""
    loader = PackageLoader("glassbench.experiments.results.report", "templates")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    html = environment.get_template("report.html.jinja").render(report=report)
    return html.encode("utf-8", "replace").decode()  # half characters, which JSON can hold, are no text
