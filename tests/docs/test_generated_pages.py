from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("samples/*.md")])


def test_generated_pages_are_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.main(["--check"]) == 0, capsys.readouterr().out
    assert module.main(["--what"]) == 2


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


def test_readme_has_its_two_commands_for_two_shells() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    blocks = re.findall(r"<!-- ci: (\w+) -->\n```sh\n(.+?)\n```.*?```powershell\n(.+?)\n```", text, flags=re.DOTALL)
    assert [name for name, *_ in blocks] == ["demo", "tests"]
    for _, posix, shell in blocks:
        assert "\n" not in posix + shell
        assert "-m venv" in posix
        assert "-m venv" in shell


def test_markdown_names_no_place_of_one_machine() -> None:
    for page in PAGES:
        assert not re.search(r"(?<![\w./])/(work|root|home|tmp)/", page.read_text("utf-8")), page
