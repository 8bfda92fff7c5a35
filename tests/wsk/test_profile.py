"""Profiles: the native one as the design says, and mistakes that are told with their place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wsktrace.errors import FormatError, UsageError
from wsktrace.testing.native import PROVIDER_GUID, PROVIDER_NAME
from wsktrace.wsk.operations import CODES
from wsktrace.wsk.profile import load_profile

if TYPE_CHECKING:
    from pathlib import Path

MINIMAL = 'name = "mine"\ntitle = "Mine"\n[provider]\nname = "P"\nguid = "11111111-2222-3333-4444-555555555555"\n'


def written(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(text, "utf-8")
    load_profile.cache_clear()
    return str(path)


def test_native_profile() -> None:
    profile = load_profile()
    assert profile.name == "native"
    assert (profile.provider.name, profile.provider.guid) == (PROVIDER_NAME, str(PROVIDER_GUID))
    assert profile.order_tolerance_ms == 1.0  # wsk-contract 1.4
    assert profile.thresholds.error_completion_s == 1.0  # 3.B STATUS-ERROR-NO-COMPLETION
    assert profile.thresholds.close_s == 10.0
    assert profile.thresholds.deregister_s == 10.0
    assert profile.deadline_s(CODES["WskSocket"]) == 10.0
    assert profile.deadline_s(CODES["WskConnect"]) == 60.0
    assert profile.deadline_s(CODES["WskSend"]) == 120.0
    assert profile.deadline_s(CODES["WskReceive"]) == 0.0


def test_profile_of_a_file(tmp_path: Path) -> None:
    text = f"order_tolerance_ms = 50\n{MINIMAL}[deadlines_s]\nWskBind = 2.5\n[thresholds]\nclose_s = 3\n"
    profile = load_profile(written(tmp_path, text))
    assert (profile.name, profile.order_tolerance_ms) == ("mine", 50.0)
    assert profile.deadline_s(CODES["WskBind"]) == 2.5
    assert profile.deadline_s(CODES["WskConnect"]) == 60.0
    assert profile.thresholds.close_s == 3.0
    assert profile.thresholds.deregister_s == 10.0


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (MINIMAL + "[thresholds]\nclose = 3\n", "close"),
        (MINIMAL.replace('guid = "11111111-2222-3333-4444-555555555555"', ""), "guid"),
        (MINIMAL + "[deadlines_s]\nWskBinde = 3\n", "WskBinde"),
        (MINIMAL + '[deadlines_s]\nWskBind = "long"\n', "deadlines_s"),
        ("order_tolerance_ms = [1]\n" + MINIMAL, "order_tolerance_ms"),
        ("nmae = 1\n" + MINIMAL, "nmae"),
        ("name = \n", "line 1"),
    ],
)
def test_mistake_is_told_with_its_place(tmp_path: Path, text: str, place: str) -> None:
    with pytest.raises(FormatError, match=place):
        load_profile(written(tmp_path, text))


def test_profile_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no profile named 'nativ'; built-in: native"):
        load_profile("nativ")
    with pytest.raises(UsageError, match=r"no profile file .*gone\.toml"):
        load_profile(str(tmp_path / "gone.toml"))


def test_profile_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "bytes.toml"
    path.write_bytes(b'name = "\xff\xfe"')
    with pytest.raises(FormatError, match="UTF-8"):
        load_profile(str(path))
