// permessage-deflate between the real broker and Chromium, which offers it for every WebSocket.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { skip, startServer } from "../server.mjs";
import { launch, skipBrowser } from "./chromium.mjs";

describe("compression with Chromium", { skip: skip || skipBrowser, timeout: 120_000 }, () => {
  let server;
  let browser;
  before(async () => {
    server = await startServer("--websocket-compression");
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  it("is agreed on, and works both ways, for text and for binary messages", async () => {
    const page = await browser.newPage();
    await page.goto(`${server.http}healthz`);
    const seen = await page.evaluate(async (url) => {
      const all = [];
      for (const binary of [false, true]) {
        const ws = new WebSocket(url, "v12.stomp");
        ws.binaryType = "arraybuffer";
        const frames = [];
        let wake = () => {};
        ws.onmessage = ({ data }) => {
          frames.push(data);
          wake();
        };
        const next = async () => {
          while (frames.length === 0) await new Promise((resolve) => (wake = resolve));
          return frames.shift();
        };
        const send = (text) => ws.send(binary ? new TextEncoder().encode(text) : text);
        await new Promise((resolve) => (ws.onopen = resolve));
        send("CONNECT\naccept-version:1.2\nhost:x\n\n\0");
        await next();
        send(`SUBSCRIBE\nid:1\ndestination:/queue/${binary}\n\n\0`);
        const kinds = [];
        for (const body of ["größer ".repeat(40_000), "short", "\n", "0123456789".repeat(200_000)]) {
          send(`SEND\ndestination:/queue/${binary}\n\n${body}\0`);
          send("\n");
          const data = await next();
          const text = typeof data === "string" ? data : new TextDecoder().decode(data);
          kinds.push(typeof data === "string", text.split("\n\n").slice(1).join("\n\n") === `${body}\0`);
        }
        all.push({ extensions: ws.extensions.split(";")[0], kinds });
        ws.close();
      }
      return all;
    }, server.ws);
    const kinds = (isText) => Array.from({ length: 4 }, () => [isText, true]).flat();
    assert.deepEqual(seen, [
      { extensions: "permessage-deflate", kinds: kinds(true) },
      { extensions: "permessage-deflate", kinds: kinds(false) },
    ]);
  });
});
