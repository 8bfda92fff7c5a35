"""The report in a real browser. Needs Chromium or Chrome and chromedriver on the PATH; nothing is downloaded."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from faked_traces import SOCKET, finding, irp, usual_rows

import wsktrace
from wsktrace.report.html import lives as html_lives

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.long

SAMPLES = Path(__file__).parents[2] / "samples"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-extensions",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps",
    "--disable-dev-shm-usage", "--no-default-browser-check", "--window-size=1280,900",
)  # fmt: skip
BAD = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Any]]:
    """Return what starts a browser, with scripts or without."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    driver = shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip("no Chromium or Chrome with its chromedriver on the PATH")
    webdriver = pytest.importorskip("selenium.webdriver")
    from selenium.webdriver.chrome.service import Service

    opened = []

    def make(*, scripts: bool = True) -> Any:
        options = webdriver.ChromeOptions()
        options.binary_location = browser
        for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        if not scripts:
            options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
        opened.append(webdriver.Chrome(options=options, service=Service(driver)))
        return opened[-1]

    yield make
    for each in opened:
        each.quit()


@pytest.fixture(scope="module")
def browser(start: Callable[..., Any]) -> Any:
    return start()


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("report") / "many.html"
    with wsktrace.open(SAMPLES / "many_faults.etl") as trace:
        trace.report(target)
    return target


@pytest.fixture
def page(browser: Any, many: Path) -> Any:
    size(browser, 1280)
    media(browser)
    browser.get("about:blank")
    browser.get_log("browser")
    browser.get_log("performance")
    browser.get(many.as_uri())
    return browser


def size(browser: Any, width: int, height: int = 900) -> None:
    told = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", told)


def media(browser: Any, scheme: str = "light") -> None:
    told = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", told)


def search(browser: Any, text: str) -> str:
    """Type into the search box and return what it says."""
    return browser.execute_async_script(
        "const [text, done] = arguments; const box = document.getElementById('find'); box.value = text;"
        "box.dispatchEvent(new Event('input'));"
        "setTimeout(() => done(document.getElementById('found').textContent), 400)",
        text,
    )


def visible(browser: Any, selector: str) -> list[str]:
    script = (
        "return [...document.querySelectorAll(arguments[0])].filter(e => !e.closest('[hidden]')).map(e => e.id || '-')"
    )
    return browser.execute_script(script, selector)


def background(browser: Any) -> str:
    return browser.execute_script("return getComputedStyle(document.body).backgroundColor")


def test_no_error_and_no_request(page: Any, many: Path) -> None:
    search(page, "WskSend")
    page.execute_script("for (const d of document.querySelectorAll('details')) d.open = true; scrollTo(0, 1e6)")
    assert [entry for entry in page.get_log("browser") if entry["level"] != "INFO"] == []
    messages = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    asked = [url for url in asked if not url.startswith("data:image/png;base64,")]  # pictures in the page itself
    assert set(asked) <= {many.as_uri(), "about:blank"}
    assert page.execute_script("return performance.getEntriesByType('resource').length") == 0


def test_the_policy_is_in_force(page: Any) -> None:
    page.execute_script(
        "const i = new Image(); i.src = 'https://example.invalid/x.png'; document.body.append(i);"
        "const s = document.createElement('script'); s.textContent = 'window.got = 1'; document.body.append(s);"
    )
    told = " ".join(entry["message"] for entry in page.get_log("browser"))
    assert "Content Security Policy" in told
    assert page.execute_script("return window.got") is None


def test_search_filters_and_counts(page: Any) -> None:
    whole = len(visible(page, "details.finding"))
    assert whole == 17
    told = search(page, "WSK-DOUBLE-CLOSE")
    assert told.startswith("1 finding ·")
    assert visible(page, "details.finding") == ["finding-10"]
    assert visible(page, "article.group") == ["-"]
    forms = ("ffffb10a`2d004d90", "ffffb10a2d004d90", "0xFFFFB10A2D004D90", "2d004d90")
    by_address = [search(page, text) for text in forms]
    assert len(set(by_address)) == 1
    assert "1 socket" in by_address[0]
    assert search(page, "STATUS_ADDRESS_ALREADY_EXISTS").startswith("1 finding")
    assert search(page, "wskbind status_address_already").startswith("1 finding")
    assert search(page, "no such thing") == "no match"
    assert visible(page, "details.finding") == []
    assert search(page, "") == ""
    assert len(visible(page, "details.finding")) == whole


