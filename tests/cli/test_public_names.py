from __future__ import annotations

import subprocess
import sys

import pytest

import wsktrace


def test_public_names_are_sorted_and_there() -> None:
    assert wsktrace.__all__ == sorted(wsktrace.__all__)
    for name in wsktrace.__all__:
        assert getattr(wsktrace, name) is not None
    assert set(wsktrace.__all__) <= set(dir(wsktrace))
    with pytest.raises(AttributeError, match="no attribute 'opne'"):
        _ = wsktrace.opne


def test_every_public_name_has_a_docstring() -> None:
    for name in set(wsktrace.__all__) - {"__version__"}:
        assert getattr(wsktrace, name).__doc__


def test_version_is_that_of_the_package() -> None:
    import tomllib
    from pathlib import Path

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))
    assert project["project"]["version"] == wsktrace.__version__


HEAVY = ("numpy", "pyarrow", "pandas", "matplotlib", "etl", "duckdb", "rich")


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        ("import wsktrace", ()),
        ("from wsktrace.cli.main import run; run(['--help'])", ()),
        ("from wsktrace.cli.main import run; run(['--version'])", ()),
        *((f"from wsktrace.cli.main import run; run(['{verb}', '--help'])", ())
          for verb in ("check", "info", "latency", "export", "rule", "schema", "demo")),
        ("from wsktrace.cli.main import run; run(['schema', 'irps'])", ()),
        ("from wsktrace.cli.main import run; run(['rule', 'SD-LEAK'])", ("numpy",)),
        ("from wsktrace.cli.main import run; run(['check', 'samples/hang.etl'])", ("numpy", "pyarrow")),
        ("from wsktrace.cli.main import run; run(['info', 'samples/hang.etl'])", ("numpy",)),
    ],
)  # fmt: skip
def test_what_is_not_needed_is_not_loaded(code: str, allowed: tuple[str, ...]) -> None:
    from pathlib import Path

    look = f"import sys\n{code}\nprint(*sorted(set({HEAVY}) & set(sys.modules)), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", look],
        capture_output=True,
        text=True,
        check=True,
        encoding="utf-8",
        cwd=Path(__file__).parents[2],
    )
    loaded = (done.stderr.splitlines() or [""])[-1].split()
    assert set(loaded) <= set(allowed)
