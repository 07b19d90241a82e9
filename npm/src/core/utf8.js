// Made at the first use: nothing of the host's is touched at the import.

let encoder;
let decoder;
let strict;
let buffer;
let loops;

/** Node's Buffer, null elsewhere. A page looks among its elements for a name that it does not have. */
const nodeBuffer = () => (buffer === undefined ? (buffer = globalThis.Buffer ?? null) : buffer);

/**
 * Whether a loop writes a head sooner than the engine's encoder: in browsers but Firefox, whose agent
 * alone has this word with a slash. Either way writes the same.
 */
const isLoopFaster = () =>
  (loops ??= !nodeBuffer() && !/Gecko\//.test(globalThis.navigator?.userAgent));

export const utf8Encoder = () => (encoder ??= new TextEncoder());

/** A text of bytes, whatever they are; one that begins with U+FEFF keeps it. */
export const textOf = (bytes) =>
  (decoder ??= new TextDecoder("utf-8", { ignoreBOM: true })).decode(bytes);

/** The same, of bytes that are text; throws if they are not. */
export const strictTextOf = (bytes) =>
  (strict ??= new TextDecoder("utf-8", { ignoreBOM: true, fatal: true })).decode(bytes);

/** A text's bytes. */
export const bytesOf = (text) => utf8Encoder().encode(text);

/** The bytes of a text, an ArrayBuffer or any view. */
export const asBytes = (data) =>
  typeof data === "string"
    ? bytesOf(data)
    : ArrayBuffer.isView(data)
      ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
      : new Uint8Array(data);

/** All parts, which may be texts, as bytes. */
export function concat(parts) {
  const all = parts.map(asBytes);
  const whole = new Uint8Array(all.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of all) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const BEYOND_ASCII = /[\x80-\uffff]/;

/** A text's length in UTF-8. */
export const utf8Length = (text) =>
  // Node's own counts faster than a search, which is the fastest in browsers.
  nodeBuffer()?.byteLength?.(text) ??
  (BEYOND_ASCII.test(text) ? bytesOf(text).length : text.length);

/** Writes what is from `from` to `to` of a text into `bytes`, as far as there is room; how much it is. */
export function write(text, from, to, bytes) {
  if (isLoopFaster()) {
    let at = 0;
    for (let code; from + at < to && (code = text.charCodeAt(from + at)) < 128; at++) {
      bytes[at] = code;
    }
    if (from + at === to) {
      return at;
    }
  }
  return utf8Encoder().encodeInto(text.slice(from, to), bytes).written;
}
