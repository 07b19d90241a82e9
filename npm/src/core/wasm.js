// The WebAssembly core: one instance for all connections, made at the first use.

import inlined from "stompbox:core";

let core;

/** The exports of the core. */
export function exports() {
  core ??= instantiate();
  return core;
}

function instantiate() {
  try {
    return new WebAssembly.Instance(new WebAssembly.Module(decode(inlined))).exports;
  } catch (error) {
    if (typeof WebAssembly === "object" && error instanceof WebAssembly.CompileError) {
      error.message +=
        ": does a Content-Security-Policy forbid it? script-src needs 'wasm-unsafe-eval'";
    }
    throw error;
  }
}

function decode(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) {
    bytes[at] = text.charCodeAt(at);
  }
  return bytes;
}
