/** Cuts a text into pieces of at most `size` characters, never between the two of a pair. */
export function splitText(text, size) {
  if (!(size > 1) || text.length <= size) {
    return [text];
  }
  const pieces = [];
  for (let at = 0; at < text.length; ) {
    let end = Math.min(at + Math.floor(size), text.length);
    const last = text.charCodeAt(end - 1);
    if (end < text.length && last >= 0xd800 && last < 0xdc00) {
      end -= 1;
    }
    pieces.push(text.slice(at, end));
    at = end;
  }
  return pieces;
}

/** Cuts bytes into pieces of at most `size`. */
export function splitBytes(bytes, size) {
  if (!(size > 1) || bytes.length <= size) {
    return [bytes];
  }
  const pieces = [];
  const step = Math.floor(size);
  for (let at = 0; at < bytes.length; at += step) {
    pieces.push(bytes.subarray(at, at + step));
  }
  return pieces;
}
