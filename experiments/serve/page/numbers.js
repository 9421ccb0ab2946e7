// The numbers beside the picture, of the last second; freezes as W3C webrtc-stats has them: a gap between drawn frames of
// more than max(3 x the mean gap, the mean gap + 150 ms).

const SPAN = 1; // seconds
const GAPS = 30;

const quantile = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)];
const ms = (value) => (value === undefined ? "–" : `${value.toFixed(1)} ms`);

export class Numbers {
  constructor() {
    this.begin();
  }

  /** A new session: nothing of before counts. */
  begin() {
    this.shown = [];
    this.gaps = [];
    this.freezes = 0;
    this.counted = { lost: 0, undecodable: 0 };
    this.givenUp = 0;
    this.last = null;
  }

  /** Take a frame that was drawn; the answer is whether it ended a freeze. */
  add(frame) {
    let froze = false;
    if (this.last !== null) {
      const gap = (frame.at - this.last) * 1e3;
      const mean = this.gaps.reduce((sum, each) => sum + each, 0) / this.gaps.length;
      if (this.gaps.length >= 5 && gap > Math.max(3 * mean, mean + 150)) froze = true;
      this.gaps.push(gap);
      if (this.gaps.length > GAPS) this.gaps.shift();
    }
    this.last = frame.at;
    this.shown.push(frame);
    while (this.shown[0].at < frame.at - SPAN) this.shown.shift();
    this.freezes += froze;
    return froze;
  }

  show(at) {
    const now = performance.now() / 1e3;
    const recent = this.shown.filter((frame) => frame.at >= now - SPAN);
    const latencies = recent.map((frame) => frame.latency).filter((each) => each !== null);
    latencies.sort((one, other) => one - other);
    const bytes = recent.reduce((sum, frame) => sum + frame.bytes, 0);
    const error = recent.at(-1)?.error;
    at("latency").textContent = ms(quantile(latencies, 0.5));
    at("latency95").textContent = ms(quantile(latencies, 0.95));
    at("clock").textContent = error === undefined || error === null ? "–" : `± ${(error * 1e3).toFixed(2)} ms`;
    at("fps").textContent = recent.length;
    at("freezes").textContent = this.freezes;
    at("rate").textContent = `${((bytes * 8) / 1e6).toFixed(2)} Mbit/s`;
    at("lost").textContent = `${this.counted.lost}, ${this.givenUp}`;
  }
}
