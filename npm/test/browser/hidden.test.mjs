// Heart-beats of a page that nobody looks at. Chromium slows its timers down to one a minute, here
// at once and not after five minutes. Playwright keeps its pages from that, so it is not used here.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import http from "node:http";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, it } from "node:test";
import WebSocket from "ws";
import { skip, startServer } from "../server.mjs";
import { skipBrowser } from "./chromium.mjs";

const BEAT = 250;

const page = (url) => `<!doctype html><script type="module">
  import { connect } from "/stompbox.mjs";
  // For comparison, a timer of the page's own.
  window.count = { own: 0, sent: 0, lost: 0, blobs: 0 };
  const { createObjectURL, revokeObjectURL } = URL;
  URL.createObjectURL = (it) => (count.blobs++, createObjectURL.call(URL, it));
  URL.revokeObjectURL = (it) => (count.blobs--, revokeObjectURL.call(URL, it));
  setInterval(() => count.own++, ${BEAT});
  window.client = await connect(${JSON.stringify(url)}, {
    heartbeat: { outgoing: ${BEAT}, incoming: ${BEAT} },
    debug: (line) => line === ">>> PING" && count.sent++,
  });
  client.on("lost", () => count.lost++);
  window.ready = true;
</script>`;

/** A Chromium, and `send(method, params, sessionId)` to it. */
async function launch() {
  const profile = await mkdtemp(join(tmpdir(), "stompbox-"));
  const child = spawn(
    process.env.CHROME,
    [
      "--headless=new",
      "--no-sandbox",
      "--disable-gpu",
      "--no-first-run",
      "--enable-features=IntensiveWakeUpThrottling:grace_period_seconds/1",
      "--remote-debugging-port=0",
      `--user-data-dir=${profile}`,
      "about:blank",
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  let url;
  for await (const line of createInterface({ input: child.stderr })) {
    url = /^DevTools listening on (\S+)/.exec(line)?.[1];
    if (url) break;
  }
  child.stderr.resume();
  const socket = new WebSocket(url);
  await once(socket, "open");
  const waiting = new Map();
  let counter = 0;
  socket.on("message", (data) => {
    const { id, result, error } = JSON.parse(data);
    const { resolve, reject } = waiting.get(id) ?? {};
    error ? reject?.(new Error(error.message)) : resolve?.(result);
  });
  return {
    send: (method, params = {}, sessionId) =>
      new Promise((resolve, reject) => {
        waiting.set(++counter, { resolve, reject });
        socket.send(JSON.stringify({ id: counter, method, params, sessionId }));
      }),
    async close() {
      const ended = once(child, "exit");
      child.kill();
      await ended;
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

describe("a hidden page", { skip: skip || skipBrowser }, () => {
  let server;
  let web;
  let browser;
  before(async () => {
    server = await startServer("--heart-beat", `${BEAT},${BEAT}`, "--allow-origin", "*");
    web = http.createServer(async (request, response) => {
      const isScript = request.url === "/stompbox.mjs";
      response.setHeader("Content-Type", isScript ? "text/javascript" : "text/html");
      if (request.url === "/refused") {
        response.setHeader("Content-Security-Policy", "worker-src 'none'");
      }
      response.end(isScript ? await readFile(new URL("../../dist/stompbox.mjs", import.meta.url)) : page(server.ws));
    });
    await once(web.listen(0, "127.0.0.1"), "listening");
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    web?.closeAllConnections();
    web?.close();
    await server?.kill();
  });

  /** Opens a page, and gives what evaluates in it. */
  async function open(path) {
    const url = `http://127.0.0.1:${web.address().port}${path}`;
    const { targetId } = await browser.send("Target.createTarget", { url });
    const { sessionId } = await browser.send("Target.attachToTarget", { targetId, flatten: true });
    return async (expression) => {
      const options = { expression, awaitPromise: true, returnByValue: true };
      const { result, exceptionDetails } = await browser.send("Runtime.evaluate", options, sessionId);
      assert.equal(exceptionDetails, undefined);
      return result.value;
    };
  }

  const until = async (evaluate, expression) => {
    while (!(await evaluate(expression))) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };

  /** What is counted while the page's own timer hardly ticks, until `expression` is true. */
  async function hide(evaluate, expression) {
    await browser.send("Target.createTarget", { url: "about:blank" });
    await until(evaluate, "document.hidden");
    // From when on Chromium slows it down is not to be seen but by its timer.
    for (let before = -5; ; ) {
      const own = await evaluate("count.own");
      if (own - before < 4) break;
      before = own;
      await new Promise((resolve) => setTimeout(resolve, 8 * BEAT));
    }
    await evaluate("count.own = count.sent = 0");
    await until(evaluate, expression);
    return evaluate("({ ...count, state: client.state })");
  }

  it("goes on with its heart-beats, in both directions", async (context) => {
    const evaluate = await open("/");
    await until(evaluate, "window.ready");
    const { own, sent, lost, blobs, state } = await hide(evaluate, "count.sent >= 40");
    context.diagnostic(`${own} ticks of the page's own timer, ${sent} heart-beats`);
    assert.ok(own < sent / 2, `${own} ticks of the page, ${sent} heart-beats`);
    assert.deepEqual([lost, blobs, state], [0, 0, "connected"]);
  });

  it("falls back to its own timers where a policy refuses the worker", async () => {
    const evaluate = await open("/refused");
    await until(evaluate, "window.ready && count.sent >= 3");
    assert.deepEqual(await evaluate("[count.lost, count.blobs, client.state]"), [0, 0, "connected"]);
  });
});
