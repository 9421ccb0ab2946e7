// Watches a server over WebTransport: reads, puts in order, decodes with WebCodecs, draws, reads the stamp, and keeps the
// ledger. It runs in a worker (worker.js).

import { pageTime, ServerClock } from "./clock.js";
import { bytesOf, CODECS } from "./codecs.js";
import { Order } from "./order.js";
import { readStamp } from "./stamp.js";
import { Fragments, KEYFRAME_REQUEST, MESSAGE, Records, VIDEO, WORDS } from "./wire.js";

const MOST_DECODING = 60;
const MOST_ROWS = 2000; // of the ledger that were not told yet
const TELL_MS = 500;
const TELL_LOCAL_MS = 100;
const MOST_WORDS = 2 ** 20; // bytes of a message

const text = new TextEncoder();

export class Watch {
  /** `canvas`: where pictures are drawn, or null. `tell(news)`: whoever shows what happens. */
  constructor(canvas, tell) {
    this.context = canvas?.getContext("2d", { alpha: false, desynchronized: true }) ?? null;
    this.tell = tell;
    this.rows = [];
    this.counted = { malformed: 0, lost: 0, undecodable: 0, unread: 0, rows_dropped: 0, datagrams: 0, bytes: 0 };
    this.decoding = new Map();
    this.over = false;
  }

  /**
   * Connect to `{url, hash, token, codec, width, height}` and watch until the session ends, or `stop` is called. With
   * `local`, the time is asked for and the ledger told by way of `tell` instead of over the session.
   */
  async run({ url, hash, token, codec, width, height, local = false }) {
    const config = { codec: CODECS[codec], codedWidth: width, codedHeight: height, optimizeForLatency: true };
    const support = await VideoDecoder.isConfigSupported(config);
    if (!support.supported) throw new Error(`this browser does not decode ${codec} (${config.codec})`);
    this.config = config;
    const options = { congestionControl: "low-latency" };
    if (hash) options.serverCertificateHashes = [{ algorithm: "sha-256", value: bytesOf(hash) }];
    this.session = new WebTransport(url, options);
    await this.session.ready;
    this.#makeDecoder();
    this.order = new Order({
      release: (frame) => this.#decode(frame),
      want: () => this.#send(new Uint8Array([KEYFRAME_REQUEST, VIDEO]), 2),
      lose: (count) => (this.counted.lost += count),
    });
    const writer = this.session.datagrams.writable.getWriter();
    this.local = local;
    const ask = (bytes) => (local ? this.tell({ kind: "ask", bytes }) : writer.write(bytes).catch(() => {}));
    this.clock = new ServerClock(bytesOf(token), ask);
    this.clock.start();
    const telling = setInterval(() => this.#tellServer(), local ? TELL_LOCAL_MS : TELL_MS);
    this.tell({ kind: "connected" });
    try {
      const ended = this.session.closed;
      this.#readDatagrams().catch(() => {});
      this.#readStreams().catch(() => {});
      return await ended;
    } finally {
      clearInterval(telling);
      this.#end();
    }
  }

  /** The answer to a question for the time that went by way of `tell`. */
  answered(bytes) {
    this.clock?.take(bytes, pageTime());
  }

  /** Send words to the server: an object, as JSON. */
  say(words) {
    return this.#send(text.encode(`\x05${JSON.stringify(words)}`), 0);
  }

  /** Tell the server the rest of the ledger, and leave. */
  async stop() {
    this.over = true;
    await this.#tellServer();
    this.session?.close({ closeCode: 0, reason: "" });
  }

  #end() {
    this.clock.stop();
    this.order.stop();
    if (this.decoder.state !== "closed") this.decoder.close();
  }

