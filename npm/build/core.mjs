// The core for the bundles: as WebAssembly, and as JavaScript for pages that forbid that.

import { readFile } from "node:fs/promises";
import binaryen from "binaryen";
import { toAscii } from "./ascii.mjs";

const path =
  process.env.STOMPBOX_WASM ??
  new URL("../../target/wasm32-unknown-unknown/wasm/stompbox_wasm.wasm", import.meta.url).pathname;

const { Features } = binaryen;
const RUST = [
  Features.BulkMemory,
  Features.BulkMemoryOpt,
  Features.SignExt,
  Features.NontrappingFPToInt,
  Features.MutableGlobals,
].reduce((all, feature) => all | feature);

function read(bytes) {
  binaryen.setOptimizeLevel(2);
  binaryen.setShrinkLevel(2);
  // Below the stack: no address of the core's is there.
  binaryen.setLowMemoryUnused(true);
  binaryen.setGenerateStackIR(true);
  binaryen.setOptimizeStackIR(true);
  const module = binaryen.readBinary(bytes);
  module.setFeatures(RUST);
  // The linker's, which nobody asks for.
  module.removeExport("__data_end");
  module.removeExport("__heap_base");
  return module;
}

/** `{wasm, script}`: the module's bytes, and a script whose `instantiate` gives the same exports. */
export async function core() {
  const bytes = await readFile(path);
  const module = read(bytes);
  module.runPasses(["rse"]);
  module.optimize();
  module.optimize();
  const wasm = Buffer.from(module.emitBinary());
  module.dispose();

  const lowered = read(bytes);
  lowered.runPasses([
    "llvm-memory-copy-fill-lowering",
    "signext-lowering",
    "llvm-nontrapping-fptoint-lowering",
  ]);
  lowered.setFeatures(Features.MutableGlobals);
  lowered.optimize();
  const text = lowered.emitAsmjs();
  lowered.dispose();
  const end = text.indexOf("var retasmFunc");
  if (end < 0) {
    throw new Error("binaryen writes another script than build/core.mjs expects");
  }
  // All within the function: nothing runs at the import.
  const script = `export function instantiate() { ${text.slice(0, end)}; return asmFunc({}); }`;
  return { wasm, script };
}

/** The plugin for esbuild that puts the core into `src/core/instance.js`, or in its place. */
export function inlined({ wasm, script }, isScript) {
  const contents = isScript ? script : `export default ${JSON.stringify(toAscii(wasm))};`;
  return {
    name: "core",
    setup(build) {
      const filter = isScript ? /\/instance\.js$/ : /^stompbox:core$/;
      build.onResolve({ filter }, () => ({ path: "core", namespace: "core" }));
      build.onLoad({ filter: /.*/, namespace: "core" }, () => ({ contents, loader: "js" }));
    },
  };
}
