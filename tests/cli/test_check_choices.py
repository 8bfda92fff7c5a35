"""What does not count and what counts otherwise: limits, [[ignore]], baselines, coverage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

import wsktrace
from wsktrace.cli.main import run
from wsktrace.errors import FormatError, UsageError
from wsktrace.testing.script import run_script
from wsktrace.wsk.profile import load_profile, with_limits

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLES = Path(__file__).parents[2] / "samples"

STUCK = """
driver
open S Flags=datagram
run WskBind S
IrpAllocate A
WskCloseSocket S A -> PENDING
wait 15s
complete A SUCCESS
IrpFree A
unload
"""
PROFILE = """
name = "mine"
title = "mine"
provider = {name = "WskTrace", guid = "f406ddb2-df7b-5f2c-54db-fa7d1cd56442"}
"""


def write(path: Path, script: str) -> Path:
    path.write_bytes(run_script(script).etl())
    return path


@pytest.fixture
def stuck(tmp_path: Path) -> Path:
    return write(tmp_path / "stuck.etl", STUCK)


class Done(NamedTuple):
    """What a command gave."""

    exit_code: int
    stdout: str
    stderr: str


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Return what runs ``wsktrace check`` with arguments."""

    def go(*arguments: object) -> Done:
        status = run(["check", *map(str, arguments), "-q"])
        return Done(status, *capsys.readouterr())

    return go


def fails(held: str) -> dict[str, Any]:
    return {f["rule"]: f for f in json.loads(held)["findings"] if f["verdict"] == "fail"}


# limits --------------------------------------------------------------------------------------------------------------


def test_limits_change_verdicts(check: Callable[..., Done], stuck: Path) -> None:
    found = check(stuck, "--format", "json")
    assert {"WSK-CLOSE-STUCK", "WSK-IRP-NEVER-COMPLETED"} == set(fails(found.stdout))
    more = check(stuck, "--format", "json", "--limit", "close_s=20", "--limit", "WskCloseSocket=20")
    assert more.exit_code == 0
    assert not fails(more.stdout)
    with wsktrace.open(stuck, limits={"close_s": 20}) as trace:
        assert set(trace.findings.rule) == {"WSK-IRP-NEVER-COMPLETED"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("close=20", "no limit named 'close'; did you mean close_s"),
        ("close_s=-1", "not a number from 0 on"),
        ("close_s=nan", "not a number from 0 on"),
        ("WskConnect=1e30", "not a number from 0 on"),
        ("close_s", "not NAME=NUMBER"),
        ("close_s=soon", "not NAME=NUMBER"),
    ],
)
def test_limits_that_are_none(check: Callable[..., Done], stuck: Path, given: str, words: str) -> None:
    found = check(stuck, "--limit", given)
    assert found.exit_code == 2
    assert words in found.stderr


def test_every_limit_of_the_profile_can_be_set() -> None:
    native = load_profile()
    changed = with_limits(native, {"order_tolerance_ms": 3, "WskSend": 7, "disconnect_s": 9})
    assert (changed.order_tolerance_ms, changed.thresholds.disconnect_s) == (3.0, 9.0)
    assert changed.deadlines_s == {**native.deadlines_s, "WskSend": 7.0}
    assert load_profile() == native


# consequences --------------------------------------------------------------------------------------------------------


def test_consequences_are_linked_in_json_and_folded_on_the_console(check: Callable[..., Done], stuck: Path) -> None:
    found = json.loads(check(stuck, "--format", "json").stdout)["findings"]
    by_rule = {f["rule"]: f for f in found}
    assert by_rule["WSK-CLOSE-STUCK"]["follows_from"] is None
    assert by_rule["WSK-IRP-NEVER-COMPLETED"]["follows_from"] == by_rule["WSK-CLOSE-STUCK"]["id"]
    text = check(stuck).stdout
    assert "Broken rules: 2, 1 of which follows from another" in text
    assert text.index("WSK-CLOSE-STUCK") < text.index("└ warning WSK-IRP-NEVER-COMPLETED")


