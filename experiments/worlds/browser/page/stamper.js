// Draws the stamp into pictures that a page captured.

import { drawStamp } from "./stamp.js";

export class Stamper {
  constructor(width, height) {
    this.canvas = new OffscreenCanvas(width, height);
    this.context = this.canvas.getContext("2d", { alpha: false, willReadFrequently: true });
  }

  /** A VideoFrame of our size, with the stamp; what is beyond the sides of ours is cut away. */
  stamped(picture, sequence, capturedUs) {
    const { width, height } = this.canvas;
    const scale = Math.max(width / picture.displayWidth, height / picture.displayHeight);
    const [wide, high] = [picture.displayWidth * scale, picture.displayHeight * scale];
    this.context.drawImage(picture, (width - wide) / 2, (height - high) / 2, wide, high);
    drawStamp(this.context, width, height, sequence, capturedUs);
    return new VideoFrame(this.canvas, { timestamp: capturedUs });
  }
}
