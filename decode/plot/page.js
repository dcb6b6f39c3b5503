"use strict";
(() => {
const data = JSON.parse(document.getElementById("data").textContent);
const left = 64, bottom = 18, top = 4, height = 150; // of a chart, in CSS pixels
const words = { paused: "not recorded", unchecked: "not checked", unproven: "not proven", encrypted: "encrypted", gap: "frames missing", refuted: "not authentic" };
const colour = name => getComputedStyle(document.documentElement).getPropertyValue("--" + name);

// make makes an element; texts of the recording become text nodes and nothing else.
function make(tag, text, parent, name) {
  const e = document.createElement(tag);
  if (text !== "") e.textContent = text;
  if (name) e.className = name;
  if (parent) parent.append(e);
  return e;
}

// ---- times ----

const two = n => String(n).padStart(2, "0");

// moment writes µs since 1970 with as many digits as a step of µs wants.
function moment(us, step) {
  const seconds = Math.floor(us / 1e6), d = new Date(seconds * 1000);
  if (isNaN(d)) return us + " µs";
  const day = d.toISOString().slice(0, 10), clock = d.toISOString().slice(11, 19);
  return day + " " + clock + fraction(us - seconds * 1e6, step);
}

function fraction(us, step) {
  const digits = step >= 1e6 ? 0 : step >= 1e3 ? 3 : 6;
  return digits ? "." + String(Math.floor(us)).padStart(6, "0").slice(0, digits) : "";
}

// told writes a time of an axis in words of people.
function told(axis, us, step) {
  if (!axis.unknown) return moment(axis.begin + us, step);
  const s = Math.floor(us / 1e6);
  return "+" + Math.floor(s / 3600) + ":" + two(Math.floor(s / 60) % 60) + ":" + two(((s % 60) + 60) % 60) + fraction(us - s * 1e6, step);
}

const steps = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 2e6, 5e6, 1e7, 3e7, 6e7, 12e7, 3e8, 6e8, 18e8,
  36e8, 72e8, 216e8, 432e8, 864e8, 1728e8, 6048e8, 2592e9, 7776e9, 31104e9];
const timeStep = (span, room) => steps.find(s => s >= span / room) || Math.ceil(span / room);

function valueStep(span) {
  const rough = span / 4, ten = Math.pow(10, Math.floor(Math.log10(rough)));
  return ten * (rough / ten > 5 ? 10 : rough / ten > 2 ? 5 : rough / ten > 1 ? 2 : 1);
}

const number = v => String(Number(v.toPrecision(12)));

// ---- data ----

// after finds the first place in rising numbers that is not below x.
function after(a, x) {
  let low = 0, high = a.length;
  while (low < high) { const mid = (low + high) >> 1; if (a[mid] < x) low = mid + 1; else high = mid; }
  return low;
}

function prepare(series, shades) {
  let at = 0;
  series.t = Float64Array.from(series.t, d => at += d);
  series.texts = new Map(series.texts.map(c => [c.value, c.text]));
  series.cut = new Set(); // places to which no line leads
  for (const [from, to, shade] of shades) {
    const kind = data.shades[shade][0];
    if (!["gap", "paused", "encrypted"].includes(kind)) continue;
    series.cut.add(after(series.t, from + 1)).add(after(series.t, to));
  }
}

const saying = (series, v) => series.texts.has(v) ? series.texts.get(v) + " (" + number(v) + ")" : number(v) + (series.unit ? " " + series.unit : "");

// ---- drawing ----

let wanted = new Set(), asked = false;
function redraw(charts) {
  for (const c of charts) wanted.add(c);
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    const now = wanted;
    wanted = new Set();
    for (const c of now) if (c.seen) draw(c); else c.stale = true;
  });
}

// extent finds the lowest and highest value that is in sight.
function extent(s, begin, end) {
  let low = Infinity, high = -Infinity;
  for (let i = begin; i < end; i++) { if (s.v[i] < low) low = s.v[i]; if (s.v[i] > high) high = s.v[i]; }
  if (low > high) return [0, 1];
  const room = low === high ? Math.max(Math.abs(low) * .1, 1) : (high - low) * .06;
  return [low - room, high + room];
}

