// The framing of Glassbench (transport/framing.py): fragments in datagrams, records on streams. What comes is checked:
// bytes that are not of it are counted, and what is not whole is bounded.

export const KEYFRAME_REQUEST = 3;
export const MESSAGE = 5;
export const VIDEO = 0;
export const WORDS = 1;

const FRAGMENT = 1;
const RECORD = 2;
const HEADER_BYTES = 20; // type, track, layer, flags, group, sequence, captured_at in us
const FRAGMENT_HEADER_BYTES = HEADER_BYTES + 4; // index, count
const RECORD_HEADER_BYTES = HEADER_BYTES + 4; // payload bytes
const MAX_FRAME_BYTES = 8 * 2 ** 20;
const MOST_OPEN = 256; // frames of which fragments are missing

export class Malformed extends Error {}

function header(view, kind) {
  if (view.getUint8(0) !== kind) throw new Malformed(`type ${view.getUint8(0)}, expected ${kind}`);
  return {
    track: view.getUint8(1),
    keyframe: (view.getUint8(3) & 1) !== 0,
    dropped: (view.getUint8(3) & 2) !== 0,
    group: view.getUint32(4),
    sequence: view.getUint32(8),
    capturedUs: Number(view.getBigUint64(12)),
  };
}

/** Puts frames together from fragments. */
export class Fragments {
  constructor() {
    this.open = new Map();
    this.evicted = 0;
  }

  /** Take a datagram that came at `now`; the frame if it is whole with that, else null. Raises Malformed. */
  add(bytes, now) {
    if (bytes.byteLength < FRAGMENT_HEADER_BYTES) throw new Malformed(`a fragment of ${bytes.byteLength} bytes`);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const head = header(view, FRAGMENT);
    const index = view.getUint16(HEADER_BYTES);
    const count = view.getUint16(HEADER_BYTES + 2);
    if (index >= count) throw new Malformed(`fragment ${index} of ${count}`);
    const name = `${head.track} ${head.sequence}`;
    let one = this.open.get(name);
    if (one === undefined || one.parts.length !== count) {
      one = { ...head, firstAt: now, parts: new Array(count).fill(null), missing: count, bytes: 0 };
      this.open.set(name, one);
      if (this.open.size > MOST_OPEN) {
        this.open.delete(this.open.keys().next().value);
        this.evicted += 1;
      }
    }
    if (one.parts[index] !== null) return null;
    one.parts[index] = bytes.subarray(FRAGMENT_HEADER_BYTES);
    one.missing -= 1;
    one.bytes += one.parts[index].byteLength;
    if (one.missing) return null;
    this.open.delete(name);
    return { ...head, firstAt: one.firstAt, completeAt: now, payload: joined(one.parts, one.bytes) };
  }

  /** Nothing of a frame is of use any more. */
  forget(track, sequence) {
    this.open.delete(`${track} ${sequence}`);
  }
}

/** Reads the records of one stream. */
export class Records {
  constructor() {
    this.parts = [];
    this.held = 0;
    this.firstAt = null;
  }

  /** Take the next bytes, which came at `now`; the frames that are whole with them. Raises Malformed. */
  feed(bytes, now) {
    this.parts.push(bytes);
    this.held += bytes.byteLength;
    this.firstAt ??= now;
    const frames = [];
    for (;;) {
      if (this.held < RECORD_HEADER_BYTES) break;
      const all = this.parts.length === 1 ? this.parts[0] : joined(this.parts, this.held);
      this.parts = [all];
      const view = new DataView(all.buffer, all.byteOffset, all.byteLength);
      const head = header(view, RECORD);
      const length = view.getUint32(HEADER_BYTES);
      if (length > MAX_FRAME_BYTES) throw new Malformed(`a record of ${length} bytes`);
      const end = RECORD_HEADER_BYTES + length;
      if (this.held < end) break;
      const payload = all.slice(RECORD_HEADER_BYTES, end);
      frames.push({ ...head, firstAt: this.firstAt, completeAt: now, payload });
      this.held -= end;
      this.parts = this.held ? [all.subarray(end)] : [];
      this.firstAt = this.held ? now : null;
    }
    return frames;
  }
}

function joined(parts, size) {
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}

/** A frame as it stands on a stream. */
export function record(frame) {
  const bytes = new Uint8Array(RECORD_HEADER_BYTES + frame.payload.byteLength);
  const view = writeHeader(bytes, RECORD, frame);
  view.setUint32(HEADER_BYTES, frame.payload.byteLength);
  bytes.set(frame.payload, RECORD_HEADER_BYTES);
  return bytes;
}

/** A frame as datagrams of at most `room` bytes, as equal in size as they can be. */
export function fragments(frame, room) {
  const size = frame.payload.byteLength;
  const count = Math.max(1, Math.ceil(size / (room - FRAGMENT_HEADER_BYTES)));
  const cut = (index) => Math.floor(size / count) * index + Math.min(index, size % count);
  return Array.from({ length: count }, (_, index) => {
    const part = frame.payload.subarray(cut(index), cut(index + 1));
    const bytes = new Uint8Array(FRAGMENT_HEADER_BYTES + part.byteLength);
    const view = writeHeader(bytes, FRAGMENT, frame);
    view.setUint16(HEADER_BYTES, index);
    view.setUint16(HEADER_BYTES + 2, count);
    bytes.set(part, FRAGMENT_HEADER_BYTES);
    return bytes;
  });
}

function writeHeader(bytes, kind, frame) {
  const view = new DataView(bytes.buffer);
  view.setUint8(0, kind);
  view.setUint8(1, frame.track);
  view.setUint8(3, frame.keyframe ? 1 : 0);
  view.setUint32(4, frame.group);
  view.setUint32(8, frame.sequence);
  view.setBigUint64(12, BigInt(frame.capturedUs));
  return view;
}
