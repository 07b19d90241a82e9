// The browser tests that stompjs 2.3.3 and @stomp/stompjs 4.0.8 have in their packages, unchanged, in
// Chromium, with our files in the place of theirs.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { after, before, describe, it } from "node:test";
import { build } from "esbuild";
import { skip, startServer } from "../server.mjs";
import { launch, skipBrowser } from "./chromium.mjs";

const modules = new URL("../../node_modules/", import.meta.url);
const dist = new URL("../../dist/", import.meta.url);

/** As much of jQuery as the pages use, which they have from elsewhere. */
const JQUERY = `
window.$ = () => ({
  ready: (f) => document.readyState === "loading" ? addEventListener("DOMContentLoaded", f) : f(),
  text() {},
  append() {},
});
`;

/** The root module's Stomp as a script. */
const ROOT = "stompbox";

async function script(name) {
  if (name !== ROOT) {
    return readFile(new URL(name, dist));
  }
  const contents = 'import Stomp from "./esm/browser.mjs"; window.Stomp = Stomp;';
  const stdin = { contents, resolveDir: dist.pathname };
  const { outputFiles } = await build({ stdin, bundle: true, format: "iife", write: false });
  return outputFiles[0].contents;
}

const PEERS = [
  {
    peer: "stompjs 2.3.3",
    root: new URL("stompjs/", modules),
    page: "browsertests/index.html",
    names: ["stomp.js", "stomp.min.js", "stomp.csp.min.js", ROOT],
    count: 27,
  },
  {
    peer: "@stomp/stompjs 4.0.8",
    root: new URL("stompjs4/", modules),
    page: "tests/index.html",
    names: [ROOT],
    count: 38,
    others: [
      // Frame.frEscape and an argument that asks for it: @stomp/stompjs took them away in 5.0.
      "escape header value",
      "escapes and then unescapes header value to give original string",
      "unmarshall should support colons (:) in header values with escaping",
      "unmarshall should support \\, \\n and \\r in header values with escaping",
      "marshall should support \\, \\n and \\r in header values with escaping",
      "marshal/unmarshall should support \\, \\n and \\r in header values with escaping",
      // Its callback of disconnect must not be called; here it always is.
      "Should allow disconnecting while waiting to reconnect",
    ],
  },
];

for (const { peer, root, page: pagePath, names, count, others = [] } of PEERS) {
  describe(`the tests of ${peer} in Chromium`, { skip: skip || skipBrowser, timeout: 120_000 }, () => {
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
      if (/config\.js$/.test(pathname)) {
        return `window.TEST = {
          destination: "/topic/chat.general",
          login: "admin",
          password: "password",
          url: ${JSON.stringify(server.ws)},
          badUrl: "ws://127.0.0.1:1",
          timeout: 10000,
          debug() {},
        };
        window.stompClient = () => Stomp.client(TEST.url);
        window.badStompClient = () => Stomp.client(TEST.badUrl);`;
      }
      if (pathname.endsWith("lib/stomp.js")) {
        return script(file);
      }
      const vendored = /node_modules\/(?:qunitjs|jquery)\/(.*)/.exec(pathname);
      if (vendored) {
        return vendored[1].startsWith("qunit/") ? readFile(new URL(`qunit/${vendored[1]}`, modules)) : "";
      }
      const text = await readFile(new URL(`.${pathname}`, root), "utf8");
      return text.replace(/http:\/\/ajax\.googleapis\.com\/[^']*/, "/jquery.js");
    }

    for (const name of names) {
      it(`pass with ${name}`, async () => {
        file = name;
        const page = await browser.newPage();
        await page.addInitScript(`${JQUERY};
          window.results = [];
          window.finished = new Promise((resolve) => {
            addEventListener("DOMContentLoaded", () => {
              if (QUnit.on) {
                QUnit.testDone(({ name, failed }) => results.push({ name, failed }));
                QUnit.done(() => resolve());
              } else {
                // The QUnit of 2011 has them to be set.
                QUnit.testDone = (name, failed) => results.push({ name, failed });
                QUnit.done = () => resolve();
              }
            });
          });`);
        await page.goto(`http://127.0.0.1:${pages.address().port}/${pagePath}`);
        await page.evaluate(() => window.finished);
        const [results, texts] = await page.evaluate(() => [
          window.results,
          [...document.querySelectorAll("#qunit-tests > li.fail")].map((item) => item.textContent),
        ]);
        await page.close();
        const failed = results.filter((each) => each.failed).map((each) => each.name);
        assert.deepEqual(failed, others, texts.join("\n"));
        assert.equal(results.length, count);
      });
    }
  });
}
