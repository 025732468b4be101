"use strict";
// One floor on one screen, for weeks. No clock of this machine is trusted: time and data age come from the server.
(() => {
  const one = (query, from = document) => from.querySelector(query);
  const all = (query) => [...document.querySelectorAll(query)];
  const words = JSON.parse(one("#words").textContent);
  const body = document.body, places = all(".places path"), cards = all(".card"), more = all(".more");
  const timeText = new Intl.DateTimeFormat(words.locale, { hour: "2-digit", minute: "2-digit", timeZone: words.zone });
  const now = () => performance.now();
  const text = (element, value) => { if (element.textContent !== String(value)) element.textContent = value; };
  const show = (element, wanted) => { element.hidden = !wanted; };

  let { letters, zones, time, age, asOf } = words.now;
  let at = now(), heardAt = at, speed = words.speed, version = -1, state = "", backOff = 1000, night = 0, source;

  function drawPlace(index) {
    const letter = state === "off" ? "x" : letters[index] === "j" ? "u" : letters[index];
    const path = places[index];
    if (path.dataset.s === letter) return;
    path.dataset.s = letter;
    path.setAttribute("class", "p p-" + letter);
    path.setAttribute("d", words.shapes[letter]);
  }

  function drawZone(index) {
    const zone = zones[index], card = cards[index], hasNumber = zone.n !== null && state !== "off";
    const word = words.instead[zone.k];
    card.className = "card k-" + zone.k + (zone.g ? " old" : "");
    const number = one(".n", card);
    text(number, word && state !== "off" ? word : hasNumber ? zone.n : "–");
    number.classList.toggle("word", !!word && state !== "off");
    text(one(".of span", card), words.of.replace("{c}", zone.c));
    show(one(".chips", card), words.chips[zone.k]);
    text(one(".chip", card), words.chips[zone.k] || "");
    const over = one(".over", card);
    show(over, zone.o);
    if (zone.o) {
      over.classList.toggle("down", !zone.o[1]);
      text(one("b", over), words.over.replace("{f}", zone.o[0]).replace("{n}", zone.o[2]));
    }
    for (const key of "rux") {
      const count = one("." + key, card);
      show(count, hasNumber && (zone[key] || key === "u"));
      text(one("b", count), zone[key]);
    }
    text(one(".a", card), zone.g > 1 ? words.heard.replace("{t}", timeText.format(zone.g)) : "");
    const share = hasNumber ? 100 / (zone.c || 1) : 0;
    const bar = (part, side, places) => one(part, card).setAttribute(side, share * places);
    bar(".bar-f", "width", zone.n); bar(".bar-r", "x", zone.n); bar(".bar-r", "width", zone.r);
  }

  function drawHead(data) {
    if (data.m) {
      more.forEach((row, i) => {
        const other = data.m[i];
        show(row, other);
        if (!other) return;
        row.classList.toggle("down", !other[1]);
        text(one("b", row), other[0]);
        text(one("strong", row), other[2]);
      });
      show(one(".none"), !data.m.length);
    }
    if ("e" in data) one("footer").classList.toggle("elsewhere", data.e);
    if ("ni" in data) document.documentElement.classList.toggle("night", night = data.ni);
    if ("p" in data) {
      show(one("#policy"), data.p);
      text(one("#policy"), words.policy[data.p] || "");
    }
  }

  function drawAll() {
    letters.split("").forEach((_, i) => drawPlace(i));
    cards.forEach((_, i) => drawZone(i));
    for (const letter of "xe") show(one(".l-" + letter), letters.includes(letter));
  }

  function take(event) {
    const data = JSON.parse(event.data);
    heardAt = at = now();
    time = data.t; age = data.a; asOf = data.ao;
    if (event.type === "d" && data.v !== version + 1) return connect();
    // another program or plan: nothing of it fits to this page
    if (event.type === "s" && data.b !== words.build) return reload();
    version = data.v;
    if (event.type === "s") {
      backOff = 1000; speed = data.sp; letters = data.d; zones = data.z;
      drawHead(data); watch(); drawAll();
      return;
    }
    drawHead(data);
    watch();
    if (data.c) {
      const next = letters.split("");
      for (const i in data.c) next[i] = data.c[i];
      letters = next.join("");
      drawAll();
    }
    for (const i in data.z || {}) { zones[i] = data.z[i]; drawZone(+i); }
  }

  function watch() {
    const waited = now() - at, total = age + waited / 1000;
    const next = total > words.off ? "off" : total > words.stale ? "stale" : "live";
    text(one("#clock"), timeText.format(time + waited * speed));
    if (next === state) return;
    state = next;
    body.className = body.className.replace(/is-\w+/, "is-" + state);
    text(one("#band-title"), words.band[state][0].replace("{t}", asOf ? timeText.format(asOf) : "–"));
    text(one("#band-text"), words.band[state][1]);
    drawAll();
  }

  function connect() {
    if (source) source.close();
    source = new EventSource(words.live);
    for (const kind of ["s", "d", "h"]) source.addEventListener(kind, take);
    source.addEventListener("w", gone);
    const mine = source;
    source.onerror = () => {
      mine.close();
      if (mine !== source) return;
      gone();
      setTimeout(() => mine === source && connect(), backOff * (0.5 + Math.random()));
      backOff = Math.min(backOff * 2, 15000);
    };
  }

  // Never trade a working page for an error page; 410 says that the link of this screen was withdrawn.
  async function load(when, from) {
    try { if ((await fetch(from, { cache: "no-store" })).status === when) location.reload(); } catch {}
  }
  const reload = () => load(200, "/healthz"), gone = () => load(410, location);

  let shift = 0;
  setInterval(() => { watch(); if (now() - heardAt > 15000) { heardAt = now() + 5000; connect(); } }, 1000);
  setInterval(() => { body.style.translate = ["0", "3px", "3px 3px", "0 3px"][shift = (shift + 1) % 4]; }, 180000);
  setInterval(() => { if (now() > 72e6 && night) reload(); }, 600000);
  watch();
  connect();
})();
