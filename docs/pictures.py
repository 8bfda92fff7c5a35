"""Makes the pictures of the pages again: ``python docs/pictures.py``. It needs a Chromium or Chrome for the report.

A picture is a matter of fonts and versions, so nothing compares them; look at them before they are committed.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from wsktrace.cli.main import run
from wsktrace.testing.scenario import sending

DOCS = Path(__file__).resolve().parent
PICTURES = DOCS / "pictures"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
QUIET = ("--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--hide-scrollbars")


def report(folder: Path) -> Image.Image:
    """Return the head of the report of the sample with a hang."""
    page, shot = folder / "hang.html", folder / "hang.png"
    if run(["report", str(DOCS.parent / "samples" / "hang.etl"), "-o", str(page), "--quiet"]):
        raise SystemExit("the report was not written")
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise SystemExit(f"no browser: {', '.join(BROWSERS)}")
    options = (*QUIET, f"--user-data-dir={folder / 'profile'}", "--window-size=1180,800", f"--screenshot={shot}")
    command = [browser, *options, *sys.argv[1:], page.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return Image.open(shot).convert("RGB")


def heatmap(folder: Path) -> Image.Image:
    """Return the heat map of the tutorial on latency."""
    trace, shot = folder / "bad.etl", folder / "receives.png"
    trace.write_bytes(sending(stalls=True).etl())
    if run(["latency", str(trace), "--op", "WskReceive", "--plot", "heatmap", "-o", str(shot), "--quiet"]):
        raise SystemExit("the heat map was not drawn")
    return Image.open(shot).convert("RGB")


def main() -> None:
    """Write the pictures, each with few colours and below 100 kB."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        for name, picture in (("report", report(Path(folder))), ("receives", heatmap(Path(folder)))):
            held = io.BytesIO()
            picture.quantize(128).save(held, "PNG", optimize=True)
            if held.tell() >= 100_000:
                raise SystemExit(f"{name}.png has {held.tell():,} bytes")
            (PICTURES / f"{name}.png").write_bytes(held.getvalue())
            print(f"{name}.png  {held.tell():,} bytes")


if __name__ == "__main__":
    main()
