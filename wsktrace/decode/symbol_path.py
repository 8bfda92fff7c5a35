"""Where PDBs are looked for by their id: folders, symbol stores and servers, as ``_NT_SYMBOL_PATH`` names them.

Format of the path: the vendor's "Using SymSrv": elements separated by ``;``, each a folder, ``srv*cache*…*server`` or
``cache*folder``. A store holds ``drv.pdb/<GUID><age>/drv.pdb``.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wsktrace.decode.debug_ids import DebugId

__all__ = ["MAX_DOWNLOAD", "SymbolPath", "cache_folder"]

#: Bytes of a PDB that are fetched at most, and seconds that a server may be silent.
MAX_DOWNLOAD: Final = 2 << 30
_PATIENCE: Final = 30.0
_BLOCK: Final = 1 << 20
_SERVER: Final = re.compile(r"https?://", re.IGNORECASE)


def cache_folder() -> Path:
    """Return the folder for what can be made or fetched again."""
    from platformdirs import user_cache_path

    return user_cache_path("wsktrace", appauthor=False)


@dataclass(frozen=True, slots=True)
class _Element:
    """One element of a symbol path: stores from the nearest to the farthest, the last maybe a server.

    ``plain`` is a folder that is no store.
    """

    stores: tuple[str, ...]
    plain: bool = False


@dataclass(frozen=True, slots=True)
class SymbolPath:
    """A parsed symbol path.

    Attributes:
        elements: where to look, in this order.
        download: whether servers may be asked.
        say: told in a sentence what could not be had.
    """

    elements: tuple[_Element, ...]
    download: bool
    say: Callable[[str], None]

    @classmethod
    def parse(cls, text: str, *, download: bool, say: Callable[[str], None]) -> SymbolPath:
        """Read a value of ``_NT_SYMBOL_PATH``."""
        elements = []
        near: tuple[str, ...] = ()  # stores that `cache*` puts in front of all that follows
        for part in (p.strip() for p in text.split(";")):
            words = [w.strip() for w in part.split("*")]
            kind = words[0].lower()
            if kind == "cache" and len(words) > 1:
                near = (*near, words[1] or str(cache_folder() / "symbols"))
                elements.append(_Element(near))
            elif kind in ("srv", "symsrv") and len(words) > 1:
                stores = words[2:] if kind == "symsrv" else words[1:]
                # an empty word stands for the default store
                elements.append(_Element((*near, *(w or str(cache_folder() / "symbols") for w in stores))))
            elif part:
                elements.append(_Element((part,), plain=True))
        return cls(tuple(elements), download, say)

    def servers(self) -> list[str]:
        """Return the servers that the path names."""
        return [store for e in self.elements for store in e.stores if _SERVER.match(store)]

    def find(self, wanted: DebugId) -> Iterator[Path]:
        """Yield the PDBs that may be the one wanted, nearest first; those in a plain folder may be of another build."""
        for element in self.elements:
            if element.plain:
                for place in (wanted.name, wanted.store_path, f"symbols/sys/{wanted.name}"):
                    path = Path(element.stores[0]) / place
                    if path.is_file():
                        yield path
                continue
            found = self._in_stores(element.stores, wanted)
            if found is not None:
                yield found

    def _in_stores(self, stores: tuple[str, ...], wanted: DebugId) -> Path | None:
        folders = [Path(store) for store in stores if not _SERVER.match(store)]
        for folder in folders:
            path = folder / wanted.store_path
            if path.is_file():
                return path
            if path.with_name(path.name[:-1] + "_").is_file():
                self.say(f"{path.with_name(path.name[:-1] + '_')} is packed; unpack it (expand, cabextract) beside it")
        if not self.download:
            return None
        for server in (store for store in stores if _SERVER.match(store)):
            target = (folders[0] if folders else cache_folder() / "symbols") / wanted.store_path
            if self._fetch(f"{server.rstrip('/')}", wanted, target):
                return target
        return None

    def _fetch(self, server: str, wanted: DebugId, target: Path) -> bool:
        """Fetch a PDB into a store; False where the server has none, which is said only if it is not a plain no."""
        from urllib.error import HTTPError
        from urllib.parse import quote
        from urllib.request import Request, urlopen

        url = f"{server}/{quote(wanted.store_path)}"
        request = Request(url, headers={"User-Agent": "wsktrace"})  # noqa: S310 -- http and https only: _SERVER
        scratch = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        try:
            with urlopen(request, timeout=_PATIENCE) as answer:  # noqa: S310
                target.parent.mkdir(parents=True, exist_ok=True)
                with scratch.open("wb") as out:
                    size = 0
                    while block := answer.read(_BLOCK):
                        size += len(block)
                        if size > MAX_DOWNLOAD:
                            self.say(f"{url} is larger than {MAX_DOWNLOAD:,} bytes; not fetched")
                            return False
                        out.write(block)
            scratch.replace(target)
        except HTTPError as error:
            if error.code != 404:
                self.say(f"{url}: the server answers {error.code} {error.reason}")
            return False
        except (OSError, ValueError) as error:  # no network, no such host, a server that is none
            self.say(f"{url}: {error}")
            return False
        finally:
            with suppress(OSError):
                scratch.unlink(missing_ok=True)
        return True
