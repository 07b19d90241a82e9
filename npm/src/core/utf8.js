// Made at the first use: nothing of the host's is touched at the import.

let encoder;
let decoder;

export const utf8Encoder = () => (encoder ??= new TextEncoder());

/** A text of bytes, whatever they are; one that begins with U+FEFF keeps it. */
export const textOf = (bytes) =>
  (decoder ??= new TextDecoder("utf-8", { ignoreBOM: true })).decode(bytes);

/** A text's bytes. */
export const bytesOf = (text) => utf8Encoder().encode(text);

/** A text's length in UTF-8. */
export const utf8Length = (text) =>
  // Node's own counts faster than a search, which is the fastest in browsers.
  globalThis.Buffer?.byteLength?.(text) ??
  (/[\x80-\uffff]/.test(text) ? bytesOf(text).length : text.length);
