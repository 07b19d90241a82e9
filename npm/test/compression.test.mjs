// permessage-deflate between the real broker and other people's WebSocket.

import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, it } from "node:test";
import { WebSocket } from "ws";
import { skip, startServer } from "./server.mjs";

const body = "the same again, ".repeat(20_000);

/** Connects, sends one long and one short message, and gives what comes back, and the bytes of it. */
async function exchange(url, perMessageDeflate) {
  const ws = new WebSocket(url, ["v12.stomp"], { perMessageDeflate });
  const frames = [];
  let wake = () => {};
  ws.on("message", (data) => {
    frames.push(String(data).replace(/\0$/, ""));
    wake();
  });
  const frame = async () => {
    while (frames.length === 0) await new Promise((resolve) => (wake = resolve));
    return frames.shift();
  };
  await once(ws, "open");
  ws.send("CONNECT\naccept-version:1.2\nhost:x\n\n\0");
  assert.match(await frame(), /^CONNECTED\n/);
  const destination = `/queue/deflate.${process.pid}`;
  ws.send(`SUBSCRIBE\nid:2\ndestination:${destination}\n\n\0`);
  const bodies = [];
  for (const text of [body, "short"]) {
    ws.send(`SEND\ndestination:${destination}\n\n${text}\0`);
    bodies.push((await frame()).split("\n\n")[1]);
  }
  const socket = ws._socket;
  const [sent, received] = [socket.bytesWritten, socket.bytesRead];
  ws.close();
  await once(ws, "close");
  return { bodies, sent, received, extensions: ws.extensions };
}

describe("compression with ws", { skip, timeout: 60_000 }, () => {
  let server;
  before(async () => {
    server = await startServer("--websocket-compression");
  });
  after(() => server?.stop());

  for (const [name, options] of [
    ["as it offers it by itself", {}],
    ["with everything compressed", { threshold: 0 }],
    ["with a window of its own", { threshold: 0, clientMaxWindowBits: 9 }],
    ["without context", { clientNoContextTakeover: true, serverNoContextTakeover: true }],
  ]) {
    it(`is agreed on ${name}, and works both ways`, async () => {
      const seen = await exchange(server.ws, options);
      assert.deepEqual(seen.bodies, [body, "short"]);
      assert.equal(seen.extensions, "permessage-deflate");
      assert.ok(seen.sent < body.length / 20, `${seen.sent} bytes were sent`);
      assert.ok(seen.received < body.length / 20, `${seen.received} bytes were received`);
    });
  }

  it("is not agreed on where the client has none, or wants a small window", async () => {
    for (const options of [false, { serverMaxWindowBits: 10 }]) {
      const seen = await exchange(server.ws, options);
      assert.deepEqual(seen.bodies, [body, "short"]);
      assert.equal(seen.extensions, "");
      assert.ok(seen.received > body.length);
    }
  });

  it("is off unless the server is told", async () => {
    const plain = await startServer();
    try {
      const seen = await exchange(plain.ws, { threshold: 0 });
      assert.equal(seen.extensions, "");
      assert.deepEqual(seen.bodies, [body, "short"]);
    } finally {
      await plain.stop();
    }
  });
});
