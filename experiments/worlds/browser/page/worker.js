// The worker of a page that watches or sends: it does what `postMessage` asks for, and tells what happens.

import { Send } from "./send.js";
import { Watch } from "./watch.js";

let canvas = null;
let watch = null;
let send = null;

onmessage = async ({ data }) => {
  if (data.kind === "canvas") {
    canvas = data.canvas;
  } else if (data.kind === "watch") {
    const mine = (watch = new Watch(canvas, (news) => postMessage(news)));
    try {
      const { closeCode, reason } = await mine.run(data.place);
      postMessage({ kind: "ended", code: closeCode, reason: mine.over ? "" : reason || "the server ended the session" });
    } catch (error) {
      postMessage({ kind: "ended", code: null, reason: String(error?.message ?? error) });
    }
  } else if (data.kind === "send") {
    send = new Send((news) => postMessage(news));
    try {
      const { closeCode, reason } = await send.run(data.place);
      postMessage({ kind: "ended", code: closeCode, reason: reason || "the session ended" });
    } catch (error) {
      postMessage({ kind: "ended", code: null, reason: String(error?.message ?? error) });
    }
  } else if (data.kind === "picture") {
    send?.picture(data.bytes);
  } else if (data.kind === "answer") {
    watch?.answered(new Uint8Array(data.bytes));
  } else if (data.kind === "say") {
    await watch?.say(data.words);
  } else if (data.kind === "stop") {
    await watch?.stop();
  }
};
