"""The object of ``info.info`` as a person reads it: plain lines, nothing cut off, colours only where asked for."""

from __future__ import annotations

from typing import Any, Final

from wsktrace.report.terminal import paint
from wsktrace.units import bytes_text, clean, count_text, span_text

__all__ = ["render"]

#: What a list prints before it says how many more there are; --format json lists all.
MOST_SOURCES: Final = 200
MOST_PROBLEMS: Final = 20
MOST_FLAWED: Final = 10

_MEANINGS: Final = {
    "headers": "buffer headers and the log header",
    "judged": "records that become operations",
    "readable": "records with a layout at hand",
    "no_format": "records that nothing here can decode",
    "damaged": "bytes that make no sense",
    "filler": "unused space in buffers",
}
_CLOCKS: Final = {
    "qpc": "performance counter",
    "system": "system time",
    "cycles": "CPU cycles",
    "unknown": "unknown clock",
}


def render(described: dict[str, Any], *, colour: bool = False) -> str:
    """Return the account as text."""
    lines = [paint(clean(described["file"]), "title", colour=colour) + "  " + _head(described)]
    for title, told in (
        ("session", _session(described)),
        ("records", _records(described)),
        ("lost", _lost(described)),
        ("bytes", _bytes(described)),
        ("in it", _sources(described["providers"])),
        ("not understood", _flawed(described)),
    ):
        if told:
            head = paint(title, "title", colour=colour)
            lines.append(f"{head}{' ' * max(9 - len(title), 2)}{told[0]}" if title != "in it" else head)
            lines += [f"  {line}".rstrip() for line in (told if title == "in it" else told[1:])]
    return "\n".join(lines) + "\n"


