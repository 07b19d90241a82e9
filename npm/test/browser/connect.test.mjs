// Our own face in Chromium, over a server that is killed and started again.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { skip, startServer } from "../server.mjs";
import { launch, skipBrowser } from "./chromium.mjs";

describe("our own face in Chromium", { skip: skip || skipBrowser, timeout: 120_000 }, () => {
  let server;
  let browser;
  let page;
  const errors = [];
  before(async () => {
    server = await startServer();
    browser = await launch();
    page = await browser.newPage();
    page.on("pageerror", (error) => errors.push(String(error)));
    const library = await readFile(new URL("../../dist/stompbox.mjs", import.meta.url), "utf8");
    const script = { contentType: "text/javascript", body: library };
    await page.route("**/test/stompbox.mjs", (route) => route.fulfill(script));
    await page.goto(`${server.http}healthz`);
    await page.evaluate(async (url) => {
      const { connect } = await import("/test/stompbox.mjs");
      window.events = [];
      window.client = await connect(url, { delay: 20, maxDelay: 100 });
      for (const name of ["lost", "connected"]) client.on(name, () => events.push(name));
      window.take = async (subscription, count) => {
        const messages = [];
        for await (const message of subscription) {
          messages.push(message);
          if (messages.length === count) break;
        }
        return messages;
      };
    }, server.ws);
  });
  after(async () => {
    await browser?.close();
    await server?.kill();
    assert.deepEqual(errors, []);
  });

  it("sends and receives text and bytes of any size", async () => {
    const same = await page.evaluate(async () => {
      const bytes = Uint8Array.from({ length: 1 << 20 }, (_, at) => at);
      const bodies = ["Grüße \0 🦀", "", "ü".repeat(1 << 19), bytes];
      const subscription = client.subscribe("/topic/bodies", { ack: "auto" });
      for (const body of bodies) await client.publish("/topic/bodies", body, { receipt: true });
      const got = await take(subscription, bodies.length);
      return bodies.map((body, at) =>
        typeof body === "string" ? got[at].body === body : String(got[at].binaryBody) === String(body),
      );
    });
    assert.deepEqual(same, [true, true, true, true]);
  });

  it("asks, and commits", async () => {
    const got = await page.evaluate(async () => {
      const asked = client.subscribe("/queue/asked");
      take(asked, 1).then(([{ headers }]) =>
        client.publish(headers["reply-to"], "42", { headers: { "correlation-id": headers["correlation-id"] } }),
      );
      const answer = await client.request("/queue/asked", "?");
      const result = await client.transaction((tx) => tx.publish("/queue/tx", "x").then(() => 7));
      return [answer.json(), result];
    });
    assert.deepEqual(got, [42, 7]);
  });

  it("comes back when its server does, once", async () => {
    await page.evaluate(() => {
      window.kept = client.subscribe("/topic/kept", { ack: "auto" });
      return kept.ready;
    });
    const http = `127.0.0.1:${new URL(server.ws).port}`;
    await server.kill();
    await page.waitForFunction(() => events.includes("lost"));
    const sent = page.evaluate(() => client.publish("/topic/kept", "after", { receipt: true }));
    server = await startServer("--http", http);
    await sent;
    const bodies = await page.evaluate(async () => {
      await client.publish("/topic/kept", "last", { receipt: true });
      return (await take(kept, 2)).map(({ body }) => body);
    });
    assert.deepEqual(bodies, ["after", "last"]);
    assert.deepEqual(await page.evaluate(() => events), ["lost", "connected"]);
    await page.evaluate(() => client.close());
  });
});
