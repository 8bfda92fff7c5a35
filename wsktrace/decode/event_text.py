"""What an event says, in one line: its message, or its name and fields, or what of it is not known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from wsktrace.decode import message_text, wpp

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wsktrace.decode.columns import Decoded
    from wsktrace.decode.formats import EventFormat, RecordKey
    from wsktrace.etl.types import Chunk

__all__ = ["messages_of", "time_texts", "undecoded"]

#: Bytes of a payload without a format that are shown.
_SHOWN: Final = 32


def messages_of(
    key: RecordKey, found: EventFormat, decoded: Decoded, chunk: Chunk, time_ns: NDArray[np.int64]
) -> list[str]:
    """Return the text of each event of one kind; a payload longer or shorter than described is said to be."""
    if found.wpp is not None:
        facts = None
        if "%4" in found.message:
            known = chunk.records.has_time[decoded.rows].tolist()
            facts = {4: [text if has else "-" for text, has in zip(time_texts(time_ns), known, strict=True)]}
        return _with_rest(wpp.render(found, decoded, chunk, pointer=key.pointer, facts=facts), decoded)
    texts = message_text.text(found, decoded)
    if not found.message:
        head = found.name or f"{key.family} {key.id}"
        texts = [f"{head}: {text}" if text else head for text in texts]
    return _with_rest(texts, decoded)


def undecoded(key: RecordKey, chunk: Chunk, rows: NDArray[np.int64]) -> list[str]:
    """Return what can be said of records that nothing describes: their number, size and first bytes."""
    what = {
        "event": f"id {key.id} version {key.version} opcode {key.opcode}",
        "classic": f"type {key.id} version {key.version}",
        "message": f"message {key.id}",
        "kernel": f"type {key.id & 0xFF} version {key.version}",
    }.get(key.family, "unknown kind of record")
    out = []
    for start, end in zip(chunk.records.payload[rows].tolist(), chunk.records.end[rows].tolist(), strict=True):
        raw = chunk.data[start : min(end, start + _SHOWN)].tobytes().hex()
        size = end - start
        shown = f": {raw}{'…' if size > _SHOWN else ''}" if size else ""
        out.append(f"(no format) {what}, {_bytes(size)}{shown}")
    return out


def _with_rest(texts: list[str], decoded: Decoded) -> list[str]:
    if decoded.ok.all() and not decoded.left.any():
        return texts
    return [
        f"{text} (the payload ends early)" if not ok else f"{text} (+ {_bytes(left)} not described)" if left else text
        for text, left, ok in zip(texts, decoded.left.tolist(), decoded.ok.tolist(), strict=True)
    ]


def time_texts(time_ns: NDArray[np.int64]) -> list[str]:
    """Return times (ns since 1970) in ISO 8601, UTC, nine digits."""
    return [f"{text}Z" for text in np.datetime_as_string(time_ns.view("M8[ns]"), unit="ns").tolist()]


def _bytes(count: int) -> str:
    return f"{count:,} byte{'' if count == 1 else 's'}"
