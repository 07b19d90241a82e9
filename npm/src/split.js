/** Cuts text or bytes into pieces of at most `size`, never between the two of a pair. */
export function split(data, size) {
  const step = Math.floor(size);
  if (!(step > 1) || data.length <= step) {
    return [data];
  }
  const isText = typeof data === "string";
  const pieces = [];
  for (let at = 0; at < data.length; ) {
    let end = at + step;
    if (isText && end < data.length && /[\ud800-\udbff]/.test(data[end - 1])) {
      end -= 1;
    }
    pieces.push(isText ? data.slice(at, end) : data.subarray(at, end));
    at = end;
  }
  return pieces;
}
