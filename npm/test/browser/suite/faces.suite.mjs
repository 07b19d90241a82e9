// The calls of @stomp/stompjs and the library's own, end to end.

import { Client, connect } from "/dist/esm/browser.mjs";

export const suite = "today's calls and the library's own";

const BYTES = Uint8Array.from({ length: 1000 }, (_, at) => at % 256);
const LARGE = "0123456789abcd\u00e9".repeat(1 << 16);

export const tests = {
  async "Client: text, bytes, a mebibyte, and a receipt"({ broker, equal, until }) {
    const client = new Client({ brokerURL: broker, reconnectDelay: 0 });
    await new Promise((resolve, reject) => {
      client.onConnect = resolve;
      client.onStompError = client.onWebSocketError = reject;
      client.activate();
    });
    const seen = [];
    client.subscribe("/queue/today", (message) => seen.push(message));
    let receipt = false;
    client.watchForReceipt("r-1", () => (receipt = true));
    const destination = "/queue/today";
    client.publish({ destination, body: "h\u00e4llo \ud83e\udd80\0", headers: { receipt: "r-1" } });
    client.publish({ destination, binaryBody: BYTES });
    client.publish({ destination, body: LARGE });
    await until(() => seen.length === 3 && receipt);
    equal(seen[0].body, "h\u00e4llo \ud83e\udd80\0");
    equal([...seen[1].binaryBody], [...BYTES]);
    equal(seen[2].body === LARGE, true, "a mebibyte");
    await client.deactivate();
    equal(client.connected, false);
  },

  async "Client: connects again after the broker was killed"({ broker, kill, restart, equal, until }) {
    const client = new Client({ brokerURL: broker, reconnectDelay: 100 });
    const seen = [];
    let connections = 0;
    client.onConnect = () => {
      connections += 1;
      client.subscribe("/queue/today-again", ({ body }) => seen.push(body));
    };
    client.activate();
    await until(() => connections === 1);
    await kill();
    await until(() => !client.connected);
    await restart();
    await until(() => connections === 2);
    client.publish({ destination: "/queue/today-again", body: "again" });
    await until(() => seen.length === 1);
    equal(seen, ["again"]);
    await client.deactivate();
  },

  async "connect: text, bytes, a mebibyte, each acknowledged"({ broker, equal }) {
    const client = await connect(broker, { login: "guest", passcode: "guest" });
    await client.publish("/queue/own", "h\u00e4llo\0", { receipt: true });
    await client.publish("/queue/own", BYTES, { receipt: true });
    await client.publish("/queue/own", LARGE, { receipt: true });
    const seen = [];
    for await (const message of client.subscribe("/queue/own")) {
      seen.push(message);
      if (seen.length === 3) {
        message.ack();
        break;
      }
    }
    equal(seen[0].body, "h\u00e4llo\0");
    equal([...seen[1].binaryBody], [...BYTES]);
    equal(seen[2].body === LARGE, true, "a mebibyte");
    await client.close();
  },

  async "connect: a subscription outlives the broker that was killed"({ broker, kill, restart, equal }) {
    const client = await connect(broker, { delay: 100, maxDelay: 200 });
    const subscription = client.subscribe("/queue/own-again", { ack: "auto" });
    const messages = subscription[Symbol.asyncIterator]();
    await client.publish("/queue/own-again", "before");
    equal((await messages.next()).value.body, "before");
    await kill();
    await restart();
    // Waits for the connection, and is sent after the subscription.
    await client.publish("/queue/own-again", "after", { receipt: true, retry: true });
    equal((await messages.next()).value.body, "after");
    await client.close();
  },
};
