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


def slugs(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_anchors_exist(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", page.read_text("utf-8")):
        assert anchor in slugs(page.parent / target if target else page), anchor


def test_links_of_the_page_for_agents_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)]+)\)", (ROOT / "docs" / "llms.txt").read_text("utf-8"))
    assert len(links) > 20
    for link in links:
        assert (ROOT / "docs" / link).is_file(), link


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, todo = set(), {ROOT / "README.md"}
    while todo:
        page = todo.pop()
        reached.add(page)
        links = re.findall(r"\]\((?!https?:)([^)#]+\.md)", page.read_text("utf-8"))
        todo |= {(page.parent / link).resolve() for link in links} - reached
    assert set((ROOT / "docs").rglob("*.md")) <= reached


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "rules").glob("WSK-*.md")), ids=lambda page: page.stem)
def test_every_mini_trace_is_introduced_by_a_sentence(page: Path) -> None:
    parts = re.split(r"^```trace.*?^```$", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    assert [part for part in parts[:-1] if not re.search(r"[.:?]\s*$", part)] == []


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


def test_the_readme_is_short_and_opens_with_what_is_printed() -> None:
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    assert len(lines) < 150
    assert "<!-- output of: check samples/hang.etl -->" in lines[:12]


def test_pictures_are_small_and_shown() -> None:
    shown = {target for page in PAGES for target in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page.read_text("utf-8"))}
    pictures = sorted((ROOT / "docs" / "pictures").iterdir())
    assert pictures
    for picture in pictures:
        assert picture.stat().st_size < 100_000
        assert any(target.endswith(picture.name) for target in shown), picture.name
