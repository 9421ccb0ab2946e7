// Frames in the order of their sequence. What does not come in time is given up; then nothing is shown until a keyframe.

const PATIENCE_MS = 60; // for a frame that later ones have overtaken
const MOST_WAITING = 120;
const REQUEST_SPACING_MS = 200;

export class Order {
  /** `release(frame)` takes frames that can be decoded, `want()` asks for a keyframe, `lose(count)` counts. */
  constructor({ release, want, lose }) {
    this.release = release;
    this.want = want;
    this.lose = lose;
    this.waiting = new Map();
    this.next = 0;
    this.broken = true; // a keyframe begins
    this.askedAt = -Infinity;
    this.timer = null;
  }

  add(frame) {
    if (frame.sequence < this.next) return;
    this.waiting.set(frame.sequence, frame);
    this.#go();
    if (this.waiting.size > MOST_WAITING) this.#skip();
    if (this.waiting.size && this.timer === null) this.timer = setTimeout(() => this.#skip(), PATIENCE_MS);
  }

  /** The decoder could not go on: what follows needs a keyframe. */
  breakChain() {
    this.broken = true;
    this.#ask();
  }

  stop() {
    clearTimeout(this.timer);
    this.waiting.clear();
  }

  #go() {
    let frame;
    while ((frame = this.waiting.get(this.next)) !== undefined) {
      this.waiting.delete(this.next);
      this.next += 1;
      if (frame.dropped) {
        this.broken = true;
        this.lose(1);
      } else if (frame.keyframe || !this.broken) {
        this.broken = false;
        this.release(frame);
      } else {
        this.lose(1);
      }
    }
    if (this.broken && this.next > 0) this.#ask();
    if (!this.waiting.size) {
      clearTimeout(this.timer);
      this.timer = null;
    }
  }

  #skip() {
    this.timer = null;
    if (!this.waiting.size) return;
    const first = Math.min(...this.waiting.keys());
    this.lose(first - this.next);
    this.next = first;
    this.broken = true;
    this.#go();
    if (this.waiting.size) this.timer = setTimeout(() => this.#skip(), PATIENCE_MS);
  }

  #ask() {
    const now = performance.now();
    if (now - this.askedAt < REQUEST_SPACING_MS) return;
    this.askedAt = now;
    this.want();
  }
}
