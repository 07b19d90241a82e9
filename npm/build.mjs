// Builds dist/ from src/ and the WebAssembly core. `cargo xtask build` builds the core first and gives
// its path in STOMPBOX_WASM.

import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { build } from "esbuild";
import { minify as terser } from "terser";
import { core, inlined } from "./build/core.mjs";
import { checkSizes } from "./build/sizes.mjs";

const LICENSE = "/*! stompbox, MIT OR Apache-2.0 */";

const here = new URL("./", import.meta.url);
const inSource = (name) => new URL(`src/entrypoints/${name}`, here).pathname;
const inDist = (name) => new URL(`dist/${name}`, here).pathname;

/** What can be imported beside the root: each has src/entrypoints/NAME.js and types/NAME.d.mts. */
const ENTRIES = ["classic", "client", "core"];
const entryFiles = ENTRIES.map((name) => `${name}.js`);

const parts = await core();
const common = (isScript) => ({
  bundle: true,
  charset: "ascii",
  target: "es2021",
  legalComments: "none",
  banner: { js: LICENSE },
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

/** Smaller by 3 % after brotli than esbuild's own. */
async function minify(contents) {
  const text = new TextDecoder().decode(contents);
  const { code } = await terser(text, {
    ecma: 2021,
    module: true,
    compress: { passes: 3, unsafe_arrows: true, pure_getters: true },
    format: { ascii_only: true, comments: false, preamble: LICENSE },
  });
  return Buffer.from(`${code}\n`);
}

const bundle = async (options, name, format) => {
  const entryPoints = [inSource(name)];
  const { outputFiles } = await build({ ...options, entryPoints, format, write: false });
  return outputFiles[0].contents;
};

/** For script tags and classic workers. */
async function script(options, to) {
  const contents = await bundle(options, "script.js", "iife");
  await writeFile(inDist(to), contents);
  await writeFile(inDist(to.replace(/js$/, "min.js")), await minify(contents));
}

await rm(inDist(""), { recursive: true, force: true });
await mkdir(inDist(""));
await Promise.all([
  modules(WASM, ["browser.js", ...entryFiles], "esm"),
  // In one file, for pages without a bundler.
  build({ ...WASM, entryPoints: [inSource("browser.js")], format: "esm", outfile: inDist("stompbox.mjs") }),
  modules({ ...WASM, ...NODE }, ["node.js", ...entryFiles], "node"),
  modules(SCRIPT, ["browser.js", ...entryFiles], "csp"),
  commonJs(WASM, "browser-cjs.cjs", "stompbox.browser.cjs"),
  commonJs({ ...WASM, ...NODE }, "node-cjs.cjs", "stompbox.cjs"),
  ...ENTRIES.map((name) => commonJs(WASM, `${name}.js`, `${name}.cjs`)),
  commonJs(SCRIPT, "browser-cjs.cjs", "csp.cjs"),
  script(WASM, "stomp.js"),
  script(SCRIPT, "stomp.csp.js"),
  // Here `.js` is a script, which `require` loads too. Bundlers look here for what has effects.
  writeFile(inDist("package.json"), '{ "type": "commonjs", "sideEffects": ["./*.js"] }\n'),
  ...["stompbox", "connect", "root", ...ENTRIES].flatMap((name) =>
    ["mts", "cts"].map(async (kind) => {
      // The others are the same for both kinds of module.
      const from = name === "stompbox" ? kind : "mts";
      const text = await readFile(new URL(`types/${name}.d.${from}`, here), "utf8");
      const own = kind === "cts" ? text.replaceAll('.mjs"', '.cjs"') : text;
      await writeFile(new URL(`dist/${name}.d.${kind}`, here), own);
    }),
  ),
  // A tarball has its own.
  ...["MIT", "APACHE"].map((name) =>
    cp(new URL(`../LICENSE-${name}`, here), new URL(`LICENSE-${name}`, here)),
  ),
]);

const minified = async (options, name) => minify(await bundle(options, name, "esm"));
await checkSizes({
  "core (WebAssembly)": parts.wasm,
  "stomp.min.js": await readFile(inDist("stomp.min.js")),
  "stomp.csp.min.js": await readFile(inDist("stomp.csp.min.js")),
  "stompbox (browsers, minified)": await minified(WASM, "browser.js"),
  "stompbox/client (minified)": await minified(WASM, "client.js"),
  "stompbox/core (minified)": await minified(WASM, "core.js"),
});
