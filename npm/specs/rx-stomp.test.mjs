// The specs of @stomp/rx-stomp 2.1, unchanged, in Node, over its sources on this package.
// They are in its repository only: RXSTOMP names a checkout, without which the test is skipped.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, readdir, rm } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { build } from "esbuild";
import { startBroker, without } from "./broker.mjs";

const REPOSITORY = "https://github.com/stomp-js/rx-stomp";
/** The one of 2.1.0. */
const COMMIT = "5cd69826f73ed588112cb34d1c979da57e8acc24";

const here = new URL("./", import.meta.url).pathname;
const bundle = `${here}work/rx-stomp/specs.mjs`;
const execute = promisify(execFile);

/** What can't pass: before each of these a member is replaced that is private to their client. */
const OTHERS = [
  "should send subscription headers",
  "should send subscription headers returned by a function",
  "should use passed unsubscription headers",
  "should use unsubscription headers returned by a function",
  "should use subscription/unsubscription headers",
].map((name) => `Subscribe & Publish Headers ${name}`);

describe("the specs of @stomp/rx-stomp", { skip: without("RXSTOMP", REPOSITORY, COMMIT), timeout: 600_000 }, () => {
  let broker;
  before(async () => {
    broker = await startBroker();
    await rm(bundle, { force: true });
    const checkout = process.env.RXSTOMP;
    const files = await readdir(`${checkout}/spec/unit`);
    const swap = {
      name: "swap",
      setup({ onLoad, onResolve }) {
        // Theirs is at a fixed port.
        onLoad({ filter: /rx-stomp-factory\.ts$/ }, async ({ path }) => {
          const text = await readFile(path, "utf8");
          return { contents: text.replaceAll("ws://127.0.0.1:15674/ws", broker.ws), loader: "ts" };
        });
        // Imported for its types.
        onResolve({ filter: /^jasmine$/ }, ({ path }) => ({ path, namespace: "types" }));
        onLoad({ filter: /./, namespace: "types" }, () => ({ contents: "" }));
      },
    };
    await build({
      stdin: {
        contents: files.map((file) => `import "./spec/unit/${file}";`).join("\n"),
        resolveDir: checkout,
      },
      bundle: true,
      format: "esm",
      platform: "node",
      outfile: bundle,
      external: ["ws"],
      alias: { "@stomp/stompjs": new URL("../dist/node/node.mjs", import.meta.url).pathname },
      nodePaths: [`${here}node_modules`],
      tsconfigRaw: {},
      plugins: [swap],
    });
  });
  after(() => broker?.stop());

  it("pass", async () => {
    const args = [`${here}jasmine.mjs`, bundle];
    const { stdout } = await execute(process.execPath, args, { cwd: here, maxBuffer: 1 << 28 });
    const results = JSON.parse(stdout);
    const failed = results.filter(({ status }) => status !== "passed");
    const others = failed.filter(({ fullName }) => OTHERS.includes(fullName));
    assert.deepEqual(failed.filter((spec) => !others.includes(spec)), []);
    assert.equal(others.length, OTHERS.length);
    console.log(`${results.length} specs, ${others.length} of which can't pass`);
  });
});
