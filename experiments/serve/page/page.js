// The page of `glass serve`: it connects the worker that watches, and shows what that tells.

import { Graph } from "./graph.js";
import { Numbers } from "./numbers.js";

const RETRY_MS = [500, 1000, 2000, 4000];
const REFRESH_MS = 250;
const LATEST_LINES = 100;
const at = (id) => document.getElementById(id);

const missing = [
  ["WebTransport", "WebTransport"],
  ["VideoDecoder", "WebCodecs"],
  ["OffscreenCanvas", "OffscreenCanvas"],
].filter(([name]) => !(name in window));

const graph = new Graph(at("graph"));
const numbers = new Numbers();
let worker = null;
let wanted = true; // to be connected
let tries = 0;
let renditions = [];
let chosen = false; // how frames travel, by whoever watches

function say(sentence, { bad = false } = {}) {
  at("status").textContent = sentence;
  at("status").className = bad ? "bad" : "";
}

function allow(connected) {
  at("connect").textContent = wanted ? "Disconnect" : "Connect";
  for (const each of [at("text"), at("say").querySelector("button"), at("rendition")]) each.disabled = !connected;
}

async function connect() {
  say(tries ? "Connecting again …" : "Connecting …");
  let place;
  try {
    const answer = await fetch("token", { method: "POST" });
    place = await answer.json();
    if (answer.status === 403) await fetch("/"); // the server has begun anew: with its page comes a cookie
    if (!answer.ok) throw new Error(`the server refused: ${place.reason}`);
  } catch (error) {
    return retry(error instanceof TypeError ? "the server does not answer" : String(error.message));
  }
  if (!tries && !chosen) at("mapping").value = place.mapping;
  place.url += `&mapping=${at("mapping").value}`;
  worker.postMessage({ kind: "watch", place });
}

function retry(reason) {
  allow(false);
  if (!wanted) return say("Not connected.");
  const wait = RETRY_MS[Math.min(tries, RETRY_MS.length - 1)];
  tries += 1;
  say(`Not connected: ${reason}. Next try in ${wait / 1000} s.`, { bad: true });
  setTimeout(() => wanted && connect(), wait);
}

function heard(words, latency) {
  const delay = latency === null ? "" : ` (${latency.toFixed(1)} ms)`;
  if (words.kind === "welcome") {
    renditions = words.renditions;
    const options = renditions.map((each, place) => new Option(each, place));
    at("rendition").replaceChildren(new Option("chosen by the network", ""), ...options);
    at("chat").replaceChildren();
    for (const line of words.chat) addLine(line, "");
    showPoll(words.poll);
    numbers.begin();
    say(`Connected as viewer ${words.viewer}: ${words.codec}, ${words.fps.toFixed(3).replace(/\.?0+$/, "")} frames per second.`);
  } else if (words.kind === "chat") {
    addLine(words, delay);
  } else if (words.kind === "poll") {
    showPoll(words.poll, delay);
  } else if (words.kind === "sent") {
    at("layer").textContent = words.rendition === null ? "–" : renditions[words.rendition];
    at("path").textContent = words.rate_bps === null ? "more than the stream" : `${(words.rate_bps / 1e6).toFixed(2)} Mbit/s`;
    at("viewers").textContent = words.refused ? `${words.viewers} (${words.refused} refused)` : words.viewers;
    numbers.givenUp = words.given_up;
  }
}

function addLine({ viewer, text }, delay) {
  const line = document.createElement("li");
  line.textContent = `viewer ${viewer}: ${text}${delay}`;
  at("chat").append(line);
  while (at("chat").children.length > LATEST_LINES) at("chat").firstChild.remove();
  at("chat").scrollTop = at("chat").scrollHeight;
}

function showPoll(poll, delay = "") {
  at("poll-section").hidden = !poll;
  if (!poll) return;
  at("question").textContent = poll.question + delay;
  const buttons = poll.answers.map((answer, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = `${answer}: ${poll.votes[place]}`;
    button.addEventListener("click", () => worker.postMessage({ kind: "say", words: { kind: "vote", answer: place } }));
    return button;
  });
  const focused = [...at("answers").children].indexOf(document.activeElement);
  at("answers").replaceChildren(...buttons);
  if (focused >= 0) buttons[focused]?.focus();
}

function told({ data: news }) {
  if (news.kind === "connected") {
    tries = 0;
    allow(true);
  } else if (news.kind === "shown") {
    const now = performance.now(); // the worker has a clock with another beginning
    const before = (numbers.last ?? 0) * 1e3;
    if (numbers.add({ ...news, at: now / 1e3 })) graph.freeze(before, now);
    graph.add(now, news.latency, { bytes: news.bytes, layer: news.size.join("x") });
  } else if (news.kind === "counted") {
    numbers.counted = news.counted;
  } else if (news.kind === "words") {
    heard(news.words, news.latency);
  } else if (news.kind === "ended") {
    if (news.reason.startsWith("this browser")) {
      wanted = false;
      allow(false);
      say(`${news.reason}.`, { bad: true });
    } else {
      retry(news.reason || "the session ended");
    }
  }
}

function begin() {
  worker = new Worker("worker.js", { type: "module" });
  worker.addEventListener("message", told);
  worker.addEventListener("error", (event) => say(`The script failed: ${event.message}`, { bad: true }));
  const canvas = at("picture").transferControlToOffscreen();
  worker.postMessage({ kind: "canvas", canvas }, [canvas]);
  at("connect").disabled = false;
  at("connect").addEventListener("click", () => {
    wanted = !wanted;
    allow(false);
    if (wanted) connect();
    else worker.postMessage({ kind: "stop" });
  });
  at("mapping").addEventListener("change", () => {
    chosen = true;
    worker.postMessage({ kind: "stop" });
  });
  at("rendition").addEventListener("change", ({ target }) => {
    const place = target.value === "" ? null : Number(target.value);
    worker.postMessage({ kind: "say", words: { kind: "rendition", place } });
  });
  at("say").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = at("text").value.trim();
    if (text) worker.postMessage({ kind: "say", words: { kind: "chat", text } });
    at("text").value = "";
  });
  addEventListener("pagehide", () => worker.postMessage({ kind: "stop" }));
  setInterval(() => {
    numbers.show(at);
    graph.draw(performance.now());
  }, REFRESH_MS);
  allow(false);
  connect();
}

at("able").textContent =
  "It needs WebTransport and WebCodecs in a worker: Chromium and its relatives from 97 on, Firefox from 130 on (H.264 only where the " +
  "system decodes it), Safari from 26.4 on.";
if (missing.length) {
  say(`This browser has no ${missing.map(([, words]) => words).join(" and no ")}: the stream cannot be shown here.`, { bad: true });
} else {
  begin();
}
