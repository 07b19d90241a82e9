// Makes an instance of the core, which the build has written into this file's import; see ascii.mjs.

import { rotation, text } from "stompbox:core";

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
  let high = 0;
  for (const character of text) {
    const value = character === "!" ? 57 : character.charCodeAt(0) - 35;
    if (value < 0) {
      high = 182;
    } else if (value > 90) {
      high = 91;
    } else {
      bytes.push(value + high + rotation);
      high = 0;
    }
  }
  return Uint8Array.from(bytes);
}
