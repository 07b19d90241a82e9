// Builds dist/ from src/ and the WebAssembly core. `cargo xtask build` builds the core first and gives
// its path in STOMPBOX_WASM.

import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { build } from "esbuild";
import { core, inlined } from "./build/core.mjs";
import { checkSizes } from "./build/sizes.mjs";

const here = new URL("./", import.meta.url);
const inSource = (name) => new URL(`src/entrypoints/${name}`, here).pathname;
const inDist = (name) => new URL(`dist/${name}`, here).pathname;

const parts = await core();
const common = (isScript) => ({
  bundle: true,
  charset: "ascii",
  target: "es2020",
  legalComments: "none",
  banner: { js: "/*! stompbox, MIT OR Apache-2.0 */" },
  plugins: [inlined(parts, isScript)],
  logLevel: "warning",
  // Scripts look for CommonJS themselves.
  logOverride: { "commonjs-variable-in-esm": "silent" },
});
const WASM = common(false);
const SCRIPT = common(true);
const NODE = { platform: "node", external: ["ws"] };

/** ES modules: what one program imports of them shares its code, and the core. */
const modules = (options, names, folder) =>
  build({
    ...options,
    entryPoints: names.map((name) => ({ in: inSource(name), out: name.replace(/\.js$/, "") })),
    format: "esm",
    splitting: true,
    outdir: inDist(folder),
    outExtension: { ".js": ".mjs" },
  });

const commonJs = (options, name, to) =>
  build({ ...options, entryPoints: [inSource(name)], format: "cjs", outfile: inDist(to) });

/** For script tags and classic workers. */
const script = (options, to) =>
  Promise.all(
    [false, true].map((minify) =>
      build({
        ...options,
        entryPoints: [inSource("script.js")],
        format: "iife",
        minify,
        outfile: inDist(minify ? to.replace(/js$/, "min.js") : to),
      }),
    ),
  );

await rm(inDist(""), { recursive: true, force: true });
await mkdir(inDist(""));
await Promise.all([
  modules(WASM, ["browser.js", "classic.js", "core.js"], "esm"),
  // In one file, for pages without a bundler.
  build({ ...WASM, entryPoints: [inSource("browser.js")], format: "esm", outfile: inDist("stompbox.mjs") }),
  modules({ ...WASM, ...NODE }, ["node.js", "classic.js", "core.js"], "node"),
  modules(SCRIPT, ["browser.js"], "csp"),
  commonJs(WASM, "browser-cjs.cjs", "stompbox.browser.cjs"),
  commonJs({ ...WASM, ...NODE }, "node-cjs.cjs", "stompbox.cjs"),
  commonJs(WASM, "classic.js", "classic.cjs"),
  commonJs(WASM, "core.js", "core.cjs"),
  commonJs(SCRIPT, "browser-cjs.cjs", "csp.cjs"),
  script(WASM, "stomp.js"),
  script(SCRIPT, "stomp.csp.js"),
  // Here `.js` is a script, which `require` loads too.
  writeFile(inDist("package.json"), '{ "type": "commonjs" }\n'),
  cp(new URL("types/connect.d.mts", here), new URL("dist/connect.d.mts", here)),
  ...["stompbox", "classic", "core"].flatMap((name) =>
    ["mts", "cts"].map((kind) =>
      cp(new URL(`types/${name}.d.${kind}`, here), new URL(`dist/${name}.d.${kind}`, here)),
    ),
  ),
  // A tarball has its own.
  ...["MIT", "APACHE"].map((name) =>
    cp(new URL(`../LICENSE-${name}`, here), new URL(`LICENSE-${name}`, here)),
  ),
]);

const minified = async (options, name) => {
  const { outputFiles } = await build({
    ...options,
    entryPoints: [inSource(name)],
    format: "esm",
    minify: true,
    write: false,
  });
  return outputFiles[0].contents;
};
await checkSizes({
  "core (WebAssembly)": parts.wasm,
  "stomp.min.js": await readFile(inDist("stomp.min.js")),
  "stomp.csp.min.js": await readFile(inDist("stomp.csp.min.js")),
  "stompbox (browsers, minified)": await minified(WASM, "browser.js"),
  "stompbox/core (minified)": await minified(WASM, "core.js"),
});