def _percentages(sizes: dict[str, int]) -> dict[str, str]:
    """Return each share in per cent with two digits, such that the digits shown add up to 100.00."""
    whole = sum(sizes.values())
    if not whole:
        return dict.fromkeys(sizes, "0.00")
    down = {name: size * 10_000 // whole for name, size in sizes.items()}
    rest = 10_000 - sum(down.values())
    # the largest remainders are rounded up
    by = sorted(sizes, key=lambda name: (-(sizes[name] * 10_000 % whole), name))
    for name in by[:rest]:
        down[name] += 1
    return {name: f"{part // 100}.{part % 100:02}" for name, part in down.items()}


def _head(d: dict[str, Any]) -> str:
    parts = [bytes_text(d["size"])]
    if d["start"]:
        start, end = d["start"], d["end"] or d["last_record"]
        when = f"{start[:10]} {start[11:26]}"
        if end:
            when += f" – {'' if end[:10] == start[:10] else end[:10] + ' '}{end[11:26]}"
        parts.append(when + " UTC")
        if d["span_ns"] is not None and d["span_ns"] >= 0:
            parts.append(span_text(d["span_ns"]))
    parts.append(count_text(d["processors"], "CPU"))
    major, minor, build = d["session"]["os"].split(".")
    parts.append(f"Windows {major}.{minor} build {build}")
    return "  ".join(parts)


def _session(d: dict[str, Any]) -> list[str]:
    s = d["session"]
    clock = _CLOCKS[s["clock"]["kind"]]
    ticks = s["clock"]["ticks_per_second"]
    parts = [
        clean(s["logger"]) or "(no name)",
        clock if s["clock"]["kind"] in ("system", "unknown") else f"{clock} at {ticks:,} Hz",
        ", ".join(s["mode_words"]) or "no particular mode",
        f"buffers of {bytes_text(s['buffer_size'])}",
        f"{8 * s['pointer_size']} bit",
    ]
    if d["compression"]:
        whole = sum(d["unpacked_bytes"].values())
        parts.append(f"{d['compression']}: {bytes_text(whole)} unpacked")
    lines = [" · ".join(parts)]
    if s["header_damaged"]:
        lines.append(f"the log header is damaged: {clean(s['header_damaged'])}")
    return lines


def _records(d: dict[str, Any]) -> list[str]:
    kinds = sorted(d["kinds"].items(), key=lambda pair: (-pair[1], pair[0]))
    told = ", ".join(f"{name} {count:,}" for name, count in kinds)
    return [f"{d['records']:,} in {d['buffers']:,} buffers" + (f": {told}" if told else "")]


def _lost(d: dict[str, Any]) -> list[str]:
    problems, more = d["problems"], d["problems_left_out"]
    places = len(problems) + more
    damaged = f"{count_text(places, 'damaged place')} ({d['bytes']['damaged']:,} bytes)"
    lines = [f"{d['events_lost']:,} events · {d['buffers_lost']:,} buffers · {damaged}"]
    lines += [clean(remark) for remark in d["remarks"]]
    for p in problems[:MOST_PROBLEMS]:
        where = (
            "" if p["buffer"] < 0 else f"buffer {p['buffer']:,} at byte {p['file_offset']:,}, {p['length']:,} bytes: "
        )
        lines.append(where + clean(p["what"]))
    if places > MOST_PROBLEMS:
        lines.append(f"and {places - min(len(problems), MOST_PROBLEMS):,} more; --format json lists them")
    return lines


def _bytes(d: dict[str, Any]) -> list[str]:
    sizes: dict[str, int] = d["bytes"]
    shares = _percentages(sizes)
    damaged = shares["damaged"]
    explained = "100.00" if damaged == "0.00" else f"{(10_000 - round(100 * float(damaged))) / 100:.2f}"
    width = max(len(f"{size:,}") for size in sizes.values())
    return [
        f"{explained} % of {d['size']:,} explained",
        *(f"{shares[n]:>6} %  {size:>{width},}  {n:<9}  {_MEANINGS[n]}" for n, size in sizes.items()),
    ]


def _sources(providers: list[dict[str, Any]]) -> list[str]:
    shown = providers[:MOST_SOURCES]
    if not shown:
        return ["no records but the log header"]
    rows = [("events", "bytes", "source", "", "format")]
    for p in shown:
        form = f"{p['decoded_by']}, {p['class']}" if p["decoded_by"] else f"no format: needs {p['needs']}"
        if p["class"] == "no_format" and p["family"] in ("kernel", "other"):
            form = "no format"
        name = clean(p["name"]) if p["name"] else {"message": "WPP message"}.get(p["family"], "unknown provider")
        rows.append((f"{p['events']:,}", f"{p['bytes']:,}", name, f"{{{p['guid']}}}" if p["guid"] else "", form))
    wide = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = [f"{a:>{wide[0]}}  {b:>{wide[1]}}  {c:<{wide[2]}}  {g:<{wide[3]}}  {f}" for a, b, c, g, f in rows]
    if len(providers) > len(shown):
        rest = providers[len(shown) :]
        lines.append(f"and {len(rest):,} more with {sum(p['events'] for p in rest):,} events; --format json lists them")
    for family, what in (("message", "WPP messages without format"), ("event", "events without format")):
        missing = [p for p in providers if p["family"] == family and p["where"]]
        if missing:
            lines.append(f"{sum(p['events'] for p in missing):,} {what}: {clean(missing[0]['where'])}")
    return lines


def _flawed(d: dict[str, Any]) -> list[str]:
    """Return the self-describing events whose metadata was not understood to its end."""
    bad = [s for s in d["schemas"] if s["problem"]]
    lines = []
    if bad:
        events = sum(s["events"] for s in bad)
        lines.append(f"{events:,} events of {len(bad):,} self-describing kinds, kept raw from there on:")
        lines += [
            f"{clean(s['provider'] or s['guid'])} {clean(s['event']) or '(no name)'}: {clean(s['problem'])}"
            for s in bad[:MOST_FLAWED]
        ]
        if len(bad) > MOST_FLAWED:
            lines.append(f"and {len(bad) - MOST_FLAWED:,} more; --format json lists them")
    if d["records_without_room"]:
        lines.append(f"{d['records_without_room']:,} events have more kinds than can be kept; they count as no_format")
    return lines