function draw(c) {
  c.stale = false;
  const { axis, series: s, canvas } = c, view = axis.view, width = canvas.clientWidth, ratio = window.devicePixelRatio || 1;
  if (width < left + 10) return;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const g = canvas.getContext("2d");
  g.scale(ratio, ratio);
  const wide = width - left, high = height - bottom - top;
  const x = t => left + (t - view.from) / (view.to - view.from) * wide;
  const begin = Math.max(0, after(s.t, view.from) - 1), end = Math.min(s.t.length, after(s.t, view.to) + 1);
  const [min, max] = extent(s, begin, end);
  const y = v => top + (max - v) / (max - min) * high;
  g.font = "11px system-ui, sans-serif";
  g.save();
  g.beginPath(); g.rect(left, top, wide, high); g.clip();
  for (const all of [axis.shades, c.shades]) shade(g, all, view, x, high);
  g.restore();
  grid(g, c, x, y, min, max, wide, high);
  g.save();
  g.beginPath(); g.rect(left, top, wide, high); g.clip();
  line(g, s, begin, end, x, y);
  if (axis.cursor !== null) {
    g.strokeStyle = colour("ink"); g.globalAlpha = .5; g.lineWidth = 1;
    g.beginPath(); g.moveTo(x(axis.cursor), top); g.lineTo(x(axis.cursor), top + high); g.stroke();
  }
  g.restore();
  read(c);
}

function shade(g, all, view, x, high) {
  for (const [from, to, place] of all) {
    if (to < view.from || from > view.to) continue;
    const a = Math.max(x(from), left - 2), b = Math.max(x(Math.min(to, view.to)), a + 2);
    g.fillStyle = colour(data.shades[place][0]);
    g.fillRect(a, top, b - a, high);
  }
}

function grid(g, c, x, y, min, max, wide, high) {
  const { axis, series: s } = c, view = axis.view;
  g.strokeStyle = colour("faint"); g.fillStyle = colour("ink"); g.lineWidth = 1;
  g.textAlign = "right"; g.textBaseline = "middle";
  let lowest = Infinity;
  const tick = (v, text) => {
    const at = Math.round(y(v)) + .5;
    g.beginPath(); g.moveTo(left, at); g.lineTo(left + wide, at); g.stroke();
    if (lowest - at < 12) return;
    lowest = at;
    while (text.length > 1 && g.measureText(text).width > left - 6) text = text.slice(0, -2) + "…";
    g.fillText(text, left - 4, at);
  };
  if (s.texts.size) for (const v of [...s.texts.keys()].sort((a, b) => a - b)) { if (v >= min && v <= max) tick(v, s.texts.get(v)); }
  else { const step = valueStep(max - min); for (let i = 0, v = Math.ceil(min / step) * step; v <= max && i < 20; v += step, i++) tick(v, number(v)); }
  const span = view.to - view.from, step = timeStep(span, Math.max(1, wide / 110)), origin = axis.unknown ? 0 : axis.begin;
  g.textAlign = "center"; g.textBaseline = "top";
  for (let i = 0, t = Math.ceil((origin + view.from) / step) * step - origin; t <= view.to && i < 100; t += step, i++) {
    const at = Math.round(x(t)) + .5;
    g.beginPath(); g.moveTo(at, top); g.lineTo(at, top + high); g.stroke();
    const text = told(axis, t, step);
    if (at > left + 30 && at < left + wide - 30) g.fillText(axis.unknown || step >= 864e8 ? text.slice(0, 16) : text.slice(11), at, top + high + 3);
  }
}

