// Every global of browsers is poisoned, then all entries are imported: server rendering must work.
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
for (const name of ["window", "document", "navigator", "self", "WebSocket", "WebAssembly", "TextEncoder", "TextDecoder", "Worker", "Blob", "atob", "localStorage"]) {
  Object.defineProperty(globalThis, name, {
    configurable: true,
    get() {
      throw new Error(`${name} was touched at the import`);
    },
  });
}
const before = Object.getOwnPropertyNames(globalThis).length;
for (const entry of process.argv.slice(2)) {
  await import(entry);
  require(entry);
}
if (Object.getOwnPropertyNames(globalThis).length !== before) throw new Error("a global was added");
console.log("ok");
process.exit(0);
