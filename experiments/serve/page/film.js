// What a page films: `start` gives pictures from then on, until `stop`.

const GRID = 12;

/** A drawing that moves, so that there is something to encode without a camera. */
export class Drawing {
  constructor(canvas, fps) {
    this.canvas = canvas;
    this.fps = fps;
    this.timer = null;
    this.count = 0;
  }

  start({ width, height }, give) {
    Object.assign(this.canvas, { width, height });
    const context = this.canvas.getContext("2d", { alpha: false });
    this.timer = setInterval(() => {
      const at = performance.timeOrigin + performance.now();
      this.#draw(context, width, height);
      give(new VideoFrame(this.canvas, { timestamp: 0 }), at);
    }, 1000 / this.fps);
  }

  stop() {
    clearInterval(this.timer);
  }

  #draw(context, width, height) {
    this.count += 1;
    const turn = this.count / this.fps;
    for (let row = 0; row < GRID; row++) {
      for (let column = 0; column < GRID; column++) {
        const light = 50 + 35 * Math.sin(turn + column * 0.6 + row * 0.9);
        context.fillStyle = `hsl(${(turn * 20 + column * 15 + row * 8) % 360} 60% ${light}%)`;
        context.fillRect((column * width) / GRID, (row * height) / GRID, width / GRID + 1, height / GRID + 1);
      }
    }
    context.fillStyle = "white";
    context.beginPath();
    context.arc(width * (0.5 + 0.35 * Math.cos(turn)), height * (0.5 + 0.35 * Math.sin(turn * 1.3)), height / 10, 0, 7);
    context.fill();
    context.fillStyle = "black";
    context.font = `${Math.round(height / 12)}px system-ui, sans-serif`;
    context.fillText(new Date().toISOString().slice(11, 23), width * 0.04, height * 0.95);
  }
}

/** A camera or a screen, as `open()` gives its MediaStream; `ended()` is told when it ends by itself. */
export class Stream {
  constructor(video, fps, open, ended) {
    Object.assign(this, { video, fps, open, ended });
    this.over = false;
    this.lastAt = -Infinity;
  }

  async start(size, give) {
    this.stream = await this.open();
    const [track] = this.stream.getVideoTracks();
    track.addEventListener("ended", () => this.over || this.ended());
    this.video.srcObject = this.stream;
    await this.video.play();
    const next = (now, { captureTime }) => {
      if (this.over) return;
      this.video.requestVideoFrameCallback(next);
      const own = performance.now();
      const at = captureTime > own - 1000 && captureTime <= own ? captureTime : own;
      if (at - this.lastAt < 700 / this.fps) return; // a camera that is faster than asked
      this.lastAt = at;
      give(new VideoFrame(this.video, { timestamp: 0 }), performance.timeOrigin + at);
    };
    this.video.requestVideoFrameCallback(next);
  }

  stop() {
    this.over = true;
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.video.srcObject = null;
  }
}
