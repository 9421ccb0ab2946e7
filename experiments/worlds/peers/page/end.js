// What pages of ends share: a socket to the process of the end, and how a picture that is displayed is given.
"use strict";

const MOST_COPIES = 8; // pictures that are copied at a time: each holds one of the decoder's
const MOST_UNSENT = 2 ** 26; // bytes
const counted = {}; // by the scripts of the page

const socket = new WebSocket(`ws://${location.host}/socket`);
socket.binaryType = "arraybuffer";
let copies = 0;
let sent = Promise.resolve();

const tell = (kind, more) => socket.send(JSON.stringify({ kind, ...more }));
const fail = (reason) => tell("failed", { reason: String(reason) });

window.addEventListener("error", ({ message }) => fail(message));
window.addEventListener("unhandledrejection", ({ reason }) => fail(reason));
socket.addEventListener("open", () => tell("open"));
socket.addEventListener("message", async ({ data }) => {
  const { kind, ...more } = data instanceof ArrayBuffer ? { kind: "picture", data } : JSON.parse(data);
  await orders[kind](more);
});

// What the page does by the kind of what it is told; the scripts of pages add theirs.
const orders = {
  clock: () => tell("clock", { at: performance.now() }),
};

// Gives a picture that is displayed now: first that it is, and then its pixels.
function give(picture) {
  counted.displayed += 1;
  if (copies === MOST_COPIES || socket.bufferedAmount > MOST_UNSENT) {
    counted.not_copied += 1;
    picture.close();
    return;
  }
  tell("displayed", { at: performance.now() });
  copies += 1;
  const copied = pixels(picture);
  sent = sent.then(() => copied).then((bytes) => socket.send(bytes), fail).finally(() => { copies -= 1; });
}

async function pixels(picture) {
  try {
    if (picture.format !== "I420") throw new Error(`its pictures are ${picture.format}, accepted is I420`);
    const bytes = new Uint8Array(picture.allocationSize());
    await picture.copyTo(bytes);
    return bytes;
  } finally {
    picture.close();
  }
}
