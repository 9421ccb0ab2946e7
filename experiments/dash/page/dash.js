// Follows the events of glass dash and shows them. Texts of results are shown as text, whatever they hold.

import { draw, swatch } from "./chart.js";

const FIRST = 12; // results that are listed until more are asked for
const SILENCE = 15000; // ms without a word after which the server counts as gone
const RETRY = 2000; // ms

const get = (id) => document.getElementById(id);
const records = new Map(); // by path
const arms = new Map(); // of the chosen results, by key
const hidden = new Set(); // labels of arms that are not drawn
let order = [];
let chosen = fromAddress();
let all = false;
let source = null;
let watchdog = 0;

function fromAddress() {
  try {
    return location.hash ? decodeURIComponent(location.hash.slice(1)) : null;
  } catch {
    return null;
  }
}

function connect() {
  clearTimeout(watchdog);
  source?.close();
  const query = chosen === null ? "" : `?chosen=${encodeURIComponent(chosen)}`;
  source = new EventSource(`events${query}`);
  arms.clear();
  const current = source;
  const on = (name, take) => current.addEventListener(name, (event) => {
    if (current !== source) return;
    heard();
    take(JSON.parse(event.data));
  });
  on("alive", () => {});
  on("experiments", takeExperiments);
  on("chosen", takeChosen);
  current.onerror = () => {
    if (current === source) lost();
  };
  watchdog = setTimeout(lost, SILENCE);
}

function heard() {
  say("Connected: what is shown is as it is now.", false);
  clearTimeout(watchdog);
  watchdog = setTimeout(lost, SILENCE);
}

function lost() {
  say("The server has gone, so what is shown may be old. Trying to reach it again.", true);
  clearTimeout(watchdog);
  source?.close();
  source = null;
  watchdog = setTimeout(connect, RETRY);
}

function say(text, gone) {
  const place = get("connection");
  if (place.textContent !== text) place.textContent = text;
  place.classList.toggle("gone", gone);
}

function takeExperiments(news) {
  for (const record of news.changed) records.set(record.path, record);
  order = news.order;
  for (const path of [...records.keys()]) if (!order.includes(path)) records.delete(path);
  show(get("left-out"), news.left_out > 0, `${news.left_out} older results are not shown.`);
  show(get("trouble"), news.trouble !== "", news.trouble);
  get("nothing").hidden = order.length > 0;
  list();
  if (chosen === null && order.length > 0) choose(order[0]);
  else about();
}

function choose(path, byHand = false) {
  chosen = path;
  history.replaceState(null, "", `#${encodeURIComponent(path)}`);
  list();
  about();
  connect();
  if (byHand) {
    get("chosen-head").focus({ preventScroll: true });
    get("chosen").scrollIntoView({ block: "nearest" });
    if (!matchMedia("(min-width: 64rem)").matches) get("chosen").scrollIntoView();
  }
}

function list() {
  const shown = all ? order : order.slice(0, FIRST);
  const place = get("experiments");
  const items = new Map([...place.children].map((item) => [item.dataset.path, item]));
  for (const [path, item] of items) if (!shown.includes(path)) item.remove();
  shown.forEach((path, index) => {
    const item = items.get(path) ?? newItem(path);
    fill(item, records.get(path));
    if (place.children[index] !== item) place.insertBefore(item, place.children[index] ?? null);
  });
  show(get("all"), !all && order.length > FIRST, `Show all ${order.length}`);
}

function newItem(path) {
  const item = make("li");
  item.dataset.path = path;
  const button = make("button");
  button.type = "button";
  button.append(make("strong"), make("small", "state"), make("small", "what"));
  button.addEventListener("click", () => choose(path, true));
  item.append(button);
  return item;
}

function fill(item, record) {
  item.className = record.state.split(" ")[0];
  item.firstChild.setAttribute("aria-pressed", String(record.path === chosen));
  const [name, state, what] = ["strong", ".state", ".what"].map((selector) => item.querySelector(selector));
  write(name, record.path || record.name);
  write(state, stateOf(record));
  write(what, [record.world, record.title].filter(Boolean).join("; "));
  let bar = item.querySelector("progress");
  if (record.state === "running") {
    if (bar === null) {
      bar = make("progress");
      bar.max = 1;
      item.append(bar);
    }
    bar.setAttribute("aria-label", `How much of ${record.path} is done`);
    bar.value = record.share;
  } else bar?.remove();
}

function stateOf(record) {
  if (record.state === "damaged") return "cannot be read";
  if (record.state === "broke off") return `broke off with ${record.finished} of ${record.cells} cells`;
  if (record.state === "complete") return `complete, ${record.cells} ${record.cells === 1 ? "cell" : "cells"}, ${time(record.written_at)}`;
  const left = record.seconds_left === null ? "" : `, about ${span(record.seconds_left)} left`;
  return `running: ${Math.floor(100 * record.share)} %, ${record.finished} of ${record.cells} cells${left}`;
}

const time = (seconds) => new Date(1000 * seconds).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });

