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
    const mine = (send = new Send((news) => send === mine && postMessage(news)));
    try {
      const { closeCode, reason } = await mine.run(data.place);
      mine.tell({ kind: "ended", code: closeCode, reason: reason || "the session ended" });
    } catch (error) {
      mine.tell({ kind: "ended", code: null, reason: String(error?.message ?? error) });
    }
  } else if (data.kind === "picture") {
    send?.picture(data.bytes);
  } else if (data.kind === "film") {
    if (send === null) data.picture.close();
    else send.film(data.picture, data.at);
  } else if (data.kind === "answer") {
    (watch ?? send)?.answered(new Uint8Array(data.bytes));
  } else if (data.kind === "say") {
    await watch?.say(data.words);
  } else if (data.kind === "stop") {
    await (watch ?? send)?.stop();
  }
};
