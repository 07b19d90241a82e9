// Builds dist/ from src/ and the WebAssembly core. `cargo xtask` builds the core first and gives
// its path in STOMPBOX_WASM.

import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import binaryen from "binaryen";
import { build } from "esbuild";
import { toAscii } from "./ascii.mjs";

const here = new URL("./", import.meta.url);
const wasm =
  process.env.STOMPBOX_WASM ??
  new URL("../target/wasm32-unknown-unknown/wasm/stompbox_wasm.wasm", here).pathname;

async function core() {
  const original = await readFile(wasm);
  const module = binaryen.readBinary(original);
  module.setFeatures(
    binaryen.Features.BulkMemory |
      binaryen.Features.BulkMemoryOpt |
      binaryen.Features.SignExt |
      binaryen.Features.NontrappingFPToInt |
      binaryen.Features.MutableGlobals,
  );
  binaryen.setOptimizeLevel(2);
  binaryen.setShrinkLevel(2);
  module.optimize();
  const small = Buffer.from(module.emitBinary());
  module.dispose();
  return small.length < original.length ? small : original;
}

const { text, rotation } = toAscii(await core());
const inlined = {
  name: "core",
  setup(build) {
    build.onResolve({ filter: /^stompbox:core$/ }, () => ({ path: "core", namespace: "core" }));
    build.onLoad({ filter: /.*/, namespace: "core" }, () => ({
      contents: `export const text = ${JSON.stringify(text)}; export const rotation = ${rotation};`,
      loader: "js",
    }));
  },
};

const license = "/*! stompbox, MIT OR Apache-2.0 */";
const common = {
  bundle: true,
  charset: "ascii",
  target: "es2020",
  legalComments: "none",
  banner: { js: license },
  plugins: [inlined],
  logLevel: "warning",
};
const entry = (name) => [new URL(`src/entrypoints/${name}`, here).pathname];
const out = (name) => new URL(`dist/${name}`, here).pathname;

await rm(new URL("dist", here), { recursive: true, force: true });
await mkdir(new URL("dist", here));
const node = { platform: "node", external: ["ws"] };
await Promise.all([
  build({ ...common, entryPoints: entry("script.js"), format: "iife", outfile: out("stomp.js") }),
  build({ ...common, entryPoints: entry("script.js"), format: "iife", minify: true, outfile: out("stomp.min.js") }),
  build({ ...common, entryPoints: entry("browser.js"), format: "esm", outfile: out("stompbox.mjs") }),
  build({ ...common, entryPoints: entry("browser-cjs.cjs"), format: "cjs", outfile: out("stompbox.browser.cjs") }),
  build({ ...common, ...node, entryPoints: entry("node.js"), format: "esm", outfile: out("stompbox.node.mjs") }),
  build({ ...common, ...node, entryPoints: entry("node-cjs.cjs"), format: "cjs", outfile: out("stompbox.cjs") }),
  // Here `.js` is a script, which `require` loads too.
  writeFile(new URL("dist/package.json", here), '{ "type": "commonjs" }\n'),
  cp(new URL("types/stompbox.d.mts", here), new URL("dist/stompbox.d.mts", here)),
  cp(new URL("types/stompbox.d.cts", here), new URL("dist/stompbox.d.cts", here)),
]);
for (const file of ["stomp.js", "stomp.min.js", "stompbox.mjs", "stompbox.cjs"]) {
  const text = await readFile(new URL(`dist/${file}`, here));
  console.log(`${file}: ${text.length} bytes, ${gzipSync(text, { level: 9 }).length} gzipped`);
}
