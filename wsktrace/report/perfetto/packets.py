"""Layers of marks become TracePackets of Perfetto, written as they are made, strings once.

Source: protos/perfetto/trace/trace_packet.proto, track_event/*.proto, interned_data/interned_data.proto; docs
"Writing TrackEvent Protos Synthetically". The messages are those of the package ``perfetto``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from wsktrace.errors import missing
from wsktrace.report.perfetto.layers import BEGIN, END, INSTANT, Shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wsktrace.report.perfetto.layers import Layer, Track

__all__ = ["PacketWriter"]

#: Marks that are looked up at once.
CHUNK = 16_384
#: Strings that a sequence remembers before it begins anew, so that hostile names cannot fill the memory.
MOST_STRINGS = 1 << 16
_CLEARED, _NEEDS_STATE = 1, 2
#: Built-in clocks. Source: protos/perfetto/common/builtin_clock.proto.
_REALTIME, _BOOTTIME = 1, 6
_EXPLICIT, _BY_NAME, _APART = 3, 1, 2
#: Kinds of strings that are told once: fields of InternedData.
_NAME, _CATEGORY = "event_names", "event_categories"
_LABEL, _VALUE = "debug_annotation_names", "debug_annotation_string_values"


def require() -> Any:
    """Return the class of a whole trace; ``MissingDependency`` where perfetto is not installed."""
    try:
        from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace
    except ImportError:
        raise missing("a timeline", "perfetto", "timeline") from None
    return Trace


class PacketWriter:
    """Writes a trace to a binary file. ``packets`` and ``size`` tell how much it was so far."""

    def __init__(self, out: BinaryIO, base_ns: int) -> None:
        self._out = out
        self._base = base_ns
        self._new = require()
        self._held = self._new()
        self._sequences = 0
        self.packets = 0
        self.size = 0

    def head(self, uuid: bytes) -> None:
        """Write what comes first: the trace's uuid (16 bytes) and which moment UTC its clock begins at."""
        packet = self.packet()
        packet.trace_uuid.msb = int.from_bytes(uuid[:8], "big", signed=True)
        packet.trace_uuid.lsb = int.from_bytes(uuid[8:16], "big", signed=True)
        packet = self.packet()
        packet.clock_snapshot.primary_trace_clock = _BOOTTIME
        packet.clock_snapshot.clocks.add(clock_id=_BOOTTIME, timestamp=0)
        packet.clock_snapshot.clocks.add(clock_id=_REALTIME, timestamp=self._base)

    def tracks(self, tracks: Sequence[Track]) -> None:
        """Describe tracks; parents come before their children."""
        for track in tracks:
            packet = self.packet()
            _describe(packet.track_descriptor, track)
            if track.uuid % 1024 == 0:
                self.flush()
        self.flush()

    def sequence(self, layers: Sequence[Layer], counter: int | None = None) -> None:
        """Write marks as one sequence, in the order of time. ``counter`` is the track that ``Layer.count`` is of."""
        layers = [layer for layer in layers if len(layer)]
        if not layers:
            return
        self._sequences += 1
        _Sequence(self, self._sequences, counter).write(layers, self._base)

    def packet(self) -> Any:
        """Return a new packet, to be filled."""
        self.packets += 1
        return self._held.packet.add()

    def flush(self) -> None:
        """Write the packets that are held."""
        data = self._held.SerializeToString()
        self._held = self._new()  # clearing the old one would keep its memory
        self.size += len(data)
        self._out.write(data)


