"""Lives as the columns of schema.py: each function returns name → column, as ``arrow.to_arrow`` takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.arrow import words
from wsktrace.model.descriptors import CACHED, FETCHED, GIVEN, USE
from wsktrace.model.doubt import reason_of
from wsktrace.model.irps import PENDING
from wsktrace.model.sockets import ORIGINS
from wsktrace.schema import ARGUMENTS
from wsktrace.wsk.constants import CATEGORIES, STATUS_CANCELLED, status_name
from wsktrace.wsk.operations import OPS, Phase
from wsktrace.wsk.ops import KNOWN_IRP, KNOWN_IRQL, KNOWN_SEQ, KNOWN_SOCKET, KNOWN_STATUS

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa
    from numpy.typing import NDArray

    from wsktrace.model.lives import Life, Lives
    from wsktrace.wsk.ops import Operations

__all__ = ["descriptor_columns", "irp_columns", "operation_columns", "registration_columns", "socket_columns"]

Columns = dict[str, Any]
_OUTCOMES = ("succeeded", "failed", "cancelled", "open", "unknown")
_PHASES = tuple(phase.name.lower() for phase in Phase)


def status_words(values: NDArray[np.uint32], known: NDArray[np.bool_]) -> pa.Array[Any]:
    """Return the names of statuses."""
    distinct, codes = np.unique(values, return_inverse=True)
    return words(codes, [status_name(int(v)) for v in distinct] or [""], known)


def doubt_words(doubt: NDArray[np.uint8]) -> pa.Array[Any]:
    """Return the reason to name for each doubt, null for certainty."""
    distinct, codes = np.unique(doubt, return_inverse=True)
    return words(codes, [reason_of(int(d)) or "" for d in distinct] or [""], doubt != 0)


def _joined(parts: Iterator[Columns]) -> Columns:
    """Join the columns of several loads."""
    import pyarrow as pa

    chosen = list(parts)
    if len(chosen) == 1:
        return chosen[0]
    out: Columns = {}
    for name in chosen[0] if chosen else ():
        values = [part[name] for part in chosen]
        if isinstance(values[0], tuple):
            out[name] = tuple(np.concatenate([v[k] for v in values]) for k in range(2))
        elif isinstance(values[0], np.ndarray):
            out[name] = np.concatenate(values)
        else:
            kind = pa.dictionary(pa.int32(), pa.string())
            out[name] = pa.chunked_array([v.cast(kind) for v in values]).unify_dictionaries().combine_chunks()
    return out


def _at(values: NDArray[Any], rows: NDArray[np.integer[Any]]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return (values at rows, known) where rows of -1 are unknown."""
    known = rows >= 0
    if not len(values):
        return np.zeros(len(rows), values.dtype), np.zeros(len(rows), np.bool_)
    return values[np.where(known, rows, 0)], known


def _ids(life: Life, rows: NDArray[np.integer[Any]]) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    values, known = _at(life.world.base, rows)
    return values.astype(np.uint64), known


