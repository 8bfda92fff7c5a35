"""The rule pages' mini-traces are the rules' tests: each is written as an .etl, read, judged, and compared."""

from __future__ import annotations

import pytest
from minitrace import PAGES, Block, blocks, judge

from wsktrace.rules.registry import RULES

PAGE_OF = {path.stem: path for path in sorted(PAGES.glob("WSK-*.md"))}
BLOCKS = [block for rule, path in PAGE_OF.items() for block in blocks(rule, path.read_text("utf-8"))]
#: Block → what is known to be wrong there.
KNOWN: dict[str, str] = {}


def _param(block: Block) -> object:
    marks = [pytest.mark.xfail(reason=KNOWN[block.id], strict=True)] if block.id in KNOWN else []
    return pytest.param(block, id=block.id, marks=marks)


@pytest.mark.parametrize("block", [_param(block) for block in BLOCKS])
def test_mini_trace_is_judged_as_its_page_says(block: Block) -> None:
    verdicts = judge(block.script)
    wrong = verdicts.check(block.rule, block.kind, block.reason, block.options)
    assert not wrong, f"{wrong}\n{verdicts.words()}"


def test_every_rule_has_a_page_and_every_page_a_rule() -> None:
    assert set(PAGE_OF) == set(RULES)


@pytest.mark.parametrize("rule", RULES)
def test_page_shows_a_break_a_legal_neighbour_and_an_undecidable_case(rule: str) -> None:
    kinds = {block.kind for block in BLOCKS if block.rule == rule}
    assert "pass" in kinds
    assert ("note" if RULES[rule].legal else "fail") in kinds
    # what a file's header says, and what its bytes are, is never in doubt
    assert kinds & {"unknown", "suspect"} or (RULES[rule].family == "trace" and RULES[rule].shape == "L")


@pytest.mark.parametrize(
    "fence",
    [
        "trace", "trace maybe", "trace unknown", "trace unknown U-MAYBE", "trace fail U-CAP", "trace fail also=WSK-NO",
        "trace fail color=red", "trace pass count=2", "trace fail severity=bad",
    ],
)  # fmt: skip
def test_a_fence_out_of_the_convention_is_refused(fence: str) -> None:
    with pytest.raises(ValueError, match="line 1"):
        list(blocks("WSK-SD-LEAK", f"```{fence}\ndriver\n```\n"))


def test_a_fence_that_is_never_closed_is_refused() -> None:
    with pytest.raises(ValueError, match="never closed"):
        list(blocks("WSK-SD-LEAK", "text\n```trace pass\ndriver\n"))


def test_other_fences_are_no_traces() -> None:
    assert not list(blocks("WSK-SD-LEAK", "```c\nint x;\n```\n"))


def test_a_wrong_expectation_is_noticed() -> None:
    verdicts = judge("driver\nWskControlClient WSK_TRANSPORT_LIST_QUERY Client=NULL -> INVALID_PARAMETER\nunload")
    rule = "WSK-CLIENT-NULL"
    assert not verdicts.check(rule, "fail", None, {"irp": "NULL"})
    assert verdicts.check(rule, "fail", None, {"irp": "C"})
    assert verdicts.check(rule, "fail", None, {"severity": "info"})
    assert verdicts.check(rule, "fail", None, {"count": "2"})
    assert verdicts.check(rule, "fail", None, {"also": "WSK-SD-LEAK"})
    for kind in ("pass", "not-applicable"):
        assert verdicts.check(rule, kind)
    for kind in ("unknown", "suspect"):
        assert verdicts.check(rule, kind, "U-CAP")
