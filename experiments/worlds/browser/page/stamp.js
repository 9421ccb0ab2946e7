// The stamp in the top left corner of a picture: transport/stamp_code.py says what it is, receiver/stamp.py how it is
// read.

const COLUMNS = 27;
const ROWS = 4;
const CELLS_PER_WIDTH = 80;
const CELLS_PER_HEIGHT = 45;
const BORDER_CELLS = 0.5;
const LEAST_CONTRAST = 40;
const CRC_BITS = 24n;
const TIME_BITS = 52n;

const TABLE = Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 16;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x800000 ? ((crc << 1) ^ 0x1864cfb) & 0xffffff : (crc << 1) & 0xffffff;
  return crc;
});

function crc24(message) {
  let crc = 0xb704ce;
  for (let shift = 80n; shift >= 0n; shift -= 8n) {
    crc = ((crc << 8) & 0xffffff) ^ TABLE[(crc >> 16) ^ Number((message >> shift) & 0xffn)];
  }
  return crc;
}

/** Start and end (behind the last one) of the inner half of each cell along a side. */
function inner(cells, perSide, pixels) {
  return Array.from({ length: cells }, (_, cell) => {
    const low = (cell * pixels) / perSide;
    const high = ((cell + 1) * pixels) / perSide;
    const quarter = (high - low) / 4;
    const start = Math.round(low + quarter);
    return [start, Math.max(start + 1, Math.round(high - quarter))];
  });
}

/**
 * The stamp of the left upper part of a picture of this size: `{sequence, capturedUs}`, or null. `luma` has how bright
 * each pixel is, `step` bytes from one to the next.
 */
export function decodeStamp(luma, stride, step, width, height) {
  const rows = inner(ROWS, CELLS_PER_HEIGHT, height);
  const columns = inner(COLUMNS, CELLS_PER_WIDTH, width);
  const means = [];
  for (const [top, bottom] of rows) {
    for (const [left, right] of columns) {
      let sum = 0;
      for (let y = top; y < bottom; y++) for (let x = left; x < right; x++) sum += luma[y * stride + x * step];
      means.push(sum / ((bottom - top) * (right - left)));
    }
  }
  const darkest = Math.min(...means);
  const brightest = Math.max(...means);
  if (brightest - darkest < LEAST_CONTRAST) return null;
  const middle = (darkest + brightest) / 2;
  let bits = 0n;
  for (const mean of means) bits = (bits << 1n) | (mean > middle ? 1n : 0n);
  const message = bits >> CRC_BITS;
  if (crc24(message) !== Number(bits & ((1n << CRC_BITS) - 1n))) return null;
  return { sequence: Number(message >> TIME_BITS), capturedUs: Number(message & ((1n << TIME_BITS) - 1n)) };
}

/** Draw the stamp into a picture of this size. */
export function drawStamp(context, width, height, sequence, capturedUs) {
  const message = (BigInt(sequence) << TIME_BITS) | BigInt(capturedUs);
  const bits = (message << CRC_BITS) | BigInt(crc24(message));
  const x = (column) => Math.round((column * width) / CELLS_PER_WIDTH);
  const y = (row) => Math.round((row * height) / CELLS_PER_HEIGHT);
  context.fillStyle = "black";
  context.fillRect(0, 0, x(COLUMNS + BORDER_CELLS), y(ROWS + BORDER_CELLS));
  context.fillStyle = "white";
  for (let cell = 0; cell < ROWS * COLUMNS; cell++) {
    if (!((bits >> BigInt(ROWS * COLUMNS - 1 - cell)) & 1n)) continue;
    const [row, column] = [Math.floor(cell / COLUMNS), cell % COLUMNS];
    context.fillRect(x(column), y(row), x(column + 1) - x(column), y(row + 1) - y(row));
  }
}

const LUMA_PLANES = ["I420", "NV12", "I422", "I444", "I420A"];
const COLOURS = ["RGBA", "RGBX", "BGRA", "BGRX"]; // as Firefox gives pictures; green is in the same place of each

/** The stamp of a VideoFrame with 8 bits a sample, or null. */
export async function readStamp(frame) {
  const coloured = COLOURS.includes(frame.format);
  if (!coloured && !LUMA_PLANES.includes(frame.format)) return null;
  const { width, height } = frame.visibleRect;
  const corner = {
    x: frame.visibleRect.x,
    y: frame.visibleRect.y,
    width: 2 * Math.ceil(((COLUMNS + 1) * width) / CELLS_PER_WIDTH / 2),
    height: 2 * Math.ceil(((ROWS + 1) * height) / CELLS_PER_HEIGHT / 2),
  };
  const data = new Uint8Array(frame.allocationSize({ rect: corner }));
  const [luma] = await frame.copyTo(data, { rect: corner });
  const pixels = data.subarray(luma.offset + (coloured ? 1 : 0));
  return decodeStamp(pixels, luma.stride, coloured ? 4 : 1, width, height);
}
