"""Reads a report as a browser would, with the parser of the standard library."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

VOID = {"meta", "input", "br", "hr", "img", "link", "rect", "path", "use"}
#: A picture in the page itself, which asks nobody for anything.
PNG = re.compile(r"data:image/png;base64,[A-Za-z0-9+/]+=*")
NO_PICTURES: dict[str, list[str]] = {"over_time": [], "latency": [], "cumulative": [], "lifetimes": []}
#: Elements whose end may be left out, and which starts end them.
ENDED_BY = {
    "td": {"td", "th", "tr", "tbody"},
    "th": {"td", "th", "tr", "tbody"},
    "dt": {"dt", "dd"},
    "dd": {"dt", "dd"},
    "tr": {"tr", "tbody"},
    "thead": {"tbody"},
    "tbody": {"tbody"},
}


class Page(HTMLParser):
    """Elements with their attributes, ids, links, texts; ``errors`` where the nesting is broken."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.errors: list[str] = []
        self.words: list[str] = []
        self.inside: dict[str, list[str]] = {}
        self._stack: list[str] = []
        self.feed(text)
        self.close()
        if self._stack:
            self.errors.append(f"never closed: {self._stack}")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        while self._stack and tag in ENDED_BY.get(self._stack[-1], ()):
            self._stack.pop()
        self.elements.append((tag, dict(attrs)))
        if len(dict(attrs)) != len(attrs):
            self.errors.append(f"<{tag}> has an attribute twice")
        if tag not in VOID:
            self._stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        while self._stack and self._stack[-1] != tag and self._stack[-1] in ENDED_BY:
            self._stack.pop()
        if not self._stack or self._stack.pop() != tag:
            self.errors.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data: str) -> None:
        self.inside.setdefault(self._stack[-1] if self._stack else "", []).append(data)
        if "style" not in self._stack and "script" not in self._stack:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    @property
    def ids(self) -> list[str]:
        return [str(a["id"]) for _, a in self.elements if "id" in a]

    @property
    def links(self) -> list[str]:
        return [str(a["href"]) for _, a in self.elements if "href" in a]

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [a for name, a in self.elements if name == tag]

    def count(self, tag: str) -> int:
        return len(self.all(tag))


def problems(text: str) -> list[str]:
    """Return what is wrong with a report: nesting, ids, links, requests, what the policy would forbid."""
    page = Page(text)
    found = list(page.errors)
    found += [f"id twice: {name}" for name in set(page.ids) if page.ids.count(name) > 1] if len(page.ids) < 3000 else []
    if len(set(page.ids)) != len(page.ids):
        found.append("ids are not unique")
    ids = set(page.ids)
    images = {a.get("href") for tag, a in page.elements if tag == "image" and PNG.fullmatch(a.get("href") or "")}
    links = [link for link in page.links if link not in images]
    found += [f"link to nowhere: {link}" for link in links if not link.startswith("#") or link[1:] not in ids]
    for tag, attributes in page.elements:
        if tag in ("img", "iframe", "link", "object", "embed", "base", "form", "audio", "video", "foreignobject"):
            found.append(f"<{tag}>")
        for name, value in attributes.items():
            if name.startswith("on") or name in ("style", "src", "srcset", "action", "formaction", "xlink:href"):
                found.append(f"<{tag} {name}>")
            if value and re.search(r"(?i)javascript:|https?://", value) and name != "aria-label":
                found.append(f"<{tag} {name}={value[:80]}>")
            for target in re.findall(r"url\(([^)]*)\)", value or ""):
                if target[1:] not in ids:
                    found.append(f"url({target})")
    styles, scripts = page.inside["style"], page.inside["script"]
    found += [f"{len(styles)} styles, {len(scripts)} scripts"] if len(styles) != 1 or len(scripts) != 1 else []
    if re.search(r"(?i)url\(|@import|https?:", styles[0]):
        found.append("the style fetches")
    policy = next(str(a["content"]) for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    parts = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    want = {
        "default-src": "'none'",
        "style-src": _hash(styles[0]),
        "script-src": _hash(scripts[0]),
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return found + ([f"policy: {policy}"] if parts != want else [])


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
