"use strict";
// Reads values off the drawings, hides and highlights arms, and stretches the time axes. The page is whole without it.

const SVG = "http://www.w3.org/2000/svg";
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const short = (value) => String(Number(value.toPrecision(3)));

function add(parent, name, attributes = {}, text = "") {
  const element = parent.appendChild(document.createElementNS(parent.namespaceURI, name));
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.textContent = text;
  return element;
}

// One axis: places in a drawing from values, and back.
class Axis {
  constructor(text, start, length) {
    const [low, high, scale, ...unit] = text.split(" ");
    const bend = scale === "log" ? Math.log10 : (value) => value;
    this.ends = [Number(low), Number(high)];
    this.unit = unit.join(" ");
    this.value = (place) => {
      const bent = bend(this.ends[0]) + ((place - start) / length) * (bend(this.ends[1]) - bend(this.ends[0]));
      return Math.max(this.ends[0], Math.min(this.ends[1], scale === "log" ? 10 ** bent : bent));
    };
    this.place = (value) =>
      start + (length * (bend(value) - bend(this.ends[0]))) / (bend(this.ends[1]) - bend(this.ends[0]));
  }
  text(place) {
    return `${short(this.value(place))} ${this.unit}`.trim();
  }
}

// Axes with the lines in them that can be read off.
class Panel {
  constructor(group) {
    [this.left, this.top, this.width, this.height] = group.dataset.panel.split(" ").map(Number);
    this.group = group;
    this.svg = group.ownerSVGElement;
    this.across = new Axis(group.dataset.x, this.left, this.width);
    this.up = new Axis(group.dataset.y, this.top + this.height, -this.height);
    this.lines = all("[data-series]", group).map((line) => ({ line, points: points(line) }));
    this.stretch = 1;
    this.shift = 0;
    this.cursor = add(group, "path", { class: "cursor" });
  }

  // What is drawn at a place across: [line, value] of each line that is shown, the highest first.
  read(across) {
    const place = (across - this.shift) / this.stretch;
    const heights = this.lines
      .filter(({ line }) => line.closest(".off") === null)
      .map(({ line, points }) => [line, heightAt(points, place, 8 / this.stretch)])
      .filter(([, height]) => height !== null && height > this.top - 1 && height < this.top + this.height + 1);
    return heights.sort((a, b) => a[1] - b[1]).map(([line, height]) => [line, this.up.text(height)]);
  }

  valueAt(across) {
    return this.across.value((across - this.shift) / this.stretch);
  }

  point(across) {
    const inside = across !== null && across >= this.left && across <= this.left + this.width;
    this.cursor.setAttribute("d", inside ? `M${across} ${this.top}v${this.height}` : "");
  }

  // Show only what is between two values of the axis across.
  zoom(from, to) {
    const [start, end] = [this.across.place(from), this.across.place(to)];
    this.stretch = this.width / (end - start);
    this.shift = this.left - this.stretch * start;
    this.moving ??= this.gather();
    this.moving.setAttribute("transform", `matrix(${this.stretch} 0 0 1 ${this.shift} 0)`);
    const whole = Math.abs(this.stretch - 1) < 1e-9;
    for (const axis of all("[data-across]", this.group)) axis.classList.toggle("off", !whole);
    this.ticks?.remove();
    if (!whole) this.mark(from, to);
  }

  // Everything that is cut at the edges of the axes, in one group that can be stretched, cut at the same edges.
  gather() {
    const cut = [...this.group.children].filter((element) => !element.matches("[data-across], .cursor"))
      .filter((element) => element.hasAttribute("clip-path") || element.querySelector("[clip-path]"));
    const edge = this.group.querySelector("[clip-path]").getAttribute("clip-path");
    const frame = add(this.group, "g", { "clip-path": edge });
    cut[0].before(frame);
    const moving = add(frame, "g", { class: "stretched" });
    for (const element of cut) {
      for (const part of [element, ...all("[clip-path]", element)]) part.removeAttribute("clip-path");
      moving.append(element);
    }
    return moving;
  }

