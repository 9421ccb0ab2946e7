// What WebCodecs calls our codecs, and bytes of texts.

export const CODECS = {
  h264: "avc1.640028",
  vp8: "vp8",
  vp9: "vp09.00.31.08",
  av1: "av01.0.08M.08",
  hevc: "hev1.1.6.L120.90",
};

export function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
