// Sends pictures to a receiver over WebTransport: encodes them with WebCodecs, in our framing. It runs in a worker.

import { bytesOf, CODECS } from "./codecs.js";
import { fragments, KEYFRAME_REQUEST, record, VIDEO } from "./wire.js";

const MOST_ENCODING = 4;
const KEYFRAME_SPACING_MS = 200;
const TELL_MS = 200;

export class Send {
  /** `tell(news)`: whoever wants to know what happens. */
  constructor(tell) {
    this.tell = tell;
    this.counted = { encoded: 0, encoder_full: 0, keyframe_requests: 0, bytes: 0 };
    this.waiting = new Map(); // pictures that are being encoded, by their timestamps
    this.group = -1;
    this.sinceKeyframe = 0;
    this.wantsKeyframe = true;
    this.keyframeAt = -Infinity;
    this.stream = null;
  }

  /** Connect, and send what `picture` gets until the session ends. */
  async run({ url, hash, codec, width, height, fps, bitrate, mapping, keyframe_interval: interval }) {
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
    [this.width, this.height, this.mapping, this.interval, this.config] = [width, height, mapping, interval, config];
    this.session = new WebTransport(url, {
      serverCertificateHashes: [{ algorithm: "sha-256", value: bytesOf(hash) }],
      congestionControl: "low-latency",
    });
    await this.session.ready;
    this.datagrams = this.session.datagrams.writable.getWriter();
    this.encoder = new VideoEncoder({
      output: (chunk) => this.#send(chunk),
      error: (error) => this.tell({ kind: "ended", reason: `the encoder failed: ${error.message}` }),
    });
    this.encoder.configure(config);
    this.#hear().catch(() => {});
    this.tell({ kind: "connected" });
    const telling = setInterval(() => this.#tellCounted(), TELL_MS);
    try {
      return await this.session.closed;
    } finally {
      clearInterval(telling);
      this.encoder.close();
    }
  }

  /** Encode a picture: its sequence and capture time, and I420 pixels. */
  picture(buffer) {
    const view = new DataView(buffer);
    const sequence = view.getUint32(0);
    const capturedUs = Number(view.getBigUint64(4));
    if (this.encoder === undefined) return;
    if (this.encoder.encodeQueueSize >= MOST_ENCODING) {
      this.counted.encoder_full += 1;
      return;
    }
    const { width, height } = this;
    const frame = new VideoFrame(new Uint8Array(buffer, 12), {
      format: "I420",
      codedWidth: width,
      codedHeight: height,
      timestamp: capturedUs,
    });
    const now = performance.now();
    const due = this.interval !== null && this.sinceKeyframe >= this.interval;
    const keyFrame = due || (this.wantsKeyframe && now >= this.keyframeAt + KEYFRAME_SPACING_MS);
    if (keyFrame) [this.wantsKeyframe, this.keyframeAt, this.sinceKeyframe] = [false, now, 0];
    this.sinceKeyframe += 1;
    this.waiting.set(capturedUs, sequence);
    this.encoder.encode(frame, { keyFrame });
    frame.close();
  }

  stop() {
    this.session?.close({ closeCode: 0, reason: "" });
  }

  async #send(chunk) {
    const sequence = this.waiting.get(chunk.timestamp);
    this.waiting.delete(chunk.timestamp);
    const payload = new Uint8Array(chunk.byteLength);
    chunk.copyTo(payload);
    const keyframe = chunk.type === "key";
    if (keyframe) this.group += 1;
    const frame = { track: VIDEO, group: this.group, sequence, capturedUs: chunk.timestamp, keyframe, payload };
    this.counted.encoded += 1;
    this.counted.bytes += payload.byteLength;
    try {
      if (this.mapping === "datagram") {
        for (const datagram of fragments(frame, this.session.datagrams.maxDatagramSize)) this.datagrams.write(datagram).catch(() => {});
      } else {
        await this.#write(frame);
      }
    } catch {
      // the session has ended, which whoever waits for it hears
    }
  }

  /** Write a frame on its stream; streams are written to one after the other, in order. */
  #write(frame) {
    const opens = this.mapping === "stream-per-frame" || this.stream === null || (this.mapping === "stream-per-gop" && frame.keyframe);
    const before = this.stream;
    this.stream = (async () => {
      let writer = await before;
      if (opens) {
        if (this.mapping !== "stream-per-frame") writer?.close().catch(() => {});
        writer = (await this.session.createUnidirectionalStream()).getWriter();
      }
      writer.write(record(frame)).catch(() => {});
      if (this.mapping === "stream-per-frame") writer.close().catch(() => {});
      return writer;
    })();
    return this.stream;
  }

  async #hear() {
    const reader = this.session.incomingUnidirectionalStreams.getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const said = new Uint8Array(await new Response(value).arrayBuffer());
      if (said.length === 2 && said[0] === KEYFRAME_REQUEST && said[1] === VIDEO) {
        this.counted.keyframe_requests += 1;
        this.wantsKeyframe = true;
      }
    }
  }

  #tellCounted() {
    this.tell({ kind: "told", counted: this.counted, configured: { encoder: this.config } });
  }
}
