// Sends pictures to a receiver over WebTransport: encodes them with WebCodecs, in our framing, at the rate that the
// receiver believes in, and tells when each frame left. It runs in a worker.

import { pageTime, ServerClock } from "./clock.js";
import { bytesOf, CODECS } from "./codecs.js";
import { Stamper } from "./stamper.js";
import { fragments, KEYFRAME_REQUEST, MESSAGE, record, VIDEO } from "./wire.js";

const MOST_ENCODING = 4;
const MOST_UNSENT = 8; // frames that the browser has not taken from us
const MOST_ROWS = 2000; // of the ledger that were not told yet
const KEYFRAME_SPACING_MS = 200;
const TELL_MS = 100;
const LEAST_BITRATE = 50_000;
const RATE_STEP = 0.05; // of the bitrate, from which on the encoder is told

const text = new TextEncoder();

export class Send {
  /** `tell(news)`: whoever wants to know what happens. */
  constructor(tell) {
    this.tell = tell;
    this.counted = { encoded: 0, held_back: 0, skipped: 0, keyframe_requests: 0, bytes: 0, rows_dropped: 0 };
    this.waiting = new Map(); // pictures that are being encoded, by their timestamps
    this.rows = [];
    this.without = { held: [], skipped: [] }; // captures for which there was no room, and those of which nothing was made
    this.given = []; // pictures of `picture` for which there is no room yet
    this.filmed = 0; // pictures of `film`
    this.sequence = 0; // of the next frame of those
    this.lastUs = 0;
    this.group = -1;
    this.sinceKeyframe = 0;
    this.wantsKeyframe = true;
    this.keyframeAt = -Infinity;
    this.stream = null;
    this.unsent = 0;
  }

  /**
   * Connect to `{url, hash, token, codec, width, height, fps, bitrate, mapping, keyframe_interval}`, and send what
   * `picture` or `film` gets until the session ends. With `local`, the time is asked for by way of `tell`.
   */
  async run({ url, hash, token, codec, width, height, fps, bitrate, mapping, keyframe_interval: interval, local = false }) {
    const config = {
      codec: CODECS[codec],
      width,
      height,
      framerate: fps,
      bitrate,
      bitrateMode: "constant",
      latencyMode: "realtime",
      ...(codec === "h264" ? { avc: { format: "annexb" } } : {}),
    };
    const support = await VideoEncoder.isConfigSupported(config).catch(() => ({ supported: false }));
    if (!support.supported) {
      this.tell({ kind: "refused", reason: `this browser does not encode ${codec} (${config.codec}, ${width}x${height})` });
      return { closeCode: 0, reason: "" };
    }
    Object.assign(this, { width, height, mapping, interval, config, most: bitrate });
    const options = { congestionControl: "low-latency" };
    if (hash) options.serverCertificateHashes = [{ algorithm: "sha-256", value: bytesOf(hash) }];
    this.session = new WebTransport(url, options);
    await this.session.ready;
    this.datagrams = this.session.datagrams.writable.getWriter();
    const ask = (bytes) => (local ? this.tell({ kind: "ask", bytes }) : this.datagrams.write(bytes).catch(() => {}));
    this.clock = new ServerClock(bytesOf(token), ask);
    this.clock.start();
    this.encoder = new VideoEncoder({
      output: (chunk) => this.#send(chunk),
      error: (error) => this.tell({ kind: "ended", reason: `the encoder failed: ${error.message}` }),
    });
    this.encoder.configure(config);
    this.encoder.addEventListener("dequeue", () => this.#takeGiven());
    this.#hear().catch(() => {});
    if (!local) this.#readDatagrams().catch(() => {});
    this.tell({ kind: "connected" });
    const telling = setInterval(() => this.#tellAll(), TELL_MS);
    try {
      return await this.session.closed;
    } finally {
      clearInterval(telling);
      this.clock.stop();
      if (this.encoder.state !== "closed") this.encoder.close();
    }
  }

  /** The answer to a question for the time that went by way of `tell`. */
  answered(bytes) {
    this.clock?.take(bytes, pageTime());
  }

  /**
   * Encode a picture that has its stamp, as soon as there is room: its sequence and capture time, and I420 pixels. That
   * it was taken is told, since none may be left out: its sequence was given.
   */
  picture(buffer) {
    this.given.push(buffer);
    this.#takeGiven();
  }

  #takeGiven() {
    while (this.given.length && this.#hasRoom()) {
      const buffer = this.given.shift();
      const view = new DataView(buffer);
      const sequence = view.getUint32(0);
      const capturedUs = Number(view.getBigUint64(4));
      const format = { format: "I420", codedWidth: this.width, codedHeight: this.height, timestamp: capturedUs };
      this.#encode(new VideoFrame(new Uint8Array(buffer, 12), format), capturedUs, sequence);
      this.tell({ kind: "took" });
    }
  }

  /** Stamp and encode a VideoFrame that was captured `at`, in ms since 1970. It is closed here. */
  film(picture, at) {
    const offset = this.clock?.offset ?? null;
    if (offset !== null) {
      const capturedAt = (at - performance.timeOrigin) / 1e3 + offset.seconds;
      const capturedUs = Math.max(Math.round(capturedAt * 1e6), this.lastUs + 1);
      this.lastUs = capturedUs;
      this.filmed += 1;
      if (this.#hasRoom()) {
        this.stamper ??= new Stamper(this.width, this.height);
        this.#encode(this.stamper.stamped(picture, this.filmed, capturedUs), capturedUs, null);
      } else {
        this.counted.held_back += 1;
        this.#noteUnsent("held", capturedUs);
      }
    }
    picture.close();
  }

  /** Tell the rest, and leave. */
  async stop() {
    await this.#tellAll();
    this.session?.close({ closeCode: 0, reason: "" });
  }

  #hasRoom() {
    return this.encoder?.state === "configured" && this.encoder.encodeQueueSize < MOST_ENCODING && this.unsent < MOST_UNSENT;
  }

