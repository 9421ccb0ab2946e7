"""A report as JUnit XML, which every CI system reads: a test case a budget.

The elements and attributes are those of the schema of Jenkins' xUnit plugin (junit-10.xsd), whose common part others
read too. A budget that could not be judged is an error, a broken one a failure.
"""

import re
from xml.etree import ElementTree

from experiments.budgets.check import Report
from experiments.budgets.text import answer, sentence

_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, 2.2


def junit(report: Report) -> bytes:
    """The document in UTF-8."""
    counts = {
        "tests": len(report.verdicts),
        "failures": sum(verdict.judgement is not None for verdict in report.broken),
        "errors": sum(verdict.judgement is None for verdict in report.broken),
    }
    numbers = {name: str(count) for name, count in counts.items()}
    root = ElementTree.Element("testsuites", numbers)
    suite = ElementTree.SubElement(root, "testsuite", {"name": _clean(f"budgets {report.budgets.file}"), **numbers})
    for verdict in report.verdicts:
        budget = verdict.budget
        attributes = {"classname": str(budget.target), "name": f"{budget.metric.name} {budget.limit}"}
        case = ElementTree.SubElement(suite, "testcase", {key: _clean(text) for key, text in attributes.items()})
        said = _clean(sentence(verdict))
        if not verdict.kept:
            kind = "error" if verdict.judgement is None else "failure"
            ElementTree.SubElement(case, kind, {"message": said, "type": "budget"}).text = said
        else:
            ElementTree.SubElement(case, "system-out").text = said
    notes = "\n".join([answer(report), *(f"note: {note}" for note in report.notes)])
    ElementTree.SubElement(suite, "system-out").text = _clean(notes)
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _clean(text: str) -> str:
    """Without the characters that XML has no way to write."""
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
