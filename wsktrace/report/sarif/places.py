"""Where SARIF results stand: the driver's source where it is known, else the trace file; the operations that show them.

In the trace file the region is the whole file. A record's place in it is no region: the tables tell which buffer it is
in and where in that buffer after decompression, which is no byte offset of a file that is compressed or damaged. It
stands among the properties instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from wsktrace.report.sarif.rules import text_message
from wsktrace.report.source_paths import uri_of
from wsktrace.report.words import operations_by_id, subjects
from wsktrace.units import address_text, hex_text, time_text

if TYPE_CHECKING:
    from wsktrace.arrow import Tables
    from wsktrace.facts import TraceFacts
    from wsktrace.report.source_paths import SourceRoot

__all__ = ["Places", "logical"]

#: Base of URIs that are relative to --source-root.
BASE: Final = "SRCROOT"
#: Phase → what SARIF calls such a step (2.1.0, 3.38.8).
_STEPS: Final = {
    "enter": ["call", "function"], "return": ["return", "function"],
    "complete": ["enter", "function"], "complete_return": ["exit", "function"],
    "callback": ["enter", "function"], "callback_return": ["exit", "function"],
}  # fmt: skip
_COLUMNS: Final = [
    "operation_id", "time", "cpu", "tid", "pid", "op", "phase", "socket", "irp", "status", "status_name", "irql",
    "record_buffer", "record_offset",
]  # fmt: skip
_NO_LINE: Final = "the last message that the thread traced before; not the line of the call itself"


class Places:
    """The artifacts of one run, and the locations of its results."""

    def __init__(
        self, facts: TraceFacts, tables: Tables, findings: list[dict[str, Any]], root: SourceRoot | None
    ) -> None:
        self._root = root
        named = (row for finding in findings for name in ("evidence", "outstanding") for row in finding[name])
        self._operations = operations_by_id(tables, named, _COLUMNS)
        trace = {
            "location": {"uri": quote(facts.file, errors="surrogateescape")},
            "length": facts.size,
            "roles": ["analysisTarget"],
            "mimeType": "application/octet-stream",
            "hashes": {"sha-256": facts.sha256},
        }
        self._artifacts: list[dict[str, Any]] = [trace]
        self._sources: dict[str, int] = {}

    def of_run(self) -> dict[str, Any]:
        """Return ``artifacts`` and, with a root, ``originalUriBaseIds``; call it after the results are made."""
        if self._root is None:
            return {"artifacts": self._artifacts}
        uri = self._root.path.as_uri().rstrip("/") + "/"
        base = {"uri": uri, "description": {"text": "the driver's source files (--source-root)"}}
        return {"originalUriBaseIds": {BASE: base}, "artifacts": self._artifacts}

    def of_result(self, finding: dict[str, Any]) -> dict[str, Any]:
        """Return the properties of a result that say where it is."""
        evidence = [self._operations[row] for row in finding["evidence"] if row in self._operations]
        going_on = [self._operations[row] for row in finding["outstanding"] if row in self._operations]
        found: dict[str, Any] = {"locations": [self._location(finding, evidence)]}
        if finding["source_file"]:
            found["analysisTarget"] = {"uri": self._artifacts[0]["location"]["uri"], "index": 0}
        if going_on:
            found["relatedLocations"] = [
                {"id": number, **self._step(row, "still going on: ")} for number, row in enumerate(going_on, 1)
            ]
        if evidence:
            found["codeFlows"] = [self._flow(evidence)]
        return found

    def _location(self, finding: dict[str, Any], evidence: list[dict[str, Any]]) -> dict[str, Any]:
        about = [logical(kind, finding[name]) for kind, name in (("IRP", "irp"), ("socket", "socket")) if finding[name]]
        if evidence:
            about.insert(0, {"name": evidence[-1]["op"], "fullyQualifiedName": evidence[-1]["op"], "kind": "function"})
        more = {"logicalLocations": about} if about else {}
        if finding["source_file"]:
            region = {"region": {"startLine": finding["source_line"]}} if finding["source_line"] else {}
            place = {"artifactLocation": self._source(finding["source_file"]), **region}
            return {"physicalLocation": place, **more, "message": {"text": _NO_LINE}}
        whole = {"byteOffset": 0, "byteLength": self._artifacts[0]["length"]}
        return {"physicalLocation": {"artifactLocation": self._trace(), "region": whole}, **more}

    def _trace(self) -> dict[str, Any]:
        return {"uri": self._artifacts[0]["location"]["uri"], "index": 0}

    def _source(self, name: str) -> dict[str, Any]:
        """Return the artifact of a source file, relative to the root where it is found below it."""
        below = None if self._root is None else self._root.find(name)
        where = (
            {"uri": uri_of(name)}
            if below is None
            else {"uri": quote(below, errors="surrogateescape"), "uriBaseId": BASE}
        )
        if name not in self._sources:
            self._sources[name] = len(self._artifacts)
            self._artifacts.append({"location": where})
        return {**where, "index": self._sources[name]}

    def _flow(self, evidence: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the operations by thread, each numbered in the order of the trace."""
        threads: dict[str, list[dict[str, Any]]] = {}
        for number, row in enumerate(evidence, 1):
            # the idle threads of all processors have id 0
            thread = "thread ?" if row["tid"] is None else f"thread {row['tid']}"
            step: dict[str, Any] = {
                "location": self._step(row),
                "executionOrder": number,
                "importance": "essential",
                "properties": _record(row),
            }
            if row["phase"] in _STEPS:
                step["kinds"] = _STEPS[row["phase"]]
            if (time := time_text(row["time"])) is not None:
                step["executionTimeUtc"] = time
            threads.setdefault(thread if row["tid"] else f"{thread} of CPU {row['cpu']}", []).append(step)
        return {"threadFlows": [{"id": thread, "locations": steps} for thread, steps in threads.items()]}

    def _step(self, row: dict[str, Any], before: str = "") -> dict[str, Any]:
        status = f", {row['status_name']}" if row["status_name"] else ""
        about = subjects(row)
        text = f"{before}{row['op']} {row['phase']}{status}" + (f" ({', '.join(about)})" if about else "")
        return {
            "physicalLocation": {"artifactLocation": self._trace()},
            "logicalLocations": [{"name": row["op"], "fullyQualifiedName": row["op"], "kind": "function"}],
            "message": {"text": text_message(text)},
        }


def logical(kind: str, address: int | None) -> dict[str, Any]:
    """Return an object by its address as a logical location."""
    name = address_text(address)
    return {"name": name, "fullyQualifiedName": f"{kind} {name}", "kind": kind}


def _record(row: dict[str, Any]) -> dict[str, Any]:
    names = {"operationId": "operation_id", "cpu": "cpu", "pid": "pid", "irql": "irql"}
    names |= {"recordBuffer": "record_buffer", "recordOffset": "record_offset"}
    held = {name: row[column] for name, column in names.items() if row[column] is not None}
    return held | ({"status": hex_text(row["status"])} if row["status"] is not None else {})