  /** Encode a picture, and close it. Without a `sequence` its frame gets the next one that is free. */
  #encode(frame, capturedUs, sequence) {
    const now = performance.now();
    const due = this.interval !== null && this.sinceKeyframe >= this.interval;
    const keyFrame = due || (this.wantsKeyframe && now >= this.keyframeAt + KEYFRAME_SPACING_MS);
    if (keyFrame) [this.wantsKeyframe, this.keyframeAt, this.sinceKeyframe] = [false, now, 0];
    this.sinceKeyframe += 1;
    this.waiting.set(capturedUs, { sequence, begunAt: pageTime(), bitrate: this.config.bitrate });
    this.encoder.encode(frame, { keyFrame });
    frame.close();
  }

  async #send(chunk) {
    const encodedAt = pageTime();
    const { timestamp: capturedUs } = chunk;
    this.#skip(capturedUs);
    const one = this.waiting.get(capturedUs);
    if (one === undefined) return;
    this.waiting.delete(capturedUs);
    const payload = new Uint8Array(chunk.byteLength);
    chunk.copyTo(payload);
    const keyframe = chunk.type === "key";
    if (keyframe) this.group += 1;
    const sequence = one.sequence ?? this.sequence++;
    const frame = { track: VIDEO, group: this.group, sequence, capturedUs, keyframe, payload };
    this.counted.encoded += 1;
    this.counted.bytes += payload.byteLength;
    this.#note(capturedUs, { ...one, sequence, encodedAt, sentAt: pageTime(), bytes: payload.byteLength, keyframe });
    this.unsent += 1;
    try {
      await (this.mapping === "datagram" ? this.#writeDatagrams(frame) : this.#writeStream(frame));
    } catch {
      // the session has ended, which whoever waits for it hears
    }
    this.unsent -= 1;
    this.#takeGiven();
  }

  /** Of pictures before this one the encoder made nothing. */
  #skip(capturedUs) {
    for (const [earlierUs, one] of this.waiting) {
      if (earlierUs >= capturedUs) return;
      this.waiting.delete(earlierUs);
      this.counted.skipped += 1;
      if (one.sequence === null) this.#noteUnsent("skipped", earlierUs);
      else this.#note(earlierUs, { ...one, encodedAt: one.begunAt, sentAt: one.begunAt, bytes: 0, keyframe: false });
    }
  }

  #noteUnsent(why, capturedUs) {
    if (this.without[why].length < MOST_ROWS) this.without[why].push(capturedUs);
    else this.counted.rows_dropped += 1;
  }

  #note(capturedUs, { sequence, begunAt, encodedAt, sentAt, bytes, keyframe, bitrate }) {
    const capturedAt = capturedUs / 1e6 - (this.clock.offset?.seconds ?? 0);
    const after = [begunAt, encodedAt, sentAt].map((at) => Math.max(0, Math.round((at - capturedAt) * 1e6)));
    if (this.rows.length < MOST_ROWS) this.rows.push([sequence, capturedUs, ...after, bytes, keyframe ? 1 : 0, Math.round(bitrate)]);
    else this.counted.rows_dropped += 1;
  }

  #writeDatagrams(frame) {
    return Promise.all(fragments(frame, this.session.datagrams.maxDatagramSize).map((each) => this.datagrams.write(each)));
  }

  /** Write a frame on its stream; streams are written to one after the other, in order. */
  #writeStream(frame) {
    const alone = this.mapping === "stream-per-frame";
    const opens = alone || this.stream === null || (this.mapping === "stream-per-gop" && frame.keyframe);
    const before = this.stream;
    let written;
    this.stream = (async () => {
      let writer = await before;
      if (opens) {
        if (!alone) writer?.close().catch(() => {});
        writer = (await this.session.createUnidirectionalStream()).getWriter();
      }
      written = writer.write(record(frame));
      if (alone) writer.close().catch(() => {});
      return writer;
    })();
    return this.stream.then(() => written);
  }

  async #hear() {
    const reader = this.session.incomingUnidirectionalStreams.getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      this.#take(new Uint8Array(await new Response(value).arrayBuffer()));
    }
  }

  #take(said) {
    if (said.length === 2 && said[0] === KEYFRAME_REQUEST && said[1] === VIDEO) {
      this.counted.keyframe_requests += 1;
      this.wantsKeyframe = true;
    } else if (said[0] === MESSAGE) {
      const words = JSON.parse(new TextDecoder().decode(said.subarray(1)));
      if (words.kind === "rate") this.#follow(words.bps);
      this.tell(words.kind === "rate" ? words : { kind: "words", words });
    }
  }

  /** Encode at this rate from the next picture on. */
  #follow(rate) {
    const bitrate = Math.min(this.most, Math.max(LEAST_BITRATE, rate));
    if (Math.abs(bitrate / this.config.bitrate - 1) < RATE_STEP && bitrate !== this.most) return;
    if (bitrate === this.config.bitrate || this.encoder.state !== "configured") return;
    this.config = { ...this.config, bitrate };
    this.encoder.configure(this.config);
  }

  async #readDatagrams() {
    const reader = this.session.datagrams.readable.getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      this.clock.take(value, pageTime());
    }
  }

  async #tellAll() {
    const { counted, rows, without } = this;
    [this.rows, this.without] = [[], { held: [], skipped: [] }];
    this.tell({ kind: "told", counted, configured: { encoder: this.config }, clock_error: this.clock?.offset?.error ?? null });
    const told = { kind: "sent", rows, ...without, exchanges: this.clock?.tell() ?? [], counted, agent: navigator.userAgent };
    try {
      const stream = await this.session.createUnidirectionalStream({ sendOrder: -1 });
      const writer = stream.getWriter();
      await writer.write(text.encode(`\x05${JSON.stringify(told)}`));
      await writer.close();
    } catch {
      // the session has ended, which whoever waits for it hears
    }
  }
}