# what does not count -------------------------------------------------------------------------------------------------


def profile(tmp_path: Path, more: str) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(PROFILE + more, "utf-8")
    return path


def test_ignored_findings_keep_their_verdict_and_say_why(
    check: Callable[..., Done], tmp_path: Path, stuck: Path
) -> None:
    lines = '[[ignore]]\nrule = "CLOSE-STUCK"\nreason = "known: bug 17"\n'
    lines += '[[ignore]]\nrule = "IRP"\ncall = "WskCloseSocket"\nreason = "the same"\n'
    mine = profile(tmp_path, lines)
    found = check(stuck, "--profile", mine, "--format", "json", "--fail-on", "warning")
    assert found.exit_code == 0
    assert {rule: f["ignored"] for rule, f in fails(found.stdout).items()} == {
        "WSK-CLOSE-STUCK": "known: bug 17",
        "WSK-IRP-NEVER-COMPLETED": "the same",
    }
    text = check(stuck, "--profile", mine).stdout
    assert "No broken rule" in text
    assert "Not counted: 2" in text
    assert "1 of WSK-CLOSE-STUCK: known: bug 17" in text


def test_an_ignore_of_another_call_does_not_apply(check: Callable[..., Done], tmp_path: Path, stuck: Path) -> None:
    mine = profile(tmp_path, '[[ignore]]\nrule = "CLOSE-STUCK"\ncall = "WskBind"\nreason = "no"\n')
    assert fails(check(stuck, "--profile", mine, "--format", "json").stdout)["WSK-CLOSE-STUCK"]["ignored"] is None


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ('[[ignore]]\nrule = "CLOSE-STUCK"\nreason = " "\n', "needs a reason"),
        ('[[ignore]]\nrule = "CLOSE-STUCK"\n', "reason"),
        ('[[ignore]]\nrule = "CLOSE-STICK"\nreason = "x"\n', "did you mean WSK-CLOSE-STUCK"),
        ('[[ignore]]\nrule = "CLOSE-STUCK"\nreason = "x"\ncall = "WskNo"\n', "unknown operation: WskNo"),
    ],
)
def test_ignores_that_are_none(check: Callable[..., Done], tmp_path: Path, stuck: Path, lines: str, words: str) -> None:
    found = check(stuck, "--profile", profile(tmp_path, lines))
    assert found.exit_code == 2
    assert words in found.stderr


def test_only_what_is_new_counts_against_a_baseline(check: Callable[..., Done], tmp_path: Path, stuck: Path) -> None:
    old = tmp_path / "old.json"
    assert check(stuck, "-o", old).exit_code in (0, 1)
    again = check(stuck, "--baseline", old, "--fail-on", "warning")
    assert again.exit_code == 0
    assert "2 of " not in again.stdout.partition("Not counted")[0]
    twice = STUCK.replace(
        "unload",
        "open T Flags=datagram\nrun WskBind T\nIrpAllocate B\nWskCloseSocket T B -> PENDING\nwait 15s\n"
        "complete B SUCCESS\nIrpFree B\nunload",
    )
    new = check(write(tmp_path / "new.etl", twice), "--baseline", old, "--format", "json", "--fail-on", "warning")
    assert new.exit_code == 1
    marks = [(f["rule"], f["ignored"]) for f in json.loads(new.stdout)["findings"] if f["verdict"] == "fail"]
    assert sorted(marks, key=str) == [
        ("WSK-CLOSE-STUCK", "in the baseline"),
        ("WSK-CLOSE-STUCK", None),
        ("WSK-IRP-NEVER-COMPLETED", "in the baseline"),
        ("WSK-IRP-NEVER-COMPLETED", None),
    ]


