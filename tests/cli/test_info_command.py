"""``wsktrace info`` over every trace of the corpus, the samples, and files that are damaged."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from wsktrace.cli.main import run

ROOT = Path(__file__).parents[2]
CORPUS = Path(os.environ.get("WSKTRACE_CORPUS", ROOT.parent / "shared" / "corpus")) / "etl"
EXPECTED: dict[str, Any] = (
    json.loads((CORPUS / "expected.json").read_text("utf-8")) if (CORPUS / "expected.json").exists() else {}
)
SAMPLES = sorted((ROOT / "samples").glob("*.etl"))
#: FILETIME of 1970, in 100 ns.
EPOCH = 116_444_736_000_000_000


def info(path: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert run(["info", "--format", "json", str(path)]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    return dict(json.loads(shown.out))


@pytest.mark.skipif(not EXPECTED, reason="the corpus of real traces is not here; WSKTRACE_CORPUS names its folder")
@pytest.mark.parametrize("name", EXPECTED)
def test_the_corpus_gives_its_counts(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    found, expected = info(CORPUS / name, capsys), EXPECTED[name]
    for key in ("buffers", "records", "kinds", "events_lost", "buffers_lost", "cpus"):
        assert found[key] == expected[key], key
    assert found["session"]["logger"] == expected["logger"]
    assert sum(found["bytes"].values()) == found["size"] == (CORPUS / name).stat().st_size
    assert found["bytes"]["damaged"] == 0
    assert found["problems"] == []
    assert sum(provider["events"] for provider in found["providers"]) <= found["records"]
    if expected.get("start_filetime"):
        start = datetime.fromisoformat(found["start"][:26] + "+00:00")
        assert abs(start.timestamp() - (expected["start_filetime"] - EPOCH) / 1e7) < 1e-3


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_samples_are_explained_to_the_byte(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = info(path, capsys)
    assert sum(found["bytes"].values()) == path.stat().st_size
    assert found["bytes"]["damaged"] == 0
    assert [p["decoded_by"] for p in found["providers"] if p["name"] == "WskTrace"] == ["TraceLogging"]
    assert found["bytes"]["judged"] > found["size"] // 2
    assert run(["info", str(path)]) == 0
    text = capsys.readouterr().out
    assert f"{found['records']} in {found['buffers']} buffers" in text
    assert "TraceLogging, judged" in text


def test_damage_is_counted_and_placed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = bytearray(SAMPLES[0].read_bytes())
    whole = info(SAMPLES[0], capsys)
    size = whole["session"]["buffer_size"]
    data[2 * size + 72 : 2 * size + 136] = b"\xa5" * 64
    path = tmp_path / "hurt.etl"
    path.write_bytes(data[: len(data) - 100])
    found = info(path, capsys)
    assert found["truncated"]
    assert sum(found["bytes"].values()) == path.stat().st_size
    assert found["bytes"]["damaged"] > 0
    assert found["problems"]
    assert whole["records"] - 60 < found["records"] < whole["records"]