def test_the_slash_key_goes_to_the_search(page: Any) -> None:
    from selenium.webdriver.common.by import By

    page.find_element(By.TAG_NAME, "body").send_keys("/")
    active = page.switch_to.active_element
    assert active.get_attribute("id") == "find"
    assert active.get_attribute("value") == ""
    active.send_keys("WSK-DOUBLE-CLOSE")
    assert page.execute_async_script("setTimeout(arguments[0], 400)") is None
    assert len(visible(page, "details.finding")) == 1
    active.send_keys("\ue00c")
    assert len(visible(page, "details.finding")) == 17


@pytest.mark.parametrize("link", ["finding-10", "finding-11", "socket-2", "irp-17", "rule-WSK-DOUBLE-CLOSE"])
def test_a_link_opens_what_holds_its_target(page: Any, link: str) -> None:
    search(page, "no such thing")
    page.execute_script("location.hash = arguments[0]", link)
    page.execute_async_script("setTimeout(arguments[0], 300)")
    box = page.execute_script(
        "const e = document.getElementById(arguments[0]); const r = e.getBoundingClientRect();"
        "return [r.top, r.height, !!e.closest('[hidden]'), e.tagName !== 'DETAILS' || e.open]",
        link,
    )
    assert -1 <= box[0] < 900
    assert box[1] > 10
    assert box[2:] == [False, True]


def test_sorting_by_a_column(page: Any) -> None:
    script = (
        "const table = document.querySelector('#latency table'); const at = arguments[0];"
        "table.querySelectorAll('thead button')[at].click();"
        "return [...table.tBodies[0].rows].map(r => r.cells[at].textContent)"
    )
    units = {"ns": 1, "µs": 1e3, "ms": 1e6, "s": 1e9}
    up = page.execute_script(script, 5)
    values = [float(text.split()[0]) * units[text.split()[1]] for text in up]
    assert values == sorted(values)
    assert page.execute_script(script, 5) == up[::-1] or values[::-1] == sorted(values, reverse=True)
    assert page.execute_script("return document.querySelectorAll('#latency th[aria-sort=descending]').length") == 1


def test_light_and_dark(page: Any) -> None:
    light = background(page)
    media(page, "dark")
    dark = background(page)
    assert sum(map(int, dark[4:-1].split(","))) < 150 < 600 < sum(map(int, light[4:-1].split(",")))
    button = "document.getElementById('theme').click()"
    page.execute_script(button)
    assert background(page) == light
    media(page, "light")
    page.execute_script(button)
    assert background(page) == dark
    page.execute_script(button)
    assert background(page) == light


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(page: Any, scheme: str) -> None:
    """Every text has at least the contrast that WCAG 2.1 (1.4.3, AA) asks of small text."""
    media(page, scheme)
    page.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
    assert page.execute_script(CONTRAST) == []
    page.execute_script("document.body.style.color = 'rgb(128, 128, 128)'")
    assert page.execute_script(CONTRAST) != []  # the measure measures


@pytest.mark.parametrize("width", [380, 768, 1280])
def test_no_horizontal_scrolling_of_the_page(page: Any, width: int) -> None:
    size(page, width)
    page.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
    wide, inner = page.execute_script("return [document.scrollingElement.scrollWidth, innerWidth]")
    assert wide <= inner == width


def test_it_prints(page: Any) -> None:
    data = base64.b64decode(page.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})["data"])
    assert data.startswith(b"%PDF-")
    assert 4 <= data.count(b"/Type /Page\n") + data.count(b"/Type /Page ") <= 60