def test_a_sarif_baseline(check: Callable[..., Done], tmp_path: Path, stuck: Path) -> None:
    found = json.loads(check(stuck, "--format", "json").stdout)["findings"]
    results = [
        {"ruleId": f["rule"], "partialFingerprints": {"wsktrace/v1": f["fingerprint"]}, "message": {"text": ""}}
        for f in found
    ]
    old = tmp_path / "old.sarif"
    old.write_text(json.dumps({"version": "2.1.0", "runs": [{"tool": {}, "results": results}]}), "utf-8")
    assert check(stuck, "--baseline", old, "--fail-on", "warning").exit_code == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("1" * 5000, "is no JSON"),
        ("[]", "not what `wsktrace check` writes"),
        ("{}", "no 'findings'"),
        ('{"findings": [{"rule": "WSK-SD-LEAK", "verdict": "fail"}]}', "no 'fingerprint'"),
        ('{"findings": [{"verdict": "fail", "fingerprint": 5}]}', "no text"),
        ('{"runs": [{"results": [{"ruleId": "x"}]}]}', "no 'partialFingerprints'"),
        ('{"runs": 5}', "not what"),
    ],
)
def test_baselines_that_are_none(
    check: Callable[..., Done], tmp_path: Path, stuck: Path, text: str, words: str
) -> None:
    old = tmp_path / "old.json"
    old.write_text(text, "utf-8")
    found = check(stuck, "--baseline", old)
    assert found.exit_code == 2
    assert words in found.stderr
    with pytest.raises(FormatError):
        wsktrace.open(stuck, baseline=old)


def test_a_baseline_that_is_not_there(check: Callable[..., Done], tmp_path: Path, stuck: Path) -> None:
    assert "cannot be read" in check(stuck, "--baseline", tmp_path / "no.json").stderr
    with pytest.raises(UsageError):
        wsktrace.open(stuck, baseline=tmp_path / "no.json")


# coverage ------------------------------------------------------------------------------------------------------------


def test_coverage_says_what_was_decided_and_what_would_decide_more(check: Callable[..., Done], tmp_path: Path) -> None:
    trace = write(tmp_path / "t.etl", f"trace without=WskControlClient.return{STUCK.replace('unload', '')}")
    text = check(trace, "--coverage").stdout
    assert "Coverage" in text
    assert "trace WskControlClient returns to decide " in text
    held = json.loads(check(trace, "--coverage", "--format", "json").stdout)["coverage"]
    rule = held["rules"]["WSK-CLOSE-STUCK"]
    assert (rule["checked"], rule["fail"], rule["unknown"]) == (1, 1, 0)
    assert any(entry["event"] == "WskControlClient return" for entry in held["would_decide"])
    leak = held["rules"]["WSK-SOCKET-LEAK"]
    assert leak["checked"] == leak["pass"] + leak["fail"] + leak["unknown"] > 0
    assert "coverage" not in json.loads(check(trace, "--format", "json").stdout)


def test_the_rules_table_tells_why_rules_are_undecided(tmp_path: Path) -> None:
    lost = STUCK.replace("wait 15s\n", "lost 3\nwait 15s\n")
    with wsktrace.open(write(tmp_path / "t.etl", lost)) as trace:
        row = trace.rules.set_index("rule").loc["WSK-CLOSE-STUCK"]
        counts = trace.rules
    assert (row.checked, row.unknown, row.u_lost) == (1, 1, 1)
    reasons = counts[["u_cap", "u_start", "u_lost", "u_order", "u_alias", "u_end"]].sum(axis=1)
    assert (reasons == counts.unknown).all()
    assert (counts.checked == counts["pass"] + counts.fail + counts.unknown).all()


@pytest.mark.parametrize("name", ["hang", "midway", "many_faults"])
def test_asking_for_more_does_not_renumber_the_findings(name: str) -> None:
    """``show --finding N`` must find what ``check`` listed as N, whatever either was asked for."""

    def numbered(**asked: bool) -> dict[int, str]:
        with wsktrace.open(SAMPLES / f"{name}.etl", **asked) as trace:
            return dict(zip(trace.findings.finding_id, trace.findings.fingerprint, strict=True))

    plain = numbered()
    for asked in ({"unknown": True}, {"notes": True}, {"unknown": True, "notes": True}):
        more = numbered(**asked)
        assert len(more) > len(plain) or not asked.get("unknown")
        assert plain.items() <= more.items()
