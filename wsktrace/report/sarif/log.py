"""The account of a trace as SARIF 2.1.0 (OASIS), for code scanning and for whatever compares runs.

Fails are results of kind ``fail`` with a level, suspects ``review``, undecided findings ``open``, notes
``informational``. What passed is not listed; each rule says how often. The output depends on the trace and the options
alone: no time of the run, no random identity.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wsktrace.report.baseline import FINGERPRINT
from wsktrace.report.escaping import json_text
from wsktrace.report.sarif.places import Places, logical
from wsktrace.report.sarif.rules import LEVELS, descriptor, text_message
from wsktrace.report.trust import CONSEQUENCE
from wsktrace.report.verdict import headline, root_of
from wsktrace.report.words import VERDICTS, providers_seen, reason_text, rows
from wsktrace.rules.ignoring import BASELINE
from wsktrace.schema import SCHEMA_VERSION
from wsktrace.version import __version__

if TYPE_CHECKING:
    import os

    from wsktrace.arrow import Tables
    from wsktrace.facts import TraceFacts

__all__ = ["as_object", "render"]

#: Where the standard publishes its schema.
SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
#: Verdict → kind of result. Source: SARIF 2.1.0, 3.27.9.
KINDS: Final = {"fail": "fail", "suspect": "review", "unknown": "open", "note": "informational"}
_NOTIFICATIONS: Final = {
    "losses": "Events were lost or the file is damaged.",
    "nothing-judged": "The trace holds no WSK operation.",
}


def render(facts: TraceFacts, tables: Tables, **options: Any) -> str:
    """Return the account as text; the options are those of ``as_object``."""
    return json_text(as_object(facts, tables, **options))


def as_object(
    facts: TraceFacts,
    tables: Tables,
    *,
    unknown: bool = False,
    source_root: str | os.PathLike[str] | None = None,
    compared: bool = False,
    command_line: str = "",
    exit_code: int | None = None,
) -> dict[str, Any]:
    """Return the log as a dictionary that JSON can hold.

    Args:
        facts: of the trace.
        tables: gives ``findings``, ``rules`` and ``operations``.
        unknown: whether what the trace cannot decide is listed, too.
        source_root: folder below which the driver's source files are looked for.
        compared: whether a baseline was given; it is seen where the baseline knows a finding.
        command_line: of the run; empty where nobody knows.
        exit_code: of the run.

    Raises:
        UsageError: there is no such folder.
    """
    found = [f for f in rows(tables("findings")) if unknown or f["verdict"] != "unknown"]
    judged = rows(tables("rules"))
    index = {row["rule"]: at for at, row in enumerate(judged)}
    places = Places(facts, tables, found, root_of(source_root))
    marks = {
        "compared": compared or any(f["ignored"] == BASELINE for f in found),
        "excused": any(f["ignored"] not in (None, BASELINE) for f in found),
    }
    results = [_result(finding, index, places, **marks) for finding in _ordered(found)]
    run = {
        "tool": {
            "driver": {
                "name": "wsktrace",
                "version": __version__,
                "semanticVersion": __version__,
                "rules": [descriptor(row) for row in judged],
                "notifications": [
                    {"id": name, "shortDescription": {"text": text}} for name, text in _NOTIFICATIONS.items()
                ],
            }
        },
        "invocations": [_invocation(facts, command_line, exit_code)],
        **places.of_run(),
        "columnKind": "unicodeCodePoints",
        "results": results,
        "properties": {
            "headline": headline(facts, tables),
            "judged": facts.judged,
            "profile": facts.profile,
            "trust": {
                "eventsLost": facts.events_lost,
                "buffersLost": facts.buffers_lost,
                "damagedBuffers": facts.damaged_buffers,
                "damagedBytes": facts.damaged_bytes,
            },
            "wsktraceSchema": SCHEMA_VERSION,
        },
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _ordered(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the worst verdict first, each in the order of the trace."""
    return sorted(found, key=lambda f: (VERDICTS.index(f["verdict"]), f["finding_id"]))


def _result(
    finding: dict[str, Any], index: dict[str, int], places: Places, *, compared: bool, excused: bool
) -> dict[str, Any]:
    kind = KINDS[finding["verdict"]]
    rule = {"ruleId": finding["rule"]} | ({"ruleIndex": index[finding["rule"]]} if finding["rule"] in index else {})
    text = finding["message"]
    if finding["reason"]:
        text += f" ({finding['verdict']}, {reason_text(finding['reason'])})"
    result: dict[str, Any] = {
        **rule,
        "kind": kind,
        "level": LEVELS[finding["severity"]] if kind == "fail" else "none",
        "message": {"text": text_message(text)},
        **places.of_result(finding),
        "partialFingerprints": {FINGERPRINT: finding["fingerprint"]},
    }
    if compared:
        result["baselineState"] = "unchanged" if finding["ignored"] == BASELINE else "new"
    if excused:
        reason = None if finding["ignored"] == BASELINE else finding["ignored"]
        known = [] if reason is None else [{"kind": "external", "status": "accepted", "justification": reason}]
        result["suppressions"] = known
    names = ("finding_id", "verdict", "severity", "party", "reason", "irp_id", "socket_id", "follows_from")
    result["properties"] = {_camel(name): finding[name] for name in names if finding[name] is not None} | {
        "subject": logical(finding["subject_table"].removesuffix("s"), finding["subject_address"])["fullyQualifiedName"]
    }
    return result


def _invocation(facts: TraceFacts, command_line: str, exit_code: int | None) -> dict[str, Any]:
    notes = []
    if lost := ", ".join(facts.losses):
        notes.append(("losses", f"{lost}: {CONSEQUENCE}"))
    if not facts.judged:
        notes.append(("nothing-judged", f"Nothing was judged. Providers seen (events): {providers_seen(facts)}"))
    return {
        **({"commandLine": command_line} if command_line else {}),
        **({} if exit_code is None else {"exitCode": exit_code}),
        "executionSuccessful": True,
        "toolExecutionNotifications": [
            {
                "descriptor": {"id": name, "index": list(_NOTIFICATIONS).index(name)},
                "level": "warning",
                "message": {"text": text_message(text)},
            }
            for name, text in notes
        ],
    }


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
