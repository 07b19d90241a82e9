// The browser tests of stompjs 2.3.3, unchanged, in Chromium, with our file in the place of its.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { after, before, describe, it } from "node:test";
import { skip, startServer } from "../server.mjs";
import { launch, skipBrowser } from "./chromium.mjs";

const theirs = new URL("../../node_modules/stompjs/", import.meta.url);
const ours = new URL("../../dist/", import.meta.url);

/** As much of jQuery as the page uses, which it has from elsewhere. */
const JQUERY = `
window.$ = () => ({ ready: (f) => addEventListener("DOMContentLoaded", f), text() {}, append() {} });
`;

describe("the tests of stompjs 2.3.3 in Chromium", { skip: skip || skipBrowser, timeout: 120_000 }, () => {
  let server;
  let browser;
  let pages;
  let file;
  before(async () => {
    pages = createServer(async ({ url }, response) => {
      const { pathname } = new URL(url, "http://localhost");
      const type = pathname.endsWith(".html") ? "text/html" : "text/javascript";
      response.setHeader("content-type", type);
      try {
        response.end(await content(pathname));
      } catch {
        response.writeHead(404).end();
      }
    });
    await new Promise((resolve) => pages.listen(0, "127.0.0.1", resolve));
    const origin = `http://127.0.0.1:${pages.address().port}`;
    // One of the tests refuses a message and takes it for gone.
    server = await startServer("--limit", "delivery_limit=1", "--allow-origin", origin);
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
    pages?.close();
  });

  async function content(pathname) {
    if (pathname.endsWith("unit/config.js")) {
      return `window.TEST = {
        destination: "/topic/chat.general",
        login: "admin",
        password: "password",
        url: ${JSON.stringify(server.ws)},
        badUrl: "ws://127.0.0.1:1",
        timeout: 10000,
        debug() {},
      };`;
    }
    if (pathname.endsWith("lib/stomp.js")) {
      return readFile(new URL(file, ours));
    }
    const text = await readFile(new URL(`.${pathname}`, theirs), "utf8");
    return text.replace(/http:\/\/ajax\.googleapis\.com\/[^']*/, "/jquery.js");
  }

  for (const name of ["stomp.js", "stomp.min.js", "stomp.csp.min.js"]) {
    it(`pass with ${name}`, async () => {
      file = name;
      const page = await browser.newPage();
      await page.addInitScript(`${JQUERY};
        window.results = [];
        window.finished = new Promise((resolve) => {
          addEventListener("DOMContentLoaded", () => {
            QUnit.testDone = (...args) => results.push(args);
            QUnit.done = (bad, all) => resolve({ bad, all });
          });
        });`);
      await page.goto(`http://127.0.0.1:${pages.address().port}/browsertests/index.html`);
      const { bad } = await page.evaluate(() => window.finished);
      const [results, failed] = await page.evaluate(() => [
        window.results,
        [...document.querySelectorAll("#qunit-tests > li.fail")].map((item) => item.textContent),
      ]);
      await page.close();
      assert.deepEqual(failed, []);
      assert.equal(bad, 0);
      assert.equal(results.length, 27);
    });
  }
});
