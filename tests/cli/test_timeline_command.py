from __future__ import annotations

import gzip
import threading
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace

from wsktrace.cli import timeline as module
from wsktrace.cli.main import run
from wsktrace.report.perfetto import serve as perfetto_serve

SAMPLES = Path(__file__).parents[2] / "samples"
HANG = str(SAMPLES / "hang.etl")


def test_the_file_is_written_where_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    packed = tmp_path / "net.etl.gz"
    packed.write_bytes(gzip.compress(Path(HANG).read_bytes()))
    assert run(["timeline", str(packed)]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("net.pftrace  ")
    assert "60 IRPs · 11 sockets" in out
    assert "https://ui.perfetto.dev" in out
    assert err == ""
    assert len(Trace.FromString((tmp_path / "net.pftrace").read_bytes()).packet) > 500
    assert sorted(p.name for p in tmp_path.iterdir()) == ["net.etl.gz", "net.pftrace"]


def test_a_part(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = str(tmp_path / "part.pftrace")
    assert run(["timeline", HANG, "-o", target, "--socket", "ffffb10a`2d003a50", "--until", "14:00:20"]) == 0
    assert "1 socket\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([HANG, "-o", "x.json"], "what format shall x.json have"),
        ([HANG, "--socket", "zebra"], "is no address"),
        ([HANG, "--socket", "1234"], "no socket 00001234"),
        ([HANG, "--since", "noon"], "is no time"),
        ([HANG, "--until", "+0.001"], "nothing to draw"),
        ([__file__], "test_timeline_command.py"),
        (["nowhere.etl"], "nowhere.etl"),
    ],
)
def test_errors_are_one_line_and_leave_no_file(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["timeline", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the system choose the port, for tests run beside each other."""
    real = perfetto_serve.OneFile
    monkeypatch.setattr(perfetto_serve, "OneFile", lambda path: real(path, port=0))


@pytest.mark.usefixtures("port")
def test_open_serves_the_file_until_it_was_fetched(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fetched: list[bytes] = []
    pages: list[str] = []

    def browser(page: str) -> bool:
        pages.append(page)
        url = page.split("?url=")[1].split("&")[0]
        threading.Thread(target=lambda: fetched.append(urllib.request.urlopen(url, timeout=5).read())).start()
        return True

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("webbrowser.open", browser)
    assert run(["timeline", HANG, "--open"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "127.0.0.1 only" in err
    assert "nothing was uploaded" in err
    assert pages[0].startswith("https://ui.perfetto.dev/#!/?url=http://127.0.0.1:")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("port")
def test_print_url_opens_no_browser_and_gives_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def browser(page: str) -> Any:
        raise AssertionError(page)

    monkeypatch.setattr("webbrowser.open", browser)
    monkeypatch.setattr(module, "PATIENCE", 0.01)
    target = tmp_path / "kept.pftrace"
    assert run(["timeline", HANG, "--print-url", "-o", str(target)]) == 2
    out, err = capsys.readouterr()
    assert f"{target}  " in out
    assert "https://ui.perfetto.dev/#!/?url=http://127.0.0.1:" in out
    assert "nobody fetched it" in err
    assert target.exists()


def test_a_trace_without_wsk_operations(
    monkeypatch: pytest.MonkeyPatch, faked: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import wsktrace

    monkeypatch.setattr(wsktrace, "open", lambda *_, **__: faked({}))
    monkeypatch.chdir(tmp_path)
    assert run(["timeline", "made.etl"]) == 2
    assert "nothing to draw: no WSK operation in made.etl; providers seen: WskTrace" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