// line draws the points from begin to end; where a pixel has many, their first, lowest, highest and last.
function line(g, s, begin, end, x, y) {
  g.strokeStyle = g.fillStyle = colour("line"); g.lineWidth = 1.3; g.lineJoin = "round";
  g.beginPath();
  const stepped = s.texts.size > 0, few = end - begin < 200;
  let column = null, low = 0, high = 0, last = 0, pen = false;
  const flush = () => { if (column !== null && low !== high) { g.moveTo(column, low); g.lineTo(column, high); g.moveTo(column, last); } };
  for (let i = begin; i < end; i++) {
    const px = x(s.t[i]), at = Math.round(px), py = y(s.v[i]);
    const broken = !pen || s.cut.has(i);
    if (!broken && at === column) { low = Math.min(low, py); high = Math.max(high, py); last = py; continue; }
    const before = last, had = !broken;
    flush();
    if (had) { if (stepped) g.lineTo(px, before); g.lineTo(px, py); } else { g.moveTo(px - .6, py); g.lineTo(px + .6, py); }
    column = at; low = high = last = py; pen = true;
  }
  flush();
  g.stroke();
  if (few) for (let i = begin; i < end; i++) g.fillRect(x(s.t[i]) - 1.5, y(s.v[i]) - 1.5, 3, 3);
}

// read tells what stands at the cursor.
function read(c) {
  const { axis, series: s } = c, t = axis.cursor;
  if (t === null || !s.t.length) { c.value.textContent = s.count.toLocaleString("en") + " values" + (s.whole ? "" : ", thinned out to " + s.t.length.toLocaleString("en")); return; }
  let i = after(s.t, t);
  if (i === s.t.length || i > 0 && t - s.t[i - 1] < s.t[i] - t) i--;
  const here = [axis.shades, c.shades].flatMap(all => all.filter(([from, to]) => from <= t && t <= to).map(x => data.shades[x[2]][1]));
  c.value.textContent = told(axis, s.t[i], 1) + "  " + saying(s, s.v[i]) + (here.length ? "  [" + [...new Set(here)].join(", ") + "]" : "");
}

// ---- moving ----

function look(axis, from, to) {
  const span = Math.min(Math.max(to - from, 10), axis.length * 1.1 + 10);
  from = Math.min(Math.max(from, -axis.length * .05 - 5), axis.length * 1.05 + 5 - span);
  axis.view = { from, to: from + span };
  axis.range.textContent = told(axis, from, span / 100) + " – " + told(axis, from + span, span / 100) + (axis.unknown ? "" : " UTC");
  redraw(axis.charts);
}
const all = axis => look(axis, -axis.length * .02, axis.length * 1.02);
function zoom(axis, factor, t) {
  const { from, to } = axis.view;
  if (t === undefined) t = (from + to) / 2;
  look(axis, t - (t - from) * factor, t + (to - t) * factor);
}
const pan = (axis, share) => { const { from, to } = axis.view; look(axis, from + (to - from) * share, to + (to - from) * share); };

function listen(c) {
  const { axis, canvas } = c;
  const at = e => { const r = canvas.getBoundingClientRect(), v = axis.view; return v.from + (e.clientX - r.left - left) / (r.width - left) * (v.to - v.from); };
  let held = null;
  canvas.addEventListener("pointerdown", e => { held = { t: at(e), range: e.shiftKey }; canvas.setPointerCapture(e.pointerId); });
  canvas.addEventListener("pointerup", e => { const h = held; held = null; if (h && h.range && Math.abs(at(e) - h.t) > 0) look(axis, Math.min(h.t, at(e)), Math.max(h.t, at(e))); });
  canvas.addEventListener("pointercancel", () => { held = null; });
  canvas.addEventListener("pointermove", e => {
    axis.cursor = at(e);
    if (held && !held.range) { const d = held.t - at(e); look(axis, axis.view.from + d, axis.view.to + d); axis.cursor = held.t; }
    redraw(axis.charts);
  });
  canvas.addEventListener("pointerleave", () => { axis.cursor = null; redraw(axis.charts); });
  canvas.addEventListener("wheel", e => { if (!e.ctrlKey && !e.shiftKey) return; e.preventDefault(); zoom(axis, (e.deltaY || e.deltaX) > 0 ? 1.25 : .8, at(e)); }, { passive: false });
  canvas.addEventListener("dblclick", () => all(axis));
}

