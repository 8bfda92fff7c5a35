from __future__ import annotations

import json

import pytest

from wsktrace import units
from wsktrace.plots.style import label


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (None, "-"),
        (0, "0 ns"),
        (999, "999 ns"),
        (1_000, "1 µs"),
        (41_250, "41.2 µs"),
        (999_499, "999 µs"),
        (-158_900, "-159 µs"),
        (999_501, "1 ms"),
        (1_930_000, "1.93 ms"),
        (4_200_000_000, "4.2 s"),
        (71_000_000_000, "71 s"),
        (329_000_000_000, "5 min 29 s"),
        (3_600_000_000_000, "1 h 0 min"),
        (25 * 3_600_000_000_000, "1 d 1 h"),
    ],
)
def test_durations(ns: int | None, text: str) -> None:
    assert units.duration_text(ns) == text


def test_addresses_as_windbg_prints_them() -> None:
    assert units.address_text(0xFFFF800123456780) == "ffff8001`23456780"
    assert units.address_text(0x81234560) == "81234560"
    assert units.address_text(None) == "-"
    assert units.hex_text(0xFFFFE1078C402DB0) == "0xffffe1078c402db0"
    assert units.hex_text(None) is None


def test_times() -> None:
    assert units.time_text(1_795_183_331_123_456_700) == "2026-11-20T14:02:11.123456700Z"
    assert units.time_text(None) is None
    assert units.time_text(1 << 62) == "2116-02-20T23:53:38.427387904Z"
    assert units.time_text(-1) == "1969-12-31T23:59:59.999999999Z"
    assert units.clock_text(1_795_183_331_123_456_700, date=True) == "2026-11-20 14:02:11.123456"


def test_sizes() -> None:
    assert [units.bytes_text(n) for n in (0, 999, 1000, 267_463, 1_100_000_000)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "267 kB",
        "1.1 GB",
    ]


def test_text_of_a_trace_cannot_steer_a_terminal() -> None:
    assert units.clean("a\x1b[31mb\r\n\x07\u202e") == "a\\x1b[31mb\\r\\n\\x07\\u202e"
    assert units.clean("Größe · 円") == "Größe · 円"


def test_json_says_the_same_and_steers_nothing() -> None:
    text = "\x1b[31m \x9b2J \u202e \u2028 \U000e0001 \ud800 \x7f é µs → ok"
    held = units.clean_json(json.dumps({"a": text}, ensure_ascii=False, indent=1))
    assert json.loads(held) == {"a": text}
    assert all(sign.isprintable() or sign == "\n" for sign in held)
    assert "é µs → ok" in held


def test_names_in_pictures() -> None:
    assert label("$x$") == "\\$x\\$"
    assert label("\x1b") == "\\x1b"
    assert len(label("x" * 100_000)) == 80
