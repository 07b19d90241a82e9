// The packed tarball in real small projects. What runs in a browser needs CHROME, what talks to a
// broker needs STOMPBOX; both are named where they are left out.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdir, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { build } from "esbuild";
import { launch, skipBrowser } from "../test/browser/chromium.mjs";
import { program, skip, startServer } from "../test/server.mjs";

const here = new URL("./", import.meta.url).pathname;
const work = `${here}work/`;
const execute = promisify(execFile);

/** Runs a program in a project to its end; what it wrote if that is not 0. */
async function run(project, file, args, env = {}) {
  try {
    const { stdout } = await execute(file, args, {
      cwd: `${work}${project}`,
      env: { ...process.env, NODE_ENV: undefined, ...env },
    });
    return stdout;
  } catch (error) {
    assert.fail(`${file} ${args.join(" ")}: ${error.message}\n${error.stdout}\n${error.stderr}`);
  }
}

const tool = (name) => `${here}node_modules/.bin/${name}`;

describe("the packed tarball", { timeout: 600_000 }, () => {
  let server;
  let tarball;
  let browser;
  let files;
  const port = () => (server ? { PORT: String(server.port) } : {});

  before(async () => {
    await rm(work, { recursive: true, force: true });
    await mkdir(`${work}node_modules/stompbox`, { recursive: true });
    await cp(`${here}projects`, work, { recursive: true });
    const packed = await execute("npm", ["pack", "--json", "--pack-destination", work], {
      cwd: `${here}..`,
    });
    const [{ filename }] = JSON.parse(packed.stdout);
    tarball = `${work}${filename}`;
    await execute("tar", ["xzf", tarball, "--strip-components=1", "-C", `${work}node_modules/stompbox`]);
    // The projects' pages are on another port.
    if (program) server = await startServer("--allow-origin", "*");
    if (!skipBrowser) browser = await launch();
    files = createServer(async (request, response) => {
      const path = new URL(request.url, "http://localhost").pathname;
      const type = /js$/.test(path) ? "text/javascript; charset=utf-8" : "text/html; charset=utf-8";
      try {
        const bytes = path === "/" ? "<!doctype html>" : await readFile(`${work}${path}`);
        response.writeHead(200, { "content-type": type }).end(bytes);
      } catch {
        response.writeHead(404).end();
      }
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => files.once("listening", resolve));
  });
  after(async () => {
    files?.close();
    await browser?.close();
    await server?.stop();
    await rm(work, { recursive: true, force: true });
  });

  const page = async (use) => {
    const opened = await browser.newPage();
    try {
      await opened.goto(`http://127.0.0.1:${files.address().port}/`);
      return await use(opened);
    } finally {
      await opened.close();
    }
  };
  const inBrowser = { skip: skip || skipBrowser };
  const talks = (use) =>
    page(async (opened) => {
      await use(opened);
      const body = await opened.evaluate((url) => roundTrip(url), server.ws);
      assert.equal(body, "hällo");
    });

  it("holds the licences, the types and the bundles, and no source", async () => {
    const { stdout } = await execute("tar", ["tzf", tarball]);
    const names = stdout.trim().split("\n");
    for (const name of ["LICENSE-MIT", "LICENSE-APACHE", "README.md", "dist/stomp.min.js", "dist/stompbox.d.mts"]) {
      assert.ok(names.includes(`package/${name}`), name);
    }
    assert.ok(!names.some((name) => /src\/|test\/|\.wasm$/.test(name)), stdout);
  });

  it("is imported by Node", async () => {
    assert.match(await run("node-esm", "node", ["main.mjs"], port()), /ok/);
  });

  it("is required by Node", async () => {
    assert.match(await run("node-cjs", "node", ["main.cjs"], port()), /ok/);
  });

  it("touches no global at the import, and adds none", async () => {
    const entries = ["stompbox", "stompbox/classic", "stompbox/core", "stompbox/csp"];
    assert.match(await run(".", "node", ["globals.mjs", ...entries]), /ok/);
  });

  for (const [name, options] of Object.entries({
    node16: ["--module", "node16", "--moduleResolution", "node16", "main.mts", "main.cts"],
    nodenext: ["--module", "nodenext", "--moduleResolution", "nodenext", "main.mts", "main.cts"],
    bundler: ["--module", "esnext", "--moduleResolution", "bundler", "bundler.ts"],
  })) {
    it(`has types for TypeScript's ${name}`, async () => {
      const common = ["--noEmit", "--strict", "--verbatimModuleSyntax", "--target", "es2022"];
      const types = ["--skipLibCheck", "false", "--lib", "es2022,dom", "--types", "node"];
      await run("typescript", tool("tsc"), [...common, ...types, ...options]);
    });
  }

  it("is clean for attw", async () => {
    const files = ["stomp.js", "stomp.min.js", "stomp.csp.js", "stomp.csp.min.js", "stompbox.mjs"];
    await run(".", tool("attw"), [tarball, "--profile", "node16", "--exclude-entrypoints", ...files]);
  });

  it("shakes to what is used", async () => {
    const size = async (contents) => {
      const { outputFiles } = await build({
        stdin: { contents, resolveDir: work },
        bundle: true,
        minify: true,
        format: "esm",
        legalComments: "none",
        write: false,
      });
      return outputFiles[0].contents.length;
    };
    assert.ok((await size('import "stompbox"; import "stompbox/core";')) < 100);
    assert.ok((await size('import { Kind } from "stompbox/core"; console.log(Kind)')) < 400);
    const core = await size('import { Session } from "stompbox/core"; console.log(Session)');
    const all = await size('import { Stomp } from "stompbox"; console.log(Stomp)');
    const own = await size('import { connect } from "stompbox"; console.log(connect)');
    const faces = await size('import { Stomp, connect } from "stompbox"; console.log(Stomp, connect)');
    assert.ok(all < faces && own < faces, `${all} ${own} ${faces}: a face is there if it is used`);
    const [named, path] = await Promise.all(
      ["stompbox", "stompbox/client"].map((name) => size(`import { Client } from "${name}"; console.log(Client)`)),
    );
    assert.ok(named < path + 100, `${named} ${path}: the root's Client brings nothing else`);
    const both = await size(
      'import { Stomp } from "stompbox"; import { Session } from "stompbox/core"; console.log(Stomp, Session)',
    );
    assert.ok(core < all && both < all + 500, `${core} ${all} ${both}: the core is there once`);
  });

  it("is bundled by esbuild", inBrowser, async () => {
    await build({ entryPoints: [`${work}bundled/main.js`], bundle: true, outfile: `${work}bundled/esbuild/main.js` });
    await talks((opened) => opened.addScriptTag({ url: "/bundled/esbuild/main.js" }));
  });

  it("is bundled by webpack 5", inBrowser, async () => {
    const webpack = (await import("webpack")).default;
    const config = { mode: "production", context: `${work}bundled`, entry: "./main.js", output: { path: `${work}bundled/webpack`, filename: "main.js" } };
    const stats = await promisify(webpack)(config);
    assert.ok(!stats.hasErrors() && !stats.hasWarnings(), stats.toString());
    await talks((opened) => opened.addScriptTag({ url: "/bundled/webpack/main.js" }));
  });

  it("is bundled by Vite", inBrowser, async () => {
    await run("bundled", tool("vite"), ["build", "--outDir", "vite", "--base", "./"]);
    await talks(async (opened) => {
      await opened.goto(`http://127.0.0.1:${files.address().port}/bundled/vite/index.html`);
      await opened.waitForFunction(() => globalThis.roundTrip);
    });
  });

  it("carries @stomp/rx-stomp", async () => {
    // Beside it, so that it finds this package as its peer.
    await cp(`${here}node_modules/@stomp/rx-stomp`, `${work}node_modules/@stomp/rx-stomp`, { recursive: true });
    await cp(`${work}node_modules/stompbox`, `${work}node_modules/@stomp/stompjs`, { recursive: true });
    assert.equal(await run("rx", "node", ["main.mjs"], port()), "ok\n");
  });

  it("is tested with Jest", async () => {
    // As CommonJS, and as the ES modules for which Jest still needs a flag.
    const NODE_OPTIONS = "--experimental-vm-modules --no-warnings";
    const args = ["--rootDir", ".", "--forceExit", "--no-cache"];
    await run("jest", tool("jest"), args, { ...port(), NODE_ENV: "test", NODE_OPTIONS });
  });

  for (const name of ["stomp.js", "stomp.min.js", "stomp.csp.js", "stomp.csp.min.js"]) {
    it(`works by a script tag as ${name}`, inBrowser, () =>
      talks(async (opened) => {
        await opened.addScriptTag({ url: `/node_modules/stompbox/dist/${name}` });
        await opened.evaluate(() => {
          globalThis.roundTrip = (url) =>
            new Promise((resolve, reject) => {
              const client = Stomp.client(url);
              client.debug = null;
              const queue = `/queue/script-${Math.random()}`;
              const begin = () => {
                client.subscribe(queue, ({ body }) => client.disconnect(() => resolve(body)));
                client.send(queue, {}, "h\u00e4llo");
              };
              client.connect("guest", "guest", begin, reject);
            });
        });
      }),
    );
  }

  it("works in a module worker", inBrowser, () =>
    page(async (opened) => {
      const body = await opened.evaluate(
        (url) =>
          new Promise((resolve, reject) => {
            const worker = new Worker("/worker/worker.mjs", { type: "module" });
            worker.onmessage = ({ data }) => resolve(data);
            worker.onerror = (event) => reject(new Error(event.message));
            worker.postMessage(url);
          }),
        server.ws,
      );
      assert.equal(body, "hällo");
    }),
  );
});
