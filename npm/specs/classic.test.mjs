// The specs for Node that stompjs 2.3.3 has in its package, unchanged, with our files in the place of its own.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
// Version 1, whose classes bind their methods before the base's constructor runs, as the mocks want it.
import coffee from "coffeescript";

const require = createRequire(import.meta.url);
const COUNT = 8;

const contains = (list, item) => assert.ok(list.includes(item), `${item} is not in ${list}`);

/** What they use of Jasmine 1: a spec queues steps, which run when it has returned. */
function jasmine(add) {
  let steps;
  return {
    describe: (_, body) => body(),
    it: (name, body) =>
      add(name, async () => {
        steps = [];
        body();
        for (const step of steps) {
          await step();
        }
      }),
    waitsFor: (condition) =>
      steps.push(async () => {
        while (!condition()) {
          await sleep(5);
        }
      }),
    runs: (step) => steps.push(step),
    expect: (value) => ({
      toBe: (other) => assert.equal(value, other),
      toEqual: (other) => assert.deepEqual(value, other),
      toContain: (item) => contains(value, item),
      not: { toContain: (item) => assert.throws(() => contains(value, item)) },
    }),
  };
}

/** Runs a file of theirs; its exports. */
function load(name, names, globals) {
  const path = require.resolve(`stompjs/test/${name}.coffee`);
  const code = coffee.compile(readFileSync(path, "utf8"), { bare: true });
  const exports = {};
  const all = { ...globals, exports, require: (name) => names[name] };
  new Function(...Object.keys(all), code)(...Object.values(all));
  return exports;
}

for (const file of ["classic.cjs", "stompbox.cjs"]) {
  describe(`the specs of stompjs 2.3.3 with ${file}`, () => {
    let count = 0;
    const add = (name, body) => {
      count++;
      it(name, { timeout: 10_000 }, body);
    };
    const names = { console: { log() {} }, "../../lib/stomp.js": require(`../dist/${file}`) };
    names["./websocket.mock.js"] = load("websocket.mock", names, {});
    names["./server.mock.js"] = load("server.mock", names, {});
    load("stomp.spec", names, jasmine(add));
    it("are all there", () => assert.equal(count, COUNT));
  });
}
