"""What was measured, as a person reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.figures import Spread

__all__ = ["as_text"]


def as_text(report: dict[str, Any]) -> str:
    """Return the whole report."""
    machine = report["machine"]
    parts = [
        (
            f"wsktrace {report['versions']['wsktrace']}, Python {machine['python']}, {machine['system']}, "
            f"{machine['processors']} processors ({machine['processor']}), load {machine['load_before']} to "
            f"{machine['load_after']}; {report['seconds']:.0f} s in all"
        ),
        "median (smallest to largest); every measurement in a process of its own, contestants in turns; memory in MiB",
    ]
    for name, entry in report["results"].items():
        kind = name.partition(".")[0]
        parts.append({"records": _records, "check": _check, "micro": _micro}[kind](name, entry))
    if report["skipped"]:
        parts.append("\n".join(["not measured", *(f"  {name}: {why}" for name, why in report["skipped"].items())]))
    return "\n\n".join(parts) + "\n"


def _records(name: str, entry: dict[str, Any]) -> str:
    rows = [("", "records/s", "first pass", "seconds", "peak MiB", "wsktrace is", "in first passes", "wanted")]
    for reader, found in entry["readers"].items():
        against = entry["ratios"].get(reader)
        rows.append(
            (
                reader,
                _spread(found["per_second"]),
                _number(found["first_pass_per_second"]),
                _spread(found["seconds"]),
                _number(found["peak_mib"]),
                f"{_spread(against['times'])} times" if against else "",
                f"{_number(against['first_pass_times'])} times" if against else "",
                f"{against['wanted']} times" if against else "",
            )
        )
    head = f"{name}: {entry['trace']}, {entry['records']:,} records with header columns and UTC times"
    return "\n".join([f"{head}, {_rounds(entry)}", *_aligned(rows), *(f"  {note}" for note in entry["notes"])])


def _check(name: str, entry: dict[str, Any]) -> str:
    whole, wanted, each = entry["process"], entry["wanted"], entry["bytes_per_operation"]
    head = (
        f"{name}: {entry['events']:,} events, {entry['file_mib']:,.0f} MiB; {entry['what']}; {_rounds(entry)}\n"
        f"  {entry['operations']:,} operations, {entry['irps']:,} uses of IRPs, {entry['sockets']:,} sockets, "
        f"{entry['findings']:,} findings"
    )
    facts = [
        ("events/s", _spread(whole["events_per_second"]), f"wanted {wanted['events_per_second']:,}"),
        ("seconds", _spread(whole["seconds"]), f"processor {_spread(whole['cpu_seconds'])}"),
        ("peak MiB", _spread(whole["peak_mib"]), f"wanted for 10 million {wanted['peak_mib']:,}"),
        (
            "bytes per operation",
            f"{each['columns']:.0f} in columns",
            f"{_plain(each['peak less imports'])} at the peak, {each['file']:.0f} in the file",
        ),
    ]
    rows = [("stage", "seconds", "ns/event", "peak MiB so far")]
    rows += [
        (
            stage,
            _spread(found["seconds"]),
            "" if stage == "import" else _number(found["ns_per_event"]),
            _number(found["peak_mib"]),
        )
        for stage, found in entry["stages"].items()
    ]
    return "\n".join([head, *_aligned(facts), *_aligned(rows)])


def _micro(name: str, entry: dict[str, Any]) -> str:
    unit = entry["unit"]
    head = f"{name}: {_rounds(entry)}, peak {_number(entry['peak_mib'])} MiB"
    found = list(entry["rows"].items())
    if name == "micro.rules":
        found.sort(key=lambda row: -row[1]["seconds"]["median"])
        # ns for one are ms for a million
        table = [("rule", f"ms per million {unit}", f"{unit}/s")]
        table += [(what, _spread(row["ns_each"]), _number(row["per_second"])) for what, row in found]
        return "\n".join([head, *_aligned(table)])
    rows = [("", f"{unit}/s", "ns each", "count")]
    rows += [(what, _spread(row["per_second"]), _number(row["ns_each"]), f"{row['count']:,}") for what, row in found]
    return "\n".join([head, *_aligned(rows)])


def _rounds(entry: dict[str, Any]) -> str:
    return f"{entry['rounds']} round{'s' if entry['rounds'] != 1 else ''}"


def _plain(value: float | None) -> str:
    if value is None:
        return "?"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _number(found: Spread | None) -> str:
    return _plain(found["median"]) if found else "?"


def _spread(found: Spread | None) -> str:
    if not found:
        return "?"
    if found["n"] == 1:
        return _plain(found["median"])
    return f"{_plain(found['median'])} ({_plain(found['min'])} to {_plain(found['max'])})"


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
