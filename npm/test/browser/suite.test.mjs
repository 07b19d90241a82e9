// One end-to-end suite in every browser that there is; see suite/.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { skip } from "../server.mjs";
import { browsers } from "./browsers.mjs";
import { serve } from "./harness.mjs";

/** There to end a browser that hangs, in ms. */
const LIMIT = 240_000;

for (const { name, open, skip: absent } of browsers) {
  describe(`the suite in ${name}`, { skip: skip || absent, timeout: LIMIT + 30_000 }, () => {
    it("passes", async (t) => {
      const harness = await serve();
      let browser;
      let limit;
      try {
        browser = await open(harness.url);
        const outcomes = await Promise.race([
          harness.results,
          browser.ended.then(() => assert.fail(`${name} ended by itself`)),
          new Promise((_, reject) => {
            limit = setTimeout(() => reject(new Error(`${name} reports nothing`)), LIMIT);
          }),
        ]);
        for (const { name, error } of outcomes) {
          await t.test(name, () => assert.equal(error, undefined, error));
        }
        assert.ok(outcomes.length > 2, "the suites were found");
      } finally {
        clearTimeout(limit);
        await browser?.stop();
        await harness.stop();
      }
    });
  });
}