def test_hostile_text_stays_text(browser: Any, faked: Any, tmp_path: Path) -> None:
    rows = usual_rows()
    rows["findings"] = [finding(0, BAD, message=f'{BAD}"><img src=x onerror=alert(2)>', irp_id=1)]
    rows["irps"] = [irp(1, BAD, 5, took=40), irp(2, BAD, 9, outcome=BAD)]
    target = faked(rows, file=BAD).report(tmp_path / "bad.html")
    browser.get_log("browser")
    browser.get(target.as_uri())
    search(browser, "script")
    told = browser.execute_script("return [document.body.innerText, document.scripts.length, document.images.length]")
    assert BAD in told[0]
    assert told[1:] == [1, 0]
    assert browser.title.startswith(BAD)
    assert [entry for entry in browser.get_log("browser") if entry["level"] != "INFO"] == []


def test_the_long_table_of_irps(browser: Any, faked: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html_lives, "SLOWEST", 2)
    life = {"load": 0, "origin": "socket", "irps": 20, "open_irps": 0, "birth_operation": 1}
    rows = {
        "irps": [irp(n, "WskSend", n, took=n, socket=SOCKET + n % 2, socket_id=n % 2) for n in range(1, 41)],
        "sockets": [{"socket_id": n, "socket": SOCKET + n, **life} for n in range(2)],
    }
    browser.get(faked(rows).report(tmp_path / "long.html").as_uri())
    size(browser, 1280)
    assert search(browser, f"{SOCKET:#x}") == "0 findings · 20 IRPs · 1 socket"
    rows_shown = visible(browser, "#irps table.rows tbody tr")
    assert [int(name[4:]) % 2 for name in rows_shown] == [0] * 19
    assert browser.execute_script("return document.querySelector('#irps details.table').open")
    assert browser.execute_script("return document.querySelector('#irp-4 a').hash") == "#socket-0"
    browser.execute_script("document.querySelector('#irps details.table').open = false; location.hash = 'irp-7'")
    browser.execute_async_script("setTimeout(arguments[0], 300)")
    assert browser.execute_script("return document.getElementById('irp-7').getClientRects()[0].height") > 10
    assert visible(browser, "#irp-7") == ["irp-7"]


def test_without_scripts_all_is_there(start: Callable[..., Any], many: Path) -> None:
    quiet = start(scripts=False)
    quiet.get(many.as_uri() + "#finding-11")
    assert not quiet.execute_script("return document.getElementById('tools').offsetHeight")
    assert quiet.execute_script("return document.querySelectorAll('details.finding').length") == 17
    assert quiet.execute_script("return document.querySelectorAll('th button').length") == 0
    assert quiet.execute_script("return document.querySelectorAll('[id^=irp-]').length") == 68
    assert quiet.execute_script("return document.getElementById('finding-11').getBoundingClientRect().height") > 10


CONTRAST = """
const parse = (c) => { const m = c.match(/[\\d.]+/g).map(Number); return m.length < 4 ? [...m, 1] : m; };
const over = (a, b) => [0, 1, 2].map(i => a[i] * a[3] + b[i] * (1 - a[3])).concat(1);
const light = (c) => { const [r, g, b] = c.slice(0, 3).map(v => v / 255)
  .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const behind = (e) => { const stack = []; for (let at = e; at; at = at.parentElement)
  stack.push(parse(getComputedStyle(at).backgroundColor));
  return stack.reverse().reduce((a, c) => over(c, a), [255, 255, 255, 1]); };
const found = new Map();
for (const e of document.querySelectorAll('body *')) {
  if (e.closest('svg, script, style, .vh, .skip') || !e.getClientRects().length) continue;
  if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
  const back = behind(e), front = over(parse(getComputedStyle(e).color), back);
  const [hi, lo] = [light(front), light(back)].sort((a, b) => b - a);
  const ratio = (hi + 0.05) / (lo + 0.05);
  if (ratio < 4.5) found.set(e.className + ' ' + e.tagName + ' ' + front + ' on ' + back, ratio);
}
return [...found];
"""
