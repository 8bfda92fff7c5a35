"""The localised strings of a manifest, put in where it refers to them: ``$(string.Id)``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from wsktrace.decode.manifest_xml import local_name

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

__all__ = ["Strings"]

_REFERENCE: Final = re.compile(r"\$\(([^()]{1,512})\)")
#: Characters that texts made of several parts may have in all: strings of a manifest are referred to any number of
#: times, and a small file must not become a large one.
_ROOM: Final = 16 << 20


class Strings:
    """The string tables of a manifest; where there are several languages, English is preferred."""

    def __init__(self, root: Element) -> None:
        self.table: dict[str, str] = {}
        self.room = _ROOM
        tables: list[tuple[bool, dict[str, str]]] = []
        for resources in root.iter():
            if local_name(resources) == "resources":
                english = resources.get("culture", "").lower().startswith("en")
                groups = [group for group in resources if local_name(group) == "stringTable"]
                strings = (one for group in groups for one in group if local_name(one) == "string")
                tables.append((english, {s.get("id", ""): s.get("value", "") for s in strings}))
        # later ones win: English ones last, and of the others the first
        for wanted in (False, True):
            for table in reversed([table for english, table in tables if english is wanted]):
                self.table |= table

    def expand(self, text: str) -> str:
        """Put the strings in; empty where one of them is missing, or where no room is left."""
        whole = _REFERENCE.fullmatch(text)
        if whole is not None:  # by far the most: the string itself, no copy of it
            return self.table.get(_key(whole), "")
        parts: list[str] = []
        at = size = 0
        for found in _REFERENCE.finditer(text):
            known = self.table.get(_key(found))
            size += len(known or "")
            if known is None or size > self.room:
                return ""
            parts += (text[at : found.start()], known)
            at = found.end()
        self.room -= size
        return "".join([*parts, text[at:]]) if parts else text


def _key(found: re.Match[str]) -> str:
    return found[1].removeprefix("string.")
