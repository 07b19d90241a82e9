// The page in Chromium, against the real broker.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import http from "node:http";
import net from "node:net";
import { after, before, describe, it } from "node:test";
import { launch, skipBrowser } from "../../../npm/test/browser/chromium.mjs";
import { skip, startServer } from "../../../npm/test/server.mjs";

const folder = new URL("../", import.meta.url);
const types = { html: "text/html", js: "text/javascript", wasm: "application/wasm" };

/** Serves the page's files. */
function servePage() {
  const server = http.createServer(async (request, response) => {
    const { pathname } = new URL(request.url, "http://page");
    const name = pathname === "/" ? "index.html" : pathname.slice(1);
    try {
      const file = await readFile(new URL(name, folder));
      response.writeHead(200, { "content-type": types[name.split(".").pop()] }).end(file);
    } catch {
      response.writeHead(404).end();
    }
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

/** Passes bytes on to the broker; cut() ends all connections. */
function serveRelay(target) {
  const sockets = new Set();
  const server = net.createServer((client) => {
    const upstream = net.connect(target);
    for (const [one, other] of [[client, upstream], [upstream, client]]) {
      sockets.add(one);
      one.pipe(other);
      one.on("error", () => {});
      one.on("close", () => (sockets.delete(one), other.destroy()));
    }
  });
  server.cut = () => sockets.forEach((socket) => socket.destroy());
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

describe("the Rust page in Chromium", { skip: skip || skipBrowser, timeout: 120_000 }, () => {
  let broker, files, relay, browser, page;
  const errors = [];

  before(async () => {
    files = await servePage();
    const origin = `http://127.0.0.1:${files.address().port}`;
    broker = await startServer("--allow-origin", origin);
    const { hostname, port, pathname } = new URL(broker.ws);
    relay = await serveRelay({ host: hostname, port: Number(port) });
    browser = await launch();
    page = await browser.newPage();
    page.setDefaultTimeout(15_000);
    page.on("pageerror", (error) => errors.push(String(error)));
    const url = `ws://127.0.0.1:${relay.address().port}${pathname}`;
    await page.goto(`${origin}/?url=${encodeURIComponent(url)}`);
  });

  after(async () => {
    await browser?.close();
    await broker?.stop();
    relay?.cut();
    relay?.close();
    files?.close();
  });

  const line = (list, text) => page.locator(`#${list} li`, { hasText: text }).first().waitFor();

  async function send(text) {
    await page.getByLabel("Text").fill(text);
    await page.getByRole("button", { name: "Send" }).click();
  }

  it("connects by the best version", () => line("status", "connected, STOMP 1.2"));

  it("sends with a receipt, and gets the message", async () => {
    await send("hällo");
    await line("receipts", "hällo");
    await line("messages", "hällo");
  });

  it("takes what others send, bytes too", async () => {
    const socket = net.connect(broker.port, broker.host);
    socket.write("CONNECT\naccept-version:1.2\nhost:x\n\n\0");
    socket.write("SEND\ndestination:/queue/browser\n\nfrom TCP\0");
    socket.write(Buffer.from("SEND\ndestination:/queue/browser\ncontent-length:3\n\n", "latin1"));
    socket.write(Buffer.from([0xff, 0, 0xfe, 0]));
    await line("messages", "from TCP");
    await line("messages", "3 bytes");
    socket.destroy();
  });

  it("goes on after the connection broke", async () => {
    relay.cut();
    await line("status", "connected again");
    await send("after the break");
    await line("messages", "after the break");
  });

  it("has no errors", async () => {
    assert.deepEqual(errors, []);
    assert.equal(await page.locator("#failed li").count(), 0);
  });
});
