// Our own face against the real broker.

import assert from "node:assert/strict";
import net from "node:net";
import { once } from "node:events";
import { after, before, describe, it } from "node:test";
import { connect, StompError } from "../dist/node/node.mjs";
import { skip, startServer } from "./server.mjs";

const OPTIONS = { delay: 20, maxDelay: 100 };

/** The next `count` messages, each acknowledged. */
async function take(subscription, count) {
  const messages = [];
  if (count) {
    for await (const message of subscription) {
      messages.push(message);
      subscription.options.ack ?? message.ack();
      if (messages.length === count) break;
    }
  }
  return messages;
}

const event = (client, name) => new Promise((resolve) => client.on(name, resolve));

/** A peer that accepts and says what `answer` gives for what comes. */
async function peer(answer) {
  const sockets = new Set();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("data", (data) => {
      const text = answer?.(String(data), socket);
      text && socket.write(text);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `stomp://127.0.0.1:${server.address().port}`,
    stop: () => (sockets.forEach((socket) => socket.destroy()), server.close()),
  };
}

const isCode = (code) => (error) => error instanceof StompError && error.code === code;

describe("connect", { skip }, () => {
  let server;
  let clients = [];
  before(async () => (server = await startServer()));
  after(async () => {
    await Promise.all(clients.map((client) => client.close()));
    await server.kill();
  });
  const open = async (options) => {
    const client = await connect(server.ws, { ...OPTIONS, ...options });
    clients.push(client);
    return client;
  };

  it("takes an option that is undefined for none", async () => {
    const client = await open({ versions: undefined, timeout: undefined, login: undefined });
    assert.equal(client.version, "1.2");
  });

  it("ends a durable subscription for good by a header of its UNSUBSCRIBE", async () => {
    const client = await open({ clientId: "durable", headers: { "client-id": "durable" } });
    const headers = { "activemq.subscriptionName": "gone" };
    const durable = () => client.subscribe("/topic/durable", { id: "d", headers });
    const first = durable();
    await first.ready;
    await first.unsubscribe();
    await client.publish("/topic/durable", "kept");
    const second = durable();
    // Leaving a loop would end it without them.
    const { value } = await second[Symbol.asyncIterator]().next();
    assert.equal(value.body, "kept");
    await second.unsubscribe({ headers });
    await client.publish("/topic/durable", "lost");
    const third = durable();
    await third.ready;
    await client.publish("/topic/durable", "new");
    assert.equal((await take(third, 1))[0].body, "new");
    await third.unsubscribe({ headers });
  });

  it("sends and receives text and bytes, exact", async () => {
    const client = await open();
    assert.deepEqual([client.state, client.version], ["connected", "1.2"]);
    const bodies = ["", "Grüße \0 🦀", "\ufeffx", new Uint8Array([0, 255, 10, 0]), "x".repeat(1 << 20)];
    for (const body of bodies) {
      const sent = client.publish("/queue/bodies", body, { receipt: true, headers: { "a:b": "c\nd" } });
      assert.equal(await sent, undefined);
    }
    const got = await take(client.subscribe("/queue/bodies"), bodies.length);
    assert.deepEqual(
      got.map((message, at) => (typeof bodies[at] === "string" ? message.body : message.binaryBody)),
      bodies,
    );
    assert.ok(got.every((message) => message.headers["a:b"] === "c\nd"));
    client.publish("/queue/json", JSON.stringify({ a: 1 }));
    assert.deepEqual((await take(client.subscribe("/queue/json"), 1))[0].json(), { a: 1 });
  });

  it("lets a slow reader have no more than its prefetch", async () => {
    const slow = await open();
    const fast = await open();
    const first = slow.subscribe("/queue/slow", { prefetch: 4 });
    await first.ready;
    for (let at = 0; at < 100; at++) slow.publish("/queue/slow", String(at));
    const messages = first[Symbol.asyncIterator]();
    assert.equal((await messages.next()).value.body, "0");
    const rest = await take(fast.subscribe("/queue/slow"), 96);
    assert.equal(rest.length, 96);
    // What is asked for acknowledges what was, and makes room for one more.
    await fast.publish("/queue/slow", "100", { receipt: true });
    const more = [];
    while (more.at(-1) !== "100") more.push((await messages.next()).value.body);
    assert.equal(more.length, 4);
  });

  it("bounds what nobody reads", async () => {
    const client = await open();
    const failing = client.subscribe("/topic/many", { ack: "auto", buffer: 3 });
    const dropping = client.subscribe("/topic/many", { ack: "auto", buffer: 3, overflow: "oldest" });
    for (let at = 0; at < 10; at++) await client.publish("/topic/many", String(at), { receipt: true });
    await assert.rejects(async () => {
      for await (const message of failing) assert.ok(Number(message.body) < 3);
    }, isCode("overflow"));
    assert.deepEqual((await take(dropping, 3)).map((message) => message.body), ["7", "8", "9"]);
  });

  it("gives a message again that a loop has not done with", async () => {
    const client = await open();
    client.publish("/queue/again", "once more");
    for await (const message of client.subscribe("/queue/again")) {
      assert.equal(message.body, "once more");
      break;
    }
    for await (const message of client.subscribe("/queue/again")) {
      message.nack();
      break;
    }
  });

  it("asks and gets the answer, or not in time, or is aborted", async () => {
    const client = await open();
    const asked = client.subscribe("/queue/upper");
    (async () => {
      for await (const message of asked) {
        const { "reply-to": to, "correlation-id": id } = message.headers;
        client.publish(to, message.body.toUpperCase(), { headers: { "correlation-id": id } });
      }
    })();
    const answers = ["a", "b", "c"].map((text) => client.request("/queue/upper", text));
    assert.deepEqual((await Promise.all(answers)).map((answer) => answer.body), ["A", "B", "C"]);
    await assert.rejects(client.request("/queue/nobody", "", { timeout: 10 }), isCode("timeout"));
    const aborter = new AbortController();
    const aborted = client.request("/queue/nobody", "", { signal: aborter.signal });
    aborter.abort(new Error("enough"));
    await assert.rejects(aborted, /enough/);
    assert.equal(client.waits.size, 0);
  });

  it("commits a transaction, and aborts one that fails", async () => {
    const client = await open();
    const result = client.transaction(async (tx) => {
      await tx.publish("/queue/tx", "first");
      await tx.publish("/queue/tx", "second");
      return 7;
    });
    assert.equal(await result, 7);
    await assert.rejects(
      client.transaction(async (tx) => {
        await tx.publish("/queue/tx", "never");
        throw new Error("no");
      }),
      /^Error: no$/,
    );
    client.publish("/queue/tx", "third");
    const got = await take(client.subscribe("/queue/tx"), 3);
    assert.deepEqual(got.map((message) => message.body), ["first", "second", "third"]);
    await assert.rejects(client.transaction(() => {}, { signal: AbortSignal.abort() }), /abort/i);
  });

  it("ends a subscription by its signal, and by unsubscribe", async () => {
    const client = await open();
    const aborter = new AbortController();
    const aborted = client.subscribe("/topic/end", { signal: aborter.signal });
    const loop = assert.rejects(async () => {
      for await (const _ of aborted);
    }, /AbortError/);
    aborter.abort();
    await loop;
    const ended = client.subscribe("/topic/end");
    await ended.ready;
    const done = (async () => {
      for await (const _ of ended);
    })();
    await ended.unsubscribe();
    await done;
    assert.equal(client.subscriptions.size, 0);
    const never = client.subscribe("/topic/end", { signal: AbortSignal.abort() });
    await assert.rejects(never[Symbol.asyncIterator]().next(), /AbortError/);
  });

  it("isolates listeners from each other", async () => {
    const client = await open();
    const reported = [];
    globalThis.reportError = (error) => reported.push(error.message);
    try {
      client.on("closed", () => {
        throw new Error("mine");
      });
      let called = 0;
      client.on("closed", () => called++);
      const end = client.on("closed", () => (called += 10));
      end();
      await client[Symbol.asyncDispose]();
      assert.deepEqual([reported, called], [["mine"], 1]);
    } finally {
      delete globalThis.reportError;
    }
  });

  it("takes leave when it is closed, and then refuses", async () => {
    const lines = [];
    const client = await open({ debug: (line) => lines.push(line) });
    const states = [];
    client.on("state", (state) => states.push(state));
    client.publish("/queue/leave", "before");
    await client.close();
    await client.close();
    assert.deepEqual(states, ["closing", "closed"]);
    assert.equal(await client.closed, undefined);
    assert.ok(lines.some((line) => line.startsWith(">>> DISCONNECT")));
    await assert.rejects(client.publish("/queue/leave", ""), isCode("closed"));
    await assert.rejects(client.request("/queue/leave", ""), isCode("offline"));
    assert.throws(() => client.subscribe("/queue/leave"), isCode("closed"));
  });

  it("says what the server says, and connects again without what it refused", async () => {
    const client = await open();
    const kept = client.subscribe("/topic/kept", { ack: "auto" });
    const again = event(client, "connected");
    const refused = client.subscribe("no such place");
    await assert.rejects(refused[Symbol.asyncIterator]().next(), isCode("server"));
    await again;
    client.publish("/topic/kept", "still");
    assert.equal((await take(kept, 1))[0].body, "still");
  });

  it("leaves for a new connection, with fresh headers", async () => {
    const tokens = [];
    const client = await open({ headers: async (round) => ({ token: tokens.push(round) }) });
    const kept = client.subscribe("/topic/renewed", { ack: "auto" });
    const renewed = client.reconnect();
    client.publish("/topic/renewed", "meanwhile");
    await renewed;
    assert.equal((await take(kept, 1))[0].body, "meanwhile");
    assert.equal(tokens.length, 2);
  });
});

describe("a server that is killed and started again", { skip }, () => {
  it("gets subscriptions once, and then what was published meanwhile", async () => {
    const first = await startServer();
    const http = `127.0.0.1:${new URL(first.ws).port}`;
    const lines = [];
    const urls = [];
    const client = await connect(async (round) => (urls.push(round), first.ws), {
      ...OPTIONS,
      debug: (line) => lines.push(line),
    });
    const prices = client.subscribe("/topic/prices", { ack: "auto" });
    await prices.ready;
    const events = [];
    for (const name of ["lost", "connected", "state"]) {
      client.on(name, (value) => events.push(value === "connected" ? "state connected" : name === "state" ? value : name));
    }
    const lost = event(client, "lost");
    await first.kill();
    await lost;
    lines.length = 0;
    const sent = client.publish("/topic/prices", "after", { receipt: true });
    const later = client.subscribe("/topic/later", { ack: "auto" });
    client.publish("/topic/later", "too");
    const second = await startServer("--http", http);
    try {
      await sent;
      assert.equal((await take(prices, 1))[0].body, "after");
      assert.equal((await take(later, 1))[0].body, "too");
      const frames = lines.filter((line) => /^>>> (SUB|SEND)/.test(line)).map((line) => line.slice(4, 7));
      assert.deepEqual(frames, ["SUB", "SUB", "SEN", "SEN"]);
      assert.deepEqual(events.slice(0, 3), ["waiting", "lost", "connecting"]);
      assert.deepEqual(events.slice(-2), ["state connected", "connected"]);
      assert.equal(events.filter((name) => name === "lost").length, 1);
      assert.ok(urls.length >= 2, "a URL for each attempt");
      assert.equal(client.state, "connected");
    } finally {
      await client.close();
      await second.kill();
    }
  });

  it("fails or repeats what was not receipted, as it is asked to", async () => {
    // The first connection takes and never answers.
    let connections = 0;
    const got = [];
    const silent = await peer((data, socket) => {
      if (data.startsWith("CONNECT")) {
        connections++;
        return "CONNECTED\nversion:1.2\n\n\0";
      }
      got.push(...data.match(/^SEND|unsure|retried/gm).filter((it) => it !== "SEND"));
      const id = /receipt:(\S+)/.exec(data)?.[1];
      if (connections === 1) {
        got.length === 2 && socket.destroy();
      } else {
        return `RECEIPT\nreceipt-id:${id}\n\n\0`;
      }
    });
    const client = await connect(silent.url, OPTIONS);
    const unsure = client.publish("/queue/a", "unsure", { receipt: true });
    const retried = client.publish("/queue/a", "retried", { receipt: true, retry: true });
    await assert.rejects(unsure, isCode("lost"));
    await retried;
    assert.deepEqual(got, ["unsure", "retried", "retried"]);
    client.end();
    silent.stop();
    await client.closed;
  });

  it("is given up after the most attempts", async () => {
    const server = await startServer();
    const client = await connect(server.ws, { ...OPTIONS, attempts: 3 });
    let failures = 0;
    client.on("failed", () => failures++);
    const lost = event(client, "lost");
    await server.kill();
    await lost;
    const queued = client.publish("/queue/a", "");
    assert.equal((await client.closed).code, "lost");
    await assert.rejects(queued, isCode("lost"));
    // One that did not live for long counts too.
    assert.ok(failures === 2 || failures === 3, String(failures));
    assert.equal(client.state, "closed");
  });
});

describe("connecting", { skip }, () => {
  it("stops when credentials are refused, and shows them to nobody", async () => {
    const server = await startServer("--user", "ann:s3cret");
    const lines = [];
    const debug = (line) => lines.push(line);
    let attempts = 0;
    const address = () => (attempts++, server.ws);
    const wrong = { login: "ann", passcode: "wr0ng", debug, initialAttempts: 5, ...OPTIONS };
    const error = await connect(address, wrong).catch((error) => error);
    assert.equal(error.code, "refused");
    assert.equal(attempts, 1);
    const url = server.ws.replace("//", "//ann:s3cret@");
    const client = await connect(url, { debug });
    await client.close();
    assert.ok(lines.some((line) => line.includes("passcode:********")));
    assert.doesNotMatch(lines.join() + error.stack, /wr0ng|s3cret/);
    await server.kill();
  });

  it("takes the next of a list, and the form of other clients", async () => {
    const server = await startServer();
    const dead = "stomp://127.0.0.1:1";
    for (const address of [[dead, server.ws], `failover:(${dead},${server.ws})?randomize=true`]) {
      const client = await connect(address);
      assert.equal(client.state, "connected");
      await client.close();
    }
    await assert.rejects(connect("failover:(a,b)?what=1"), isCode("address"));
    await assert.rejects(connect([dead, dead]), isCode("lost"));
    await server.kill();
  });

  it("has a limit, and ends by a signal", async () => {
    const silent = await peer();
    await assert.rejects(connect(silent.url, { timeout: 20 }), isCode("timeout"));
    await assert.rejects(connect(() => new Promise(() => {}), { timeout: 20 }), isCode("timeout"));
    const aborter = new AbortController();
    const aborted = connect(silent.url, { signal: aborter.signal });
    aborter.abort(new Error("enough"));
    await assert.rejects(aborted, /enough/);
    await assert.rejects(connect(silent.url, { signal: AbortSignal.abort() }), /AbortError/);
    await assert.rejects(connect("nonsense with s3cret"), (error) => !error.message.includes("s3cret"));
    silent.stop();
  });

  it("closes in spite of a server that does not answer", async () => {
    const deaf = await peer((data) => data.startsWith("CONNECT") && "CONNECTED\nversion:1.2\n\n\0");
    const client = await connect(deaf.url, { limit: 20 });
    const unanswered = client.publish("/queue/a", "", { receipt: true });
    await client.close();
    await assert.rejects(unanswered, isCode("lost"));
    deaf.stop();
  });

  it("lets those who publish wait for a slow network", async () => {
    let slow;
    const peerOf = await peer((data, socket) => {
      if (data.startsWith("CONNECT")) {
        (slow = socket).pause();
        return "CONNECTED\nversion:1.2\n\n\0";
      }
    });
    const client = await connect(peerOf.url, { limit: 20 });
    let isDone = false;
    const sent = client.publish("/queue/a", "x".repeat(64 << 20)).then(() => (isDone = true));
    await new Promise(setImmediate);
    assert.equal(isDone, false);
    slow.resume();
    await sent;
    await client.close();
    peerOf.stop();
  });

  it("forgives a sleep, and asks once more", async () => {
    const silent = await peer((data) => data.startsWith("CONNECT") && "CONNECTED\nversion:1.2\nheart-beat:1,0\n\n\0");
    const ticks = [];
    const every = (interval, callback) => (ticks.push(callback), () => {});
    const heartbeat = { outgoing: 0, incoming: 1 };
    const client = await connect(silent.url, { every, heartbeat, attempts: 1, delay: 1 });
    const lost = event(client, "lost");
    const end = performance.now() + 10;
    while (performance.now() < end);
    ticks[0]();
    assert.equal(client.state, "connected");
    ticks[0]();
    assert.match((await lost).message, /silent/);
    await client.close();
    silent.stop();
  });

  it("calls a silent server dead, once, and connects again", async () => {
    const silent = await peer((data) => data.startsWith("CONNECT") && "CONNECTED\nversion:1.2\nheart-beat:20,0\n\n\0");
    const client = await connect(silent.url, { ...OPTIONS, heartbeat: { outgoing: 0, incoming: 20 } });
    const error = await event(client, "lost");
    assert.match(error.message, /silent/);
    await event(client, "connected");
    await client.close();
    silent.stop();
  });

  it("waits offline as the policy says", async () => {
    for (const [offline, code] of [["throw", "offline"], ["drop", undefined], ["queue", "full"]]) {
      const server = await startServer();
      const client = await connect(server.ws, { offline, queueSize: 1 });
      const lost = event(client, "lost");
      await server.kill();
      await lost;
      const first = client.publish("/queue/a", "");
      const second = client.publish("/queue/a", "");
      if (code) {
        await assert.rejects(second, isCode(code));
      } else {
        await second;
        await assert.rejects(client.publish("/queue/a", "", { receipt: true }), isCode("offline"));
      }
      await client.close();
      await first.catch((error) => assert.match(error.code, /offline|closed/));
    }
  });
});
