// The specs of @stomp/stompjs 7.5, unchanged, in Node, with this package in the place of its sources.
// They are in its repository only: STOMPJS names a checkout, without which the test is skipped.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { startBroker, without } from "./broker.mjs";

const REPOSITORY = "https://github.com/stomp-js/stompjs";
/** A little older than 7.5.0. */
const COMMIT = "c56ed2a587bde087932363146aa65b02a58ed681";

const here = new URL("./", import.meta.url).pathname;
const work = `${here}work/stompjs`;
const execute = promisify(execFile);

/** What can't pass. */
const OTHERS = [
  // Of a class that the package does not export: heart-beats tick in src/ticker.js here.
  "ticker.spec.ts",
];

describe("the specs of @stomp/stompjs", { skip: without("STOMPJS", REPOSITORY, COMMIT), timeout: 600_000 }, () => {
  let broker;
  before(async () => {
    broker = await startBroker();
    await rm(work, { recursive: true, force: true });
    await mkdir(`${work}/src`, { recursive: true });
    await cp(`${process.env.STOMPJS}/spec`, `${work}/spec`, { recursive: true });
    await mkdir(`${work}/esm6`);
    const ours = new URL("../dist/node/node.mjs", import.meta.url).pathname;
    for (const folder of ["src", "esm6"]) {
      await writeFile(`${work}/${folder}/index.js`, `export * from ${JSON.stringify(ours)};\n`);
    }
    await writeFile(`${work}/package.json`, '{ "type": "module" }\n');
    // Theirs is at a fixed port.
    for (const file of await readdir(`${work}/spec/helpers`)) {
      const path = `${work}/spec/helpers/${file}`;
      const text = await readFile(path, "utf8");
      await writeFile(path, text.replaceAll("ws://localhost:15674/ws", broker.ws));
    }
    await writeFile(
      `${work}/playwright.config.mjs`,
      `export default {
        testDir: "spec/unit",
        testIgnore: ${JSON.stringify(OTHERS.map((name) => `**/${name}`))},
        timeout: 20_000,
        workers: 1,
        reporter: "json",
      };`,
    );
  });
  after(() => broker?.stop());

  it("pass", async () => {
    const args = [`${here}node_modules/@playwright/test/cli.js`, "test"];
    const options = { cwd: work, maxBuffer: 1 << 28, env: { ...process.env, NODE_OPTIONS: "" } };
    const { stdout } = await execute(process.execPath, args, options).catch((error) => error);
    const results = [];
    const walk = ({ title, suites = [], specs = [] }, path) => {
      const name = [...path, title].filter(Boolean);
      specs.forEach((spec) => results.push([[...name, spec.title].join(" > "), spec.tests[0]]));
      suites.forEach((suite) => walk(suite, name));
    };
    const report = JSON.parse(stdout);
    walk(report, []);
    const failed = results
      .filter(([, { status }]) => status !== "expected")
      .map(([name, { status, results: [last] }]) => `${name}: ${last?.error?.message ?? status}`);
    assert.deepEqual([...failed, ...report.errors.map(({ message }) => message)], []);
    assert.ok(results.length > 0);
    console.log(`${results.length} specs`);
  });
});
