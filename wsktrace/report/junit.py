"""The account of a trace as JUnit XML, which CI servers show as tests: a suite per family of rules, a test per rule.

A broken rule is a failed test. One that is only suspect, or could be decided nowhere, or found nothing to judge is a
skipped one that says why: it did not pass. The form is what Jenkins, GitLab and the readers of GitHub agree on (the
schema of Jenkins' xUnit plugin, junit-10.xsd).
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

from wsktrace.report.coverage import reasons
from wsktrace.report.verdict import headline
from wsktrace.report.words import reason_text, rows, subjects, worst
from wsktrace.rules.registry import FAMILIES, RULES
from wsktrace.units import clean, clock_text, time_text
from wsktrace.version import __version__

if TYPE_CHECKING:
    from wsktrace.arrow import Tables
    from wsktrace.facts import TraceFacts

__all__ = ["render"]

#: Findings that the text of one failure tells.
MOST = 100


def render(facts: TraceFacts, tables: Tables) -> str:
    """Return the account as an XML document."""
    found: dict[str, list[dict[str, Any]]] = {}
    for finding in rows(tables("findings")):
        found.setdefault(finding["rule"], []).append(finding)
    families: dict[str, list[dict[str, Any]]] = {}
    for row in rows(tables("rules")):
        rule = RULES.get(row["rule"])
        families.setdefault("other" if rule is None else rule.family, []).append(row)
    top = ET.Element("testsuites", name="wsktrace")
    for family, held in families.items():
        suite = ET.SubElement(top, "testsuite", name=FAMILIES.get(family, family), package=f"wsktrace.{family}")
        if (start := time_text(facts.start_ns)) is not None:
            suite.set("timestamp", start[:19])  # the form's times have neither a fraction nor a zone; UTC
        _properties(suite, facts, tables)
        for row in held:
            _case(suite, f"wsktrace.{family}", row, found.get(row["rule"], []))
        _count(suite, [suite])
    _count(top, list(top))
    top.attrib.pop("skipped")  # not an attribute of the schema's testsuites
    ET.indent(top, " ")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(top, encoding="unicode")}\n'


def _count(element: ET.Element, suites: list[ET.Element]) -> None:
    """Write how many tests of the suites there are, and how many ended how."""
    names = {
        "tests": "testcase",
        "failures": "testcase/failure",
        "errors": "testcase/error",
        "skipped": "testcase/skipped",
    }
    for name, path in names.items():
        element.set(name, str(sum(len(suite.findall(path)) for suite in suites)))
    element.set("time", "0")


def _properties(suite: ET.Element, facts: TraceFacts, tables: Tables) -> None:
    told = {
        "wsktrace": __version__,
        "trace": facts.file,
        "sha256": facts.sha256,
        "profile": facts.profile,
        "verdict": headline(facts, tables),
        "trust": ", ".join(facts.losses) or "nothing is known to be lost",
    }
    inside = ET.SubElement(suite, "properties")
    for name, value in told.items():
        ET.SubElement(inside, "property", name=name, value=clean(value))


def _case(suite: ET.Element, classname: str, row: dict[str, Any], found: list[dict[str, Any]]) -> None:
    """Add the test of one rule."""
    case = ET.SubElement(suite, "testcase", classname=classname, name=clean(row["rule"]), time="0")
    counted = [f for f in found if f["ignored"] is None]
    broken = [f for f in counted if f["verdict"] == "fail"]
    suspects = [f for f in counted if f["verdict"] == "suspect"]
    excused = {f["ignored"]: None for f in found if f["ignored"] is not None and f["verdict"] in ("fail", "suspect")}
    why = ", ".join(f"{count:,} {reason_text(reason)}" for reason, count in reasons(row).items())
    rest: list[str] = []
    if broken:
        text = "\n".join(_details(broken, row))
        head = clean(broken[0]["message"]) + (f" (and {len(broken) - 1:,} more)" if len(broken) > 1 else "")
        ET.SubElement(case, "failure", message=head, type=worst(broken)).text = text
        rest = [_told(f) for f in suspects[:MOST]]
    elif suspects:
        _skip(case, f"{len(suspects):,} suspect: {why}")
        rest = [_told(f) for f in suspects[:MOST]]
    elif excused:
        _skip(case, f"broken, but does not count: {'; '.join(excused)}")
    elif not row["checked"]:
        _skip(case, "the trace shows nothing that this rule speaks of")
    elif row["unknown"] and not row["pass"]:
        _skip(case, f"not decided: {why}")
    elif row["unknown"]:
        rest = [f"{row['pass']:,} kept it; not decided: {why}"]
    rest += [_told(f) for f in counted if f["verdict"] == "note"][:MOST]
    if rest:
        ET.SubElement(case, "system-out").text = "\n".join(map(clean, rest))


def _skip(case: ET.Element, why: str) -> None:
    ET.SubElement(case, "skipped", message=clean(why)).text = clean(why)  # some read the one, some the other


def _details(broken: list[dict[str, Any]], row: dict[str, Any]) -> list[str]:
    rule = RULES.get(row["rule"])
    lines = [] if rule is None else [rule.sentence]
    lines += [_told(f) for f in broken[:MOST]]
    if len(broken) > MOST:
        lines.append(f"and {len(broken) - MOST:,} more")
    if rule is not None and rule.advice:
        lines.append(" ".join(rule.advice.split()))
    return lines


def _told(finding: dict[str, Any]) -> str:
    """Return a finding as a line without line ends or control characters."""
    about = subjects(finding)
    if finding["evidence"]:
        about.append(f"operations {', '.join(map(str, finding['evidence'][:6]))}")
    if finding["source_file"]:
        about.append(f"after the message at {finding['source_file']}:{finding['source_line']}")
    told = f"{clock_text(finding['time'], date=True)} UTC {finding['severity']}: {finding['message']}"
    return clean(told + (f" [{'; '.join(about)}]" if about else ""))
