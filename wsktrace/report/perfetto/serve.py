"""Serving one timeline from this machine to the page https://ui.perfetto.dev in a browser on this machine.

The page fetches the file itself: nothing is sent to it. It may connect to 127.0.0.1 on port 9001 only (its Content
Security Policy; Perfetto's own tools/open_trace_in_ui uses the same port), so no other port can be chosen.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from wsktrace.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

__all__ = ["ORIGIN", "PORT", "OneFile"]

ORIGIN = "https://ui.perfetto.dev"
PORT = 9001
_HOST = "127.0.0.1"
#: Seconds that one connection may be silent.
_PATIENCE = 30.0


class OneFile:
    """Serves one file, to GET requests for one path that nobody can guess, until it was fetched.

    Use it as a context manager; ``url`` is where the file is, ``page`` the address for a browser.
    """

    def __init__(self, path: Path, *, expand: bool = True, port: int = PORT) -> None:
        name = "".join(c if c.isalnum() or c in "-_." else "_" for c in path.name)
        self._path = f"/{secrets.token_urlsafe(12)}/{quote(name)}"
        self._done = threading.Event()
        try:
            self._server = _Server((_HOST, port), _Handler)
        except OSError as error:
            raise UsageError(
                f"port {port} of {_HOST} cannot be used ({error.strerror}); the page takes no other: end what uses it"
                f" (another wsktrace timeline --open, a trace_processor), or open the file at {ORIGIN} by hand"
            ) from None
        self._server.file, self._server.path, self._server.done = path, self._path, self._done
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self.port: int = self._server.server_address[1]
        self.url = f"http://{_HOST}:{self.port}{self._path}"
        self.page = f"{ORIGIN}/#!/?url={self.url}{_EXPANDED if expand else ''}"

    @property
    def address(self) -> tuple[str, int]:
        """What the socket is bound to."""
        host, port = self._server.socket.getsockname()[:2]
        return str(host), int(port)

    def wait(self, seconds: float | None) -> bool:
        """Wait until the file was fetched; return whether it was, after so many seconds at most."""
        return self._done.wait(seconds)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    """Threads, for browsers open connections that they do not use at once."""

    daemon_threads = True
    block_on_close = False
    # on Windows this would let two servers share the port
    allow_reuse_address = os.name != "nt"
    file: Path
    path: str
    done: threading.Event

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent: a browser may go away at any time."""


class _Handler(BaseHTTPRequestHandler):
    """Answers GET and OPTIONS; other methods get 501 from the base class."""

    server: _Server
    timeout = _PATIENCE
    server_version = "wsktrace"
    sys_version = ""

    def do_GET(self) -> None:
        """Send the file."""
        if not self._asked():
            return
        with self.server.file.open("rb") as held:
            size = self.server.file.stat().st_size
            self.send_response(200)
            self._allow()
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(size))
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            shutil.copyfileobj(held, self.wfile, 1 << 20)
        self.wfile.flush()
        self.server.done.set()

    def do_OPTIONS(self) -> None:
        """Answer what a browser asks before it lets the page fetch (CORS, private network access)."""
        if not self._asked():
            return
        self.send_response(204)
        if self._allow():
            self.send_header("Access-Control-Allow-Methods", "GET")
            if self.headers.get("Access-Control-Request-Private-Network") == "true":
                self.send_header("Access-Control-Allow-Private-Network", "true")
        self.end_headers()

    def _asked(self) -> bool:
        """Whether the request is for the file at this very host; else it is answered with 404."""
        port = self.server.server_address[1]
        if self.path == self.server.path and self.headers.get("Host") == f"{_HOST}:{port}":
            return True
        self.send_error(404, "not here")
        return False

    def _allow(self) -> bool:
        """Allow the page, and nobody else, to read the answer."""
        self.send_header("Vary", "Origin")
        if self.headers.get("Origin") != ORIGIN:
            return False
        self.send_header("Access-Control-Allow-Origin", ORIGIN)
        return True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the base class's signature
        """Say nothing."""


def _commands(pattern: str) -> str:
    """Return the part of the page's address that opens the groups of tracks. Source: perfetto.dev, "Deep linking"."""
    held = [{"id": "dev.perfetto.ExpandTracksByRegex", "args": [pattern]}]
    return f"&startupCommands={quote(json.dumps(held, separators=(',', ':')), safe='')}"


_EXPANDED = _commands(r"^(sockets|calls on no socket|Global Track Events)$")
