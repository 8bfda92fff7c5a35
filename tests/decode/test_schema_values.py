"""Random events with every type, array and struct: what was packed comes out again, whole and cut short."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import numpy as np
from decode_tools import all_rows, payloads
from hypothesis import given, settings
from hypothesis import strategies as st

from wsktrace.decode.layout import decode
from wsktrace.decode.tlmetadata import parse_schema
from wsktrace.testing.tlg_encode import COUNTED, Field, InType, pack, schema

_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=40)


def _integers(bits: int, *, signed: bool = False) -> st.SearchStrategy[int]:
    return st.integers(-(1 << bits - 1), (1 << bits - 1) - 1) if signed else st.integers(0, (1 << bits) - 1)


#: in-type → strategy of values that pack takes; what comes out is the same, or what SHOWN makes of it
SCALARS: dict[int, st.SearchStrategy[Any]] = {
    InType.UTF16: _TEXT,
    InType.ANSI: _TEXT,
    InType.I8: _integers(8, signed=True),
    InType.U8: _integers(8),
    InType.I16: _integers(16, signed=True),
    InType.U16: _integers(16),
    InType.I32: _integers(32, signed=True),
    InType.U32: _integers(32),
    InType.I64: _integers(64, signed=True),
    InType.U64: _integers(64),
    InType.F32: st.floats(width=32, allow_nan=False),
    InType.F64: st.floats(allow_nan=False),
    InType.BOOL32: st.booleans(),
    InType.BINARY: st.binary(max_size=30),
    InType.GUID: st.uuids(),
    InType.HEX32: _integers(32),
    InType.HEX64: _integers(64),
    InType.COUNTED_UTF16: _TEXT,
    InType.COUNTED_ANSI: _TEXT,
    InType.COUNTED_BINARY: st.binary(max_size=30),
}


def _fields(depth: int) -> st.SearchStrategy[list[Field]]:
    count = st.sampled_from([None, None, None, COUNTED, 0, 1, 3])
    scalar = st.builds(lambda t, c: Field("", t, count=c), st.sampled_from(sorted(SCALARS)), count)
    kinds = scalar
    if depth:
        struct = st.builds(lambda f, c: Field("", InType.STRUCT, fields=tuple(f), count=c), _fields(depth - 1), count)
        struct = struct.filter(_takes_bytes)
        kinds = st.one_of(scalar, scalar, struct)
    return st.lists(kinds, min_size=1, max_size=5).map(
        lambda fields: [Field(f"f{n}", f.in_type, count=f.count, fields=f.fields) for n, f in enumerate(fields)]
    )


def _takes_bytes(struct: Field) -> bool:
    """An array of structs that take no bytes cannot be told from a damaged count where the payload ends behind it."""
    return struct.count is None or any(
        f.count is None or f.count == COUNTED or f.count > 0
        for f in struct.fields
        if f.in_type != InType.STRUCT or _takes_bytes(Field("", InType.STRUCT, fields=f.fields, count=1))
    )


def _value(draw: Any, field: Field) -> Any:
    def single() -> Any:
        if field.in_type == InType.STRUCT:
            return tuple(_value(draw, member) for member in field.fields)
        return draw(SCALARS[field.in_type])

    if field.count is None:
        return single()
    return [single() for _ in range(draw(st.integers(0, 4)) if field.count == COUNTED else field.count)]


def _flatten(field: Field, value: Any, name: str) -> dict[str, Any]:
    """What the columns of a field should hold, by name."""
    if field.in_type != InType.STRUCT:
        return {name: _shown(value)}
    if field.count is None:
        return {
            k: v
            for m, x in zip(field.fields, value, strict=True)
            for k, v in _flatten(m, x, f"{name}.{m.name}").items()
        }
    rows = [_flatten(Field("", InType.STRUCT, fields=field.fields), v, name) for v in value]
    names = _flatten(Field("", InType.STRUCT, fields=field.fields), [_empty(m) for m in field.fields], name)
    return {k: [row[k] for row in rows] for k in names}


def _empty(field: Field) -> Any:
    if field.count is not None:
        return []
    return [_empty(m) for m in field.fields] if field.in_type == InType.STRUCT else 0


def _shown(value: Any) -> Any:
    if isinstance(value, list):
        return [_shown(v) for v in value]
    return str(value) if isinstance(value, UUID) else value


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.data())
def test_what_was_packed_comes_out(data: st.DataObject) -> None:
    fields = data.draw(_fields(2))
    rows = [[_value(data.draw, f) for f in fields] for _ in range(data.draw(st.integers(1, 4)))]
    packed = [pack(fields, row) for row in rows]
    layout = parse_schema(schema("Ev", fields)).layout
    assert layout.problem == ""
    chunk = payloads(*packed)
    found = decode(layout, chunk, all_rows(chunk))
    expected = [
        {k: v for f, x in zip(fields, row, strict=True) for k, v in _flatten(f, x, f.name).items()} for row in rows
    ]
    assert found.to_pylist() == expected
    assert found.ok.all()
    assert not found.left.any()

    # cut short: what is still said is what was said before, except the text that the cut goes through
    cut = data.draw(st.integers(0, len(packed[0])))
    chunk = payloads(packed[0][:cut], *packed[1:])
    short = decode(layout, chunk, all_rows(chunk))
    assert short.to_pylist()[1:] == expected[1:]
    wrong = [k for k, v in short.to_pylist()[0].items() if v is not None and v != expected[0][k]]
    assert len(wrong) <= 1
    for name in wrong:
        assert short.columns[name].field.in_type in (InType.UTF16, InType.ANSI)
    if cut < len(packed[0]) and not wrong:
        assert not short.ok[0] or short.columns[list(short.columns)[-1]].field.in_type in (InType.UTF16, InType.ANSI)
    assert 0 <= short.left[0] <= cut
    wanted = data.draw(st.sets(st.sampled_from(sorted(expected[0]))) if expected[0] else st.just(set()))
    some = decode(layout, chunk, np.array([0]), wanted=wanted)
    assert some.to_pylist() == [{k: v for k, v in short.to_pylist()[0].items() if k in wanted}]
