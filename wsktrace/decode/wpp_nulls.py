"""How WPP's tracing macros log a NULL or empty string, and how that is told from a value.

A decoder that trusts the length prefix of such a value loses the rest of the message. Source: etl-and-wpp-format, 2.3
(WPP_CHECK_FOR_NULL_STRING of the vendor's trmacro.tpl):

* UNICODE_STRING: the prefix is 5, which no whole UTF-16 text has. Where the buffer is NULL L"NULL" and a NUL follow
  (10 bytes), where only the length is zero nothing follows.
* ANSI_STRING: likewise 5, followed by "NULL" and a NUL or by nothing. Text of five characters has that prefix too: it
  is taken for such if none of them is NUL.
* SID: "NULL" and a NUL; no SID begins with the revision 'N'.

What follows may look like "NULL", or like text, by chance: where a message then does not end to the byte, it is read
again with ``empty``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from wsktrace.decode.gather import blocks, numbers
from wsktrace.decode.intypes import InType

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["logged"]

_U8: Final = np.dtype("u1")
_U16: Final = np.dtype("<u2")
_NULL: Final = b"NULL\0"
_WIDE_NULL: Final = "NULL\0".encode("utf-16-le")
#: the length word that stands for NULL and for no text
_FIVE: Final = 5
#: what the macros ask of a SID before they log it
_REVISION, _MOST_PARTS = 1, 15


def logged(
    data: NDArray[np.uint8], at: NDArray[np.int64], end: NDArray[np.int64], in_type: int, *, empty: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Find counted strings or SIDs as WPP's macros log them.

    Args:
        data: the chunk, with its spare bytes at the end.
        at: where each begins.
        end: one past each payload.
        in_type: SID, COUNTEDSTRING or COUNTEDANSISTRING.
        empty: whether a string with the prefix 5 has no characters, whatever follows.

    Returns:
        Start and length of the content ("NULL" without its NUL where that was logged), the place after the field, and
        whether it lies in the payload.
    """
    room = end - at
    if in_type == InType.SID:
        null = _spells(data, at, _NULL) & (room >= len(_NULL))
        parts = numbers(data, at + 1, _U8).astype(np.int64)
        sound = (numbers(data, at, _U8) == _REVISION) & (parts <= _MOST_PARTS) & (room >= 8 + 4 * parts)
        length = np.where(null, len(_NULL), np.where(sound, 8 + 4 * parts, 0))
        return at, length - null, at + length, null | sound
    length, start = numbers(data, at, _U16).astype(np.int64), at + 2
    five = (length == _FIVE) & (room >= 2)
    wide = in_type == InType.COUNTEDSTRING
    spelled = _WIDE_NULL if wide else _NULL
    null = five & (room - 2 >= len(spelled)) & _spells(data, start, spelled) & (not empty)
    nothing = five & ~null
    if not (wide or empty):
        nothing &= (room - 2 < _FIVE) | (blocks(data, start, _FIVE) == 0).any(axis=1)
    taken = np.where(null, len(spelled), np.where(nothing, 0, length))
    content = np.where(null, len(spelled) - len(spelled) // _FIVE, taken)
    fits = (room >= 2) & (room - 2 >= taken)
    return start, content, start + taken, fits & (taken % 2 == 0) if wide else fits


def _spells(data: NDArray[np.uint8], at: NDArray[np.int64], text: bytes) -> NDArray[np.bool_]:
    """Whether the bytes at each place are these."""
    same: NDArray[np.bool_] = (blocks(data, at, len(text)) == np.frombuffer(text, np.uint8)).all(axis=1)
    return same
