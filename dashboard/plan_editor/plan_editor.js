"use strict";
// The drawing is made from the numbers of the form and writes into them: whoever types and whoever drags does the same.
(() => {
  const form = document.querySelector("#plan-form"), box = document.querySelector("#drawing");
  const words = JSON.parse(document.querySelector("#editor-words").textContent);
  const said = document.querySelector("#said"), U = 20, NS = "http://www.w3.org/2000/svg";
  const width = +form.dataset.width, height = +form.dataset.height;
  const field = (key, name) => form.elements[key + "-" + name];
  const value = (key, name) => +String(field(key, name)?.value || "").replace(",", ".") || 0;
  const rows = (kind) => [...form.querySelectorAll("[data-row^=" + kind + "]")].map((row) => row.dataset.row);
  const isGone = (key) => field(key, "gone")?.checked;
  const round = (number) => Math.round(number * 100) / 100;
  const clamp = (number, most) => round(Math.min(Math.max(number, 0), most));
  let chosen = null, tool = "", outline = [], drag = null, isDirty = false, isSending = false;

  const make = (name, attributes, parent) => {
    const element = document.createElementNS(NS, name);
    for (const key in attributes) element.setAttribute(key, attributes[key]);
    parent?.append(element);
    return element;
  };
  function set(key, name, number) {
    const input = field(key, name);
    if (input && input.value !== String(number)) { input.value = number; dirty(); }
  }
  function dirty() {
    isDirty = true;
    document.querySelector("#dirty").textContent = words.dirty;
  }

  const corners = (key) => {
    const found = [];
    for (let n = 0; field(key, "x" + n); n++) {
      if (field(key, "x" + n).value !== "" && field(key, "y" + n).value !== "") found.push([value(key, "x" + n), value(key, "y" + n), n]);
    }
    return found;
  };
  function inside(points, x, y) {
    let odd = false;
    for (let i = 0, j = points.length - 1; i < points.length; j = i++) {
      const [ax, ay] = points[i], [bx, by] = points[j];
      if ((ay > y) !== (by > y) && x < ax + (y - ay) / (by - ay) * (bx - ax)) odd = !odd;
    }
    return odd;
  }
  const zoneAt = (x, y) => rows("z").find((key) => !isGone(key) && corners(key).length > 2 && inside(corners(key), x, y));
  const zoneName = (key) => field(key, words.lang)?.value || field(key, "id").value;
  const isShown = (key) => !isGone(key) && (key[0] === "z" ? corners(key).length > 2 : field(key, "x")?.value !== "" && field(key, "y")?.value !== "");
  const nameOf = (key) => key[0] === "p" ? field(key, "id").value : key[0] === "t" ? field(key, "first").value : zoneName(key);
  const movable = () => [...rows("t"), ...rows("p")].filter(isShown);

  const svg = make("svg", { viewBox: `-10 -10 ${width * U + 20} ${height * U + 20}`, class: "plan pe-plan", role: "group", "aria-label": words.drawing });
  const layers = Object.fromEntries(["back", "zones", "seats", "handles"].map((name) => [name, make("g", { class: "pe-" + name }, svg)]));
  make("rect", { class: "pe-floor", x: 0, y: 0, width: width * U, height: height * U }, layers.back);
  if (form.dataset.back) {
    const [x, y, w, h] = form.dataset.backAt.split(" ").map(Number);
    make("image", { href: form.dataset.back, x: x * U, y: y * U, width: w * U, height: h * U, preserveAspectRatio: "none", class: "pe-image" }, layers.back);
  }
  for (let x = 1; x < width; x++) make("path", { class: x % 5 ? "pe-grid" : "pe-grid five", d: `M${x * U} 0V${height * U}` }, layers.back);
  for (let y = 1; y < height; y++) make("path", { class: y % 5 ? "pe-grid" : "pe-grid five", d: `M0 ${y * U}H${width * U}` }, layers.back);
  if (form.dataset.core) {
    const [x, y, w, h] = form.dataset.core.split(" ").map((each) => each * U);
    make("rect", { class: "core", x, y, width: w, height: h, rx: 5 }, layers.back);
  }
  if (form.dataset.here) {
    const [x, y] = form.dataset.here.split(" ").map((each) => each * U);
    make("circle", { class: "here-disc", cx: x, cy: y, r: 9 }, layers.back);
    make("circle", { class: "here-dot", cx: x, cy: y, r: 3.4 }, layers.back);
  }
  box.replaceChildren(svg);
  document.querySelector("#tools").hidden = false;

  function draw() {
    const held = layers.seats.contains(document.activeElement) || layers.handles.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
    for (const name of ["zones", "seats", "handles"]) layers[name].replaceChildren();
    for (const key of rows("z").filter(isShown)) {
      const points = corners(key), top = points.reduce((a, b) => (b[1] < a[1] || (b[1] === a[1] && b[0] < a[0]) ? b : a));
      make("polygon", { points: points.map(([x, y]) => x * U + "," + y * U).join(" "), class: "pe-area" + (key === chosen ? " on" : ""), "data-key": key }, layers.zones);
      make("text", { x: top[0] * U + 8, y: top[1] * U + 20, class: "pe-name" }, layers.zones).textContent = zoneName(key);
    }
    const list = movable();
    if (!list.includes(chosen) && chosen?.[0] !== "z") chosen = null;
    for (const key of list) {
      const seat = make("g", {
        class: "pe-seat" + (key === chosen ? " on" : ""), tabindex: key === (list.includes(chosen) ? chosen : list[0]) ? 0 : -1, role: "button",
        "data-key": key, "data-focus": key, "aria-describedby": "keys", "aria-pressed": key === chosen,
        "aria-label": `${nameOf(key)}, x ${value(key, "x")}, y ${value(key, "y")}`,
        transform: `translate(${value(key, "x") * U} ${value(key, "y") * U})`,
      }, layers.seats);
      const isTable = key[0] === "t", across = isTable ? Math.min(value(key, "columns"), 40) : 1, down = isTable ? Math.min(value(key, "rows"), 40) : 1;
      const dx = value(key, "dx") * U, dy = value(key, "dy") * U;
      if (isTable) make("rect", { class: "pe-top", x: -dx / 2, y: -dy / 2, width: dx * across, height: dy * down, rx: 5 }, seat);
      for (let n = 0; n < across * down; n++) {
        make("rect", { class: "pe-desk" + (field(key, "fixed").checked ? " fixed" : ""), x: (n % across) * dx - 11, y: Math.floor(n / across) * dy - 11, width: 22, height: 22, rx: 4 }, seat);
      }
      const label = make("text", { class: "pe-label", y: isTable ? -dy / 2 - 3 : 23 }, seat);
      label.textContent = nameOf(key);
      if (!isTable) label.setAttribute("text-anchor", "middle");
    }
    if (chosen?.[0] === "z" && isShown(chosen)) {
      for (const [x, y, n] of corners(chosen)) {
        make("circle", { cx: x * U, cy: y * U, r: 8, class: "pe-handle", tabindex: 0, role: "button", "data-corner": n, "data-focus": "c" + n, "aria-label": words.corner.replace("{n}", n + 1) + `, x ${x}, y ${y}` }, layers.handles);
      }
    }
    if (outline.length) make("polyline", { points: outline.map(([x, y]) => x * U + "," + y * U).join(" "), class: "pe-line" }, layers.handles);
    for (const [x, y] of outline) make("circle", { cx: x * U, cy: y * U, r: 5, class: "pe-dot" }, layers.handles);
    if (held) svg.querySelector(`[data-focus="${held}"]`)?.focus({ preventScroll: true });
    for (const row of form.querySelectorAll("[data-row]")) row.classList.toggle("on", row.dataset.row === chosen);
  }

  function choose(key) {
    if (key === chosen) return;
    chosen = key;
    draw();
    if (key) said.textContent = words.chosen.replace("{p}", nameOf(key));
  }
  function move(key, x, y) {
    const [mostX, mostY] = [width, height];
    set(key, "x", clamp(x, mostX));
    set(key, "y", clamp(y, mostY));
    const zone = zoneAt(value(key, "x"), value(key, "y"));
    if (zone && field(key, "zone").value !== zone) { field(key, "zone").value = zone; dirty(); }
    draw();
    said.textContent = `${nameOf(key)}: x ${value(key, "x")}, y ${value(key, "y")}` + (zone ? ", " + zoneName(zone) : ". " + words.nowhere);
  }
  function moveCorner(n, x, y) {
    set(chosen, "x" + n, clamp(x, width));
    set(chosen, "y" + n, clamp(y, height));
    draw();
  }

  function renumber(node, old, key) {
    for (const each of [node, ...node.querySelectorAll("*")]) {
      if (each.name?.startsWith(old + "-")) each.name = key + each.name.slice(old.length);
      if (each.dataset.row === old) each.dataset.row = key;
    }
  }
  // The empty row at the end becomes the new one, and leaves an empty row behind.
  function add(kind) {
    const list = rows(kind), old = list.at(-1), row = form.querySelector(`[data-row=${old}]`), key = kind + (+old.slice(1) + 1);
    const empty = row.cloneNode(true);
    renumber(empty, old, key);
    row.after(empty);
    if (kind === "z") {
      for (const select of form.querySelectorAll("select[name$=-zone]")) select.append(new Option(words.newZone, old));
      field(old, "id").value = nextName(rows("z").map((each) => field(each, "id").value), form.dataset.floor + "-zone-1");
      for (const language of ["nl", "en"]) field(old, language).value = words.newZone + " " + list.length;
      row.open = true;
    } else field(old, "id").value = nextName([...rows("p").map((each) => field(each, "id").value), ...tablePlaces()], words.firstPlace);
    for (const name of ["id", "nl", "en"]) field(key, name) && (field(key, name).value = "");
    label(old);
    dirty();
    return old;
  }
  const tablePlaces = () => rows("t").flatMap((key) => {
    const first = field(key, "first").value, digits = /\d*$/.exec(first)[0];
    return digits ? Array.from({ length: value(key, "columns") * value(key, "rows") }, (_, n) => first.slice(0, -digits.length) + String(+digits + n).padStart(digits.length, "0")) : [];
  });
  function nextName(taken, wanted) {
    const last = taken.filter((name) => /\d$/.test(name)).at(-1) || wanted, digits = /\d+$/.exec(last)[0];
    for (let n = taken.includes(last) ? +digits + 1 : +digits; ; n++) {
      const name = last.slice(0, -digits.length) + String(n).padStart(digits.length, "0");
      if (!taken.includes(name)) return name;
    }
  }
  function label(key) {
    const row = form.querySelector(`[data-row=${key}]`), name = nameOf(key) || words.newPlace, old = row.dataset.label || (key[0] === "z" ? words.newZone : words.newPlace);
    for (const each of row.querySelectorAll("[aria-label]")) each.setAttribute("aria-label", each.getAttribute("aria-label").replace(old, name));
    row.dataset.label = name;
    if (key[0] === "z") {
      row.querySelector("summary").textContent = name;
      for (const option of form.querySelectorAll(`option[value=${key}]`)) option.textContent = name;
    }
  }

  const at = (event) => {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    return [round(Math.round(point.x / U * 10) / 10), round(Math.round(point.y / U * 10) / 10)];
  };
  function use(name) {
    tool = tool === name ? "" : name;
    outline = [];
    for (const button of document.querySelectorAll("[data-tool]")) button.setAttribute("aria-pressed", button.dataset.tool === tool);
    svg.classList.toggle("aiming", !!tool);
    said.textContent = tool ? words[tool] : "";
    draw();
  }
  function finish() {
    if (outline.length > 2) {
      const key = add("z");
      outline.forEach(([x, y], n) => { corner(key, n); set(key, "x" + n, x); set(key, "y" + n, y); });
      chosen = key;
    }
    use(tool);
  }
  function corner(key, n) {
    const list = form.querySelector(`[data-row=${key}] .pe-corners`);
    while (!field(key, "x" + n)) {
      const from = list.children.length - 1, item = list.lastElementChild.cloneNode(true);
      for (const input of item.querySelectorAll("input")) {
        input.name = input.name.replace(/\d+$/, from + 1);
        input.value = "";
        input.setAttribute("aria-label", input.getAttribute("aria-label").replace(String(from + 1), String(from + 2)));
      }
      item.firstElementChild.textContent = from + 2;
      list.append(item);
    }
  }

  svg.addEventListener("pointerdown", (event) => {
    const [x, y] = at(event), handle = event.target.closest("[data-corner]"), item = event.target.closest("[data-key]");
    if (tool === "drop") {
      const zone = zoneAt(x, y);
      if (!zone) return void (said.textContent = words.nowhere);
      const key = add("p");
      field(key, "zone").value = zone;
      move(key, x, y);
      return choose(key);
    }
    if (tool === "zone") {
      const first = outline[0];
      if (first && outline.length > 2 && Math.hypot(first[0] - x, first[1] - y) < 0.5) return finish();
      outline.push([clamp(x, width), clamp(y, height)]);
      return draw();
    }
    if (handle) drag = { corner: +handle.dataset.corner };
    else if (item && item.dataset.key[0] !== "z") drag = { key: item.dataset.key, dx: value(item.dataset.key, "x") - x, dy: value(item.dataset.key, "y") - y };
    if (drag) { svg.setPointerCapture(event.pointerId); event.preventDefault(); }
    if (!handle) {
      choose(item ? item.dataset.key : null);
      if (item) svg.querySelector(`[data-focus=${item.dataset.key}]`)?.focus({ preventScroll: true });
    }
  });
  svg.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const [x, y] = at(event);
    if (drag.key) move(drag.key, x + drag.dx, y + drag.dy);
    else moveCorner(drag.corner, x, y);
  });
  for (const kind of ["pointerup", "pointercancel"]) svg.addEventListener(kind, () => { drag = null; });
  svg.addEventListener("dblclick", () => tool === "zone" && finish());

  const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  svg.addEventListener("keydown", (event) => {
    const item = event.target.closest("[data-key]"), handle = event.target.closest("[data-corner]");
    const step = STEPS[event.key], size = event.shiftKey ? 1 : 0.1;
    if (step && handle) moveCorner(+handle.dataset.corner, value(chosen, "x" + handle.dataset.corner) + step[0] * size, value(chosen, "y" + handle.dataset.corner) + step[1] * size);
    else if (step && item) {
      choose(item.dataset.key);
      move(item.dataset.key, value(item.dataset.key, "x") + step[0] * size, value(item.dataset.key, "y") + step[1] * size);
    } else if (item && (event.key === "PageDown" || event.key === "PageUp")) {
      const list = movable(), next = list[(list.indexOf(item.dataset.key) + (event.key === "PageDown" ? 1 : list.length - 1)) % list.length];
      choose(next);
      svg.querySelector(`[data-focus=${next}]`).focus();
    } else if (item && (event.key === "Enter" || event.key === " ")) {
      choose(item.dataset.key);
      field(item.dataset.key, "x").focus();
    } else return;
    event.preventDefault();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && tool) use(tool);
    if (event.key === "Enter" && tool === "zone" && event.target === document.body) finish();
  });

  document.querySelector("#tools").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button?.dataset.tool) use(button.dataset.tool);
    if (button?.dataset.add) {
      const kind = button.dataset.add[0], key = add(kind);
      choose(key);
      field(key, kind === "z" ? "nl" : "id").focus();
      field(key, kind === "z" ? "nl" : "id").select();
    }
  });
  form.addEventListener("input", (event) => {
    dirty();
    const key = event.target.closest("[data-row]")?.dataset.row;
    if (key && /-(id|first|nl|en)$/.test(event.target.name)) label(key);
    const last = key?.[0] === "z" && /-[xy](\d+)$/.exec(event.target.name);
    if (last && !field(key, "x" + (+last[1] + 1))) corner(key, +last[1] + 1);
    draw();
  });
  form.addEventListener("focusin", (event) => {
    const key = event.target.closest("[data-row]")?.dataset.row;
    if (key && key !== chosen) { chosen = key; draw(); }
  });

  // A site that takes over a plan is away for a second: wait for it instead of showing an error page.
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (isSending) return;
    isSending = true;
    for (;;) {
      try { if ((await fetch("/healthz", { cache: "no-store" })).ok) break; } catch { /* once more */ }
      await new Promise((done) => setTimeout(done, 300));
    }
    isDirty = false;
    form.submit();
  });
  addEventListener("beforeunload", (event) => { if (isDirty) event.preventDefault(); });
  addEventListener("pageshow", () => { isSending = false; });

  const note = document.querySelector("#note[data-waits]");
  async function look() {
    try {
      const state = await (await fetch("/staff/plan/state", { cache: "no-store" })).json();
      document.querySelector("#outdated").hidden = state.version === form.dataset.version || !!document.querySelector("#conflict");
      if (note && state.runs) { note.textContent += " " + note.dataset.waits; note.removeAttribute("data-waits"); return setTimeout(look, 10000); }
    } catch { /* it is starting again */ }
    setTimeout(look, note?.dataset.waits ? 500 : 10000);
  }
  look();
  document.querySelector("#mistakes")?.focus();
  draw();
})();
