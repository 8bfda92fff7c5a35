"""What a file is that is no ETL trace, in words, with what to do about it."""

from __future__ import annotations

import struct

from wsktrace.etl.records import KIND_OF_MARKER
from wsktrace.etl.types import Kind

__all__ = ["GZIP", "HEADER_BYTES", "ZIP", "describe", "looks_like_etl"]

GZIP, ZIP = b"\x1f\x8b", b"PK\x03\x04"

#: bytes that hold the first buffer's header and its log header record, 64-bit form, without its strings
HEADER_BYTES = 0x48 + 0x20 + 0x118

_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"ElfFile\0", "a Windows event log (.evtx); open it with Event Viewer, and give wsktrace an .etl capture"),
    (4, b"LfLe", "an old Windows event log (.evt); give wsktrace an .etl capture"),
    (0, b"MSCF", "a cabinet (.cab); unpack it first (expand file.cab -F:*.etl ., or cabextract) and name the .etl"),
    (0, b"PK\x05\x06", "an empty .zip; name the .etl or an archive that holds it"),
    (0, b"MZ", "a Windows program or driver; name the trace that was captured from it"),
    (0, b"\x7fELF", "a Linux program; name the .etl capture"),
    (0, b"Microsoft C/C++", "a program database (.pdb); it holds symbols, name the .etl capture"),
    (0, b"7z\xbc\xaf\x27\x1c", "a .7z archive; unpack it and name the .etl"),
    (0, b"\xfd7zXZ", "an .xz file; unpack it and name the .etl"),
    (0, b"\x28\xb5\x2f\xfd", "a .zst file; unpack it and name the .etl"),
    (0, b"BZh", "a .bz2 file; unpack it and name the .etl"),
    (0, b"Rar!", "a .rar archive; unpack it and name the .etl"),
    (0, b"\x1f\x8b", "a .gz inside another archive; unpack it and name the .etl"),
    (0, b"PK\x03\x04", "a .zip inside another archive; unpack it and name the .etl"),
    (0, b"MDMP", "a crash dump; save the trace out of it in WinDbg (!wmitrace.logsave) and name the .etl"),
    (0, b"PAGE", "a kernel crash dump; save the trace out of it in WinDbg (!wmitrace.logsave) and name the .etl"),
    (0, b"PAR1", "a Parquet file; wsktrace.load() reads the folder that export wrote"),
    (0, b"\x0a\x0d\x0d\x0a", "a network capture (.pcapng); wsktrace reads the .etl it was made from"),
    (0, b"\xd4\xc3\xb2\xa1", "a network capture (.pcap); wsktrace reads the .etl it was made from"),
    (0, b"PML_", "a Process Monitor log; give wsktrace an .etl capture"),
    (0, b"\x89PNG", "a picture; name the .etl capture"),
    (0, b"%PDF", "a PDF; name the .etl capture"),
    (0, b"SQLite format 3", "an SQLite database; name the .etl capture"),
    (257, b"ustar", "a .tar archive; unpack it and name the .etl"),
)


def looks_like_etl(head: bytes) -> bool:
    """Tell whether a file begins with a header buffer: by its buffer header, or by the mark of its log header record.

    One of the two is enough, so that damage to the other does not cost the file.
    """
    if len(head) < 0x38:
        return False
    size, offset = struct.unpack_from("<I", head)[0], struct.unpack_from("<I", head, 0x30)[0]
    flags, kind = struct.unpack_from("<HH", head, 0x34)
    if kind == 4 and flags < 0x100 and 0x48 < offset <= size <= 1 << 26:
        return True
    if len(head) < 0x50:
        return False
    half, packet = struct.unpack_from("<H", head, 0x4A)[0], struct.unpack_from("<H", head, 0x4E)[0]
    return KIND_OF_MARKER[half] in (Kind.SYSTEM32, Kind.SYSTEM64) and packet == 0


def _is_text(head: bytes) -> bool:
    if head.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        return True
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:
            return False
        text = head[: error.start].decode("utf-8")
    return all(c >= " " or c in "\t\r\n\f\x1b" for c in text)


def describe(head: bytes, size: int) -> str:
    """Say what a file is whose first bytes are no ETL header, and what to do.

    Args:
        head: up to some kilobytes from its beginning.
        size: its whole length.
    """
    if size == 0:
        return "an empty file; nothing was captured or copied, capture or copy it again"
    for at, magic, what in _MAGIC:
        if head[at : at + len(magic)] == magic:
            return what
    if not any(head):
        return "zero bytes only; the session never wrote to it or the copy failed, capture or copy it again"
    if _is_text(head):
        return "a text file; name the .etl capture itself, not a listing made from it"
    if size < HEADER_BYTES:
        return f"only {size} bytes and no log header; capture or copy it again"
    return "not an ETL trace (no log header at its start); name the .etl that the trace session wrote"
