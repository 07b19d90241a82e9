// Each example of the manual page of STOMP Over WebSocket, in Node.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, before, describe, it } from "node:test";
import { skip, startServer } from "./server.mjs";

const Stomp = createRequire(import.meta.url)("../dist/stompbox.cjs");

const connected = (client, ...args) =>
  new Promise((resolve, reject) => client.connect(...args, () => resolve(client), reject));
const disconnected = (client) => new Promise((resolve) => client.disconnect(resolve));

describe("the manual page's examples", { skip, timeout: 60_000 }, () => {
  let server;
  before(async () => {
    server = await startServer();
  });
  after(() => server?.stop());

  const transports = {
    overTCP: () => Stomp.overTCP(server.host, server.port),
    overWS: () => Stomp.overWS(server.ws),
  };
  for (const [name, make] of Object.entries(transports)) {
    describe(name, () => {
      const open = (...args) => connected(make(), ...(args.length ? args : ["guest", "guest"]));

      it("connects with login and passcode, and disconnects", async () => {
        const client = make();
        assert.equal(client.connected, false);
        await connected(client, "mylogin", "mypasscode");
        assert.equal(client.connected, true);
        await disconnected(client);
        assert.equal(client.connected, false);
      });

      it("connects again after it has disconnected", async () => {
        const client = await open();
        await disconnected(client);
        await connected(client, "guest", "guest");
        assert.equal(client.connected, true);
        await disconnected(client);
      });

      it("connects with a host", async () => {
        const client = make();
        await new Promise((resolve, reject) =>
          client.connect("a", "b", resolve, reject, "localhost"),
        );
        await disconnected(client);
      });

      it("connects with headers", async () => {
        const headers = { login: "mylogin", passcode: "mypasscode", "client-id": "my-client-id" };
        const client = await open(headers);
        assert.deepEqual(Object.keys(headers), ["login", "passcode", "client-id"]);
        await disconnected(client);
      });

      it("sends and receives with headers and body", async () => {
        const client = await open();
        const message = await new Promise((resolve) => {
          const subscription = client.subscribe("/queue/test", resolve);
          assert.equal(subscription.id, "sub-0");
          client.send("/queue/test", { priority: 9 }, "Hello, STOMP");
        });
        assert.equal(message.command, "MESSAGE");
        assert.equal(message.body, "Hello, STOMP");
        assert.equal(message.headers.priority, "9");
        assert.equal(message.headers.destination, "/queue/test");
        await disconnected(client);
      });

      it("keeps every character of text, and every octet of bytes", async () => {
        const client = await open();
        const text = "Grüße, 日本, 🦀 \0 and C:\\new ".repeat(5000);
        const bytes = Uint8Array.from({ length: 70_000 }, (_, at) => at % 256);
        const bodies = await new Promise((resolve) => {
          const all = [];
          client.subscribe("/queue/exact", (message) => {
            all.push(message);
            if (all.length === 2) resolve(all);
          });
          client.send("/queue/exact", { path: "C:\\new:\n" }, text);
          client.send("/queue/exact", {}, bytes);
        });
        assert.equal(bodies[0].body, text);
        assert.equal(bodies[0].headers.path, "C:\\new:\n");
        assert.deepEqual(bodies[1].binaryBody, bytes);
        await disconnected(client);
      });

      it("uses the subscriber's own id, and unsubscribes", async () => {
        const client = await open();
        const seen = [];
        const subscription = client.subscribe("/topic/own", (m) => seen.push(m.body), {
          id: "mysubid",
        });
        assert.equal(subscription.id, "mysubid");
        subscription.unsubscribe();
        await new Promise((resolve) => {
          client.onreceipt = resolve;
          client.send("/topic/own", { receipt: "r" }, "nobody hears this");
        });
        assert.deepEqual(seen, []);
        await disconnected(client);
      });

      it("carries JSON", async () => {
        const client = await open();
        const quote = await new Promise((resolve) => {
          client.subscribe("/topic/stocks", (message) => resolve(JSON.parse(message.body)));
          client.send("/topic/stocks", {}, JSON.stringify({ symbol: "APPL", value: 195.46 }));
        });
        assert.deepEqual(quote, { symbol: "APPL", value: 195.46 });
        await disconnected(client);
      });

      it("acknowledges, in a transaction and with a receipt", async () => {
        const client = await open();
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
          client.send("/queue/acks", {}, "to be acknowledged");
        });
        assert.equal(receipt.headers["receipt-id"], "my-receipt");
        await disconnected(client);
        // Nothing comes back.
        const other = await open();
        const again = [];
        other.subscribe("/queue/acks", (message) => again.push(message.body));
        await new Promise((resolve) => {
          other.onreceipt = resolve;
          other.send("/queue/elsewhere", { receipt: "r" }, "");
        });
        assert.deepEqual(again, []);
        await disconnected(other);
      });

      it("refuses with nack, and gets the message again", async () => {
        const client = await open();
        const messages = await new Promise((resolve) => {
          const all = [];
          client.subscribe(
            "/queue/nacks",
            (message) => {
              all.push(message);
              if (all.length === 1) message.nack();
              else resolve((message.ack(), all));
            },
            { ack: "client-individual" },
          );
          client.send("/queue/nacks", {}, "twice");
        });
        assert.equal(messages[0].headers["message-id"], messages[1].headers["message-id"]);
        assert.equal(messages[1].headers.redelivered, "true");
        await disconnected(client);
      });

      it("sends in a transaction, commits and aborts", async () => {
        const client = await open();
        const seen = [];
        client.subscribe("/queue/tx", (message) => seen.push(message.body));
        const tx = client.begin();
        assert.match(tx.id, /^tx-\d+$/);
        client.send("/queue/tx", { transaction: tx.id }, "in the transaction");
        client.send("/queue/tx", {}, "I thought I was in a transaction!");
        tx.commit();
        const aborted = client.begin("unique_transaction_identifier");
        assert.equal(aborted.id, "unique_transaction_identifier");
        client.send("/queue/tx", { transaction: aborted.id }, "never");
        aborted.abort();
        await new Promise((resolve) => {
          client.onreceipt = resolve;
          client.send("/queue/end", { receipt: "r" }, "");
        });
        assert.deepEqual(seen, ["I thought I was in a transaction!", "in the transaction"]);
        await disconnected(client);
      });

      it("shows frames to debug, but no passcode", async () => {
        const client = make();
        const lines = [];
        client.debug = (line) => lines.push(line);
        await connected(client, "guest", "s3cret");
        await disconnected(client);
        assert.equal(lines[0], "Opening Web Socket...");
        assert.equal(lines[1], "Web Socket Opened...");
        assert.match(lines[2], /^>>> CONNECT\n/);
        assert.match(lines.find((line) => line.startsWith("<<<")), /^<<< CONNECTED\n/);
        assert.ok(lines.some((line) => line.startsWith("connected to server stompbox/")));
        assert.ok(!lines.join().includes("s3cret"));
      });

      it("negotiates heart-beats", async () => {
        const client = make();
        const lines = [];
        client.debug = (line) => lines.push(line);
        client.heartbeat.outgoing = 20000;
        client.heartbeat.incoming = 0;
        await connected(client, "guest", "guest");
        assert.ok(lines.includes("send PING every 20000ms"));
        assert.ok(!lines.some((line) => line.startsWith("check PONG")));
        await disconnected(client);
      });

      it("tells an ERROR frame to the error callback, then the loss", async () => {
        const client = make();
        const errors = [];
        await new Promise((resolve) => {
          client.connect(
            "guest",
            "guest",
            () => client.send("/nowhere", {}, "x"),
            (error) => errors.push(error) === 2 && resolve(),
          );
        });
        assert.equal(errors[0].command, "ERROR");
        assert.match(errors[0].headers.message, /nowhere/);
        assert.match(errors[1], /^Whoops! Lost connection to /);
      });
    });
  }

  it("says when nobody listens", async () => {
    for (const client of [Stomp.overTCP("127.0.0.1", 1), Stomp.overWS("ws://127.0.0.1:1/")]) {
      const error = await new Promise((resolve) => client.connect("a", "b", () => {}, resolve));
      assert.match(error, /^Whoops! Lost connection to /);
    }
  });
});
