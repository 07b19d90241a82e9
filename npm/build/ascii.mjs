// Bytes as a text of printable ASCII characters: what the build writes, src/core/instance.js reads.
// Most bytes are one character, so that brotli finds in the text what it would find in the bytes;
// base64 shifts them, and costs a quarter more.

import { brotliCompressSync } from "node:zlib";

/** Of 92 characters from `#` on the last is a prefix; `!` is in the place of the backslash. */
const DIRECT = 91;

function encode(bytes, rotation) {
  let text = "";
  for (const byte of bytes) {
    const value = (byte - rotation) & 255;
    text += ["", "~", " "][Math.floor(value / DIRECT)];
    const code = (value % DIRECT) + 35;
    text += code === 92 ? "!" : String.fromCharCode(code);
  }
  return text;
}

/** The text for these bytes, and what is to be added to each: the one of 256 that compresses best. */
export function toAscii(bytes) {
  let best;
  for (let rotation = 0; rotation < 256; rotation++) {
    const text = encode(bytes, rotation);
    const size = brotliCompressSync(text).length;
    if (!best || size < best.size) {
      best = { text, rotation, size };
    }
  }
  return best;
}
