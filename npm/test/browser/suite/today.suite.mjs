// The calls of @stomp/stompjs, end to end.

import { ActivationState, Client, Stomp, TickerStrategy } from "/dist/esm/browser.mjs";

export const suite = "today";

/** What the client calls next. */
const called = (client, name) => new Promise((resolve) => (client[name] = resolve));

async function connected(broker, options) {
  const client = new Client({ brokerURL: broker, reconnectDelay: 0, ...options });
  const connected = called(client, "onConnect");
  client.activate();
  await connected;
  return client;
}

export const tests = {
  async "text and bytes come as they were sent"({ broker, equal }) {
    const client = await connected(broker, { splitLargeFrames: true });
    equal(client.connectedVersion, "1.2");
    const bodies = ["h\u00e4llo \0 \ud83e\udd80", "\ud83e\udd80".repeat(1 << 18), Uint8Array.of(0, 255, 10, 0)];
    const got = [];
    await new Promise((resolve) => {
      client.subscribe("/topic/suite-today", (message) => got.push(message) === bodies.length && resolve());
      for (const body of bodies) {
        const isText = typeof body === "string";
        client.publish({ destination: "/topic/suite-today", [isText ? "body" : "binaryBody"]: body });
      }
    });
    equal(got[0].body, bodies[0]);
    equal(got[1].body === bodies[1], true);
    equal([...got[2].binaryBody], [...bodies[2]]);
    await client.deactivate();
    equal(client.state, ActivationState.INACTIVE);
  },

  async "everything goes out as bytes when asked"({ broker, equal }) {
    const client = await connected(broker, { forceBinaryWSFrames: true });
    const body = await new Promise((resolve) => {
      client.subscribe("/topic/suite-binary", (message) => resolve(message.body));
      client.publish({ destination: "/topic/suite-binary", body: "\u00e4" });
    });
    equal(body, "\u00e4");
    await client.deactivate();
  },

  async "acknowledges, with a receipt"({ broker, equal }) {
    const client = await connected(broker);
    const receipt = await new Promise((resolve) => {
      client.subscribe(
        "/queue/suite-ack",
        (message) => {
          client.watchForReceipt("answered", resolve);
          message.ack({ receipt: "answered" });
        },
        { ack: "client-individual" },
      );
      client.publish({ destination: "/queue/suite-ack", body: "x" });
    });
    equal(receipt.headers["receipt-id"], "answered");
    await client.deactivate();
  },

  async "beats by either strategy"({ broker, equal }) {
    for (const heartbeatStrategy of Object.values(TickerStrategy)) {
      const lines = [];
      const client = await connected(broker, { heartbeatStrategy, debug: (line) => lines.push(line) });
      equal(lines.includes("send PING every 10000ms"), true);
      await client.deactivate({ force: true });
    }
  },

  async "comes back when its server does"({ broker, equal, kill, restart }) {
    const client = await connected(broker, { reconnectDelay: 20 });
    const lost = called(client, "onWebSocketClose");
    await kill();
    await lost;
    equal(client.connected, false);
    const again = called(client, "onConnect");
    await restart();
    await again;
    await client.deactivate();
  },

  async "the older calls make clients that connect again"({ broker, equal }) {
    const client = Stomp.over(() => new WebSocket(broker));
    client.debug = () => {};
    await new Promise((resolve) => client.connect("guest", "guest", resolve));
    equal(client.version, "1.2");
    await new Promise((resolve) => client.disconnect(resolve));
  },
};
