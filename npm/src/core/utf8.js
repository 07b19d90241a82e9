const encoder = new TextEncoder();
// A body that begins with U+FEFF keeps it.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** A text's length in UTF-8. */
export const utf8Length = (text) =>
  /[\x80-\uffff]/.test(text) ? encoder.encode(text).length : text.length;

/** A text of bytes, whatever they are. */
export const textOf = (bytes) => decoder.decode(bytes);

/** A text's bytes. */
export const bytesOf = (text) => encoder.encode(text);
