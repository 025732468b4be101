"use strict";
// Brings changes of the walk at once; without it the page asks every few seconds by itself.
(() => {
  for (const button of document.querySelectorAll("[data-print]")) {
    button.hidden = false;
    button.onclick = () => print();
  }
  const box = document.querySelector("#walk-box");
  if (!box) return;
  const cut = document.querySelector("#cut"), said = document.querySelector("#said");
  let source, backOff = 1000, heardAt = performance.now(), shownAt = performance.now();

  function show(html, mayMoveFocus) {
    const before = box.querySelector("#walk"), held = box.contains(document.activeElement) && document.activeElement.id;
    const fresh = new DOMParser().parseFromString(html, "text/html").querySelector("#walk");
    // an answer that was overtaken by the stream tells of the past
    if (fresh.dataset.run === before.dataset.run && +fresh.dataset.turn < +before.dataset.turn) return;
    const open = [...box.querySelectorAll("details[open]")].map((each) => each.id);
    box.innerHTML = html;
    shownAt = performance.now();
    const after = box.querySelector("#walk");
    const isSamePlace = before.querySelector("h1").textContent === after.querySelector("h1").textContent;
    for (const id of isSamePlace ? open : []) document.getElementById(id)?.setAttribute("open", "");
    // never onto a button that now means another place
    const again = isSamePlace && held && document.getElementById(held);
    if (again) again.focus({ preventScroll: true });
    else if (mayMoveFocus || held) after.querySelector("h1").focus();
    if (mayMoveFocus && !isSamePlace) scrollTo(0, 0);
    if (said.textContent !== after.dataset.said) said.textContent = after.dataset.said;
    if (before.dataset.phase === "waiting" && after.dataset.phase === "passed") {
      if (navigator.userActivation?.hasBeenActive) navigator.vibrate?.(120);
    }
  }

  box.addEventListener("submit", async (event) => {
    event.preventDefault();
    const data = new URLSearchParams(new FormData(event.target, event.submitter));
    try {
      const answer = await fetch(event.target.action, { method: "POST", body: data });
      if (!answer.ok) throw new Error(answer.status);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      show(page.querySelector("#walk-box").innerHTML, true);
    } catch { cut.hidden = false; connect(); }
  });

  function connect() {
    source?.close();
    const mine = source = new EventSource(box.dataset.live);
    const alive = () => { heardAt = performance.now(); backOff = 1000; cut.hidden = true; };
    mine.addEventListener("w", (event) => { alive(); show(JSON.parse(event.data), false); });
    mine.addEventListener("h", alive);
    mine.onerror = () => {
      mine.close();
      cut.hidden = false;
      setTimeout(() => mine === source && connect(), backOff * (0.5 + Math.random()));
      backOff = Math.min(backOff * 2, 15000);
    };
  }

  setInterval(() => {
    const passed = (performance.now() - shownAt) / 1000;
    for (const each of box.querySelectorAll("[data-up]")) each.textContent = Math.floor(+each.dataset.up + passed);
    for (const each of box.querySelectorAll("[data-down]")) each.textContent = Math.max(0, Math.ceil(each.dataset.down - passed));
    if (performance.now() - heardAt > 15000) { heardAt = performance.now(); cut.hidden = false; connect(); }
  }, 500);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) connect(); });
  connect();
})();
