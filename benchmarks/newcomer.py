"""The newcomer's path, timed: from ``pip install`` to a finding, a report, a data frame, a histogram.

``python benchmarks/newcomer.py`` makes a virtual environment in a folder of its own, installs wsktrace there from this
one, and runs each line of the README's table, the second time counting; it prints the table's rows.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STEPS = {
    "the first finding": ("wsktrace", "check", "samples/hang.etl"),
    "its story": ("wsktrace", "show", "samples/hang.etl", "--finding", "2"),
    "a report to send": ("wsktrace", "report", "samples/hang.etl", "-o", "hang.html"),
    "a data frame": ("python", "-c", "import wsktrace; print(wsktrace.open('samples/hang.etl').irps)"),
    "a histogram": ("wsktrace", "latency", "samples/hang.etl", "-o", "hang.png"),
}


def timed(command: list[str], folder: Path) -> float:
    """Run a command in the folder; return its seconds. Exit status 1 is a broken rule."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    took = time.perf_counter() - start
    if done.returncode not in (0, 1) or (done.returncode == 1 and "check" not in command):
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    return took


def main() -> None:
    """Print how long each step takes."""
    with tempfile.TemporaryDirectory(prefix="newcomer-") as held:
        folder = Path(held)
        shutil.copytree(ROOT / "samples", folder / "samples")
        scripts = folder / ".venv" / ("Scripts" if os.name == "nt" else "bin")
        print(f"| venv | {timed([sys.executable, '-m', 'venv', '.venv'], folder):.1f} s |")
        install = [str(scripts / "python"), "-m", "pip", "install", "-q", str(ROOT)]
        print(f"| pip install | {timed(install, folder):.1f} s |")
        for name, (program, *rest) in STEPS.items():
            command = [str(scripts / program), *rest]
            timed(command, folder)
            print(f"| {name} | {min(timed(command, folder) for _ in range(3)):.1f} s |")


if __name__ == "__main__":
    main()
