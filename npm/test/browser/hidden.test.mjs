// Heart-beats of a hidden page in Chromium, which slows the page's own timers down to one a second:
// a client that ticks by them is lost, one that ticks by the worker is not.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { WebSocket } from "ws";
import { skip, startServer } from "../server.mjs";
import { skipBrowser } from "./chromium.mjs";

const INTERVAL = 400;

/** A browser as people run it: what drives browsers for tests keeps pages from being hidden. */
async function startBrowser() {
  const folder = await mkdtemp(join(tmpdir(), "stompbox-hidden-"));
  const options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"];
  const child = spawn(
    process.env.CHROME,
    [...options, "--remote-debugging-port=0", `--user-data-dir=${folder}`, "about:blank"],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  let said = "";
  const url = await new Promise((resolve, reject) => {
    child.once("exit", () => reject(new Error(`Chromium ended: ${said}`)));
    child.stderr.on("data", (data) => {
      said += data;
      const [found] = said.match(/ws:\/\/\S+/) ?? [];
      found && resolve(found);
    });
  });
  const socket = new WebSocket(url);
  await new Promise((resolve) => socket.once("open", resolve));
  const waiting = new Map();
  let counter = 0;
  socket.on("message", (data) => {
    const { id, result, error } = JSON.parse(data);
    const { resolve, reject } = waiting.get(id) ?? {};
    error ? reject?.(new Error(error.message)) : resolve?.(result);
  });
  const send = (method, params, sessionId) =>
    new Promise((resolve, reject) => {
      waiting.set(++counter, { resolve, reject });
      socket.send(JSON.stringify({ id: counter, method, params, sessionId }));
    });
  return {
    async open(url) {
      const { targetId } = await send("Target.createTarget", { url });
      const { sessionId } = await send("Target.attachToTarget", { targetId, flatten: true });
      return {
        show: () => send("Target.activateTarget", { targetId }),
        /** Runs a script, waits for what it promises. */
        async run(expression) {
          const { result, exceptionDetails } = await send(
            "Runtime.evaluate",
            { expression, returnByValue: true, awaitPromise: true },
            sessionId,
          );
          assert.equal(exceptionDetails, undefined, JSON.stringify(exceptionDetails));
          return result.value;
        },
      };
    },
    async close() {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      await send("Browser.close").catch(() => {});
      await ended;
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

describe("heart-beats in a hidden page", { skip: skip || skipBrowser, timeout: 120_000 }, () => {
  let server;
  let browser;
  let pages;
  let url;
  before(async () => {
    pages = createServer((_, response) => response.setHeader("content-type", "text/html").end("<p>page"));
    await new Promise((resolve) => pages.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${pages.address().port}`;
    server = await startServer("--heart-beat", `${INTERVAL},${INTERVAL}`, "--allow-origin", url);
    browser = await startBrowser();
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
    pages?.close();
  });

  it("go on", async () => {
    const library = await readFile(new URL("../../dist/stomp.js", import.meta.url), "utf8");
    const page = await browser.open(`${url}/`);
    while (!(await page.run(`location.origin === "${url}" && document.readyState === "complete"`)));
    // Each has a library of its own: what ticks is the library's.
    await page.run(`${library}; window.byWorker = Stomp;
      ${library}; window.byPage = Stomp;
      byPage.setInterval = (interval, callback) => setInterval(callback, interval);
      byPage.clearInterval = (timer) => clearInterval(timer);
      window.lost = [];
      window.hidden = new Promise((resolve) =>
        document.addEventListener("visibilitychange", () => document.hidden && resolve()));
      window.connect = (name) => new Promise((resolve, reject) => {
        const client = window[name].client(${JSON.stringify(server.ws)});
        client.debug = null;
        client.heartbeat = { outgoing: ${INTERVAL}, incoming: ${INTERVAL} };
        client.connect({}, () => resolve(client), () => {
          // By ERROR, and when the socket closes.
          lost.includes(name) || lost.push(name);
          window.onLost?.();
          reject(name);
        });
      });
      0`);
    // The first beats are sent by the page's timers, until the worker runs.
    await page.run(`connect("byWorker").then((client) => void (window.first = client))`);
    const other = await browser.open(`${url}/`);
    await other.show();
    await page.run("hidden");
    await page.run(`new Promise((resolve) => {
      window.onLost = resolve;
      connect("byPage").then(undefined, resolve);
    })`);
    assert.deepEqual(await page.run("lost"), ["byPage"]);
    assert.equal(await page.run("first.connected"), true);
    // The connection works still.
    const body = await page.run(`new Promise((resolve) => {
      first.subscribe("/topic/hidden", ({ body }) => resolve(body));
      first.send("/topic/hidden", {}, "here");
    })`);
    assert.equal(body, "here");
    assert.deepEqual(await page.run("[lost, document.visibilityState]"), [["byPage"], "hidden"]);
  });
});
