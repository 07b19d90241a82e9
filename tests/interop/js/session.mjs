// Clients of the broker that is looked at, and what checks do with them.

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";

import { connect, Stomp } from "../../../npm/dist/node/node.mjs";

/** How long a message may take that is to come, in ms. */
export const WAIT = 10_000;
/** How long receipts and connections may take. */
export const TIMEOUT = 30_000;

const { values: args, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    kind: { type: "string" },
    brokers: { type: "string" },
    gateway: { type: "string" },
    login: { type: "string" },
    passcode: { type: "string" },
    host: { type: "string" },
    only: { type: "string", multiple: true },
  },
});
export { args };
const [url] = positionals;
export const run = Math.floor(Math.random() * 2 ** 32).toString(16).padStart(8, "0");
export const broker = JSON.parse(readFileSync(`${args.brokers}/${args.kind}.json`, "utf8"));
if (args.gateway) {
  Object.assign(broker, { split: undefined, one_version: false, versions: undefined, queue: "/queue/{}", topic: "/topic/{}" });
}
const host = args.host ?? broker.host;

export class Seen extends Error {}

export const expect = (holds, seen) => {
  if (!holds) throw new Seen(seen);
};

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** What a promise gives, or `late` if that takes too long. */
export async function within(ms, promise, late) {
  let timer;
  const limit = new Promise((resolve) => (timer = setTimeout(() => resolve(late), ms)));
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
}

export const nameOf = (check) => `interop-${run}-${check}`;

export const named = (headers, name) =>
  Object.fromEntries(Object.entries(headers ?? {}).map(([key, value]) => [key, value.replaceAll("{}", name)]));

/** The connections of one check; the first that is lost ends it. */
export class Check {
  constructor() {
    this.clients = [];
    this.lost = new Promise((_, reject) => (this.fail = reject));
    this.lost.catch(() => {});
  }

  /** A client without heart-beats, that connects once. */
  async connect(options, address = url) {
    const client = await connect(address, {
      login: args.login,
      passcode: args.passcode,
      host,
      // An option that is there and undefined would count.
      ...(broker.versions && { versions: broker.versions }),
      ...(address.startsWith("ws") && broker.split && { split: broker.split.js }),
      heartbeat: false,
      timeout: TIMEOUT,
      attempts: 1,
      // No second connection hides that the first is lost.
      delay: 2 ** 30,
      ...options,
    });
    this.clients.push(client);
    client.on("error", this.fail);
    client.on("lost", this.fail);
    return client;
  }

  async queue(check) {
    return this.destination(nameOf(check), broker.queue, broker.declare?.queue);
  }

  async topic(check) {
    return this.destination(nameOf(check), broker.topic, broker.declare?.topic);
  }

  /** A destination, made if it has to be there before it is named. */
  async destination(name, pattern, body) {
    if (body) {
      // Behind a gateway too it is the broker's own business.
      const client = await this.connect({}, args.gateway);
      const { to, headers } = broker.declare;
      // With a length it would be bytes, and no text that a manager reads.
      await client.publish(to, body.replaceAll("{}", name), { headers, receipt: true, contentLength: false });
    }
    return pattern.replace("{}", name);
  }

  close() {
    return Promise.all(this.clients.map((client) => client.close()));
  }
}

/** Subscribes, and waits for the receipt. */
export async function subscribe(client, destination, options) {
  const subscription = client.subscribe(destination, { ack: "auto", ...options });
  await within(TIMEOUT, subscription.ready.then(() => true)).then((came) =>
    expect(came, `no receipt of SUBSCRIBE came within ${TIMEOUT / 1000} s`),
  );
  return subscription[Symbol.asyncIterator]();
}

/** The next message, if one comes in time. A later call gets what comes after that. */
export async function nextWithin(messages, ms) {
  messages.pending ??= messages.next();
  const result = await within(ms, messages.pending);
  if (!result) {
    return undefined;
  }
  messages.pending = undefined;
  expect(!result.done, "the subscription has ended");
  return result.value;
}

export async function next(messages) {
  const message = await nextWithin(messages, WAIT);
  expect(message, `no message came within ${WAIT / 1000} s`);
  return message;
}

/** The next message's text; `when` begins what is said if none comes. */
export async function nextText(messages, when) {
  try {
    return (await next(messages)).body;
  } catch (error) {
    throw when ? new Seen(`${when} ${error.message}`) : error;
  }
}

export const send = (client, destination, body, headers) =>
  client.publish(destination, body, { headers, receipt: true });

export const persistent = { persistent: "true" };

export async function consumer(check, queue, ack = "client-individual") {
  const client = await check.connect();
  return [client, await subscribe(client, queue, { ack })];
}

/**
 * Ends a durable subscription for good, so that the broker does not keep messages for it for ever. Only
 * the calls of stomp.js take headers of UNSUBSCRIBE.
 */
export async function forget(name, topic) {
  const { protocol, hostname, port } = new URL(url);
  const client = protocol === "ws:" ? Stomp.overWS(url) : Stomp.overTCP(hostname, Number(port));
  const { connect: headers, subscribe: more, unsubscribe: last } = broker.durable;
  const { login, passcode } = args;
  const ended = new Promise((resolve) => {
    const leave = () => {
      client.subscribe(topic, () => {}, { id: name, ...named(more, name) });
      client.unsubscribe(name, named(last, name));
      client.disconnect(resolve);
    };
    client.connect({ login, passcode, host, ...named(headers, name) }, leave, resolve);
  });
  await within(WAIT, ended);
}
