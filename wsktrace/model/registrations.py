"""Registrations and the clients that they gave: captures, releases, deregistration.

Source: wsk-contract 1.3 (client), 1.5 item 11, 3.H; native-provider "Driver and registration".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.model.lanes import Lane, codes_of
from wsktrace.wsk.operations import CODES, Phase
from wsktrace.wsk.ops import KNOWN_STATUS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wsktrace.model.world import World

__all__ = ["Registrations", "registrations"]

# kinds of elements of the registration lane
REGISTER, CAPTURE, RELEASE, DEREGISTER, DEREGISTERED, OTHER = range(6)


@dataclass(slots=True)
class Registrations:
    """One row per registration (address and generation); rows of the world, -1 where there is none.

    ``capture_rows``, ``capture_client``, ``capture_of``: every successful capture with the client it gave and its
    registration; ``release_rows``, ``release_of`` likewise. ``known`` is False where the beginning is not in the trace.
    """

    address: NDArray[np.uint64]
    first: NDArray[np.int32]
    register: NDArray[np.int64]
    register_status: NDArray[np.uint32]
    status_known: NDArray[np.bool_]
    deregister: NDArray[np.int64]
    deregistered: NDArray[np.int64]
    capture_rows: NDArray[np.int32]
    capture_client: NDArray[np.uint64]
    capture_of: NDArray[np.int64]
    release_rows: NDArray[np.int32]
    release_of: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.address)

    def of_client(
        self, client: NDArray[np.uint64], rows: NDArray[np.integer[Any]]
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return (registration, several) of each client at a row.

        The registration is the one whose latest capture before the row gave that client (-1: none did); several says
        whether registrations other than that one have given it too.
        """
        if not len(self.capture_rows) or not len(client):
            return np.full(len(client), -1, np.int64), np.zeros(len(client), np.bool_)
        codes, _ = codes_of(np.concatenate([self.capture_client, client.astype(np.uint64)]))
        mine = codes[: len(self.capture_rows)].astype(np.int64)
        theirs = codes[len(self.capture_rows) :].astype(np.int64)
        n = np.int64(max(int(self.capture_rows.max()), int(rows.max())) + 2)
        by = np.argsort(mine * n + self.capture_rows, kind="stable")
        key = (mine * n + self.capture_rows)[by]
        place = np.searchsorted(key, theirs * n + rows, side="left") - 1
        found = (place >= 0) & (mine[by][np.maximum(place, 0)] == theirs) & (client != 0)
        of = np.where(found, self.capture_of[by][np.maximum(place, 0)], -1)
        top = int(codes.max()) + 1
        low, high = np.full(top, 1 << 60, np.int64), np.full(top, -1, np.int64)
        np.minimum.at(low, mine, self.capture_of)
        np.maximum.at(high, mine, self.capture_of)
        return of, (client != 0) & (high[theirs] >= 0) & (low[theirs] != high[theirs])

    def held(self, of: NDArray[np.integer[Any]], rows: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """Return the captures minus the releases of registration ``of`` before each row."""
        return _count(self.capture_of, self.capture_rows, of, rows) - _count(
            self.release_of, self.release_rows, of, rows
        )

    def last_release(self, of: NDArray[np.integer[Any]], rows: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """Return the latest release of registration ``of`` before each row, -1 where there is none."""
        n = np.int64(1 << 40)
        key = np.sort(self.release_of * n + self.release_rows)
        place = np.searchsorted(key, of * n + rows, side="left") - 1
        found = (place >= 0) & (of >= 0)
        got = key[np.maximum(place, 0)] if len(key) else np.zeros(len(of), np.int64)
        return np.where(found & (got // n == of), got % n, -1)


def _count(
    of: NDArray[np.integer[Any]],
    rows: NDArray[np.integer[Any]],
    asked: NDArray[np.integer[Any]],
    before: NDArray[np.integer[Any]],
) -> NDArray[np.int64]:
    n = np.int64(1 << 40)
    key = np.sort(of * n + rows)
    low = np.searchsorted(key, asked * n, side="left")
    return np.searchsorted(key, asked * n + before, side="left") - low


def registrations(world: World) -> Registrations:
    """Rebuild the registrations of one load."""
    ops = world.ops
    names = (
        "WskRegister",
        "WskCaptureProviderNPI",
        "WskReleaseProviderNPI",
        "WskDeregister",
        "WskQueryProviderCharacteristics",
    )
    rows = np.flatnonzero(world.is_(names, Phase.ENTER) | world.is_(names[1:4:2], Phase.RETURN))
    address, known = ops.arg("registration", rows)
    rows, address = rows[known & (address != 0)], address[known & (address != 0)]
    code, phase = ops.op[rows], ops.phase[rows]
    kind = np.full(len(rows), OTHER, np.uint8)
    kind[code == CODES["WskRegister"]] = REGISTER
    good = ops.has(KNOWN_STATUS)[rows] & (ops.status[rows] < 0x80000000)
    kind[(code == CODES["WskCaptureProviderNPI"]) & (phase == Phase.RETURN) & good] = CAPTURE
    kind[code == CODES["WskReleaseProviderNPI"]] = RELEASE
    kind[(code == CODES["WskDeregister"]) & (phase == Phase.ENTER)] = DEREGISTER
    kind[(code == CODES["WskDeregister"]) & (phase == Phase.RETURN)] = DEREGISTERED
    lane = Lane(rows, address.astype(np.uint64))
    kind = kind[lane.order]
    start = kind == REGISTER
    if len(lane):
        start |= lane.head == np.arange(len(lane))
    number = np.cumsum(start) - 1
    count = int(start.sum())

    def first(which: int) -> NDArray[np.int64]:
        p = np.flatnonzero(kind == which)[::-1]
        found = np.full(count, -1, np.int64)
        found[number[p]] = lane.rows[p]
        return found

    register = first(REGISTER)
    ends = np.where(register >= 0, world.mate[register], -1).astype(np.int64) if count else register
    captures, releases = np.flatnonzero(kind == CAPTURE), np.flatnonzero(kind == RELEASE)
    captured = lane.rows[captures]
    by, by2 = np.argsort(captured), np.argsort(lane.rows[releases])
    return Registrations(
        address=lane.keys[lane.group[start]].astype(np.uint64) if count else np.zeros(0, np.uint64),
        first=lane.rows[start],
        register=register,
        register_status=np.where(ends >= 0, ops.status[ends], 0).astype(np.uint32),
        status_known=(ends >= 0) & ops.has(KNOWN_STATUS)[ends],
        deregister=first(DEREGISTER),
        deregistered=first(DEREGISTERED),
        capture_rows=captured[by],
        capture_client=ops.arg("client", captured[by])[0].astype(np.uint64),
        capture_of=number[captures][by].astype(np.int64),
        release_rows=lane.rows[releases][by2],
        release_of=number[releases][by2].astype(np.int64),
    )
