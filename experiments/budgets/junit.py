"""A report as JUnit XML, which every CI system reads: a test case per budget.

The elements and attributes are those of the schema of Jenkins' xUnit plugin (junit-10.xsd); others read the part that
we use. A budget that could not be judged is an error, a broken one a failure. Readers take what is before the last dot
of a class name for its package. So the only dot in it stands between the scenario and the arm, and names have none.
They want a number as time: it is 0, since one measurement serves many budgets.
"""

import re
from xml.etree import ElementTree

from glassbench.experiments.budgets.check import BudgetReport
from glassbench.experiments.budgets.text import answer, sentence

_TIME = "0"
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, 2.2


def junit(report: BudgetReport) -> bytes:
    """The document in UTF-8."""
    counts = {
        "tests": len(report.verdicts),
        "failures": sum(verdict.margin is not None for verdict in report.broken),
        "errors": sum(verdict.margin is None for verdict in report.broken),
    }
    numbers = {**{name: str(count) for name, count in counts.items()}, "time": _TIME}
    root = ElementTree.Element("testsuites", numbers)
    suite = ElementTree.SubElement(root, "testsuite", {"name": _name(f"budgets {report.budgets.file}"), **numbers})
    for verdict in report.verdicts:
        target = verdict.budget.target
        attributes = {
            "classname": f"{_name(target.name)}.{_name(f'{target.arm}, {target.track}')}",
            "name": _name(f"{verdict.budget.metric.name} {verdict.budget.limit}"),
            "time": _TIME,
        }
        case = ElementTree.SubElement(suite, "testcase", attributes)
        said = _clean(sentence(verdict))
        if not verdict.kept:
            kind = "error" if verdict.margin is None else "failure"
            ElementTree.SubElement(case, kind, {"message": said, "type": "budget"}).text = said
        else:
            ElementTree.SubElement(case, "system-out").text = said
    notes = "\n".join([answer(report), *(f"note: {note}" for note in report.notes)])
    ElementTree.SubElement(suite, "system-out").text = _clean(notes)
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _name(text: str) -> str:
    return _clean(text).replace(".", "_")


def _clean(text: str) -> str:
    """The text without the characters that XML cannot write."""
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