  async #readDatagrams() {
    const fragments = new Fragments();
    const reader = this.session.datagrams.readable.getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const now = pageTime();
      this.counted.datagrams += 1;
      this.counted.bytes += value.byteLength;
      if (this.clock.take(value, now)) continue;
      try {
        const frame = fragments.add(value, now);
        if (frame !== null) this.#take(frame);
      } catch {
        this.counted.malformed += 1;
      }
    }
  }

  async #readStreams() {
    const reader = this.session.incomingUnidirectionalStreams.getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      this.#readStream(value).catch(() => {}); // the server gave it up
    }
  }

  async #readStream(stream) {
    const records = new Records();
    const reader = stream.getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      this.counted.bytes += value.byteLength;
      try {
        for (const frame of records.feed(value, pageTime())) this.#take(frame);
      } catch {
        this.counted.malformed += 1;
        await reader.cancel();
        return;
      }
    }
  }

  #take(frame) {
    if (frame.track === VIDEO) {
      this.order.add(frame);
    } else if (frame.track === WORDS && frame.payload.byteLength <= MOST_WORDS) {
      this.#hear(frame);
    } else {
      this.counted.malformed += 1;
    }
  }

  #hear(frame) {
    let words;
    try {
      words = JSON.parse(new TextDecoder().decode(frame.payload));
    } catch {
      this.counted.malformed += 1;
      return;
    }
    const offset = this.clock.offset;
    const latency = offset === null ? null : (pageTime() + offset.seconds) * 1e3 - frame.capturedUs / 1e3;
    this.tell({ kind: "words", words, latency });
  }

  #makeDecoder() {
    this.decoder = new VideoDecoder({
      output: (picture) => this.#draw(picture),
      error: () => {
        this.counted.undecodable += 1;
        if (this.over) return;
        this.#makeDecoder();
        this.decoding.clear();
        this.order.breakChain();
      },
    });
    this.decoder.configure(this.config);
  }

  #decode(frame) {
    if (this.decoding.size >= MOST_DECODING) {
      this.decoding.clear();
      this.decoder.reset();
      this.decoder.configure(this.config);
      if (!frame.keyframe) {
        this.order.breakChain();
        return;
      }
    }
    this.decoding.set(frame.capturedUs, { ...frame, payload: null, bytes: frame.payload.byteLength, releasedAt: pageTime() });
    const type = frame.keyframe ? "key" : "delta";
    this.decoder.decode(new EncodedVideoChunk({ type, timestamp: frame.capturedUs, data: frame.payload }));
  }

  async #draw(picture) {
    const decodedAt = pageTime();
    const frame = this.decoding.get(picture.timestamp);
    this.decoding.delete(picture.timestamp);
    if (this.context !== null) {
      const { canvas } = this.context;
      if (canvas.width !== picture.displayWidth || canvas.height !== picture.displayHeight) {
        canvas.width = picture.displayWidth;
        canvas.height = picture.displayHeight;
      }
      this.context.drawImage(picture, 0, 0);
    }
    const drawnAt = pageTime();
    let stamp = null;
    try {
      stamp = await readStamp(picture);
    } catch {
      // a picture whose pixels cannot be copied has no stamp that can be read
    }
    const size = [picture.displayWidth, picture.displayHeight];
    picture.close();
    if (stamp === null) this.counted.unread += 1;
    if (frame !== undefined) this.#note(frame, decodedAt, drawnAt, stamp, size);
  }

  #note(frame, decodedAt, drawnAt, stamp, size) {
    const instants = [frame.firstAt, frame.completeAt, frame.releasedAt, decodedAt, drawnAt];
    const row = [frame.sequence, ...instants.map((at) => Math.round(at * 1e6) / 1e6), stamp?.sequence ?? -1, stamp?.capturedUs ?? -1];
    if (this.rows.length < MOST_ROWS) this.rows.push(row);
    else this.counted.rows_dropped += 1;
    const offset = this.clock.offset;
    const capturedUs = stamp?.capturedUs ?? null;
    const latency = offset === null || capturedUs === null ? null : (drawnAt + offset.seconds) * 1e3 - capturedUs / 1e3;
    this.tell({ kind: "shown", at: drawnAt, latency, size, bytes: frame.bytes, error: offset?.error ?? null });
  }

  async #tellServer() {
    const told = { kind: "ledger", rows: this.rows, exchanges: this.clock?.tell() ?? [], counted: this.counted, agent: navigator.userAgent };
    this.rows = [];
    if (this.local) {
      this.tell(told);
      return;
    }
    this.tell({ kind: "counted", counted: { ...this.counted } });
    await this.say(told);
  }

  /** Send bytes on a stream of their own; those with a larger `order` leave first. */
  async #send(bytes, order) {
    try {
      const stream = await this.session.createUnidirectionalStream({ sendOrder: order });
      const writer = stream.getWriter();
      await writer.write(bytes);
      await writer.close();
    } catch {
      // the session has ended, which whoever waits for it hears
    }
  }
}