def _span(
    life: Life, a: NDArray[np.integer[Any]], b: NDArray[np.integer[Any]]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    time = life.world.ops.time
    (ta, ka), (tb, kb) = _at(time, a), _at(time, b)
    return tb - ta, ka & kb


def operation_columns(lives: Lives) -> Columns:
    """Return the columns of ``operations``."""
    ops: Operations = lives.ops
    n = len(ops)
    load = np.zeros(n, np.uint32)
    irp_id = np.full(n, -1, np.int64)
    socket_id = np.full(n, -1, np.int64)
    for life in lives.lives:
        base = life.world.base
        load[base] = life.world.load
        of = life.irps.of_row
        irp_id[base] = np.where(of >= 0, of + life.first_irp, -1)
        on = life.sockets.of_row
        socket_id[base] = np.where(on >= 0, on + life.first_socket, -1)
    out: Columns = {
        "operation_id": np.arange(n, dtype=np.uint64),
        "time": ops.time,
        "clock": ops.clock,
        "cpu": ops.cpu,
        "tid": ops.tid,
        "pid": ops.pid,
        "load": load,
        "image": (ops.image, ops.image != 0),
        "seq": (ops.seq, ops.has(KNOWN_SEQ)),
        "op": words(ops.op, [op.name for op in OPS]),
        "phase": words(ops.phase, _PHASES),
        "socket": (ops.socket, ops.has(KNOWN_SOCKET)),
        "irp": (ops.irp, ops.has(KNOWN_IRP)),
        "status": (ops.status, ops.has(KNOWN_STATUS)),
        "status_name": status_words(ops.status, ops.has(KNOWN_STATUS)),
        "irql": (ops.irql, ops.has(KNOWN_IRQL)),
        "irp_id": (irp_id.astype(np.uint64), irp_id >= 0),
        "socket_id": (socket_id.astype(np.uint64), socket_id >= 0),
        "record_buffer": ops.record_buffer,
        "record_offset": ops.record_offset,
    }
    for name in ("client", "registration", "information", *ARGUMENTS):
        column = ops.sparse.get(name)
        if column is not None:
            values = np.zeros(n, column.values.dtype)
            known = np.zeros(n, np.bool_)
            values[column.rows], known[column.rows] = column.values, True
            out[name] = (values, known)
    return out


def irp_columns(lives: Lives) -> Columns:
    """Return the columns of ``irps``."""
    return _joined(_irps(life) for life in lives.lives)


def _irps(life: Life) -> Columns:
    world, subs, socks = life.world, life.irps, life.sockets
    ops, n = world.ops, len(life.irps)
    on = socks.of_row[subs.enter].astype(np.int64)
    made = np.flatnonzero(socks.submission >= 0)
    on[socks.submission[made]] = made
    address, on_known = _at(socks.address, on)
    called_on = ops.socket[subs.enter]
    client, client_known = ops.arg("client", subs.enter)
    length, length_known = ops.arg("length", subs.enter)
    came, back = subs.complete >= 0, subs.ret >= 0
    inline = came & back & (subs.complete < subs.ret)
    failed_call = subs.ret_is("error")
    outcome = np.full(n, _OUTCOMES.index("unknown"))
    outcome[~came & ((subs.ret_known & (subs.ret_status < 0x80000000)) | ~back)] = _OUTCOMES.index("open")
    outcome[~came & (subs.next_enter >= 0)] = _OUTCOMES.index("unknown")
    outcome[~came & failed_call] = _OUTCOMES.index("failed")
    outcome[subs.failed()] = _OUTCOMES.index("failed")
    outcome[subs.succeeded()] = _OUTCOMES.index("succeeded")
    outcome[subs.status_known & (subs.status == STATUS_CANCELLED)] = _OUTCOMES.index("cancelled")
    pended = came & ~inline & back & subs.ret_known & (subs.ret_status == PENDING)
    pending_ns, pending_known = _span(life, np.where(pended, subs.ret, -1), subs.complete)
    time = ops.time
    return {
        "irp_id": np.arange(n, dtype=np.uint64) + np.uint64(life.first_irp),
        "irp": subs.irp,
        "load": np.full(n, world.load, np.uint32),
        "op": words(subs.op, [op.name for op in OPS]),
        "socket_id": ((on + life.first_socket).astype(np.uint64), on_known),
        "socket": (np.where(called_on != 0, called_on, address), (called_on != 0) | on_known),
        "client": (client, client_known),
        "issue_time": time[subs.enter],
        "return_time": _at(time, subs.ret),
        "complete_time": _at(time, subs.complete),
        "return_status": (subs.ret_status, subs.ret_known),
        "return_status_name": status_words(subs.ret_status, subs.ret_known),
        "completion_status": (subs.status, subs.status_known),
        "completion_status_name": status_words(subs.status, subs.status_known),
        "information": (subs.information, subs.information_known),
        "completion": words(np.where(came, np.where(inline, 0, 1), 2), ("inline", "pended", "none_seen")),
        "outcome": words(outcome, _OUTCOMES),
        "call_ns": _span(life, subs.enter, subs.ret),
        "pending_ns": (np.maximum(pending_ns, 0), pending_known),
        "total_ns": _span(life, subs.enter, subs.complete),
        "cpu": ops.cpu[subs.enter],
        "tid": ops.tid[subs.enter],
        "complete_cpu": _at(ops.cpu, subs.complete),
        "complete_tid": _at(ops.tid, subs.complete),
        "irql": (ops.irql[subs.enter], ops.has(KNOWN_IRQL)[subs.enter]),
        "length": (length, length_known),
        "own": subs.own,
        "doubt": doubt_words(subs.link_doubt | subs.ret_doubt),
        "issue_operation": world.base[subs.enter].astype(np.uint64),
        "return_operation": _ids(life, subs.ret),
        "complete_operation": _ids(life, subs.complete),
    }


def socket_columns(lives: Lives) -> Columns:
    """Return the columns of ``sockets``."""
    return _joined(_sockets(life) for life in lives.lives)


def descriptor_columns(lives: Lives) -> Columns:
    """Return the columns of ``descriptors``."""
    return _joined(_descriptors(life) for life in lives.lives)


def registration_columns(lives: Lives) -> Columns:
    """Return the columns of ``registrations``."""
    return _joined(_registrations(life) for life in lives.lives)


def _sockets(life: Life) -> Columns:
    world, socks, traits, subs = life.world, life.sockets, life.traits, life.irps
    n, time = len(socks), world.ops.time
    on = socks.of_row[subs.enter].astype(np.int64)
    made = np.flatnonzero(socks.submission >= 0)
    on[socks.submission[made]] = made
    open_ = (subs.complete < 0) & ~subs.ret_is("error") & (subs.next_enter < 0)
    plain = socks.origin < ORIGINS.index("accept")
    category = np.zeros(n, np.int64)
    names = list(CATEGORIES.values())
    for k, flag in enumerate(CATEGORIES):
        category[traits.flags == flag] = k
    has_category = traits.flags_known & np.isin(traits.flags, list(CATEGORIES))
    adopted = socks.origin == ORIGINS.index("adopted")
    parent = traits.parent
    return {
        "socket_id": np.arange(n, dtype=np.uint64) + np.uint64(life.first_socket),
        "socket": socks.address,
        "load": np.full(n, world.load, np.uint32),
        "origin": words(socks.origin, ORIGINS),
        "category": words(category, names, has_category),
        "address_family": (traits.family, traits.family_known),
        "socket_type": (traits.type, traits.parameters_known),
        "protocol": (traits.protocol, traits.parameters_known),
        "flags": (traits.flags, traits.flags_known & plain),
        "client": (traits.client, traits.client_known),
        "context": (traits.context, traits.context_known),
        "dispatch": (traits.dispatch, traits.dispatch_known),
        "dispatch_members": (traits.members, traits.members_known),
        "parent_id": ((parent + life.first_socket).astype(np.uint64), parent >= 0),
        "irp_id": ((socks.submission + life.first_irp).astype(np.uint64), socks.submission >= 0),
        "create_time": _at(time, np.where(adopted, -1, socks.create)),
        "open_time": _at(time, np.where(adopted, -1, socks.birth)),
        "close_time": _at(time, socks.close),
        "closed_time": _at(time, socks.closed),
        "lifetime_ns": _span(life, np.where(adopted, -1, socks.birth), socks.close),
        "close_ns": _span(life, socks.close, socks.closed),
        "irps": np.bincount(on[on >= 0], minlength=n).astype(np.uint64),
        "open_irps": np.bincount(on[(on >= 0) & open_], minlength=n).astype(np.uint64),
        "doubt": doubt_words(socks.doubt),
        "birth_operation": world.base[socks.birth].astype(np.uint64),
        "close_operation": _ids(life, socks.close),
        "closed_operation": _ids(life, socks.closed),
    }


def _descriptors(life: Life) -> Columns:
    world, held = life.world, life.descriptors
    lane, kind = held.lane, held.kind
    n = len(lane.keys)

    def count(mask: NDArray[np.bool_]) -> NDArray[np.uint64]:
        return np.bincount(lane.group[mask], minlength=n).astype(np.uint64)

    cached, fetched, released = count(kind == CACHED), count(kind == FETCHED), count(held.counts)
    first = np.flatnonzero(lane.head == np.arange(len(lane)))
    last = np.append(first[1:], len(lane)) - 1 if len(first) else first
    doubt = world.closed(lane.rows[last]) | held.blind(lane.rows[last])
    return {
        "descriptor_id": np.arange(n, dtype=np.uint64) + np.uint64(life.first_descriptor),
        "descriptor": lane.keys.astype(np.uint64),
        "load": np.full(n, world.load, np.uint32),
        "cached": cached,
        "fetched": fetched,
        "uses": count(kind == USE),
        "released": released,
        "given": count(kind == GIVEN),
        "references": cached.astype(np.int64) + fetched.astype(np.int64) - released.astype(np.int64),
        "first_time": world.ops.time[lane.rows[first]],
        "last_time": world.ops.time[lane.rows[last]],
        "doubt": doubt_words(doubt),
        "first_operation": world.base[lane.rows[first]].astype(np.uint64),
    }


def _registrations(life: Life) -> Columns:
    world, regs, traits, socks = life.world, life.registrations, life.traits, life.sockets
    n, time = len(regs), world.ops.time
    first_capture, last_release = np.full(n, -1, np.int64), np.full(n, -1, np.int64)
    client = np.zeros(n, np.uint64)
    first_capture[regs.capture_of[::-1]] = regs.capture_rows[::-1]
    client[regs.capture_of] = regs.capture_client
    last_release[regs.release_of] = regs.release_rows
    of, _ = regs.of_client(traits.client, socks.create)
    return {
        "registration_id": np.arange(n, dtype=np.uint64) + np.uint64(life.first_registration),
        "registration": regs.address,
        "load": np.full(n, world.load, np.uint32),
        "client": (client, client != 0),
        "register_status": (regs.register_status, regs.status_known),
        "register_time": _at(time, regs.register),
        "capture_time": _at(time, first_capture),
        "release_time": _at(time, last_release),
        "deregister_time": _at(time, regs.deregister),
        "deregistered_time": _at(time, regs.deregistered),
        "captures": np.bincount(regs.capture_of, minlength=n).astype(np.uint64),
        "releases": np.bincount(regs.release_of, minlength=n).astype(np.uint64),
        "sockets": np.bincount(of[of >= 0], minlength=n).astype(np.uint64),
        "first_operation": world.base[regs.first].astype(np.uint64),
    }
