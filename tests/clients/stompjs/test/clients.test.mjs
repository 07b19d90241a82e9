import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, afterEach, before, describe, it } from "node:test";

import { Broker } from "./broker.mjs";
import { Peer, dialects } from "./peer.mjs";

let broker;
let queue;
let topic;
let number = 0;
const peers = [];

before(async () => {
  broker = await Broker.start();
});
after(() => broker.stop());

for (const dialect of dialects) {
  const { version } = dialect;
  const connect = async (options) => {
    const peer = await Peer.connect(broker, dialect, options);
    peers.push(peer);
    return peer;
  };
  const test = (name, run) =>
    it(name, async () => {
      queue = `/queue/test-${++number}`;
      topic = `/topic/test-${number}`;
      await run();
    });
  /** What another consumer finds in a queue. */
  const left = async (queue) => {
    const other = await connect();
    await other.send(queue, "end");
    await other.subscribe(queue);
    const found = [];
    for (;;) {
      const [body] = await other.bodies(1);
      if (body === "end") break;
      found.push(body);
    }
    await other.disconnect();
    return found;
  };
  /** That many messages sent and received, not acknowledged. */
  const sent = async (peer, number) => {
    const messages = [];
    for (let each = 1; each <= number; each++) {
      await peer.send(queue, String(each));
      messages.push(await peer.messages.take());
    }
    return messages;
  };

  describe(dialect.name, () => {
    afterEach(() => Promise.all(peers.splice(0).map((peer) => peer.disconnect())));

    test("connects with its version, and disconnects with a receipt", async () => {
      const peer = await connect();
      assert.equal(peer.client.connectedVersion ?? "1.0", version);
      let receipt = false;
      peer.client.onDisconnect = () => (receipt = true);
      await peer.disconnect();
      assert.ok(receipt);
      assert.ok(!peer.client.connected);
    });

    test("heart-beats", async () => {
      const quick = await Broker.start("--heart-beat", "1000,1000");
      const peer = await Peer.connect(quick, dialect, {
        heartbeatIncoming: 1000,
        heartbeatOutgoing: 1000,
        // For a machine that is busy.
        heartbeatToleranceMultiplier: 30,
      });
      // The broker gives up after two intervals without a beat, so it gets them. 1.0 has none.
      for (let beat = 0; version !== "1.0" && beat < 4; beat++) await peer.beats.take();
      await peer.subscribe(queue);
      await peer.send(queue, "still here");
      assert.deepEqual(await peer.bodies(1), ["still here"]);
      await peer.disconnect();
      await quick.stop();
    });

    test("login", async () => {
      const closed = await Broker.start("--user", "ann:secret");
      const right = await Peer.connect(closed, dialect, {
        connectHeaders: { login: "ann", passcode: "secret" },
      });
      await right.disconnect();
      for (const connectHeaders of [{ login: "ann", passcode: "wrong" }, {}]) {
        const wrong = new Peer(closed, dialect, { connectHeaders });
        wrong.client.activate();
        await wrong.error();
        assert.ok(wrong.connects.isEmpty);
        await wrong.disconnect();
      }
      await closed.stop();
    });

    test("errors, each of which ends the connection", async () => {
      let peer = await connect();
      peer.client.publish({ destination: "/nowhere/x", body: "", headers: { receipt: "r" } });
      const error = await peer.error();
      assert.equal(error.headers["receipt-id"], "r");
      assert.match(error.headers.message + error.body, /\/nowhere\/x/);
      peer = await connect();
      peer.client.commit("never-begun");
      assert.match((await peer.error()).headers.message, /never-begun/);
      peer = await connect();
      await peer.subscribe(queue, { id: "mine", ack: "client" });
      peer.client.ack("no-such-message", "mine");
      assert.match((await peer.error()).headers.message, /no-such-message/);
    });

    test("reconnects after a restart", async () => {
      const restarted = await Broker.start();
      const peer = await Peer.connect(restarted, dialect, { reconnectDelay: 100 });
      await restarted.stop();
      await peer.closes.take();
      await restarted.startAgain();
      await peer.connects.take();
      await peer.subscribe(queue);
      await peer.send(queue, "after");
      assert.deepEqual(await peer.bodies(1), ["after"]);
      await peer.disconnect();
      await restarted.stop();
    });

    test("queue", async () => {
      const peer = await connect();
      const { id } = await peer.subscribe(queue);
      await peer.send(queue, "hello", { "content-type": "text/plain", colour: "red" });
      const message = await peer.messages.take();
      assert.equal(message.body, "hello");
      assert.equal(message.headers.destination, queue);
      assert.equal(message.headers.subscription, id);
      assert.equal(message.headers["content-type"], "text/plain");
      assert.equal(message.headers.colour, "red");
      assert.ok(message.headers["message-id"]);
    });

    test("a queue keeps messages in order", async () => {
      const peer = await connect();
      const wanted = Array.from({ length: 50 }, (_, index) => String(index));
      for (const body of wanted) peer.client.publish({ destination: queue, body });
      await peer.subscribe(queue);
      assert.deepEqual(await peer.bodies(50), wanted);
    });

    test("consumers share a queue", async () => {
      const [producer, first, second] = [await connect(), await connect(), await connect()];
      for (const consumer of [first, second]) {
        await consumer.subscribe(queue, { ack: "client-individual" });
      }
      const wanted = Array.from({ length: 20 }, (_, index) => String(index));
      for (const body of wanted) await producer.send(queue, body);
      // In turn, so that each gets half.
      const got = [...(await first.bodies(10)), ...(await second.bodies(10))];
      assert.deepEqual(got.sort((a, b) => a - b), wanted);
    });

    test("a topic gives to all that subscribed", async () => {
      const [producer, first, second] = [await connect(), await connect(), await connect()];
      await producer.send(topic, "too early");
      for (const subscriber of [first, second]) await subscriber.subscribe(topic);
      await producer.send(topic, "news");
      for (const subscriber of [first, second]) {
        assert.deepEqual(await subscriber.bodies(1), ["news"]);
      }
    });

    test("unsubscribe", async () => {
      const [peer, other] = [await connect(), await connect()];
      const subscription = await peer.subscribe(queue);
      await peer.send(queue, "before");
      assert.deepEqual(await peer.bodies(1), ["before"]);
      await peer.confirm((receipt) => subscription.unsubscribe(receipt));
      await peer.send(queue, "after");
      await other.subscribe(queue);
      assert.deepEqual(await other.bodies(1), ["after"]);
      // Had the first got one, it would have come before this receipt.
      await peer.fence();
      assert.ok(peer.messages.isEmpty && peer.unhandled.isEmpty);
    });

    test("text of all kinds", async () => {
      const peer = await connect();
      await peer.subscribe(queue);
      for (const body of ["Grüße, 世界 🌍 \u2028", "a\0b\0\0c\n", "", "\n\nlines\r\n"]) {
        await peer.send(queue, body, { naïve: "crème brûlée 🍮" });
        const message = await peer.messages.take();
        assert.equal(message.body, body);
        assert.equal(message.headers["naïve"], "crème brûlée 🍮");
      }
    });

    test("body without content-length", async () => {
      const peer = await connect();
      await peer.subscribe(queue);
      await peer.confirm((headers) =>
        peer.client.publish({
          destination: queue,
          body: "up to the null",
          headers,
          skipContentLengthHeader: true,
        }),
      );
      assert.deepEqual(await peer.bodies(1), ["up to the null"]);
    });

    test("every byte", async () => {
      const peer = await connect();
      await peer.subscribe(queue);
      const body = Uint8Array.from({ length: 1024 }, (_, index) => index % 256);
      await peer.send(queue, body);
      assert.deepEqual((await peer.messages.take()).binaryBody, body);
    });

    test("a mebibyte", async () => {
      const peer = await connect();
      await peer.subscribe(queue);
      const bytes = randomBytes(1 << 20);
      await peer.send(queue, new Uint8Array(bytes));
      assert.ok(bytes.equals((await peer.messages.take()).binaryBody));
      // As text, which is what the library can split.
      const text = bytes.toString("base64").slice(0, 1 << 20);
      await peer.send(queue, text);
      assert.ok((await peer.messages.take()).body === text);
    });

    if (version === "1.2") {
      test("escaped headers", async () => {
        const peer = await connect();
        await peer.subscribe(queue);
        // Not `\n` after a backslash of its own, which the library unescapes wrongly.
        const odd = "back\\slash: two\r\nlines";
        await peer.send(queue, "body", { odd });
        assert.equal((await peer.messages.take()).headers.odd, odd);
      });
    }

    test("auto", async () => {
      const peer = await connect();
      await peer.subscribe(queue, { ack: "auto" });
      await sent(peer, 3);
      await peer.disconnect();
      assert.deepEqual(await left(queue), []);
    });

    test("client is cumulative", async () => {
      const peer = await connect();
      await peer.subscribe(queue, { ack: "client" });
      const messages = await sent(peer, 5);
      await peer.confirm((receipt) => messages[2].ack(receipt));
      await peer.disconnect();
      assert.deepEqual(await left(queue), ["4", "5"]);
    });

    test("client-individual", async () => {
      const peer = await connect();
      await peer.subscribe(queue, { ack: "client-individual" });
      const messages = await sent(peer, 5);
      await peer.confirm((receipt) => messages[1].ack(receipt));
      await peer.confirm((receipt) => messages[3].ack(receipt));
      await peer.disconnect();
      assert.deepEqual(await left(queue), ["1", "3", "5"]);
    });

    if (version === "1.0") {
      test("no NACK", async () => {
        const peer = await connect();
        await peer.subscribe(queue, { ack: "client" });
        const [message] = await sent(peer, 1);
        message.nack();
        assert.match((await peer.error()).headers.message, /NACK/);
      });
    } else {
      for (const ack of ["client", "client-individual"]) {
        test(`NACK with ${ack} gives the message to somebody again`, async () => {
          const peer = await connect();
          await peer.subscribe(queue, { ack });
          const [message] = await sent(peer, 1);
          await peer.confirm((receipt) => message.nack(receipt));
          const again = await peer.messages.take();
          assert.equal(again.body, "1");
          await peer.confirm((receipt) => again.ack(receipt));
          await peer.disconnect();
          assert.deepEqual(await left(queue), []);
        });
      }
    }

    test("commit", async () => {
      const peer = await connect();
      await peer.subscribe(queue, { ack: "client-individual" });
      const messages = await sent(peer, 2);
      const { id, commit } = peer.client.begin();
      await peer.send(`${queue}-next`, "moved", { transaction: id });
      await peer.confirm((receipt) => messages[0].ack({ transaction: id, ...receipt }));
      assert.deepEqual(await left(`${queue}-next`), []);
      commit();
      await peer.disconnect();
      assert.deepEqual(await left(queue), ["2"]);
      assert.deepEqual(await left(`${queue}-next`), ["moved"]);
    });

    test("abort", async () => {
      const peer = await connect();
      await peer.subscribe(queue, { ack: "client-individual" });
      const messages = await sent(peer, 2);
      const { id, abort } = peer.client.begin("mine");
      await peer.send(`${queue}-next`, "moved", { transaction: id });
      await peer.confirm((receipt) => messages[0].ack({ transaction: id, ...receipt }));
      abort();
      await peer.confirm((receipt) => messages[1].ack(receipt));
      await peer.disconnect();
      assert.deepEqual(await left(queue), ["1"]);
      assert.deepEqual(await left(`${queue}-next`), []);
    });

    for (const kind of ["queue", "topic"]) {
      test(`selector on a ${kind}`, async () => {
        const destination = kind === "queue" ? queue : topic;
        const peer = await connect();
        await peer.subscribe(destination, { selector: "colour = 'red' AND size > 5" });
        await peer.send(destination, "small", { colour: "red", size: "3" });
        await peer.send(destination, "blue", { colour: "blue", size: "9" });
        await peer.send(destination, "none");
        await peer.send(destination, "right", { colour: "red", size: "9" });
        assert.deepEqual(await peer.bodies(1), ["right"]);
      });
    }

    test("a bad selector", async () => {
      const peer = await connect();
      peer.client.subscribe(queue, peer.messages.put, { selector: "colour = = 'red'" });
      const error = await peer.error();
      assert.equal(error.headers["x-error-code"], "invalid-selector");
      assert.match(error.headers.message + error.body, /column 10/);
    });

    for (const durable of [
      { "activemq.subscriptionName": "news" },
      { "durable-subscription-name": "news" },
      { durable: "true", "auto-delete": "false" },
      { persistent: "true" },
    ]) {
      test(`durable subscription by ${Object.keys(durable)[0]}`, async () => {
        const headers = { id: "durable", ...durable };
        const named = { connectHeaders: { "client-id": `${topic}-client` } };
        const [publisher, first] = [await connect(), await connect(named)];
        await first.subscribe(topic, headers);
        await first.disconnect();
        await publisher.send(topic, "kept");
        const second = await connect(named);
        const subscription = await second.subscribe(topic, headers);
        assert.deepEqual(await second.bodies(1), ["kept"]);
        await second.confirm((receipt) => subscription.unsubscribe({ ...durable, ...receipt }));
        await second.disconnect();
        await publisher.send(topic, "lost");
        const third = await connect(named);
        await third.subscribe(topic, headers);
        await publisher.send(topic, "new");
        assert.deepEqual(await third.bodies(1), ["new"]);
        await third.confirm((receipt) =>
          third.client.unsubscribe("durable", { ...durable, ...receipt }),
        );
      });
    }

    for (const subscribes of [true, false]) {
      test(`replies ${subscribes ? "by a subscription" : "without one"}`, async () => {
        const [service, caller] = [await connect(), await connect()];
        await service.subscribe(queue);
        const reply = "/temp-queue/replies";
        if (subscribes) await caller.subscribe(reply);
        await caller.send(queue, "ask", { "reply-to": reply, "correlation-id": "7" });
        const { headers, body } = await service.messages.take();
        await service.send(headers["reply-to"], body.toUpperCase(), {
          "correlation-id": headers["correlation-id"],
        });
        // The library knows no subscription of RabbitMQ's kind.
        const answer = await (subscribes ? caller.messages : caller.unhandled).take();
        assert.equal(answer.body, "ASK");
        assert.equal(answer.headers["correlation-id"], "7");
        if (!subscribes) assert.equal(answer.headers.subscription, reply);
      });
    }

    for (const header of ["prefetch-count", "activemq.prefetchSize"]) {
      test(header, async () => {
        const peer = await connect();
        for (const body of ["1", "2"]) await peer.send(queue, body);
        await peer.subscribe(queue, { ack: "client-individual", [header]: "1" });
        const first = await peer.messages.take();
        await peer.fence();
        assert.ok(peer.messages.isEmpty);
        await peer.confirm((receipt) => first.ack(receipt));
        assert.deepEqual(await peer.bodies(1), ["2"]);
      });
    }

    test("expiry and priority", async () => {
      const peer = await connect();
      const hour = 3_600_000;
      await peer.send(queue, "late", { expires: String(Date.now() - hour) });
      await peer.send(queue, "low", { priority: "1", expires: String(Date.now() + hour) });
      await peer.send(queue, "usual");
      await peer.send(queue, "high", { priority: "9" });
      await peer.subscribe(queue);
      assert.deepEqual(await peer.bodies(3), ["high", "usual", "low"]);
    });

    if (version !== "1.0") {
      test("redelivery, then a dead letter", async () => {
        const peer = await connect();
        await peer.subscribe(queue, { ack: "client-individual" });
        const [message] = await sent(peer, 1);
        assert.equal(message.headers.redelivered, undefined);
        message.nack();
        const again = await peer.messages.take();
        assert.equal(again.headers.redelivered, "true");
        assert.equal(again.headers["x-delivery-count"], "1");
        again.nack({ requeue: "false" });
        await peer.subscribe(queue.replace("/queue/", "/queue/DLQ."));
        const dead = await peer.messages.take();
        assert.equal(dead.body, "1");
        assert.equal(dead.headers["x-death-reason"], "rejected");
      });
    }

    for (const pattern of [".*.end", ".#", ".**", ".>"]) {
      test(`wildcard ${pattern}`, async () => {
        const peer = await connect();
        await peer.subscribe(topic + pattern);
        await peer.send(`${topic}.middle.end`, "hello");
        const message = await peer.messages.take();
        assert.equal(message.headers.destination, `${topic}.middle.end`);
      });
    }

    test("browser", async () => {
      const peer = await connect();
      await peer.send(queue, "seen");
      await peer.subscribe(queue, { browser: "true" });
      assert.deepEqual(await peer.bodies(1), ["seen"]);
      assert.equal((await peer.messages.take()).headers.browser, "end");
      assert.deepEqual(await left(queue), ["seen"]);
    });
  });
}
