// The exchange that aligns this page's clock with the server's (netem/live/alignment_messages.py): the asking end.
// Times of the page are seconds of `performance.now()`, times of the server those of its session.

const MAGIC = 0x0c414c4e;
const VERSION = 1;
const QUESTION = 1;
const ANSWER = 2;
export const MESSAGE_BYTES = 46;
const NONCE_AT = 22;
const BURST = 20;
const BURST_SPACING_MS = 10;
const SPACING_MS = 200;
const MOST_PENDING = 256;
const MOST_KEPT = 600; // exchanges that were not told yet
const RECENT = 50; // of which the best says what the time is

export const pageTime = () => performance.now() / 1e3;

export class ServerClock {
  /** `token`: the 16 bytes by which the server knows us; `send(bytes)` sends a datagram. */
  constructor(token, send) {
    this.token = token;
    this.send = send;
    this.pending = new Map();
    this.recent = [];
    this.untold = [];
    this.nonce = 0;
    this.left = BURST;
    this.timer = null;
  }

  start() {
    this.#ask();
  }

  stop() {
    clearTimeout(this.timer);
  }

  /** Whether a datagram is of this exchange; then it is taken. */
  take(bytes, now) {
    if (bytes.byteLength !== MESSAGE_BYTES) return false;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (view.getUint32(0) !== MAGIC || view.getUint8(5) !== ANSWER) return false;
    const nonce = view.getUint32(NONCE_AT + 4);
    const t1 = this.pending.get(nonce);
    if (t1 === undefined) return true;
    this.pending.delete(nonce);
    const exchange = [t1, view.getFloat64(30), view.getFloat64(38), now];
    this.recent.push(exchange);
    if (this.recent.length > RECENT) this.recent.shift();
    if (this.untold.length < MOST_KEPT) this.untold.push(exchange);
    return true;
  }

  /** Exchanges since the last call. */
  tell() {
    const told = this.untold;
    this.untold = [];
    return told;
  }

  /** Server time less page time in seconds, and by how much it may be wrong; null before the first answer. */
  get offset() {
    if (!this.recent.length) return null;
    const above = Math.min(...this.recent.map(([t1, t2]) => t2 - t1));
    const below = Math.max(...this.recent.map(([, , t3, t4]) => t3 - t4));
    return { seconds: (above + below) / 2, error: Math.abs(above - below) / 2 };
  }

  #ask() {
    this.nonce += 1;
    const bytes = new Uint8Array(MESSAGE_BYTES);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, MAGIC);
    view.setUint8(4, VERSION);
    view.setUint8(5, QUESTION);
    bytes.set(this.token, 6);
    view.setUint32(NONCE_AT + 4, this.nonce);
    if (this.pending.size >= MOST_PENDING) this.pending.delete(this.pending.keys().next().value);
    this.pending.set(this.nonce, pageTime());
    this.send(bytes);
    this.left -= 1;
    this.timer = setTimeout(() => this.#ask(), this.left > 0 ? BURST_SPACING_MS : SPACING_MS);
  }
}
