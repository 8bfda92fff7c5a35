"""Importing wsktrace changes nothing in the program that imports it: a notebook, a service, a test run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

LOOK = """
import atexit, json, locale, logging, os, signal, sys, threading, warnings
{before}

acts = []
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
OTHERS = {{"os.mkdir", "os.remove", "os.rename", "os.chmod", "os.putenv", "shutil.copyfile", "socket.connect",
           "socket.__new__", "subprocess.Popen", "os.system", "os.fork", "_thread.start_new_thread", "ctypes.dlopen"}}


def watch(event, arguments):
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES:
        acts.append(f"open {{arguments[0]}}")
    elif event in OTHERS:
        acts.append(event)


def state():
    return {{
        "threads": [thread.name for thread in threading.enumerate()],
        "filters": [str(entry) for entry in warnings.filters],
        "handlers": [str(handler) for handler in logging.getLogger().handlers],
        "loggers": sorted(n for n, l in logging.root.manager.loggerDict.items() if getattr(l, "handlers", None)),
        "level": logging.getLogger().level,
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "path": list(sys.path),
        "hook": [str(sys.excepthook), str(sys.displayhook)],
        "signals": [str(signal.getsignal(s)) for s in (signal.SIGINT, signal.SIGTERM)],
        "locale": locale.setlocale(locale.LC_ALL),
        "recursion": sys.getrecursionlimit(),
        "exits": atexit._ncallbacks(),
        "more": repr({more}),
    }}


before = state()
sys.addaudithook(watch)
{code}
found, seen = list(acts), state()
print(json.dumps({{"acts": found, "before": before, "after": seen, "modules": len(sys.modules)}}))
"""


def look(code: str, before: str = "", more: str = "None") -> dict[str, object]:
    """Run code in a new interpreter and return its state before and after, and what it did meanwhile."""
    text = LOOK.format(code=code, before=before, more=more)
    command = [sys.executable, "-B", "-W", "error", "-c", text]
    done = subprocess.run(command, capture_output=True, text=True, check=True, encoding="utf-8", cwd=ROOT)
    assert done.stderr == ""
    told: dict[str, object] = json.loads(done.stdout)
    return told


def test_import_does_nothing_but_import() -> None:
    told = look("import wsktrace")
    assert told["acts"] == []
    assert told["before"] == told["after"]
    assert told["modules"] - look("pass")["modules"] < 10  # type: ignore[operator]


def test_what_the_look_would_see() -> None:
    told = look(
        "import tempfile; tempfile.TemporaryFile().close(); os.environ['X'] = 'y'; warnings.simplefilter('ignore');"
        "logging.basicConfig(); threading.Thread(target=print, args=('',), kwargs={'end': ''}, daemon=True).start()"
    )
    before, after = told["before"], told["after"]
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    assert {name for name in before if before[name] != after[name]} >= {"environment", "filters", "handlers"}
    assert any(str(act).startswith("open ") for act in told["acts"])  # type: ignore[attr-defined]


@pytest.mark.long
def test_all_that_is_public_changes_no_settings_of_its_libraries() -> None:
    told = look(
        "from wsktrace import *; import wsktrace.plots, wsktrace.stats, wsktrace.cli.main",
        before="import matplotlib, numpy, pandas, pyarrow, rich, click",
        more="(dict(matplotlib.rcParams), matplotlib.get_backend(auto_select=False), numpy.geterr(),"
        " numpy.get_printoptions(), pandas.describe_option(_print_desc=False), pyarrow.cpu_count())",
    )
    assert told["acts"] == []
    before, after = told["before"], told["after"]
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    del before["exits"], after["exits"]  # the standard library's own
    assert before == after