function span(seconds) {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

// What the list says of the chosen results.
function about() {
  const record = records.get(chosen);
  get("chosen").hidden = record === undefined;
  if (record === undefined) return;
  write(get("chosen-head"), record.path || record.name);
  write(get("subject"), [record.world, record.title].filter(Boolean).join("; "));
  write(get("sentence"), record.sentence || (record.state === "running" ? stateOf(record) : ""));
  const report = record.links.find((link) => link.endsWith("report.html"));
  get("no-report").hidden = record.state !== "complete" || report !== undefined;
  write(get("report-command"), record.report_with);
  const place = get("links");
  if (place.dataset.links === JSON.stringify(record.links)) return;
  place.dataset.links = JSON.stringify(record.links);
  place.replaceChildren(...record.links.map((link) => {
    const anchor = make("a");
    anchor.href = `results/${link.split("/").map(encodeURIComponent).join("/")}`;
    anchor.target = "_blank";
    anchor.rel = "noopener noreferrer";
    anchor.textContent = link.split("/").at(-1);
    const item = make("li");
    item.append(anchor);
    return item;
  }));
}

// What is told of the chosen results alone: slices that are new, and numbers.
function takeChosen(news) {
  if (news.path !== chosen) return;
  for (const key of [...arms.keys()]) if (!news.arms.some((arm) => arm.key === key)) arms.delete(key);
  for (const arm of news.arms) {
    const before = arms.get(arm.key)?.slices ?? [];
    arms.set(arm.key, { ...arm, slices: [...before.slice(0, arm.since), ...arm.slices] });
  }
  show(get("note"), news.note !== "", news.note);
  get("curves").hidden = arms.size === 0;
  numbers(news.columns, news.rows);
  curves();
}

function numbers(columns, rows) {
  const place = get("numbers");
  place.hidden = rows.length === 0;
  const [head, body] = [place.querySelector("thead tr"), place.querySelector("tbody")];
  head.replaceChildren(...columns.map((text) => headCell(text, "col")));
  body.replaceChildren(...rows.map((row) => tableRow(headCell(row[0], "row"), row.slice(1))));
}

function curves() {
  const place = get("arms");
  const rows = new Map([...place.children].map((row) => [row.dataset.key, row]));
  for (const [key, row] of rows) if (arms.get(key)?.label !== row.dataset.arm) row.remove();
  for (const arm of arms.values()) {
    const row = rows.get(arm.key);
    // A row that is there stays, and with it the focus.
    const fresh = row?.isConnected ? row : newRow(arm);
    const last = arm.slices.at(-1);
    const delays = [3, 4].map((column) => arm.slices.findLast((slice) => slice[column] !== null)?.[column].toFixed(1) ?? "");
    const shown = last === undefined ? "" : `${last[2]} of ${last[1]}`;
    [armState(arm), shown, ...delays].forEach((text, index) => write(fresh.children[index + 1], text));
    if (!fresh.isConnected) place.append(fresh);
  }
  redraw();
}

function newRow(arm) {
  const head = make("th");
  head.scope = "row";
  const label = make("label");
  const box = make("input");
  box.type = "checkbox";
  box.checked = !hidden.has(arm.label);
  box.dataset.arm = arm.label;
  label.append(box, swatch(arm.style), arm.label);
  head.append(label);
  const row = tableRow(head, ["", "", "", ""]);
  row.dataset.key = arm.key;
  row.dataset.arm = arm.label;
  return row;
}

function armState(arm) {
  const again = arm.attempt > 0 ? `, attempt ${arm.attempt + 1}` : "";
  const left = arm.left_out > 0 ? `; ${arm.left_out} slices were left out` : "";
  if (arm.outcome === null) return `${Math.floor(100 * arm.share)} %${again}${left}`;
  return `${arm.outcome}${arm.reason ? `: ${arm.reason}` : ""}${left}`;
}

function redraw() {
  const column = Number(document.querySelector("[name=percentile]:checked").value);
  draw(get("chart"), [...arms.values()].filter((arm) => !hidden.has(arm.label)), column);
}

function tableRow(head, texts) {
  const row = make("tr");
  row.append(head, ...texts.map((text) => {
    const cell = make("td");
    cell.textContent = text;
    return cell;
  }));
  return row;
}

function headCell(text, scope) {
  const cell = make("th");
  cell.scope = scope;
  cell.textContent = text;
  return cell;
}

function make(name, className = "") {
  const element = document.createElement(name);
  if (className) element.className = className;
  return element;
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function show(element, wanted, text) {
  element.hidden = !wanted;
  if (wanted) write(element, text);
}

get("all").addEventListener("click", () => {
  all = true;
  list();
});
get("arms").addEventListener("change", (event) => {
  const name = event.target.dataset.arm;
  if (event.target.checked) hidden.delete(name);
  else hidden.add(name);
  redraw();
});
document.querySelectorAll("[name=percentile]").forEach((input) => input.addEventListener("change", redraw));
new ResizeObserver(() => redraw()).observe(get("chart"));
window.addEventListener("hashchange", () => {
  const path = fromAddress();
  if (path !== null && path !== chosen) choose(path);
});
connect();
