// The capabilities, one by one as in `../src/checks`. Each has connections and destinations of its own; where
// nothing is to come, a message that is sent afterwards has to be the next, so that no check waits for silence.

import {
  broker, consumer, expect, forget, nameOf, named, next, nextText, nextWithin, persistent, Seen, send, sleep, subscribe,
  TIMEOUT, WAIT,
} from "./session.mjs";

/** How long one that was refused may take to come again, before it is looked for elsewhere. */
const AGAIN = 5_000;
/** For how long nothing but heart-beats goes over a connection that has agreed on one a second. */
const IDLE = 7_000;

async function version(check, wanted) {
  const known = ["1.0", "1.1", "1.2"].filter((it) => it <= wanted);
  const client = await check.connect({ versions: broker.one_version ? wanted : known });
  expect(client.version === wanted, `the broker chose ${client.version}`);
  const queue = await check.queue(`version-${wanted}`);
  const messages = await subscribe(client, queue);
  await send(client, queue, "hello");
  const text = await nextText(messages);
  expect(text === "hello", `the message came as ${JSON.stringify(text)}`);
}

async function three(check, queue, messages) {
  const producer = await check.connect();
  for (const number of ["1", "2", "3"]) {
    await send(producer, queue, number);
  }
  return [await next(messages), await next(messages), await next(messages)];
}

async function nothingMore(client, queue, messages) {
  await send(client, queue, "later");
  const text = await nextText(messages);
  expect(text === "later", `${text} came again`);
}

const orLost = async (messages) => {
  const message = await nextWithin(messages, WAIT);
  expect(message, "what was not acknowledged does not come again");
  return message;
};

async function selected(check, destination) {
  const client = await check.connect();
  const messages = await subscribe(client, destination, { headers: { selector: "color = 'red'" } });
  for (const color of ["blue", "red"]) {
    await send(client, destination, color, { color });
  }
  expect((await nextText(messages)) === "red", "a message came that the selector excludes");
}

async function thereAndBack(check, name, type, body) {
  const client = await check.connect();
  const queue = await check.queue(name);
  const messages = await subscribe(client, queue);
  await send(client, queue, body, { "content-type": type });
  const came = (await next(messages)).binaryBody;
  const sent = typeof body === "string" ? new TextEncoder().encode(body) : body;
  expect(came.length === sent.length, `${sent.length} bytes came as ${came.length}`);
  expect(Buffer.compare(came, sent) === 0, "the bytes came changed");
}

