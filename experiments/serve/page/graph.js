// The last ten seconds: latency, a dot per frame; behind the dots a bar per freeze; and, where frames have sizes, the rate
// of the stream below, with the layer where it changes.

const SPAN_MS = 10000;
const BIN_MS = 500; // over which bytes are a rate
const LEAST_TOP_MS = 40;
const MOST_FRAMES = 3000;
const LEFT = 54; // CSS pixels, for the numbers of the axis
const BOTTOM = 20;
const LABEL = 64; // CSS pixels of a layer's name
const RATE_SHARE = 0.35; // of the height, for the rate

export class Graph {
  constructor(canvas) {
    this.canvas = canvas;
    this.frames = [];
    this.freezes = [];
  }

  /** A frame that was drawn at `at` (ms of the page), `latency` ms after its capture or null; `bytes` and the `layer`
   * that it is of may be missing. */
  add(at, latency, { bytes = null, layer = "" } = {}) {
    this.frames.push({ at, latency, bytes, layer });
    if (this.frames.length > MOST_FRAMES) this.frames.shift();
  }

  /** Nothing was drawn from `from` to `to`. */
  freeze(from, to) {
    this.freezes.push({ from, to });
  }

  draw(now) {
    this.frames = this.frames.filter(({ at }) => at >= now - SPAN_MS);
    this.freezes = this.freezes.filter(({ to }) => to >= now - SPAN_MS);
    const { canvas } = this;
    const scale = devicePixelRatio;
    canvas.width = canvas.clientWidth * scale;
    canvas.height = canvas.clientHeight * scale;
    const context = canvas.getContext("2d");
    context.scale(scale, scale);
    context.font = "12px system-ui, sans-serif";
    const style = getComputedStyle(canvas);
    const [ink, line, bad] = ["--faint", "--line", "--bad"].map((name) => style.getPropertyValue(name));
    const [width, height] = [canvas.clientWidth, canvas.clientHeight - BOTTOM];
    const hasRate = this.frames.some(({ bytes }) => bytes !== null);
    const middle = hasRate ? height * (1 - RATE_SHARE) : height;
    const x = (at) => Math.max(LEFT, LEFT + (width - LEFT) * (1 - (now - at) / SPAN_MS));
    context.fillStyle = bad;
    context.globalAlpha = 0.25;
    for (const { from, to } of this.freezes) context.fillRect(x(from), 0, x(to) - x(from), middle);
    context.globalAlpha = 1;
    context.fillStyle = context.strokeStyle = ink;
    context.lineWidth = 0.5;
    context.textAlign = "left";
    context.fillText("10 s ago", LEFT, height + BOTTOM - 4);
    context.textAlign = "right";
    context.fillText("now", width - 2, height + BOTTOM - 4);
    this.#drawLatency(context, { x, width, top: 2, bottom: middle, line, ink });
    if (hasRate) this.#drawRate(context, { now, x, width, top: middle + 8, bottom: height, line, ink });
  }

  #drawLatency(context, { x, width, top, bottom, line, ink }) {
    const shown = this.frames.filter(({ latency }) => latency !== null);
    const most = Math.max(LEAST_TOP_MS, ...shown.map(({ latency }) => latency)) * 1.1;
    const step = [5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000].find((each) => most / each <= 5) ?? 10000;
    const y = (latency) => bottom - ((bottom - top) * latency) / most;
    for (let each = 0; each < most; each += step) drawLevel(context, y(each), `${each} ms`, width);
    context.fillStyle = line;
    for (const { at, latency } of shown) {
      context.beginPath();
      context.arc(x(at), y(latency), 2, 0, 7);
      context.fill();
    }
    context.fillStyle = ink;
  }

  #drawRate(context, { now, x, width, top, bottom, line, ink }) {
    const rates = new Array(Math.ceil(SPAN_MS / BIN_MS)).fill(0); // Mbit/s, the newest first
    for (const { at, bytes } of this.frames) {
      const bin = Math.floor((now - at) / BIN_MS);
      if (bin >= 0 && bin < rates.length) rates[bin] += ((bytes ?? 0) * 8) / BIN_MS / 1e3;
    }
    const most = Math.max(0.1, ...rates) * 1.2;
    const y = (rate) => bottom - ((bottom - top) * rate) / most;
    drawLevel(context, bottom, "0", width);
    drawLevel(context, y(most / 1.2), `${(most / 1.2).toFixed(1)} M`, width);
    context.strokeStyle = line;
    context.lineWidth = 1.5;
    context.beginPath();
    rates.forEach((rate, bin) => {
      context.lineTo(x(now - bin * BIN_MS), y(rate));
      context.lineTo(x(now - (bin + 1) * BIN_MS), y(rate));
    });
    context.stroke();
    context.textAlign = "left";
    let [before, free] = [null, 0]; // from which place on there is room for a name
    for (const { at, layer } of this.frames) {
      const place = Math.max(free, x(at) + 3);
      if (layer !== before && place + LABEL < width) {
        context.fillText(layer, place, top + 10);
        free = place + LABEL;
      }
      before = layer;
    }
    context.fillStyle = context.strokeStyle = ink;
  }
}

function drawLevel(context, y, words, width) {
  context.beginPath();
  context.moveTo(LEFT, y);
  context.lineTo(width, y);
  context.stroke();
  context.textAlign = "right";
  context.fillText(words, LEFT - 4, y + 4);
}
