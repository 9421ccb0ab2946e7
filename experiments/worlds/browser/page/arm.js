// The page of an arm: its worker watches or sends, and what it tells goes to whoever runs the arm on this host, by a
// WebSocket. The time is asked for on this host, too, so that the network that is measured does not carry it.

import { MESSAGE_BYTES } from "./clock.js";

const socket = new WebSocket(`ws://${location.host}/socket`);
socket.binaryType = "arraybuffer";
const worker = new Worker("worker.js", { type: "module" });
const canvas = document.getElementById("picture").transferControlToOffscreen();

const say = (said) => socket.readyState === WebSocket.OPEN && socket.send(JSON.stringify(said));

worker.addEventListener("message", ({ data }) => {
  if (data.kind === "ask") socket.send(data.bytes);
  else if (["ledger", "ended", "connected", "told", "rate", "took", "refused"].includes(data.kind)) say(data);
});
worker.addEventListener("error", (event) => say({ kind: "ended", reason: event.message }));
socket.addEventListener("message", ({ data }) => {
  if (data instanceof ArrayBuffer) {
    const kind = data.byteLength === MESSAGE_BYTES ? "answer" : "picture";
    worker.postMessage({ kind, bytes: data }, [data]);
  } else {
    worker.postMessage(JSON.parse(data));
  }
});
socket.addEventListener("open", () => {
  worker.postMessage({ kind: "canvas", canvas }, [canvas]);
  say({ kind: "open", agent: navigator.userAgent });
});
