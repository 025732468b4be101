"use strict";
// The live map. Deltas go straight from the event stream into the drawing, never through a Dash property: those
// keep only the last value and lose what came between. Dash only hears "something changed", at most every 2 s.
(() => {
  const TELL_EVERY_MS = 2000, SILENT_MS = 15000, STALE_S = 20, OFF_S = 120;
  let map = null, words = {}, source = null, letters = "", version = -1, age = Infinity, at = 0, heardAt = 0;
  let backOff = 1000, revision = 0, toldAt = 0, telling = 0, listWaits = false, state = "";
  const now = () => performance.now();

  // Tables come as markup, in which every text was escaped where it was written (markup.py).
  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    plekvrij: {
      put(drawn) {
        for (const { into, markup } of [].concat(drawn || [])) {
          const box = document.getElementById(into);
          if (box) box.innerHTML = markup;
        }
      },
    },
  });

  const tell = (id, value) => window.dash_clientside && window.dash_clientside.set_props(id, { data: value });
  const places = () => map ? [...map.querySelectorAll(".places path")] : [];

  function draw(index, letter) {
    const path = places()[index];
    if (!path) return;
    path.setAttribute("class", "p p-" + letter);
    path.setAttribute("d", words.shapes[letter]);
    const label = path.getAttribute("aria-label").split(", ");
    label[label.length - 1] = words.phases[letter];
    path.setAttribute("aria-label", label.join(", "));
  }

  function changed() {
    if (telling) return;
    telling = setTimeout(() => {
      telling = 0; toldAt = now(); revision += 1;
      tell("rev", revision);
      if (isInList()) { listWaits = true; showWaiting(true); } else tell("rev-list", revision);
      const box = document.getElementById("all-places-box");
      if (box && box.open) tell("rev-table", revision);
    }, Math.max(0, TELL_EVERY_MS - (now() - toldAt)));
  }

  function isInList() {
    const list = document.getElementById("holds");
    return !!list && (list.matches(":hover") || (list.contains(document.activeElement) && document.activeElement !== list));
  }
  function showWaiting(waits) {
    const note = document.getElementById("paused-note");
    if (note) note.hidden = !waits;
  }
  function leaveList() {
    if (!listWaits || isInList()) return;
    listWaits = false; showWaiting(false); tell("rev-list", ++revision);
  }

  function take(event) {
    const data = JSON.parse(event.data);
    heardAt = at = now(); age = data.a;
    if (event.type === "d" && data.v !== version + 1) return connect();
    version = data.v;
    if (event.type === "s") {
      backOff = 1000;
      [...data.d].forEach((letter, i) => { if (letter !== letters[i]) draw(i, letter); });
      letters = data.d;
      changed();
    } else if (event.type === "d") {
      const next = [...letters];
      for (const i in data.c || {}) { next[i] = data.c[i]; draw(+i, data.c[i]); }
      letters = next.join("");
      changed();
    } else if (now() - toldAt > 10000) changed();  // times pass even when nothing else does
    watch();
  }

  function watch() {
    const badge = document.getElementById("live-state"), text = document.getElementById("live-text");
    if (!badge || !text || !source) return;
    const total = age + (now() - at) / 1000;
    const next = total > OFF_S ? "off" : total > STALE_S ? "stale" : "live";
    if (next === state && text.dataset.state === next) return;
    state = text.dataset.state = next;
    badge.className = "st-live st-live-" + next;
    text.textContent = words[next];
    map.classList.toggle("st-map-old", next !== "live");
    changed();
  }

  function connect() {
    if (source) source.close();
    const mine = source = new EventSource("/staff/live?floor=" + encodeURIComponent(map.dataset.floor));
    for (const kind of ["s", "d", "h"]) mine.addEventListener(kind, take);
    mine.onerror = () => {
      mine.close();
      if (mine !== source) return;
      setTimeout(() => mine === source && connect(), backOff * (0.5 + Math.random()));
      backOff = Math.min(backOff * 2, 15000);
    };
  }

  async function start(element) {
    map = element; words = JSON.parse(map.dataset.words); letters = ""; version = -1; age = Infinity; at = heardAt = now();
    try {
      const answer = await fetch("/map/" + encodeURIComponent(map.dataset.floor) + "?lang=" + map.dataset.lang);
      if (!answer.ok) throw new Error(answer.status);
      const drawing = new DOMParser().parseFromString(await answer.text(), "image/svg+xml").documentElement;
      if (map !== element) return;
      map.replaceChildren(document.importNode(drawing, true));
      letters = places().map((path) => path.getAttribute("class").slice(-1)).join("");
      connect();
    } catch { map.textContent = words.failed; }
  }

  function choose(path) {
    for (const other of places()) { other.tabIndex = other === path ? 0 : -1; other.classList.toggle("chosen", other === path); }
    tell("sel", path.dataset.place);
  }

  // Arrow keys go to the nearest place in that direction; sideways distance counts double.
  function neighbour(from, key) {
    const spot = (path) => { const m = path.transform.baseVal[0].matrix; return [m.e, m.f]; };
    const [x, y] = spot(from), [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
    let best = null, least = Infinity;
    for (const path of places()) {
      const [px, py] = spot(path), ahead = (px - x) * dx + (py - y) * dy, aside = Math.abs((px - x) * dy) + Math.abs((py - y) * dx);
      if (ahead > 1 && ahead + 2 * aside < least) { least = ahead + 2 * aside; best = path; }
    }
    return best;
  }

  document.addEventListener("click", (event) => {
    if (!event.target.closest) return;
    const path = event.target.closest("#map .p"), button = event.target.closest("button[data-action]");
    if (path) choose(path);
    if (button) tell("act", { action: button.dataset.action, place: button.dataset.for, request: button.dataset.request || "", at: now() });
  });

  // Where staff can take something back, the button goes when its time is over; the engine refuses later ones anyway.
  let undo = null, undoAt = 0;
  function watchUndo() {
    const button = document.querySelector("#flash button[data-lasts]");
    if (button !== undo) { undo = button; undoAt = now(); }
    if (button && now() - undoAt > 1000 * button.dataset.lasts) button.hidden = true;
  }
  document.addEventListener("keydown", (event) => {
    const path = event.target.closest && event.target.closest("#map .p");
    if (!path) return;
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); choose(path); }
    if (event.key.startsWith("Arrow")) {
      event.preventDefault();
      const next = neighbour(path, event.key);
      if (next) { path.tabIndex = -1; next.tabIndex = 0; next.focus(); }
    }
  });
  document.addEventListener("pointerover", leaveList);
  document.addEventListener("focusin", leaveList);
  new MutationObserver(() => {
    const element = document.getElementById("map");
    if (element && element.dataset.floor && element !== map) start(element);
  }).observe(document.documentElement, { childList: true, subtree: true });
  setInterval(() => { leaveList(); watchUndo(); if (map) watch(); }, 1000);
  setInterval(() => { if (source && now() - heardAt > SILENT_MS) { heardAt = now() + 5000; connect(); } }, 1000);
})();
