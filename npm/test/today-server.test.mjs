// The face of @stomp/stompjs against the real broker, by the `ws` of Node.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { WebSocket } from "ws";
import { ActivationState, Client, Stomp } from "../dist/node/node.mjs";
import { skip, startServer } from "./server.mjs";

/** What the client calls next. */
const called = (client, name) => new Promise((resolve) => (client[name] = resolve));

describe("today's client and the broker", { skip }, () => {
  let server;
  let client;
  before(async () => {
    server = await startServer();
  });
  after(() => server?.stop());

  const connect = async (options) => {
    client = new Client({ brokerURL: server.ws, reconnectDelay: 0, ...options });
    const connected = called(client, "onConnect");
    client.activate();
    await connected;
    return client;
  };

  it("connects by 1.2, publishes and subscribes, in text and bytes", async () => {
    await connect();
    assert.equal(client.connectedVersion, "1.2");
    const bodies = ["ä\0😀", "x".repeat(1 << 20)];
    const got = [];
    const done = new Promise((resolve) => {
      client.subscribe("/topic/today", (message) => {
        got.push(message.headers.kind ? [...message.binaryBody] : message.body);
        got.length === 3 && resolve();
      });
    });
    bodies.forEach((body) => client.publish({ destination: "/topic/today", body }));
    client.publish({ destination: "/topic/today", headers: { kind: "b" }, binaryBody: Uint8Array.of(0, 255, 10) });
    await done;
    assert.deepEqual(got, [...bodies, [0, 255, 10]]);
    const disconnected = called(client, "onDisconnect");
    await Promise.all([client.deactivate(), disconnected]);
    assert.equal(client.state, ActivationState.INACTIVE);
  });

  it("acknowledges, and gets back what it refused", async () => {
    await connect();
    const seen = [];
    const done = new Promise((resolve) => {
      client.subscribe(
        "/queue/today",
        (message) => {
          seen.push(message.body);
          message.ack({ receipt: `r-${message.body}` });
          client.watchForReceipt(`r-${message.body}`, resolve);
        },
        { ack: "client-individual" },
      );
    });
    client.publish({ destination: "/queue/today", body: "one" });
    assert.equal((await done).headers["receipt-id"], "r-one");
    await client.deactivate();
  });

  it("commits a transaction", async () => {
    await connect();
    const got = new Promise((resolve) => client.subscribe("/topic/tx", ({ body }) => resolve(body)));
    const aborted = client.begin();
    client.publish({ destination: "/topic/tx", headers: { transaction: aborted.id }, body: "no" });
    aborted.abort();
    const committed = client.begin();
    client.publish({ destination: "/topic/tx", headers: { transaction: committed.id }, body: "yes" });
    committed.commit();
    assert.equal(await got, "yes");
    await client.deactivate();
  });

  it("connects again after the connection is dropped", async () => {
    await connect({ reconnectDelay: 1 });
    const again = called(client, "onConnect");
    client.forceDisconnect();
    await again;
    await client.deactivate();
  });

  it("connects to a server that is not there, until it is deactivated", async () => {
    let errors = 0;
    const client = new Client({ brokerURL: "ws://127.0.0.1:1/", reconnectDelay: 1 });
    client.onWebSocketError = () => errors++;
    const closed = called(client, "onWebSocketClose");
    client.activate();
    await closed;
    assert.ok(errors);
    await client.deactivate();
  });

  it("connects by TCP", async () => {
    await connect({ brokerURL: `stomp://${server.host}:${server.port}` });
    assert.equal(client.connectedVersion, "1.2");
    await client.deactivate();
  });

  it("serves Stomp.over with a factory, and Stomp.client", async () => {
    Stomp.WebSocketClass = WebSocket;
    for (const make of [() => Stomp.over(() => new WebSocket(server.ws)), () => Stomp.client(server.ws)]) {
      const client = make();
      client.debug = () => {};
      await new Promise((resolve) => client.connect("guest", "guest", resolve));
      await new Promise((resolve) => client.disconnect(resolve));
    }
  });
});
