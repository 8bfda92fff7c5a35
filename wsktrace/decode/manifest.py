"""Instrumentation manifests (``.man``): XML that says what the events of a provider hold.

Source: the vendor's event manifest schema (eventman.xsd) and its pages on the elements; etl-and-wpp-format, 3.
Manifests come from anywhere, traces among them: XML with a DTD (entities, "bombs") is refused, sizes are bounded, and
what an event's template gets wrong spoils that event only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import UUID

from wsktrace.decode.corrections import corrected
from wsktrace.decode.formats import EventFormat, RecordKey, ValueMap
from wsktrace.decode.manifest_strings import Strings
from wsktrace.decode.manifest_xml import MAX_BYTES, local_name, parse_xml
from wsktrace.decode.properties import (
    DEFAULT_OUT,
    IN_TYPES,
    LEVELS,
    MAX_DEPTH,
    OPCODES,
    OUT_TYPES,
    Property,
    event_name,
    make_format,
)
from wsktrace.errors import FormatError

if TYPE_CHECKING:
    import os
    from collections.abc import Hashable, Iterator
    from xml.etree.ElementTree import Element

__all__ = ["Manifest", "parse_manifest", "read_manifest"]

_NUMBER: Final = re.compile(r"\s*[+]?(0[xX][0-9a-fA-F]+|[0-9]+)\s*")
#: Characters of what tasks, keywords and the like are called, and of all keywords of an event: names, not texts.
_SHOWN: Final = 256
_KEYWORDS: Final = 1024
#: opcodes of the schema by name, as the schema spells them
_OPCODE_NUMBERS: Final = {name.lower().replace("_", ""): number for number, name in OPCODES.items()}
_LEVEL_NUMBERS: Final = {name.lower(): number for number, name in LEVELS.items()}


def read_manifest(path: str | os.PathLike[str]) -> Manifest:
    """Read a manifest file, in UTF-8, UTF-16 or whatever encoding its XML declares.

    Raises:
        FormatError: it cannot be read, is no XML, has a DTD, or is no instrumentation manifest.
    """
    file = Path(path)
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise FormatError(f"manifest {file}: {error.strerror or error}") from error
    return parse_manifest(data, file.name, f"manifest {file.name}")


def parse_manifest(data: bytes, name: str, source: str) -> Manifest:
    """Parse a manifest.

    Args:
        data: the XML.
        name: what error messages call it.
        source: ``EventFormat.source`` of what it describes.

    Raises:
        FormatError: it is no XML, has a DTD, is larger than 64 MiB, or is no instrumentation manifest.
    """
    root = parse_xml(data, name)
    strings = Strings(root)
    out = Manifest(name)
    found = False
    for element in root.iter():
        if local_name(element) == "provider" and "guid" in element.attrib:
            found = True
            reader = _Provider(element, strings, name, source)
            out.events.update(reader.events())
            out.providers[reader.guid] = reader.name
    if not found:
        raise FormatError(f"{name}: no instrumentation manifest: it has no <provider> with a guid")
    return out


@dataclass(slots=True)
class Manifest:
    """The events that a manifest describes; a ``FormatSource``.

    Attributes:
        name: of the file.
        events: formats by (provider's 16 raw bytes, event id, version).
        providers: names by 16 raw bytes.
    """

    name: str
    events: dict[tuple[bytes, int, int], EventFormat] = field(default_factory=dict)
    providers: dict[bytes, str] = field(default_factory=dict)

    def find(self, key: RecordKey) -> EventFormat | None:
        """Return the format of a kind of record, None where this manifest does not describe it."""
        return self.events.get((key.guid, key.id, key.version)) if key.family == "event" else None


class _Provider:
    """One <provider> element."""

    def __init__(self, element: Element, strings: Strings, file: str, source: str) -> None:
        self.element = element
        self.strings = strings
        self.source = source
        self.name = element.get("name", "")
        self.where = f"{file}: provider {self.name[:80]!r}"
        try:
            self.guid = UUID(element.get("guid", "").strip()).bytes_le
        except ValueError as error:
            raise FormatError(f"{self.where}: {element.get('guid', '')[:80]!r} is no GUID") from error
        self.bases: dict[str, EventFormat] = {}
        self.maps = self.read_maps()
        self.templates = {t.get("tid", ""): t for t in self.children("templates", "template")}
        self.tasks: dict[str, str] = {}
        #: by (task, name); the provider's own have no task
        self.opcodes = {("", o.get("name", "")): self.display(o) for o in self.children("opcodes", "opcode")}
        for task in self.children("tasks", "task"):
            name = task.get("name", "")
            self.tasks[name] = self.display(task)
            own = (one for group in task if local_name(group) == "opcodes" for one in group)
            self.opcodes |= {(name, o.get("name", "")): self.display(o) for o in own if local_name(o) == "opcode"}
        self.keywords = {k.get("name", ""): self.display(k) for k in self.children("keywords", "keyword")}
        self.levels = {one.get("name", ""): self.display(one) for one in self.children("levels", "level")}

    def events(self) -> Iterator[tuple[tuple[bytes, int, int], EventFormat]]:
        """Read the <event> elements."""
        for event in self.children("events", "event"):
            number = self.number(event, "value", 0xFFFF)
            version = self.number(event, "version", 0xFF, default=0)
            base = self.base(event.get("template", ""))
            yield (
                (self.guid, number, version),
                replace(
                    base,
                    name=self.event_name(event, number),
                    message=self.strings.expand(event.get("message", "")),
                    level=self.level(event.get("level", "win:LogAlways")),
                    keywords=self.shown_keywords(event.get("keywords", "")),
                ),
            )

    def base(self, template: str) -> EventFormat:
        """Return the format of a template, without what each event adds; made once."""
        if template not in self.bases:
            properties: tuple[Property, ...] = ()
            problem = ""
            if template in self.templates:
                properties = corrected(self.guid, tuple(self.properties(self.templates[template], 0)))
            elif template:
                problem = f"the manifest has no template {template!r}"
            self.bases[template] = make_format(
                properties, self.map, provider=self.name, name="", source=self.source, problem=problem
            )
        return self.bases[template]

    def event_name(self, event: Element, number: int) -> str:
        """Return what an event is called."""
        task, opcode = event.get("task", ""), event.get("opcode", "")
        # a task's own opcodes come before the provider's
        shown = self.opcodes.get((task, opcode)) or self.opcodes.get(("", opcode))
        if shown is None:
            standard = _OPCODE_NUMBERS.get(_plain(opcode).lower().replace("_", ""))
            shown = _plain(opcode) if standard is None else OPCODES[standard] if standard else ""
        return event_name(
            number,
            name=event.get("name", ""),
            symbol=event.get("symbol", ""),
            task=self.tasks.get(task, _plain(task)),
            opcode=shown,
        )

    def shown_keywords(self, names: str) -> str:
        """Return an event's keywords as the manifest shows them; there are not more than bits in a mask."""
        return ", ".join(self.keywords.get(k, _plain(k)) for k in names.split()[:64])[:_KEYWORDS]

    def level(self, name: str) -> str:
        """Return a level as the manifest shows it, one of the standard ones by its usual name."""
        number = _LEVEL_NUMBERS.get(_plain(name).lower())
        return self.levels.get(name, _plain(name)) if number is None else LEVELS[number]

    def properties(self, parent: Element, depth: int) -> Iterator[Property]:
        """Read the <data> and <struct> elements of a template or struct."""
        for one in parent:
            kind, name = local_name(one), one.get("name", "")
            if kind == "struct":
                members = tuple(self.properties(one, depth + 1)) if depth < MAX_DEPTH else ()
                yield Property(name, count=_extent(one.get("count")), members=members)
            elif kind == "data":
                in_name, out_name = one.get("inType", ""), one.get("outType", "")
                in_type = IN_TYPES.get(_plain(in_name).lower())
                out_type = OUT_TYPES.get(_plain(out_name).lower(), DEFAULT_OUT.get(in_type or 0, 0))
                yield Property(
                    name,
                    in_type or 0,
                    out_type,
                    _extent(one.get("length")),
                    _extent(one.get("count")),
                    one.get("map"),
                    problem="" if in_type else f"property {name!r} has the unknown in-type {in_name!r}",
                )

    def read_maps(self) -> dict[str, ValueMap]:
        """Read <valueMap> and <bitMap>; a <patternMap> names texts, not numbers."""
        out = {}
        for group in self.element:
            if local_name(group) != "maps":
                continue
            for one in group:
                kind = local_name(one)
                if kind in ("valueMap", "bitMap"):
                    entries = [e for e in one if local_name(e) == "map"]
                    names = {self.number(e, "value", (1 << 64) - 1): self.entry(e) for e in entries}
                    out[one.get("name", "")] = ValueMap(names, bits=kind == "bitMap")
        return out

    def entry(self, entry: Element) -> str:
        """Return the name of a map's value."""
        return (
            self.strings.expand(entry.get("message", "")) or entry.get("symbol", "") or entry.get("value", "").strip()
        )

    def map(self, key: Hashable) -> ValueMap | None:
        """Return the map of a name."""
        return self.maps.get(str(key))

    def children(self, group: str, kind: str) -> Iterator[Element]:
        """Return the elements of a kind inside the provider's groups of a name."""
        for one in self.element:
            if local_name(one) == group:
                yield from (e for e in one if local_name(e) == kind)

    def number(self, element: Element, name: str, largest: int, default: int | None = None) -> int:
        """Read a number of an attribute."""
        raw = element.get(name)
        if raw is None and default is not None:
            return default
        value = _integer(raw or "")
        if value is None or value > largest:
            shown = raw if raw is None else raw[:80]
            raise FormatError(
                f"{self.where}: <{local_name(element)}> has {name}={shown!r}, not a number up to {largest}"
            )
        return value

    def display(self, element: Element) -> str:
        """Return the text that people see of a task, opcode, keyword or level, else its name."""
        return self.strings.expand(element.get("message", ""))[:_SHOWN].strip() or _plain(element.get("name", ""))


def _plain(name: str) -> str:
    """Return a name without its prefix (``win:``, ``xs:``)."""
    return name.rpartition(":")[2].strip()


def _integer(text: str) -> int | None:
    found = _NUMBER.fullmatch(text)
    if found is None or len(found[1]) > 20:
        return None
    return int(found[1], 16) if found[1][:2].lower() == "0x" else int(found[1])


def _extent(text: str | None) -> int | str | None:
    """Return a length or count: a number, or the name of a property."""
    if text is None:
        return None
    number = _integer(text)
    return (text.strip() or None) if number is None else number
