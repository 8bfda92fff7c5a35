"""The container of a PDB: a multi-stream file (MSF 7.00), read stream by stream and never wholly.

Source: LLVM's "The MSF File Format"; Microsoft's ``msf.cpp`` for the map of the directory, which may take several
blocks whose numbers follow each other in the superblock.

Nothing in the file is believed beyond the file's own size: no stream is longer than the file, all together are not
longer than twice the file (stream 0 is an old directory whose blocks may have found new use).
"""

from __future__ import annotations

import io
import itertools
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Self

import numpy as np

from wsktrace.errors import FormatError, InputError

if TYPE_CHECKING:
    from types import TracebackType

    from numpy.typing import NDArray

__all__ = ["Msf"]

_MAGIC: Final = b"Microsoft C/C++ MSF 7.00\r\n\x1aDS\0\0\0"
_NIL: Final = 0xFFFFFFFF
_BLOCK_SIZES: Final = frozenset(1 << n for n in range(9, 17))

#: what people hand over instead: how it begins, and what to say
_OTHERS: Final = (
    (b"Microsoft C/C++ program database 2.00", "a PDB of Visual C++ 6 or older: a driver built since has a newer one"),
    (b"Microsoft MSFZ Container", "a compressed PDB (MSFZ): unpack it first (pdbtool of the pdb-rs project)"),
    (b"BSJB", "a portable PDB of .NET: managed code has no WPP messages"),
    (
        b"MZ",
        "a binary, not its PDB: the PDB lies beside it, or on a symbol server",
    ),
    (b"MSCF", "a .cab (symbol servers compress PDBs so): unpack it first (`expand`, or 7-Zip)"),
    (b"PK\3\4", "a .zip: unpack it first"),
)


class Msf:
    """A multi-stream file, open for reading; a context manager.

    Attributes:
        name: for messages, the file's name.
        size: bytes of the file.
        block_size: bytes of a block.

    Raises:
        FormatError: it is no MSF 7.00 file (the message says what it seems to be), or it is cut or damaged.
        InputError: it cannot be read at all.
    """

    def __init__(self, source: str | os.PathLike[str] | bytes | BinaryIO, name: str | None = None) -> None:
        self._owned = True
        self._file: BinaryIO
        try:
            if isinstance(source, bytes):
                self.name, self._file = name or "PDB", io.BytesIO(source)
            elif isinstance(source, (str, os.PathLike)):
                path = Path(source)
                self.name, self._file = name or path.name, path.open("rb")
            else:
                self._owned = False
                self.name, self._file = name or Path(str(getattr(source, "name", "PDB"))).name, source
            self.size = self._file.seek(0, os.SEEK_END)
        except OSError as e:
            raise InputError(f"{name or source!s}: {e.strerror or e}") from e
        try:
            self._open()
        except BaseException:  # whatever ends it, nothing stays open
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, unless it was handed over open."""
        if self._owned:
            self._file.close()

    def damaged(self, what: str) -> FormatError:
        """Return the error that says what is wrong with this file."""
        return FormatError(f"{self.name} is a damaged PDB: {what}; build or fetch it again")

    def __len__(self) -> int:
        """Return the number of streams."""
        return len(self._sizes)

    def stream_size(self, index: int) -> int:
        """Return the bytes of a stream; 0 where there is none of that number."""
        return int(self._sizes[index]) if 0 <= index < len(self._sizes) else 0

    def read(self, index: int, limit: int | None = None) -> bytes:
        """Return the bytes of a stream, no more than ``limit``; of a stream that does not exist, none."""
        size = self.stream_size(index)
        if limit is not None:
            size = min(size, limit)
        if not size:
            return b""
        first = int(self._first[index])
        blocks = self._blocks[first : first + -(-size // self.block_size)]
        return self._gather(blocks, size, f"stream {index}")

    def _open(self) -> None:
        head = self._at(0, 0x34)
        if not head.startswith(_MAGIC):
            for begin, what in _OTHERS:
                if head.startswith(begin):
                    raise FormatError(f"{self.name} is {what}")
            what = "is empty" if not head else "is no PDB"
            raise FormatError(f"{self.name} {what}: a PDB begins with “Microsoft C/C++ MSF 7.00”")
        if len(head) < 0x34:
            raise self.damaged("it ends inside its first block")
        self.block_size, _free, blocks, directory, _ = struct.unpack_from("<5I", head, len(_MAGIC))
        if self.block_size not in _BLOCK_SIZES:
            raise self.damaged(f"its blocks are said to have {self.block_size} bytes")
        self._total = -(-self.size // self.block_size)
        if self._total < blocks:
            raise self.damaged(f"it is cut short, {self.size} of {blocks * self.block_size} bytes are there")
        if directory > self.size:
            raise self.damaged(f"its directory is said to have {directory} bytes, the file has {self.size}")
        self._read_directory(directory)

    def _read_directory(self, size: int) -> None:
        count = -(-size // self.block_size)
        maps = -(-4 * count // self.block_size)
        raw = self._at(0x34, 4 * maps)
        if len(raw) < 4 * maps or 0x34 + 4 * maps > self.block_size:
            raise self.damaged("the map of its directory has no room in the first block")
        where = np.frombuffer(self._gather(np.frombuffer(raw, "<u4"), 4 * count, "the map of the directory"), "<u4")
        words = np.frombuffer(self._gather(where, size & ~3, "the directory"), "<u4")
        streams = int(words[0]) if words.size else 0
        if streams >= max(words.size, 1):
            raise self.damaged(f"its directory has no room for the {streams} streams that it counts")
        sizes = words[1 : 1 + streams].astype(np.int64)
        sizes[sizes == _NIL] = 0
        counts = -(-sizes // self.block_size)
        ends = np.cumsum(counts)
        taken = int(ends[-1]) if streams else 0
        if taken > words.size - 1 - streams:
            raise self.damaged("its directory ends before the list of blocks does")
        if taken > 2 * self._total or (streams and int(counts.max()) > self._total):
            raise self.damaged("its streams are said to be longer than the file")
        self._sizes: NDArray[np.int64] = sizes
        self._first: NDArray[np.int64] = ends - counts
        self._blocks: NDArray[np.uint32] = words[1 + streams :]

    def _gather(self, blocks: NDArray[np.uint32], size: int, what: str) -> bytes:
        """Join blocks; those that follow each other in the file are read at once."""
        if blocks.size and int(blocks.max()) >= self._total:
            raise self.damaged(f"{what} lies in block {int(blocks.max())}, the file has {self._total}")
        breaks = np.flatnonzero(np.diff(blocks.astype(np.int64)) != 1) + 1
        runs = np.concatenate(([0], breaks, [blocks.size])).tolist()
        parts = []
        left = size
        for begin, end in itertools.pairwise(runs):
            want = min(left, (end - begin) * self.block_size)
            part = self._at(int(blocks[begin]) * self.block_size, want) if want else b""
            if len(part) < want:
                raise self.damaged(f"{what} reaches beyond the end of the file")
            parts.append(part)
            left -= want
        return b"".join(parts)

    def _at(self, offset: int, size: int) -> bytes:
        try:
            self._file.seek(offset)
            return self._file.read(size)
        except OSError as e:
            raise InputError(f"{self.name}: {e.strerror or e}") from e
