// Makes an instance of the core, which the build has written into this file's import; see ascii.mjs.

import { rotation, text } from "stompbox:core";

let module;

/** The core's exports. */
export function instantiate() {
  try {
    module ??= new WebAssembly.Module(decode());
    return new WebAssembly.Instance(module).exports;
  } catch (error) {
    if (typeof WebAssembly === "object" && error instanceof WebAssembly.CompileError) {
      error.message +=
        "; if a Content-Security-Policy forbids it: script-src 'wasm-unsafe-eval', or use stompbox/csp";
    }
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
