"""Makes the samples again, byte for byte, and checks what wsktrace says of them.

``python samples/make.py`` writes the traces, the sample of the package (``wsktrace demo``) and README.md, which is made
from expected.json. ``--check`` writes nothing: it makes all of them in memory, compares, and judges each sample.
``--record`` writes expected.json anew from what wsktrace says now; read the difference before you commit it.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import wsktrace
from wsktrace.testing import scenario
from wsktrace.units import bytes_text

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).resolve().parent
EXPECTED = HERE / "expected.json"
PACKAGED = HERE.parent / "wsktrace" / "data" / "demo.etl"
#: The sample that the package carries.
DEMO = "hang"
NAMES = ("clean", "early_release", "hang", "many_faults", "midway")
LARGEST = 300_000


def etl(name: str) -> bytes:
    """Return the bytes of a sample."""
    made: bytes = getattr(scenario, name)().etl()
    return made


def account(name: str, data: bytes) -> dict[str, Any]:
    """Return what wsktrace says of a sample, such as expected.json lists it."""
    file = io.BytesIO(data)
    file.name = f"{name}.etl"
    with wsktrace.open(file) as trace:
        facts = trace.summary
        findings = trace.arrow("findings").to_pylist()
        pending = trace.irps[trace.irps.outcome == "open"].sort_values("issue_time")
        return {
            "sha256": hashlib.sha256(data).hexdigest(),
            "size": len(data),
            "operations": facts.judged,
            "lost": {"events": facts.events_lost, "buffers": facts.buffers_lost},
            "irps": trace.arrow("irps").num_rows,
            "sockets": trace.arrow("sockets").num_rows,
            "median_total_ns": {
                row["op"]: row["p50_ns"]
                for row in trace.arrow("latency").to_pylist()
                if row["leg"] == "total" and row["count"]
            },
            "pending": [f"{op} {irp:#x}" for op, irp in zip(pending.op.tolist(), pending.irp.tolist(), strict=True)],
            "findings": [_finding(row) for row in findings],
            "rules": {
                row["rule"]: [row[k] for k in ("fail", "pass", "unknown", "suspect", "not_applicable")]
                for row in trace.arrow("rules").to_pylist()
            },
        }


def _finding(row: dict[str, Any]) -> dict[str, Any]:
    kept = {key: row[key] for key in ("rule", "verdict", "severity", "reason")}
    subject = row["subject_table"].removesuffix("s")
    for key, value in (("irp", row["irp"]), ("socket", row["socket"]), (subject, row["subject_address"])):
        if value:
            kept.setdefault(key, f"{value:#x}")
    return kept | {"message": row["message"]}


def readme(expected: dict[str, Any]) -> str:
    """Return README.md."""
    lines = [
        "# Samples",
        "",
        "<!-- written by samples/make.py from expected.json -->",
        "",
        "Traces of a driver that emits the native provider, written by `wsktrace.testing` and made again, byte for",
        "byte, by `python samples/make.py`. A test judges each and compares with this page.",
        "",
        "| sample | what happens in it | size | IRPs | broken rules | suspects |",
        "|---|---|---|---|---|---|",
    ]
    for name, held in expected.items():
        found = {v: sum(f["verdict"] == v for f in held["findings"]) for v in ("fail", "suspect")}
        lines.append(
            f"| [{name}](#{name}) | {_story(name)[0]} | {bytes_text(held['size'])} | {held['irps']:,} "
            f"| {found['fail'] or 'none'} | {found['suspect'] or 'none'} |"
        )
    for name, held in expected.items():
        lines += ["", f"## {name}", "", *_about(name, held)]
    return "\n".join(lines) + "\n"


def _story(name: str) -> list[str]:
    """Return the scenario's docstring by paragraphs: what happens in it."""
    text = (getattr(scenario, name).__doc__ or "").strip()
    return [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]


def _about(name: str, held: dict[str, Any]) -> Iterator[str]:
    yield from (line for paragraph in _story(name) for line in (paragraph, ""))
    lost = held["lost"]
    losses = f"{lost['events']} events and {lost['buffers']} buffers lost" if any(lost.values()) else "nothing lost"
    yield f"{held['operations']:,} operations, {held['irps']:,} uses of IRPs, {held['sockets']:,} sockets; {losses}."
    if held["pending"]:
        yield ""
        yield "Pending at the end, oldest first: " + ", ".join(f"`{entry}`" for entry in held["pending"]) + "."
    yield ""
    if not held["findings"]:
        yield "No broken rule, no suspect."
        return
    yield "| rule | verdict | severity | reason | what it is about | |"
    yield "|---|---|---|---|---|---|"
    for f in held["findings"]:
        about = ", ".join(
            f"{key} `{f[key]}`" for key in f if key not in ("rule", "verdict", "severity", "reason", "message")
        )
        message = f["message"].replace("|", "\\|")
        yield f"| {f['rule']} | {f['verdict']} | {f['severity']} | {f['reason'] or ''} | {about} | {message} |"


def files(expected: dict[str, Any], made: dict[str, bytes]) -> Iterator[tuple[Path, bytes]]:
    """Yield every file that this script writes."""
    for name, data in made.items():
        yield HERE / f"{name}.etl", data
    yield PACKAGED, made[DEMO]
    yield HERE / "README.md", readme(expected).encode()


def main(arguments: list[str]) -> int:
    """Write the samples, or check them."""
    if arguments not in ([], ["--check"], ["--record"]):
        print("usage: python samples/make.py [--check | --record]", file=sys.stderr)
        return 2
    made = {name: etl(name) for name in NAMES}
    if arguments == ["--record"]:
        told = {name: account(name, data) for name, data in made.items()}
        EXPECTED.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", "utf-8", newline="\n")
    expected = json.loads(EXPECTED.read_text("utf-8"))
    wrong = [f"{name}: larger than {LARGEST:,} bytes" for name, data in made.items() if len(data) > LARGEST]
    if arguments == ["--check"]:
        wrong += [
            f"{path.name}: not what samples/make.py makes"
            for path, data in files(expected, made)
            if not path.exists() or path.read_bytes() != data
        ]
        wrong += [
            f"{name}: judged otherwise than expected" for name in made if account(name, made[name]) != expected[name]
        ]
    else:
        for path, data in files(expected, made):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
