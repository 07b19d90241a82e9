// Makes an instance of the core, which the build has written into this file's import; see ascii.mjs.

import text from "stompbox:core";

let module;

/** The core's exports. */
export function instantiate() {
  try {
    module ??= new WebAssembly.Module(decode());
    return new WebAssembly.Instance(module).exports;
  } catch (error) {
    // Forbidden by a policy, absent as in Hermes, or too large for the main thread of Chrome before 114.
    error.message +=
      "; where WebAssembly can't be used, use stompbox/csp, or allow script-src 'wasm-unsafe-eval'";
    throw error;
  }
}

function decode() {
  const bytes = [];
  let base = -1;
  for (const character of text) {
    const code = character.charCodeAt();
    if (code < 35) {
      base = code > 32 ? 181 : 90;
    } else {
      bytes.push(code - 35 - (code > 92) + base);
      base = -1;
    }
  }
  return Uint8Array.from(bytes);
}
