"""The server gives one file to one page, and nothing to anybody else."""

from __future__ import annotations

import http.client
import json
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from wsktrace.errors import UsageError
from wsktrace.report.perfetto.serve import ORIGIN, PORT, OneFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DATA = bytes(range(256)) * 9000


@pytest.fixture
def served(tmp_path: Path) -> Iterator[OneFile]:
    path = tmp_path / "a net&co.pftrace"
    path.write_bytes(DATA)
    (tmp_path / "secret").write_bytes(b"secret")
    with OneFile(path, port=0) as server:
        yield server


def ask(server: OneFile, method: str, path: str | None = None, **headers: str) -> Any:
    connection = http.client.HTTPConnection(*server.address, timeout=5)
    try:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, urlsplit(server.url).path if path is None else path, headers=sent)
        answer = connection.getresponse()
        answer.held = answer.read()
        return answer
    finally:
        connection.close()


def cors(answer: Any) -> dict[str, str]:
    return {k: v for k, v in answer.getheaders() if k.lower().startswith("access-control")}


def test_it_listens_on_this_machine_only(served: OneFile) -> None:
    assert served.address == ("127.0.0.1", served.port)


def test_the_page_gets_the_file_and_then_it_is_over(served: OneFile) -> None:
    assert not served.wait(0)
    answer = ask(served, "GET", Origin=ORIGIN)
    assert (answer.status, answer.held) == (200, DATA)
    assert cors(answer) == {"Access-Control-Allow-Origin": "https://ui.perfetto.dev"}
    assert answer.getheader("Vary") == "Origin"
    assert served.wait(5)


@pytest.mark.parametrize("origin", ["https://ui.perfetto.dev.evil.example", "http://ui.perfetto.dev", "null", ""])
def test_other_pages_may_not_read_it(served: OneFile, origin: str) -> None:
    for method in ("GET", "OPTIONS"):
        assert cors(ask(served, method, Origin=origin, Access_Control_Request_Private_Network="true")) == {}


@pytest.mark.parametrize("path", ["/", "/secret", "/../secret", "/a_net_co.pftrace", "*", "http://127.0.0.1/x"])
def test_there_is_nothing_else(served: OneFile, path: str) -> None:
    for method in ("GET", "OPTIONS"):
        answer = ask(served, method, path, Origin=ORIGIN)
        assert answer.status == 404
        assert cors(answer) == {}
        assert b"secret" not in answer.held
    assert not served.wait(0)


def test_another_name_of_this_machine_is_refused(served: OneFile) -> None:
    """Else a page whose own name was bound to 127.0.0.1 could ask."""
    assert ask(served, "GET", Host=f"evil.example:{served.port}").status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "TRACE"])
def test_other_methods_are_not_there(served: OneFile, method: str) -> None:
    assert ask(served, method, Origin=ORIGIN).status == 501
    assert not served.wait(0)


def test_the_browser_may_ask_before(served: OneFile) -> None:
    headers = {"Origin": ORIGIN, "Access_Control_Request_Method": "GET"}
    answer = ask(served, "OPTIONS", **headers)
    assert (answer.status, answer.held) == (204, b"")
    assert cors(answer) == {"Access-Control-Allow-Origin": ORIGIN, "Access-Control-Allow-Methods": "GET"}
    answer = ask(served, "OPTIONS", Access_Control_Request_Private_Network="true", **headers)
    assert answer.getheader("Access-Control-Allow-Private-Network") == "true"
    assert not served.wait(0)


def test_a_silent_connection_keeps_nobody_waiting(served: OneFile) -> None:
    with socket.create_connection(served.address):
        assert ask(served, "GET").status == 200


def test_a_reader_that_leaves_early_has_not_fetched_it(served: OneFile, capsys: pytest.CaptureFixture[str]) -> None:
    served._server.file.write_bytes(DATA * 20)
    with socket.create_connection(served.address) as early:
        path = urlsplit(served.url).path
        early.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n\r\n".encode())
        early.recv(100)
        early.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    assert not served.wait(0.2)
    assert ask(served, "GET").held == DATA * 20
    assert served.wait(5)
    assert capsys.readouterr() == ("", "")


def test_the_address_for_the_browser(served: OneFile) -> None:
    page = urlsplit(served.page)
    assert f"{page.scheme}://{page.netloc}{page.path}" == "https://ui.perfetto.dev/"
    fields = parse_qs(page.fragment.removeprefix("!/?"))
    assert fields["url"] == [served.url]
    assert served.url.startswith(f"http://127.0.0.1:{served.port}/")
    assert served.url.endswith("/a_net_co.pftrace")
    (command,) = json.loads(fields["startupCommands"][0])
    assert command["id"] == "dev.perfetto.ExpandTracksByRegex"


def test_addresses_cannot_be_guessed(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x")
    with OneFile(tmp_path / "x", port=0) as one, OneFile(tmp_path / "x", port=0) as other:
        assert urlsplit(one.url).path != urlsplit(other.url).path


def test_a_port_in_use_is_told(tmp_path: Path) -> None:
    assert PORT == 9001, "the page may connect to no other"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} of 127.0.0.1 cannot be used"):
            OneFile(tmp_path / "x", port=port)
