// The cores. All connections share one; it has room for 1024, and then another is made.

import { instantiate } from "./instance.js";

/** Octets of the window, and words of the table, as the core has them. */
const WINDOW = 131072;
const TABLE = 9 + 512 * 5;

const cores = [];

/** A core with a place for a connection, and that place: `[core, id]`. `args` are `open`'s. */
export function open(...args) {
  for (let at = 0; ; at++) {
    const core = (cores[at] ??= withViews(instantiate()));
    const id = core.open(...args);
    if (id) {
      return [core, id - 1];
    }
  }
}

/** The exports, with views of the memory, which never grows, and the names of headers by number. */
function withViews(core) {
  const words = new Uint32Array(core.memory.buffer, core.table(), TABLE);
  // The window is next to the table.
  const io = new Uint8Array(words.buffer, words.byteOffset + words.byteLength, WINDOW);
  return { ...core, words, io, names: [] };
}
