"""XML of manifests to elements, refusing what an XML file can do to its reader."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from xml.etree.ElementTree import ParseError

from wsktrace.errors import FormatError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

__all__ = ["MAX_BYTES", "local_name", "parse_xml"]

#: The largest manifests of Windows have about 2 MB.
MAX_BYTES: Final = 64 << 20
_DECLARATION: Final = re.compile(r"\A\ufeff?\s*<\?xml[^>]{0,256}\?>")


def parse_xml(data: bytes, name: str) -> Element:
    """Parse XML in the encoding that it declares; one that is wrong about UTF-8 and UTF-16 is forgiven.

    Raises:
        FormatError: no XML, a DTD (entities can make a small file unbounded), or more than 64 MiB.
    """
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    if len(data) > MAX_BYTES:
        raise FormatError(f"{name}: more than {MAX_BYTES >> 20} MiB of XML, which no manifest has")
    try:
        try:
            root: Element = fromstring(data, forbid_dtd=True)
        except DefusedXmlException:
            raise
        except (ParseError, ValueError, LookupError) as error:
            text = _undeclared(data)
            if text is None:
                raise FormatError(f"{name}: not well-formed XML: {error}") from error
            root = fromstring(text, forbid_dtd=True)
    except DefusedXmlException as error:
        raise FormatError(
            f"{name}: the XML has a DTD or entities; they are refused, as no manifest needs them"
        ) from error
    except (ParseError, ValueError, LookupError) as error:
        raise FormatError(f"{name}: not well-formed XML: {error}") from error
    return root


def local_name(element: Any) -> str:
    """Return the name of an element without its namespace; comments and the like have none."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _undeclared(data: bytes) -> bytes | None:
    """Return the XML as UTF-8 without its declaration, where that may be what is wrong; else None."""
    wide = data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data[:4]
    try:
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-16-le" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        return None
    bare = _DECLARATION.sub("", text)
    return None if bare == text else bare.lstrip("\ufeff").encode("utf-8", "replace")
