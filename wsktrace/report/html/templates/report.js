"use strict";
(() => {
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));
  const byId = (id) => document.getElementById(id);
  byId("tools").hidden = false;

  // a link to something that is folded unfolds it
  const reveal = () => {
    let id;
    try { id = decodeURIComponent(location.hash.slice(1)); } catch { return; }
    const target = id && byId(id);
    if (!target) return;
    if (target.hidden || target.closest("[hidden]")) { find.value = ""; filter(); }
    for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    target.scrollIntoView({ block: "start" });
  };

  // colours: as the system has them, light, dark
  const themes = ["auto", "light", "dark"];
  const theme = byId("theme");
  theme.addEventListener("click", () => {
    const now = document.documentElement.dataset.theme || "auto";
    const next = themes[(themes.indexOf(now) + 1) % themes.length];
    if (next === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    theme.lastElementChild.textContent = next;
    theme.title = next === "auto" ? "Colours: as the system has them" : "Colours: " + next;
  });

  // search: every word must be found; addresses in any form that WinDbg prints or takes
  const find = byId("find"), told = byId("found");
  const plain = (text) => text.toLowerCase().replace(/`/g, "");
  const words = (text) => plain(text).split(/\s+/).filter(Boolean)
    .map((word) => (/^0x[0-9a-f]+$/.test(word) ? word.slice(2).replace(/^0+(?=.)/, "") : word));
  let items = null;
  if (!byId("findings")) for (const part of [find.parentElement, told]) part.hidden = true;  // nothing to search in
  const gather = () => {
    const sockets = new Map();
    for (const row of all("#sockets table.rows tbody tr")) sockets.set(row.cells[0].textContent, plain(row.cells[1].textContent));
    items = [];
    for (const node of all("details.finding")) items.push({ node, kind: "findings", text: plain(node.textContent) });
    for (const node of all("#irps details.life")) items.push({ node, kind: "IRPs", text: plain(node.textContent) });
    for (const node of all("#irps table.rows tbody tr")) {
      items.push({ node, kind: "IRPs", text: "", cells: 1 });
    }
    for (const node of all("#sockets table.rows tbody tr")) items.push({ node, kind: "sockets", text: plain(node.textContent) });
    for (const node of all("#sockets details.life")) items.push({ node, kind: "", text: plain(node.textContent) });
    for (const node of all("#pending tbody tr")) items.push({ node, kind: "", text: plain(node.textContent) });
    for (const item of items) {
      // cells of a row must not run together
      if (item.node.cells) item.text = plain(Array.from(item.node.cells, (cell) => cell.textContent.trim()).join(" ")) + (item.cells ? " " + (sockets.get(item.node.cells[3].textContent.trim()) || "") : "");
    }
  };
  const filter = () => {
    if (!items) gather();
    const wanted = words(find.value);
    const counts = { findings: 0, IRPs: 0, sockets: 0 };
    const tables = new Set();
    for (const item of items) {
      const hit = wanted.every((word) => item.text.includes(word));
      item.node.hidden = !hit;
      if (hit && item.kind in counts) counts[item.kind] += 1;
      if (hit && wanted.length) for (let at = item.node.parentElement; at; at = at.parentElement) {
        if (at.classList.contains("table") || at.classList.contains("finding")) tables.add(at);
      }
    }
    // a finding that another follows from stays with it
    for (const fold of tables) { fold.hidden = false; if (fold.classList.contains("table")) fold.open = true; }
    for (const below of all(".effects")) {
      const some = all("details.finding", below).some((node) => !node.hidden);
      below.hidden = !some;
      const cause = below.previousElementSibling;
      if (some && cause) cause.hidden = false;
    }
    for (const group of all(".group")) group.hidden = !all("details.finding", group).some((node) => !node.hidden);
    document.documentElement.classList.toggle("filtered", wanted.length > 0);
    const total = counts.findings + counts.IRPs + counts.sockets;
    told.textContent = !wanted.length ? "" : total
      ? Object.entries(counts).map(([kind, n]) => n.toLocaleString("en") + " " + (n === 1 ? kind.slice(0, -1) : kind)).join(" · ")
      : "no match";
  };
  let wait = 0;
  find.addEventListener("input", () => { clearTimeout(wait); wait = setTimeout(filter, 120); });
  find.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { find.value = ""; filter(); find.blur(); }
    if (event.key === "Enter") { clearTimeout(wait); filter(); const first = (items || []).find((item) => !item.node.hidden); if (first && find.value) first.node.scrollIntoView({ block: "center" }); }
  });
  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName);
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) { event.preventDefault(); find.focus(); find.select(); }
  });

  // tables sort by a click on a heading
  const units = { ns: 1, "µs": 1e3, ms: 1e6, s: 1e9, min: 6e10, h: 3.6e12, d: 8.64e13 };
  const value = (text) => {
    const parts = Array.from(text.matchAll(/([\d.]+) (ns|µs|ms|s|min|h|d)\b/g));
    if (parts.length) return parts.reduce((sum, [, number, unit]) => sum + number * units[unit], 0);
    const number = text.replace(/,/g, "");
    return text === "-" || text === "" ? null : /^-?\d+(\.\d+)?$/.test(number) ? Number(number) : text;
  };
  const compare = (a, b) => {
    if (a === null || b === null) return (a === null) - (b === null);
    return typeof a === "number" && typeof b === "number" ? a - b : String(a) < String(b) ? -1 : String(a) > String(b) ? 1 : 0;
  };
  for (const table of all("table.sortable")) {
    const heads = all("thead th", table);
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.title = "Sort by this column";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const body = table.tBodies[0];
        const keyed = Array.from(body.rows, (row) => [value(row.cells[column].textContent.trim()), row]);
        keyed.sort(([a], [b]) => (a === null || b === null ? compare(a, b) : down ? compare(b, a) : compare(a, b)));
        body.append(...keyed.map(([, row]) => row));
      });
    });
  }

  // socket numbers in the long table are links once it is opened
  for (const fold of all("#irps details.table")) fold.addEventListener("toggle", () => {
    for (const row of all("table.compact tbody tr", fold)) {
      const id = row.cells[3].textContent.trim();
      if (row.cells[3].firstElementChild || !byId("socket-" + id)) continue;
      const link = document.createElement("a");
      link.href = "#socket-" + id;
      link.textContent = id;
      row.cells[3].replaceChildren(link);
    }
  }, { once: true });

  // a finding as text for a mail or a ticket; how the report was made
  const copier = (into, text) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy as text";
    button.addEventListener("click", async () => {
      try { await navigator.clipboard.writeText(text()); button.textContent = "Copied"; }
      catch { button.textContent = "The browser forbids copying"; }
      setTimeout(() => { button.textContent = "Copy as text"; }, 1500);
    });
    into.prepend(button);
  };
  const lines = (root) => all("dl.facts > div", root).map((pair) => "  " + pair.children[0].textContent + ": " + pair.children[1].textContent);
  const cells = (root) => all("tbody tr", root).map((row) => "  " + Array.from(row.cells, (cell) => cell.textContent.trim()).join("  "));
  for (const node of all("details.finding")) {
    const body = node.querySelector(":scope > .body");
    copier(body, () => [node.querySelector("summary .when").textContent + "  " + node.querySelector("summary .told").textContent.trim(), ...lines(body), ...cells(body)].join("\n") + "\n");
  }
  copier(byId("made"), () => lines(byId("made")).join("\n") + "\n");

  // what is folded is not printed by every browser
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = all("details.finding:not([open]), details.inner:not([open]), details.life.about:not([open])");
    for (const node of folded) node.open = true;
  });
  addEventListener("afterprint", () => { for (const node of folded) node.open = false; });
  addEventListener("hashchange", reveal);
  reveal();
})();