// ---- page ----

const sight = new IntersectionObserver(entries => {
  for (const e of entries) { const c = e.target.chart; c.seen = e.isIntersecting; if (c.seen && c.stale) redraw([c]); }
}, { rootMargin: "200px" });

const header = make("header", "", document.body), main = make("main", "", document.body);
make("h1", data.title, header);
const bar = make("div", "", header, "bar"), find = make("input", "", bar);
find.type = "search"; find.placeholder = "find signals"; find.setAttribute("aria-label", "find signals");
make("span", "drag: move · Ctrl or Shift + wheel: zoom · Shift + drag: zoom to a range · double click: all · keys ← → + - 0", bar, "small");
const key = make("span", "", bar, "key");
for (const kind of new Set(data.shades.map(s => s[0]))) { const box = make("i", "", key); box.style.background = "var(--" + kind + ")"; key.append((words[kind] || kind) + " "); }
if (data.notes.length) { const d = make("details", "", main); d.open = data.notes.length < 6; make("summary", "about this page", d); for (const n of data.notes) make("p", n, d); }
if (!data.axes.length) make("p", "There are no values to show.", make("section", "", main));

let current = data.axes[0];
for (const axis of data.axes) {
  axis.charts = []; axis.cursor = null;
  const section = make("section", "", main);
  make("bdi", axis.name, make("h2", "", section));
  const tools = make("div", "", section, "bar");
  for (const [text, title, act] of [["+", "zoom in", () => zoom(axis, .5)], ["−", "zoom out", () => zoom(axis, 2)], ["←", "earlier", () => pan(axis, -.25)],
    ["→", "later", () => pan(axis, .25)], ["all", "show all", () => all(axis)]]) { const b = make("button", text, tools); b.title = title; b.addEventListener("click", act); }
  axis.range = make("span", "", tools, "range");
  section.addEventListener("pointerenter", () => { current = axis; });
  for (const lane of axis.lanes) {
    const box = make("div", "", section);
    make("bdi", lane.name, make("h3", "", box));
    if (lane.about) make("p", lane.about, box, "small");
    for (const series of lane.series) {
      prepare(series, [...axis.shades, ...lane.shades]);
      const div = make("div", "", box, "chart"), label = make("div", "", div, "label");
      const name = make("span", "", label, "name");
      make("bdi", series.name, name);
      if (series.unit) { name.append(" ["); make("bdi", series.unit, name); name.append("]"); }
      name.title = series.comment;
      const c = { axis, series, shades: lane.shades, value: make("span", "", label, "value"), canvas: make("canvas", "", div), seen: false, stale: true };
      c.words = (lane.name + " " + series.name).toLowerCase();
      c.box = div; c.lane = box; div.chart = c;
      axis.charts.push(c);
      listen(c); sight.observe(div);
      read(c);
    }
  }
  all(axis);
}

find.addEventListener("input", () => {
  const text = find.value.toLowerCase();
  for (const axis of data.axes) {
    const lanes = new Map();
    for (const c of axis.charts) { c.box.hidden = !c.words.includes(text); lanes.set(c.lane, lanes.get(c.lane) || !c.box.hidden); }
    for (const [lane, some] of lanes) lane.hidden = !some;
  }
});
document.addEventListener("keydown", e => {
  if (e.target === find || !current || e.ctrlKey || e.metaKey || e.altKey) return;
  const act = { "+": () => zoom(current, .5), "-": () => zoom(current, 2), "ArrowLeft": () => pan(current, -.25), "ArrowRight": () => pan(current, .25), "0": () => all(current) }[e.key];
  if (act) { act(); e.preventDefault(); }
});
const again = () => redraw(data.axes.flatMap(a => a.charts));
window.addEventListener("resize", again);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
document.documentElement.dataset.state = "ready";
})();
