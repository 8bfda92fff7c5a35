"""Pictures for HTML pages: a matplotlib figure as an SVG element without styles, scripts, links or ids of its own.

A page whose Content-Security-Policy forbids inline styles shows only attributes, so styles become presentation
attributes. Black becomes the page's text colour and greys its lines, so that dark pages read well.
"""

from __future__ import annotations

import io
import re
from itertools import groupby
from typing import TYPE_CHECKING

from wsktrace.units import clean

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from matplotlib.figure import Figure

__all__ = ["svg_of"]

#: Parts of a style that become attributes; others (families of fonts) are the page's.
_KEPT = (
    "fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin",
    "stroke-opacity", "opacity", "font-size", "font-weight", "font-style", "text-anchor",
)  # fmt: skip
_FIGURE = re.compile(r"-?\d+\.\d+")
_SPACE = re.compile(r"\s+")
_COMMAND = re.compile(r" ?([A-Za-z]) ?")
_LETTERS = re.compile("[A-Za-z]")
#: Characters of a path that is worth thinning.
_LONG = 300
_URL = re.compile(r"url\(#([^)]+)\)")
_GREY = re.compile(r"#([0-9a-f]{2})\1\1", re.IGNORECASE)


def svg_of(figure: Figure, *, title: str, prefix: str) -> str:
    """Return a figure as one SVG element of text; its ids begin with ``prefix``. ``title`` is for who cannot see it."""
    import matplotlib as mpl

    held = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "wsktrace", "svg.fonttype": "none", "svg.image_inline": True}):
        figure.savefig(held, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _svg_element(held.getvalue(), title=title, prefix=prefix)


def _svg_element(data: bytes, *, title: str, prefix: str) -> str:
    """Return the bytes of an SVG file as an element that can stand in a page."""
    from xml.etree.ElementTree import Element, SubElement, tostring

    from defusedxml.ElementTree import fromstring

    root = fromstring(data)
    names = dict.fromkeys(name for element in root.iter() for name in _references(element))
    used = _Names((name, f"{prefix}-{number}") for number, name in enumerate(names))
    used.styles = {used[e.get("id", "")]: e.get("style", "") + ";" for e in root.iter() if e.get("id") in used}
    wide, high = root.get("viewBox", "0 0 100 100").split()[2:]
    title = clean(title)
    made = Element("svg", {"class": "plot", "viewBox": f"0 0 {wide} {high}", "role": "img", "aria-label": title})
    made.set("width", f"{float(wide) * 4 / 3:.0f}")
    SubElement(made, "title").text = title
    for child in root:
        _copy(child, made, used)
    return tostring(made, encoding="unicode")


def _references(element: Element) -> list[str]:
    """Return the ids that an element refers to."""
    held = [value[1:] for name, value in element.items() if name.endswith("href") and value.startswith("#")]
    texts = (element.get("clip-path", ""), element.get("style", ""), element.get("fill", ""))
    return held + [found for text in texts for found in _URL.findall(text)]


class _Names(dict[str, str]):
    """Id in the file → id in the page; ``styles``: id in the page → style of the element."""

    styles: dict[str, str]


def _copy(element: Element, into: Element, used: _Names) -> None:
    """Add a copy of an element, without what the page does not want of it."""
    from xml.etree.ElementTree import SubElement

    tag = _local(element.tag)
    if tag in ("metadata", "style", "script", "foreignObject", "title", "a"):
        return
    attributes = _attributes(element, tag, used)
    if tag == "g" and not attributes:
        for child in element:
            _copy(child, into, used)
        return
    if tag == "path" and attributes.get("fill") == "none" and "stroke" not in attributes and "id" not in attributes:
        return
    if tag == "pattern" and any("C" in (child.get("d") or "") for child in element):
        element = _dotted(element)
        attributes |= {"width": "6", "height": "6"}
    if tag == "use":  # what it shows brings its own
        own = used.styles.get(attributes.get("href", "")[1:], "")
        attributes = {name: value for name, value in attributes.items() if f"{name}: {value};" not in own}
    if attributes.get("fill", "").startswith("url("):
        attributes.pop("fill-opacity", None)
    if tag == "rect" and into.tag == "pattern":  # matplotlib makes the hatch as pale as what is behind it
        attributes["fill-opacity"] = "0.3"
    if tag == "defs" and not len(element):
        return
    made = SubElement(into, tag, attributes)
    made.text = element.text if tag in ("text", "tspan") else None
    for child in element:
        _copy(child, made, used)
        if tag == "text" and len(made):
            made[-1].tail = child.tail


def _dotted(element: Element) -> Element:
    """Return a hatch of circles, of which matplotlib draws a thousand, as one of two dots."""
    from copy import deepcopy

    made = deepcopy(element)
    for child in made:
        if _local(child.tag) == "path":
            child.set("d", "M0 0H1V1H0zM3 3H4V4H3z")
    return made


def _attributes(element: Element, tag: str, used: _Names) -> dict[str, str]:
    held: dict[str, str] = {}
    for name, value in element.items():
        local = _local(name)
        if local == "style":
            parts = (part.partition(":") for part in value.split(";"))
            styles = {key.strip(): text.strip() for key, _, text in parts}
            held |= {key: _colour(_named(styles[key], used)) for key in _KEPT if key in styles}
        elif local == "id":
            if value in used:
                held["id"] = used[value]
        elif local == "href":
            if value.startswith("#"):
                held["href"] = f"#{used[value[1:]]}"
            elif tag == "image" and value.startswith("data:image/png;base64,"):
                held["href"] = _SPACE.sub("", value)
        elif local == "clip-path":
            held[local] = _named(value, used)
        elif local == "d":
            held[local] = _path(value)
        elif local == "transform":
            if not value.startswith("rotate(-0 ") and not value.startswith("rotate(0 "):
                held[local] = _short(value)
        elif not local.startswith("on"):
            held[local] = _short(value)
    return held


def _local(name: object) -> str:
    return str(name).rpartition("}")[2]


def _short(text: str) -> str:
    """Return text with its figures to a tenth of a point."""
    return _FIGURE.sub(lambda m: f"{round(float(m[0]), 1) + 0.0:g}", text)


def _path(text: str) -> str:
    """Return the drawing of a path with its figures to a tenth of a point, and no more points than can be seen."""
    parts = _COMMAND.sub(r"\1", _SPACE.sub(" ", _short(text)).strip())
    if len(parts) < _LONG or set(_LETTERS.findall(parts)) - {"M", "L", "Z", "z"}:
        return parts
    return "".join(_thin(line) for line in re.findall(r"M[^M]*", parts))


def _thin(line: str) -> str:
    """Return a line of many points such that two points' width of the horizontal axis has at most four of them."""
    end = "Z" if line[-1] in "Zz" else ""
    points = [tuple(float(v) for v in pair.split()) for pair in re.split("[ML]", line.rstrip("Zz")) if pair]
    kept: list[tuple[float, ...]] = []
    for _, run in groupby(points, key=lambda point: round(point[0] / 2)):
        held = list(run)
        extremes = {0, len(held) - 1, *(choose(range(len(held)), key=lambda i: held[i][1]) for choose in (min, max))}
        kept += [held[i] for i in sorted(extremes)]
    x, y = kept[0]
    made = [f"M{x:g} {y:g}"]
    way = 0.0  # of the last step to the side: one further on in the same direction takes its place
    for new_x, new_y in kept[1:]:
        side = new_x - x if new_y == y else 0.0
        if way * side > 0:
            made.pop()
        way = side if side or (new_x, new_y) != (x, y) else way
        if new_x == x and new_y != y:
            made.append(f"V{new_y:g}")
        elif new_y == y and new_x != x:
            made.append(f"H{new_x:g}")
        elif (new_x, new_y) != (x, y):
            made.append(f"L{new_x:g} {new_y:g}")
        x, y = new_x, new_y
    return "".join(made) + end


def _named(text: str, used: _Names) -> str:
    """Return text with the new names of what it refers to."""
    return _URL.sub(lambda m: f"url(#{used.get(m[1], 'none')})", text)


def _colour(text: str) -> str:
    """Return a colour of the page for black and greys."""
    if text == "#000000":
        return "currentColor"
    if _GREY.fullmatch(text) and text.lower() != "#ffffff":
        return "#888888" if int(text[1:3], 16) < 0xC0 else "#d9d9d9"
    return text
