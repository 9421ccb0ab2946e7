// Latency of the frames of the last ten seconds, a dot each.

const SPAN_MS = 10000;
const LEAST_TOP_MS = 40;
const MOST_DOTS = 3000;

export class Graph {
  constructor(canvas) {
    this.canvas = canvas;
    this.dots = [];
  }

  /** A frame that was drawn at `at` (ms of the page), `latency` ms after its capture. */
  add(at, latency) {
    this.dots.push([at, latency]);
    if (this.dots.length > MOST_DOTS) this.dots.shift();
  }

  draw(now) {
    while (this.dots.length && this.dots[0][0] < now - SPAN_MS) this.dots.shift();
    const { canvas } = this;
    const scale = devicePixelRatio;
    canvas.width = canvas.clientWidth * scale;
    canvas.height = canvas.clientHeight * scale;
    const style = getComputedStyle(canvas);
    const [ink, line] = ["--faint", "--line"].map((name) => style.getPropertyValue(name));
    const context = canvas.getContext("2d");
    context.scale(scale, scale);
    const [width, height, left, bottom] = [canvas.clientWidth, canvas.clientHeight, 44, 20];
    const top = Math.max(LEAST_TOP_MS, ...this.dots.map(([, latency]) => latency)) * 1.1;
    const step = [5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000].find((each) => top / each <= 5) ?? 10000;
    context.font = "12px system-ui, sans-serif";
    context.fillStyle = ink;
    context.strokeStyle = ink;
    context.lineWidth = 0.5;
    const y = (latency) => (height - bottom) * (1 - latency / top) + 2;
    for (let each = 0; each < top; each += step) {
      context.beginPath();
      context.moveTo(left, y(each));
      context.lineTo(width, y(each));
      context.stroke();
      context.textAlign = "right";
      context.fillText(`${each} ms`, left - 4, y(each) + 4);
    }
    context.textAlign = "left";
    context.fillText("10 s ago", left, height - 4);
    context.textAlign = "right";
    context.fillText("now", width - 2, height - 4);
    context.fillStyle = line;
    for (const [at, latency] of this.dots) {
      context.beginPath();
      context.arc(left + (width - left) * (1 - (now - at) / SPAN_MS), y(latency), 2, 0, 7);
      context.fill();
    }
  }
}
