// Plays what it is told to, and gives each picture that is displayed: first that it is, and then its pixels.
"use strict";

const MOST_COPIES = 8; // pictures that are copied at a time: each holds one of the decoder's
const TELL_EVERY = 250; // ms

const video = document.querySelector("video");
const socket = new WebSocket(`ws://${location.host}/socket`);
const counted = { displayed: 0, not_copied: 0, stalls: 0, seeks: 0 };
let copies = 0;
let told = 0; // pictures were displayed when it told last
let sent = Promise.resolve();

const tell = (kind, more) => socket.send(JSON.stringify({ kind, ...more }));
const fail = (reason) => tell("failed", { reason: String(reason) });

window.addEventListener("error", ({ message }) => fail(message));
window.addEventListener("unhandledrejection", ({ reason }) => fail(reason));
video.addEventListener("waiting", () => { counted.stalls += 1; });
video.addEventListener("seeking", () => { counted.seeks += 1; });

socket.addEventListener("open", () => tell("open"));
socket.addEventListener("message", ({ data }) => {
  player.start(video, JSON.parse(data), fail);
  video.requestVideoFrameCallback(show);
  setInterval(() => {
    if (counted.displayed === told) return; // its latency grows for ever once the media is over
    told = counted.displayed;
    const { droppedVideoFrames } = video.getVideoPlaybackQuality();
    tell("told", { player: player.told(video), counted: { ...counted, dropped: droppedVideoFrames } });
  }, TELL_EVERY);
}, { once: true });

function show() {
  video.requestVideoFrameCallback(show);
  counted.displayed += 1;
  if (copies === MOST_COPIES) {
    counted.not_copied += 1;
    return;
  }
  const copied = pixels(new VideoFrame(video));
  tell("displayed");
  copies += 1;
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
