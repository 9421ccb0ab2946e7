// The page on which somebody sends: it films, and its worker encodes and sends.

import { Drawing, Stream } from "./film.js";
import { Graph } from "./graph.js";

const REFRESH_MS = 250;
const at = (id) => document.getElementById(id);

const missing = [
  ["WebTransport", "WebTransport"],
  ["VideoEncoder", "WebCodecs"],
  ["OffscreenCanvas", "OffscreenCanvas"],
].filter(([name]) => !(name in window));

const graph = new Graph(at("graph"));
let worker = null;
let film = null; // what is filmed now
let made = { at: 0, bytes: 0 };

function say(sentence, { bad = false } = {}) {
  at("status").textContent = sentence;
  at("status").className = bad ? "bad" : "";
}

function allow(sends) {
  at("start").textContent = sends ? "Stop" : "Start";
  for (const each of at("settings").querySelectorAll("select")) each.disabled = sends;
}

function filmOf(what, { width, height, fps }) {
  const size = { width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: fps } };
  const ended = () => stop("The source ended.");
  if (what === "camera") return new Stream(at("preview"), fps, () => navigator.mediaDevices.getUserMedia({ video: size }), ended);
  if (what === "screen") return new Stream(at("preview"), fps, () => navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { ideal: fps } } }), ended);
  return new Drawing(at("drawing"), fps);
}

async function start() {
  const [width, height] = at("size").value.split("x").map(Number);
  const asked = { what: at("what").value, codec: at("codec").value, width, height, fps: Number(at("fps").value), bitrate: Number(at("bitrate").value), mapping: at("mapping").value };
  allow(true);
  say("Connecting …");
  const mine = (film = filmOf(asked.what, asked));
  try {
    const ready = new Promise((resolve, reject) => (mine.ready = { resolve, reject }));
    const answer = await fetch("token?for=send", { method: "POST" });
    const place = await answer.json();
    if (answer.status === 403) await fetch("send.html"); // the server has begun anew: with its page comes a cookie
    if (!answer.ok) throw new Error(`the server refused: ${place.reason}`);
    const query = Object.entries(asked).map(([name, value]) => `&${name}=${encodeURIComponent(value)}`);
    worker.postMessage({ kind: "send", place: { ...place, ...asked, url: place.url + query.join(""), keyframe_interval: null } });
    await ready;
    at("preview").hidden = asked.what === "canvas";
    at("drawing").hidden = asked.what !== "canvas";
    await mine.start({ width, height }, (picture, when) => {
      if (film !== mine) return picture.close();
      worker.postMessage({ kind: "film", picture, at: when }, [picture]);
    });
    say(`Sending: ${asked.codec}, ${width}x${height}, ${asked.fps} frames per second at most.`);
  } catch (error) {
    if (film === mine) stop(`Not sent: ${error instanceof TypeError && !mine.stream ? "the server does not answer" : error.message}.`, { bad: true });
  }
}

function stop(sentence, how) {
  const was = film;
  film = null;
  was?.stop();
  worker.postMessage({ kind: "stop" });
  allow(false);
  say(sentence, how);
}

function told({ data: news }) {
  if (news.kind === "connected") {
    film?.ready.resolve();
  } else if (news.kind === "told") {
    const { counted } = news;
    const now = performance.now();
    if (now - made.at > 900) {
      if (counted.bytes >= made.bytes) at("made").textContent = `${(((counted.bytes - made.bytes) * 8) / (now - made.at) / 1e3).toFixed(2)} Mbit/s`;
      made = { at: now, bytes: counted.bytes };
    }
    at("sent").textContent = counted.encoded;
    at("held").textContent = counted.held_back;
    at("rate").textContent = `${(news.configured.encoder.bitrate / 1e6).toFixed(2)} Mbit/s`;
    if (news.clock_error !== null) at("clock").textContent = `± ${(news.clock_error * 1e3).toFixed(2)} ms`;
  } else if (news.kind === "words" && news.words.kind === "received") {
    const { words } = news;
    const now = performance.now();
    words.latency_ms.forEach((latency, place, all) => graph.add(now - (500 * (all.length - 1 - place)) / all.length, latency));
    if (words.median_ms !== null) at("latency").textContent = `${words.median_ms.toFixed(1)} ms`;
    at("received").textContent = `${words.frames}, ${words.lost}`;
  } else if (news.kind === "refused") {
    if (film !== null) stop(`Not sent: ${news.reason}.`, { bad: true });
  } else if (news.kind === "ended") {
    if (film !== null) stop(`Ended: ${news.reason || "the session ended"}.`, { bad: true });
  }
}

at("able").textContent =
  "It needs WebTransport and WebCodecs' encoder in a worker: Chromium and its relatives from 97 on, Firefox from 130 on, Safari from 26.4 on. " +
  "Keep the page in sight: a browser draws nothing for a page that is hidden.";
if (missing.length) {
  say(`This browser has no ${missing.map(([, words]) => words).join(" and no ")}: nothing can be sent from here.`, { bad: true });
} else {
  worker = new Worker("worker.js", { type: "module" });
  worker.addEventListener("message", told);
  worker.addEventListener("error", (event) => say(`The script failed: ${event.message}`, { bad: true }));
  at("settings").addEventListener("submit", (event) => {
    event.preventDefault();
    if (film === null) start();
    else stop("Stopped.");
  });
  addEventListener("pagehide", () => worker.postMessage({ kind: "stop" }));
  setInterval(() => graph.draw(performance.now()), REFRESH_MS);
  at("start").disabled = false;
  say("Ready.");
}