/** How each is tried, by its name. */
export const checks = {
  "version-1.0": (check) => version(check, "1.0"),
  "version-1.1": (check) => version(check, "1.1"),
  "version-1.2": (check) => version(check, "1.2"),

  async queue(check) {
    const many = 20;
    const [one, two] = [await check.connect(), await check.connect()];
    const queue = await check.queue("queue");
    const all = [await subscribe(one, queue), await subscribe(two, queue)];
    const producer = await check.connect();
    for (let number = 0; number < many; ++number) {
      await send(producer, queue, String(number));
    }
    const seen = new Set();
    let came = 0;
    const take = async (messages) => {
      while (came < many) {
        const message = await nextWithin(messages, WAIT);
        if (!message) {
          return;
        }
        ++came;
        expect(!seen.has(message.body), "a message came to both of two consumers");
        seen.add(message.body);
      }
    };
    // One of them has nothing more to wait for when the other took the last.
    await Promise.race([Promise.all(all.map(take)), (async () => {
      while (came < many) await sleep(10);
    })()]);
    expect(seen.size === many, `no message came within ${WAIT / 1000} s`);
  },

  async "queue-kept"(check) {
    const queue = await check.queue("queue-kept");
    const producer = await check.connect();
    await send(producer, queue, "kept");
    await producer.close();
    const [client, messages] = await consumer(check, queue, "auto");
    await send(client, queue, "later");
    expect((await nextText(messages)) === "kept", "a message that was sent while nobody consumed is gone");
  },

  async topic(check) {
    const [one, two] = [await check.connect(), await check.connect()];
    const topic = await check.topic("topic");
    const all = [await subscribe(one, topic), await subscribe(two, topic)];
    for (const number of ["1", "2", "3"]) {
      await send(one, topic, number);
      for (const messages of all) {
        const text = await nextText(messages);
        expect(text === number, `message ${number} came as ${JSON.stringify(text)}`);
      }
    }
  },

  async "ack-auto"(check) {
    const queue = await check.queue("ack-auto");
    const [first, messages] = await consumer(check, queue, "auto");
    await send(first, queue, "1");
    await next(messages);
    // Artemis acknowledges behind the message, and gives it again to who has left by then.
    await send(first, await check.topic("ack-auto"), "still here");
    await first.close();
    const [second, again] = await consumer(check, queue, "auto");
    await send(second, queue, "later");
    expect((await nextText(again)) === "later", "the message came again");
  },

  async "ack-client"(check) {
    const queue = await check.queue("ack-client");
    const [first, messages] = await consumer(check, queue, "client");
    const [, second] = await three(check, queue, messages);
    second.ack();
    await first.close();
    const [later, again] = await consumer(check, queue);
    const message = await orLost(again);
    expect(message.body === "3", `after the ACK of the second of three, ${message.body} came again`);
    message.ack();
    await nothingMore(later, queue, again);
  },

  async "ack-client-individual"(check) {
    const queue = await check.queue("ack-client-individual");
    const [first, messages] = await consumer(check, queue);
    const [, second] = await three(check, queue, messages);
    second.ack();
    await first.close();
    const [later, again] = await consumer(check, queue);
    const texts = new Set();
    for (let count = 0; count < 2; ++count) {
      const message = await orLost(again);
      texts.add(message.body);
      message.ack();
    }
    const all = [...texts].sort();
    expect(all.join() === "1,3", `after the ACK of the second of three, ${all.join(" and ")} came again`);
    await nothingMore(later, queue, again);
  },

  async nack(check) {
    const queue = await check.queue("nack");
    const [first, messages] = await consumer(check, queue);
    await send(first, queue, queue, persistent);
    (await next(messages)).nack();
    const again = await nextWithin(messages, AGAIN);
    if (again) {
      again.ack();
      return;
    }
    if (broker.dead_letters) {
      const [, letters] = await consumer(check, broker.dead_letters);
      for (let letter; (letter = await nextWithin(letters, AGAIN)); ) {
        if (letter.body === queue) {
          letter.ack();
          return;
        }
      }
    }
    await first.close();
    const [later, last] = await consumer(check, queue);
    await send(later, queue, "later");
    const message = await next(last);
    message.ack();
    expect(message.body === queue, "after its NACK the message is gone");
  },

  async "transaction-send"(check) {
    const client = await check.connect();
    const queue = await check.queue("transaction-send");
    const messages = await subscribe(client, queue);
    await client.transaction(async (tx) => {
      await tx.publish(queue, "one");
      await send(client, queue, "outside");
      const text = await nextText(messages, "beside an open transaction");
      expect(text === "outside", "a message came before its transaction was committed");
      await tx.publish(queue, "two");
    });
    for (const expected of ["one", "two"]) {
      const text = await nextText(messages, "after COMMIT");
      expect(text === expected, `${expected} came as ${JSON.stringify(text)}`);
    }
    await aborted(client, (tx) => tx.publish(queue, "never"));
    await send(client, queue, "later");
    const text = await nextText(messages, "after ABORT");
    expect(text === "later", "a message came though its transaction was aborted");
  },

  async "transaction-ack"(check) {
    const queue = await check.queue("transaction-ack");
    const [first, messages] = await consumer(check, queue);
    await send(first, queue, "1");
    const message = await next(messages);
    await aborted(first, (tx) => tx.ack(message));
    await first.close();
    const [second, again] = await consumer(check, queue);
    const other = await nextWithin(again, AGAIN);
    expect(other, "the ACK of an aborted transaction took the message");
    await second.transaction((tx) => tx.ack(other));
    await second.close();
    const [third, last] = await consumer(check, queue, "auto");
    await send(third, queue, "later");
    expect((await nextText(last)) === "later", "the ACK of a committed transaction left the message");
  },

  async receipts(check) {
    const client = await check.connect();
    const queue = await check.queue("receipts");
    const messages = await subscribe(client, queue);
    const numbers = Array.from({ length: 100 }, (_, number) => String(number));
    await Promise.all(numbers.map((number) => send(client, queue, number)));
    for (const number of numbers) {
      const text = await nextText(messages);
      expect(text === number, `message ${number} came as ${JSON.stringify(text)}`);
    }
  },

  async disconnect(check) {
    const lines = [];
    const client = await check.connect({ limit: TIMEOUT, debug: (line) => lines.push(line) });
    const queue = await check.queue("disconnect");
    await client.publish(queue, "the last");
    await client.close();
    // `close` takes a close of the connection for the receipt, too.
    expect(lines.some((line) => line.startsWith("<<< RECEIPT")), "the broker closed the connection without the receipt");
  },

  async "heart-beats"(check) {
    let offer;
    const heartbeat = { outgoing: 1000, incoming: 1000 };
    const debug = (line) => (offer ??= /^<<< CONNECTED\n[^]*^heart-beat:(.*)$/m.exec(line)?.[1]);
    const client = await check.connect({ heartbeat, debug });
    expect(/^0*[1-9]\d*,0*[1-9]/.test(offer), `the broker offers ${JSON.stringify(offer ?? "")}`);
    const queue = await check.queue("heart-beats");
    await sleep(IDLE);
    await send(client, queue, "still here");
  },

  "selector-topic": async (check) => selected(check, await check.topic("selector-topic")),

  async "selector-queue"(check) {
    const queue = await check.queue("selector-queue");
    await selected(check, queue);
    const [, rest] = await consumer(check, queue, "auto");
    const text = await nextText(rest);
    expect(text === "blue", `the rest came as ${JSON.stringify(text)}`);
  },

  async durable(check) {
    const name = nameOf("durable");
    const topic = await check.topic("durable");
    const { connect: headers, subscribe: more } = broker.durable;
    const subscriber = async () => {
      const client = await check.connect({ headers: named(headers, name) });
      return [client, await subscribe(client, topic, { id: name, headers: named(more, name) })];
    };
    const [first] = await subscriber();
    await first.close();
    const producer = await check.connect();
    await send(producer, topic, "kept", persistent);
    const [second, messages] = await subscriber();
    await send(second, topic, "later", persistent);
    const text = await nextText(messages);
    await second.close();
    await forget(name, topic);
    expect(text === "kept", "a message that was sent while the subscriber was away is gone");
  },

  async binary(check) {
    const body = Uint8Array.from({ length: 512 }, (_, index) => index & 255);
    await thereAndBack(check, "binary", "application/octet-stream", body);
  },

  async large(check) {
    const body = "abcdefghijklmnopqrstuvwxyz".repeat(2 ** 16).slice(0, 2 ** 20);
    await thereAndBack(check, "large", "text/plain", body);
  },
};

/** A transaction that its work ends. */
async function aborted(client, work) {
  const reason = new Error("aborted");
  const end = client.transaction(async (tx) => {
    await work(tx);
    throw reason;
  });
  await end.catch((error) => {
    if (error !== reason) throw error;
  });
}
