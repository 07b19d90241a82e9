// Each example of the manual page of STOMP Over WebSocket, in Chromium, with the script-tag file.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { skip, startServer } from "../server.mjs";
import { launch, skipBrowser } from "./chromium.mjs";

describe("the manual page's examples in Chromium", { skip: skip || skipBrowser, timeout: 120_000 }, () => {
  let server;
  let browser;
  let page;
  const errors = [];
  before(async () => {
    server = await startServer();
    browser = await launch();
    page = await browser.newPage();
    page.on("pageerror", (error) => errors.push(String(error)));
    await page.goto(`${server.http}healthz`);
    for (const file of ["/stomp.js"]) {
      await page.addScriptTag({ url: file });
    }
    await page.evaluate((url) => {
      window.url = url;
      window.open_ = (...args) =>
        new Promise((resolve, reject) => {
          const client = Stomp.client(url);
          client.debug = null;
          client.connect(...(args.length ? args : ["guest", "guest"]), () => resolve(client), reject);
        });
      window.close_ = (client) => new Promise((resolve) => client.disconnect(resolve));
    }, server.ws);
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
    assert.deepEqual(errors, []);
  });

  it("makes the client and its socket at once", async () => {
    const made = await page.evaluate(() => {
      const client = Stomp.client(url);
      const made = [typeof Stomp.overTCP, client.ws.url, client.ws.binaryType, client.connected];
      client.ws.close();
      return made;
    });
    assert.deepEqual(made, ["undefined", server.ws, "arraybuffer", false]);
  });

  it("connects in all forms, and disconnects", async () => {
    const all = await page.evaluate(async () => {
      const seen = [];
      for (const args of [["mylogin", "mypasscode"], [{ login: "a", passcode: "b", "client-id": "c" }]]) {
        const client = await open_(...args);
        seen.push(client.connected);
        await close_(client);
        seen.push(client.connected);
      }
      return seen;
    });
    assert.deepEqual(all, [true, false, true, false]);
  });

  it("works over a socket of the program's own, with sub-protocols of its choice", async () => {
    const protocol = await page.evaluate(async () => {
      const ws = new WebSocket(url, "v11.stomp");
      const client = Stomp.over(ws);
      client.debug = null;
      await new Promise((resolve, reject) => client.connect("a", "b", resolve, reject));
      await close_(client);
      return ws.protocol;
    });
    assert.equal(protocol, "v11.stomp");
  });

  it("sends, subscribes and receives", async () => {
    const message = await page.evaluate(async () => {
      const client = await open_();
      const message = await new Promise((resolve) => {
        client.subscribe("/queue/test", resolve);
        client.send("/queue/test", { priority: 9 }, "Hello, STOMP");
      });
      await close_(client);
      return { body: message.body, priority: message.headers.priority };
    });
    assert.deepEqual(message, { body: "Hello, STOMP", priority: "9" });
  });

  it("keeps a megabyte of text, and bytes that are none", async () => {
    const same = await page.evaluate(async () => {
      const client = await open_();
      const text = "Grüße, 日本, 🦀\0".repeat(60_000);
      const bytes = Uint8Array.from({ length: 100_000 }, (_, at) => at % 256);
      const all = await new Promise((resolve) => {
        const all = [];
        client.subscribe("/queue/exact", (m) => all.push(m) === 2 && resolve(all));
        client.send("/queue/exact", {}, text);
        client.send("/queue/exact", {}, bytes);
      });
      await close_(client);
      return [all[0].body === text, all[1].binaryBody.every((octet, at) => octet === bytes[at])];
    });
    assert.deepEqual(same, [true, true]);
  });

  it("acknowledges in a transaction, with a receipt", async () => {
    const id = await page.evaluate(async () => {
      const client = await open_();
      const receipt = await new Promise((resolve) => {
        client.onreceipt = resolve;
        client.subscribe(
          "/queue/acks",
          (message) => {
            const tx = client.begin();
            message.ack({ transaction: tx.id, receipt: "my-receipt" });
            tx.commit();
          },
          { ack: "client" },
        );
        client.send("/queue/acks", {}, "x");
      });
      await close_(client);
      return receipt.headers["receipt-id"];
    });
    assert.equal(id, "my-receipt");
  });

  it("tells the error callback of an ERROR and of the loss", async () => {
    const errors = await page.evaluate(
      () =>
        new Promise((resolve) => {
          const errors = [];
          const client = Stomp.client(url);
          client.debug = null;
          client.connect(
            "a",
            "b",
            () => client.send("/nowhere", {}, ""),
            (error) => errors.push(String(error.command ?? error)) === 2 && resolve(errors),
          );
        }),
    );
    assert.deepEqual(errors, ["ERROR", `Whoops! Lost connection to ${server.ws}`]);
  });

  it("works in a worker", async () => {
    const body = await page.evaluate(
      () =>
        new Promise((resolve, reject) => {
          const code = `
            importScripts("${location.origin}/stomp.js");
            const client = Stomp.client("${url}");
            client.connect("a", "b", () => {
              client.subscribe("/queue/worker", (message) => postMessage(message.body));
              client.send("/queue/worker", {}, "from a worker");
            }, (error) => postMessage(String(error)));`;
          const worker = new Worker(URL.createObjectURL(new Blob([code])));
          worker.onmessage = (event) => resolve(event.data);
          worker.onerror = (event) => reject(new Error(event.message));
        }),
    );
    assert.equal(body, "from a worker");
  });
});
