"""GitHub annotations, read as the platform's runner reads workflow commands."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from faked_traces import finding, usual_rows

from wsktrace.report.github import MOST

if TYPE_CHECKING:
    from pathlib import Path

#: what the runner takes for a command: at the beginning of a line, or in the older form anywhere
COMMAND = re.compile(r"^::([A-Za-z-]+)(?: (.*?))?::(.*)$")


def unescape(text: str, *more: tuple[str, str]) -> str:
    for code, sign in (*more, ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
        text = text.replace(code, sign)
    return text


def read(text: str) -> tuple[list[tuple[str, dict[str, str], str]], list[str]]:
    """The commands as (name, properties, message), and the other lines."""
    commands, others = [], []
    for line in text.splitlines():
        found = COMMAND.match(line)
        if found is None:
            assert not line.lstrip().startswith("::")
            assert "##[" not in line
            others.append(line)
            continue
        pairs = dict(part.split("=", 1) for part in (found[2] or "").split(",") if part)
        held = {name: unescape(value, ("%3A", ":"), ("%2C", ",")) for name, value in pairs.items()}
        commands.append((found[1], held, unescape(found[3])))
    return commands, others


def test_findings(faked: Any, tmp_path: Path) -> None:
    (tmp_path / "drv").mkdir()
    (tmp_path / "drv" / "socket.c").touch()
    rows = usual_rows()
    rows["findings"][0] |= {"source_file": "Socket.c", "source_line": 412}
    rows["findings"].append(finding(3, "WSK-SD-LEAK", severity="warning", source_file="x.c", source_line=1))
    rows["findings"].append(finding(4, "WSK-SD-LEAK", ignored="known"))
    commands, others = read(faked(rows, events_lost=3).render("github", source_root=tmp_path))
    assert [(name, held.get("file"), held.get("line")) for name, held, _ in commands] == [
        ("error", "drv/socket.c", "412"),
        ("warning", "x.c", "1"),
        ("notice", None, None),
    ]
    _, held, message = commands[0]
    assert held["title"] == "WSK-SD-EARLY-RELEASE"
    assert message.startswith(
        "the descriptor was released while a creation that uses it was pending\n2026-11-20 14:02:16"
    )
    assert "the last message that the thread traced before" in message
    assert commands[2][1]["title"] == "WSK-IRP-NEVER-COMPLETED (suspect: the trace ends too early)"
    assert others[0].startswith("3 events lost: ")
    assert others[1].endswith("2 broken rules (1 error, 1 warning), 1 suspect, 2 IRPs are pending at the end")


def test_no_more_than_the_platform_shows(faked: Any) -> None:
    found = [finding(n, "WSK-SD-LEAK", severity="warning") for n in range(25)]
    found += [finding(n, "WSK-SD-LEAK") for n in range(25, 25 + MOST)]
    commands, _ = read(faked({"findings": found}).render("github"))
    assert [name for name, _, _ in commands] == ["error"] * MOST + ["warning"] * MOST
    assert "16 more of this type" in commands[-1][2]


def test_nothing_judged(faked: Any) -> None:
    commands, others = read(faked({}, judged=0).render("github"))
    assert commands == [
        ("warning", {"title": "wsktrace"}, "Nothing was judged: there is no WSK operation in this trace")
    ]
    assert len(others) == 1


def test_hostile_texts_start_no_command(faked: Any) -> None:
    bad = "a,b:c=%0A::error::x\n::set-env name=A::b\r\n##[add-path]c"
    row = finding(0, "WSK-SD-LEAK", message=bad, source_file=bad, source_line=1)
    commands, others = read(faked({"findings": [row]}, file=bad).render("github"))
    assert [name for name, _, _ in commands] == ["error"]
    assert commands[0][1]["file"].startswith("a,b:c=%0A::error::x\\n::set-env")
    assert commands[0][2].startswith("a,b:c=%0A::error::x\\n::set-env")
    assert len(others) == 1
