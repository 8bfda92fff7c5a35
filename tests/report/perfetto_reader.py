"""Reads a timeline as Perfetto does, with the protobuf classes of Perfetto, and checks what it demands of a trace."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace, TracePacket, TrackEvent


@dataclass
class Slice:
    track: int
    begin: int
    name: str
    category: str
    notes: dict[str, Any]
    flows: list[int]
    depth: int
    end: int | None = None


@dataclass
class Read:
    tracks: dict[int, Any] = field(default_factory=dict)
    slices: list[Slice] = field(default_factory=list)
    instants: list[Slice] = field(default_factory=list)
    counters: dict[int, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    clocks: dict[int, int] = field(default_factory=dict)
    uuid: tuple[int, int] = (0, 0)
    strings_cleared: int = 0

    def named(self, name: str) -> int:
        (found,) = [uuid for uuid, track in self.tracks.items() if track.name == name]
        return found

    def of(self, category: str) -> list[Slice]:
        return [s for s in self.slices if s.category == category]

    def utc(self, moment: int) -> int:
        """Return a time of the trace as ns UTC, by its clock snapshot: BOOTTIME is 6, REALTIME 1."""
        return moment - self.clocks[6] + self.clocks[1]


KINDS = ("event_names", "event_categories", "debug_annotation_names", "debug_annotation_string_values")


class _State:
    """What a sequence has told: strings and defaults."""

    def __init__(self) -> None:
        self.strings: dict[tuple[str, int], str] = {}
        self.counters: list[int] = []
        self.last = 0
        self.begun = False


def read(data: bytes) -> Read:
    trace = Trace.FromString(data)
    out, states, events = Read(), defaultdict(_State), []
    for packet in trace.packet:
        if packet.HasField("track_descriptor"):
            d = packet.track_descriptor
            assert d.uuid not in out.tracks
            assert not d.parent_uuid or d.parent_uuid in out.tracks
            out.tracks[d.uuid] = d
        elif packet.HasField("clock_snapshot"):
            out.clocks = {c.clock_id: c.timestamp for c in packet.clock_snapshot.clocks}
            assert packet.clock_snapshot.primary_trace_clock == 6
        elif packet.HasField("trace_uuid"):
            out.uuid = (packet.trace_uuid.msb, packet.trace_uuid.lsb)
        else:
            assert packet.HasField("track_event")
            events.append(_resolved(packet, states[packet.trusted_packet_sequence_id], out))
    _replay(sorted(events, key=lambda e: e[0]), out)  # stable, as Perfetto sorts
    return out


def _resolved(packet: Any, state: _State, out: Read) -> tuple[int, Any, Any]:
    assert packet.trusted_packet_sequence_id
    assert packet.HasField("timestamp")
    if packet.sequence_flags & TracePacket.SEQ_INCREMENTAL_STATE_CLEARED:
        state.strings.clear()
        state.counters = list(packet.trace_packet_defaults.track_event_defaults.extra_counter_track_uuids)
        state.begun = True
        out.strings_cleared += 1
    assert state.begun
    assert packet.sequence_flags & TracePacket.SEQ_NEEDS_INCREMENTAL_STATE
    assert packet.timestamp >= state.last, "a sequence goes back in time"
    state.last = packet.timestamp
    for kind in KINDS:
        for entry in getattr(packet.interned_data, kind):
            assert entry.iid > 0
            text = entry.str.decode() if kind.endswith("values") else entry.name
            assert state.strings.setdefault((kind, entry.iid), text) == text
    event = packet.track_event
    assert event.track_uuid in out.tracks
    assert len(event.extra_counter_values) <= len(state.counters)
    counted = list(zip(state.counters, event.extra_counter_values, strict=False))
    if event.type == TrackEvent.TYPE_SLICE_END:
        assert not event.name_iid
        return packet.timestamp, event, (counted, None)
    notes = {}
    for note in event.debug_annotations:
        label = state.strings["debug_annotation_names", note.name_iid]
        assert label not in notes
        kind = note.WhichOneof("value") or "string_value_iid"
        value = getattr(note, kind)
        if kind == "string_value_iid":
            value = state.strings["debug_annotation_string_values", value]
        notes[label] = value
    (category,) = event.category_iids
    name = state.strings["event_names", event.name_iid]
    found = Slice(
        event.track_uuid,
        packet.timestamp,
        name,
        state.strings["event_categories", category],
        notes,
        list(event.flow_ids),
        0,
    )
    return packet.timestamp, event, (counted, found)


def _replay(events: list[Any], out: Read) -> None:
    """Put beginnings and ends together, as a stack per track."""
    stacks: dict[int, list[Slice]] = defaultdict(list)
    for moment, event, (counted, found) in events:
        for track, value in counted:
            assert out.tracks[track].HasField("counter")
            out.counters[track].append((moment, value))
        stack = stacks[event.track_uuid]
        if event.type == TrackEvent.TYPE_SLICE_BEGIN:
            found.depth = len(stack)
            stack.append(found)
            out.slices.append(found)
        elif event.type == TrackEvent.TYPE_SLICE_END:
            assert stack, "an end without a beginning"
            stack.pop().end = moment
        else:
            assert event.type == TrackEvent.TYPE_INSTANT
            out.instants.append(found)
    for stack in stacks.values():  # what has no end lies below everything else that goes on
        assert all(s.end is None for s in stack)