  mark(from, to) {
    const step = niceStep((to - from) / 6);
    this.ticks = document.createElementNS(SVG, "g");
    for (let value = Math.ceil(from / step) * step; value <= to; value += step) {
      const at = this.left + (this.width * (value - from)) / (to - from);
      const foot = this.top + this.height;
      add(this.ticks, "path", { class: "tick", d: `M${at} ${foot}v-${this.height}` });
      add(this.ticks, "text", { class: "tick", x: at, y: foot + 12 }, short(value));
    }
    this.group.prepend(this.ticks);
  }
}

function niceStep(rough) {
  const decade = 10 ** Math.floor(Math.log10(rough));
  return decade * [1, 2, 5, 10].find((digit) => digit * decade >= rough);
}

// The corners of a line, or the middles of dots, as they are drawn.
function points(line) {
  const dots = all("use", line).map((dot) => [Number(dot.getAttribute("x")), Number(dot.getAttribute("y"))]);
  const paths = all("path", line).filter((path) => path.closest("defs") === null);
  const text = paths.map((path) => path.getAttribute("d")).sort((a, b) => b.length - a.length)[0];
  if (text === undefined) return { dots: true, places: dots };
  const numbers = text.replaceAll("h0", " ").match(/-?[\d.]+/g).map(Number);
  const places = numbers.flatMap((x, at) => (at % 2 ? [] : [[x, numbers[at + 1]]]));
  return { dots: text.includes("h0"), places };
}

// How high a line is at a place across, or the dot that is next to it; null where there is none.
function heightAt({ dots, places }, across, reach) {
  if (dots) {
    const distance = ([x]) => Math.abs(x - across);
    const next = places.reduce((best, place) => (best && distance(best) <= distance(place) ? best : place), null);
    return next && distance(next) <= reach ? next[1] : null;
  }
  for (let at = places.length - 1; at > 0; at -= 1) {
    const [[x, y], [endX, endY]] = [places[at - 1], places[at]];
    if (x <= across && across <= endX) return endX === x ? endY : y + ((endY - y) * (across - x)) / (endX - x);
  }
  return null;
}

const panels = all("[data-panel]").map((group) => new Panel(group));
const overTime = panels.filter((panel) => panel.group.closest(".wide"));

// Values beside the pointer.
const reading = add(document.body, "div", { class: "reading", "aria-hidden": "true" });

function at(panel, event) {
  return new DOMPoint(event.clientX, event.clientY).matrixTransform(panel.svg.getScreenCTM().inverse()).x;
}

function show(event) {
  const panel = panels.find((one) => one.svg === event.currentTarget);
  const across = at(panel, event);
  const values = panel.read(across);
  for (const one of overTime.includes(panel) ? overTime : [panel]) one.point(across);
  const inside = across >= panel.left && across <= panel.left + panel.width;
  reading.replaceChildren();
  reading.classList.toggle("on", inside);
  if (!inside) return;
  add(reading, "b", {}, `${short(panel.valueAt(across))} ${panel.across.unit}`);
  for (const [line, value] of values) {
    const row = add(reading, "div", {}, `${value}\u2002${line.dataset.series}`);
    row.style.borderColor = getComputedStyle(line.querySelector("path, use")).stroke;
  }
  const { width, height } = reading.getBoundingClientRect();
  const room = document.documentElement.clientWidth;
  reading.style.left = `${Math.max(4, event.clientX + 16 + width < room ? event.clientX + 16 : event.clientX - 16 - width)}px`;
  reading.style.top = `${Math.max(4, Math.min(event.clientY + 12, window.innerHeight - height - 4))}px`;
}

function leave() {
  reading.classList.remove("on");
  for (const panel of panels) panel.point(null);
}

// The seconds that all pictures over time show.
const ends = Object.fromEntries(all("[data-end]").map((input) => [input.dataset.end, input]));

