"""Stories as parts of cards for notebooks, and the cards of one IRP and one socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wsktrace.report.cards.parts import COLOURS, badge, card, cell, faint, grid, text
from wsktrace.report.story.text import elapsed, mark, severity
from wsktrace.units import clock_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wsktrace.report.story.told import Line, Story

__all__ = ["story_details", "subject_card"]

#: Lines of a story that a card shows; the whole has ``wsktrace show``.
_MOST: Final = 60


def subject_card(story: Story, *, trusted: Iterable[str] = ()) -> str:
    """Return the card of one IRP or one socket: what is known of it and what happened, with its findings in place.

    ``trusted``: sentences about what was lost.
    """
    lines = "".join(f"<tr>{cell(faint(text(k)))}{cell(text(v))}</tr>" for k, v in story.facts)
    said = "<br>".join(map(text, trusted))
    return card(
        f"<div><b>{text(story.title)}</b></div>",
        grid(lines),
        _lines(story),
        f"<div>{faint(said)}</div>" if said else "",
        wide=True,
    )


def story_details(story: Story) -> str:
    """Return a story that is folded away until it is asked for."""
    return f"<details><summary>What happened around it: {len(story.lines):,} lines</summary>{_lines(story)}</details>"


def _lines(story: Story) -> str:
    shown, left = story.lines, 0
    if len(shown) > _MOST:
        kept = [spot for spot, line in enumerate(shown) if line.kind == "finding" or line.evidence][: _MOST // 3]
        edge = (_MOST - len(kept)) // 2
        spots = sorted({*range(edge), *kept, *range(len(shown) - edge, len(shown))})
        left, shown = len(shown) - len(spots), tuple(shown[spot] for spot in spots)
    out = grid("".join(_row(line, story) for line in shown))
    told = [f"{left:,} lines of the story are left out here: print(trace.….story) has them"] if left else []
    told += [f"left out: {story.left_out}"] if story.left_out else []
    return out + "".join(f"<div>{faint(text(sentence))}</div>" for sentence in told)


def _row(line: Line, story: Story) -> str:
    thread = "" if line.tid is None else "idle thread" if line.tid == 0 else f"thread {line.tid}"
    cpu = "" if line.cpu is None else f"CPU {line.cpu}"
    what = text(line.text)
    if line.kind == "finding":
        rule, colon, message = line.text.partition(":")
        what = badge(rule + colon, COLOURS.get(severity(line), COLOURS["suspect"])) + text(message)
    elif line.kind in ("note", "message"):
        what = faint(what)
    elif line.evidence:
        what = f"<b>{what}</b>"
    indent = f'<div style="padding-left:{min(line.depth, 8) * 1.5:.1f}em">{what}</div>'
    head = [cell(text(clock_text(line.time_ns)), mono=True)]
    head.append(cell(f'<div style="text-align:right">{text(elapsed(line, story))}</div>', mono=True))
    head += [cell(text(t), fixed=True) for t in (cpu, thread, mark(line))]
    return f"<tr>{''.join(head)}{cell(indent)}</tr>"
