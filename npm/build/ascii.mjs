// Bytes as a text of printable ASCII characters: what the build writes, src/core/instance.js reads.
// Most bytes are one character, so that brotli finds in the text what it would find in the bytes;
// base64 shifts them, and costs a quarter more.

/** From `#` to `~`, without the backslash; the blank and `!` before one of them say which 91 more. */
const DIRECT = 91;

/** The text for these bytes. Each is one more first: of all that could be added it compresses best. */
export function toAscii(bytes) {
  let text = "";
  for (const byte of bytes) {
    const value = (byte + 1) & 255;
    text += ["", " ", "!"][Math.floor(value / DIRECT)];
    const code = (value % DIRECT) + 35;
    text += String.fromCharCode(code < 92 ? code : code + 1);
  }
  return text;
}