function zoom(from, to) {
  const [first, last] = overTime[0].across.ends;
  const start = Math.max(first, Math.min(from, last));
  const end = Math.min(last, Math.max(to, first));
  if (!(end - start > 0.01)) return;
  for (const panel of overTime) panel.zoom(start, end);
  ends.from.value = Math.max(0, start).toFixed(2);
  ends.to.value = end.toFixed(2);
}

const capacity = overTime.find((panel) => panel.lines.some(({ line }) => line.dataset.series === "capacity"));

// The thirtieth of the run, of half a second at least, in which the link carries least, and what is around it.
function fade() {
  const [first, last] = capacity.across.ends;
  const length = Math.max(0.5, (last - first) / 30);
  const { points } = capacity.lines[0];
  const carried = (from) => {
    const heights = Array.from({ length: 50 }, (_, part) => heightAt(points, capacity.across.place(from + (part * length) / 50), 8));
    return heights.reduce((sum, height) => sum + (height === null ? Infinity : capacity.up.value(height)), 0);
  };
  const starts = Array.from({ length: 200 }, (_, part) => Math.max(0, first) + (part * (last - first - length)) / 200);
  const least = starts.reduce((best, start) => (carried(start) < carried(best) ? start : best));
  return [least - 1.5 * length, least + 2.5 * length];
}

function drag(event) {
  const panel = overTime.find((one) => one.svg === event.currentTarget);
  if (!panel || event.pointerType !== "mouse" || event.button !== 0) return;
  event.preventDefault();
  const from = panel.valueAt(at(panel, event));
  const end = (up) => {
    const to = panel.valueAt(at(panel, up));
    if (Math.abs(to - from) > 0.01 * (panel.across.ends[1] - panel.across.ends[0]) / panel.stretch) zoom(Math.min(from, to), Math.max(from, to));
  };
  window.addEventListener("pointerup", end, { once: true });
}

// Arms: all drawings of one are hidden, or all of the others faint.
const controls = document.querySelector(".controls");

function choose() {
  for (const input of all("[data-arm] input", controls)) {
    const arm = input.closest("[data-arm]").dataset.arm;
    for (const drawing of all(`main [data-arm="${arm}"]`)) {
      if (!controls.contains(drawing)) drawing.classList.toggle("off", !input.checked);
    }
  }
}

function highlight(arm) {
  for (const drawing of all("svg [data-arm]")) drawing.classList.toggle("faint", arm !== null && drawing.dataset.arm !== arm);
}

for (const svg of new Set(panels.map((panel) => panel.svg))) {
  for (const kind of ["pointermove", "pointerdown"]) svg.addEventListener(kind, show);
  svg.addEventListener("pointerleave", leave);
  svg.addEventListener("pointerdown", drag);
}
window.addEventListener("scroll", leave, { passive: true });
for (const mark of all("li[data-arm]")) {
  mark.addEventListener("pointerenter", () => highlight(mark.dataset.arm));
  mark.addEventListener("pointerleave", () => highlight(null));
}
if (controls) {
  controls.hidden = false;
  controls.addEventListener("change", (event) => {
    if (event.target.dataset.end) zoom(Number(ends.from.value), Number(ends.to.value));
    else choose();
  });
  for (const button of all("[data-choose]", controls)) {
    button.addEventListener("click", () => {
      for (const input of all("[data-arm] input", controls)) input.checked = button.dataset.choose === "all";
      choose();
    });
  }
  for (const part of all(".time", controls)) part.hidden = overTime.length === 0;
  controls.querySelector("[data-zoom=fade]").hidden = capacity === undefined;
  for (const button of all("[data-zoom]", controls)) {
    button.addEventListener("click", () => zoom(...(button.dataset.zoom === "all" ? overTime[0].across.ends : fade())));
  }
  if (overTime.length) [ends.from.value, ends.to.value] = overTime[0].across.ends.map((end) => Math.max(0, end).toFixed(2));
}