class _Sequence:
    """One packet sequence and the strings it has told. Ids of strings are numbers of that sequence, from 1."""

    def __init__(self, writer: PacketWriter, number: int, counter: int | None) -> None:
        self._writer = writer
        self._number = number
        self._counter = counter
        #: per kind of string its number by its text
        self._told: dict[str, dict[str, int]] = {kind: {} for kind in (_NAME, _CATEGORY, _LABEL, _VALUE)}
        self._strings = 0
        self._fresh = True

    def write(self, layers: Sequence[Layer], base: int) -> None:
        """Write the marks of all layers in the order of time."""
        time = np.maximum(np.concatenate([layer.time for layer in layers]), base)
        order = np.argsort(time, kind="stable")
        first = np.cumsum([0, *map(len, layers)])
        for at in range(0, len(order), CHUNK):
            part = order[at : at + CHUNK]
            owner = np.searchsorted(first, part, side="right") - 1
            self._chunk(layers, owner, part - first[owner], time[part] - base)
            self._writer.flush()

    def _chunk(self, layers: Sequence[Layer], owner: Any, index: Any, time: Any) -> None:
        """Write one chunk of marks: of layer ``owner`` the mark ``index``, at ``time`` ns since the clock began."""
        tracks, types, counts = (np.zeros(len(index), np.int64) for _ in range(3))
        shown: list[Iterator[int]] = []
        texts: list[Shown] = []
        for number, layer in enumerate(layers):
            mine = np.flatnonzero(owner == number)
            at = index[mine]
            tracks[mine], types[mine] = layer.track[at], layer.type[at]
            counts[mine] = -1 if layer.count is None else layer.count[at]
            asked = layer.row[at[layer.type[at] != END]]
            texts.append(layer.show(asked) if len(asked) else Shown([], []))
            shown.append(iter(range(len(asked))))
        columns = (owner.tolist(), time.tolist(), tracks.tolist(), types.tolist(), counts.tolist())
        for number, moment, track, kind, count in zip(*columns, strict=True):
            packet = self._packet(moment)
            event = packet.track_event
            event.type = kind
            event.track_uuid = track
            if count >= 0:
                event.extra_counter_values.append(count)
            if kind in (BEGIN, INSTANT):
                self._fill(packet, event, texts[number], next(shown[number]))

    def _packet(self, moment: int) -> Any:
        """Return a new packet of this sequence."""
        packet = self._writer.packet()
        packet.timestamp = moment
        packet.trusted_packet_sequence_id = self._number
        packet.sequence_flags = _NEEDS_STATE
        if self._fresh or self._strings > MOST_STRINGS:
            self._strings = 0
            for held in self._told.values():
                held.clear()
            packet.sequence_flags = _NEEDS_STATE | _CLEARED
            packet.first_packet_on_sequence = self._fresh
            self._fresh = False
            if self._counter is not None:
                defaults = packet.trace_packet_defaults.track_event_defaults
                defaults.extra_counter_track_uuids.append(self._counter)
        return packet

    def _fill(self, packet: Any, event: Any, shown: Shown, at: int) -> None:
        """Put the name, the category, the flow and the notes on an event."""
        event.name_iid = self._told[_NAME].get(shown.names[at]) or self._tell(packet, _NAME, shown.names[at])
        category = shown.categories[at]
        event.category_iids.append(self._told[_CATEGORY].get(category) or self._tell(packet, _CATEGORY, category))
        if shown.flows is not None and (flow := shown.flows[at]) is not None:
            event.flow_ids.append(flow)
        add, labels, texts = event.debug_annotations.add, self._told[_LABEL], self._told[_VALUE]
        for note in shown.notes:
            value = note.values[at]
            if value is None:
                continue
            label = labels.get(note.label) or self._tell(packet, _LABEL, note.label)
            if note.word:
                add(name_iid=label, string_value_iid=texts.get(value) or self._tell(packet, _VALUE, value))
            elif isinstance(value, str):
                add(name_iid=label, string_value=value)
            elif value < 0:
                add(name_iid=label, int_value=value)
            else:
                add(name_iid=label, uint_value=value)

    def _tell(self, packet: Any, kind: str, text: str) -> int:
        """Let the packet tell a string that is new; return its number."""
        self._strings += 1
        number = self._told[kind][text] = len(self._told[kind]) + 1
        entry = getattr(packet.interned_data, kind).add(iid=number)
        if kind == _VALUE:
            entry.str = text.encode()
        else:
            entry.name = text
        return number


def _describe(descriptor: Any, track: Track) -> None:
    """Fill a TrackDescriptor. Source: protos/perfetto/trace/track_event/track_descriptor.proto."""
    descriptor.uuid = track.uuid
    if track.parent:
        descriptor.parent_uuid = track.parent
    if track.thread is not None:
        descriptor.thread.pid, descriptor.thread.tid = track.thread
        return
    if track.process is not None:
        descriptor.process.pid = track.process
        if track.name:
            descriptor.process.process_name = track.name
        return
    descriptor.name = track.name
    descriptor.child_ordering = _EXPLICIT
    descriptor.sibling_order_rank = track.rank
    descriptor.sibling_merge_behavior = _BY_NAME if track.lane else _APART
    if track.about:
        descriptor.description = track.about
    if track.counter:
        descriptor.counter.unit_name = "IRPs"
