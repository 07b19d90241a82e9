// Our own face: promises, loops, and subscriptions that outlive connections.

import { later } from "../connection.js";
import { Kind } from "../core/session.js";
import { asBytes } from "../core/utf8.js";
import { call } from "../report.js";
import { addresses } from "./addresses.js";
import { run } from "./attempts.js";
import { onAbort, pending, StompError } from "./errors.js";
import { Message } from "./message.js";
import { disposable, Subscription } from "./subscription.js";
import { transaction } from "./transaction.js";

export { StompError };

/** What a socket may hold, in bytes, before those who publish are to wait. */
const HELD = 1 << 20;

/** Connects: a client, once there is a connection. */
export async function connect(address, options = {}) {
  const client = new Client(address, options);
  try {
    await client.opened.promise;
    return client;
  } catch (error) {
    client.end(error);
    throw error;
  }
}

/** What is said of options: one that is there and undefined leaves the default. */
const given = (options = {}) =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));

export class Client {
  constructor(address, options) {
    const [list, more] = addresses(address);
    this.list = list;
    this.options = {
      versions: "1.2,1.1,1.0",
      timeout: 10000,
      delay: 1000,
      maxDelay: 30000,
      jitter: 0.5,
      attempts: Infinity,
      initialAttempts: 1,
      offline: "queue",
      queueSize: 1000,
      queueTimeout: 60000,
      ...given(more),
      ...given(options),
    };
    this.state = "connecting";
    this.version = this.server = this.error = undefined;
    this.counter = 0;
    this.listeners = {};
    this.queue = [];
    /** What waits for the server, by receipt or correlation-id: each has `reject` and `resolve`. */
    this.waits = new Map();
    this.subscriptions = new Map();
    this.replies = new Set();
    const token = () => Math.random().toString(36).slice(2);
    this.token = token() + token();
    this.opened = pending();
    this.over = pending();
    /** Fulfilled when the client has ended: with the error that ended it, if there was one. */
    this.closed = this.over.promise;
    disposable(this, () => this.close());
    this.deafen = onAbort(this.options.signal, (reason) => this.end(reason));
    run(this, 0);
  }

  /** Calls back at each event of a name. Returns what ends that. */
  on(name, callback) {
    const all = (this.listeners[name] ??= new Set());
    all.add(callback);
    return () => all.delete(callback);
  }

  /** Sends a message; see the guide for when the promise is settled. */
  publish(destination, body = "", options = {}) {
    const wait = pending(options.signal);
    const item = { wait, destination, body, options, receipt: options.receipt && `receipt-${++this.counter}` };
    const { offline, queueSize } = this.options;
    const refuse = (code, text) => wait.reject(new StompError(code, text));
    if (options.signal?.aborted) {
      return wait.promise;
    }
    if (this.isEnding()) {
      refuse("closed", "the client is closed");
    } else if (this.connection) {
      this.write(item);
    } else if (offline === "drop" && !item.receipt) {
      wait.resolve();
    } else if (offline !== "queue") {
      refuse("offline", "there is no connection");
    } else if (this.queue.length >= queueSize) {
      refuse("full", `${queueSize} messages (queueSize) wait for a connection`);
    } else {
      this.queue.push(this.queued(item));
    }
    return wait.promise;
  }

  /** Subscribes, on this connection and those that follow. */
  subscribe(destination, options = {}) {
    const id = options.id ?? `sub-${++this.counter}`;
    if (this.isEnding() || this.subscriptions.has(id)) {
      throw new StompError("closed", this.isEnding() ? "the client is closed" : `subscription id ${id} is in use`);
    }
    const own = new Subscription(id, destination, options, () => {
      if (this.subscriptions.delete(id)) {
        try {
          this.ask("unsubscribe", id, own.last);
        } catch {
          // With the connection the server has forgotten it.
        }
      }
    });
    if (!own.isOver) {
      this.subscriptions.set(id, own);
      this.connection && this.start(own);
    }
    return own;
  }

  /** Publishes with `reply-to` and gives the answer. */
  async request(destination, body, { headers, replyTo, signal, timeout, ...options } = {}) {
    const to = replyTo ?? `/temp-queue/${this.token}`;
    const id = `${this.token}-${++this.counter}`;
    this.need();
    const wait = this.waitFor(id, pending(signal), timeout, `the answer from ${destination}`);
    wait.isReply = true;
    // Others open it by the header.
    if ((replyTo || /activemq/i.test(this.server)) && !this.replies.has(to)) {
      this.replies.add(to);
      this.ask("subscribe", to, to, "auto");
    }
    const sent = this.publish(destination, body, {
      ...options,
      signal,
      headers: { ...headers, "reply-to": to, "correlation-id": id },
    });
    sent.catch(wait.reject);
    return wait.promise;
  }

  /** Begins a transaction, calls `work` with it, and commits it, or aborts it if `work` fails. */
  transaction(work, options) {
    return transaction(this, work, options);
  }

  /** Leaves this connection for a new one, with fresh address and headers; subscriptions stay. */
  async reconnect({ signal } = {}) {
    signal?.throwIfAborted();
    const own = this.need();
    own.disconnect({ receipt: "reconnect" });
    // What is published from now on is for the next one.
    this.leaving = own;
    this.connection = undefined;
    const wait = pending(signal);
    wait.limit(2 * this.options.timeout, "a new connection");
    const ends = [this.on("connected", wait.resolve), this.on("closed", wait.reject)];
    return wait.promise.finally(() => ends.forEach((end) => end())).then(() => {});
  }

  /** Takes leave of the server and ends the client. */
  async close() {
    this.end();
    await this.closed;
  }

  // What follows is not for programs.

  isEnding() {
    return /^clos/.test(this.state);
  }

  need() {
    if (!this.connection) {
      throw new StompError("offline", "there is no connection");
    }
    return this.connection;
  }

  ask(...args) {
    this.need().request(...args);
  }

  emit(name, ...args) {
    this.listeners[name]?.forEach((callback) => call(this, callback, ...args));
  }

  set(state) {
    if (this.state !== state) {
      this.state = state;
      this.emit("state", state);
    }
  }

  waitFor(id, wait, limit, what) {
    wait.limit(limit ?? this.options.timeout, what);
    this.waits.set(id, wait);
    const forget = () => this.waits.delete(id);
    wait.promise.then(forget, forget);
    return wait;
  }

  queued(item) {
    item.wait.limit(this.options.queueTimeout, "a connection to publish on (queueTimeout)");
    item.wait.promise.catch(() => (this.queue = this.queue.filter((other) => other !== item)));
    return item;
  }

  write(item) {
    const { wait, destination, body, options, receipt } = item;
    const { headers, contentLength = true, timeout } = options;
    const isBinary = body instanceof ArrayBuffer || ArrayBuffer.isView(body);
    try {
      const all = receipt ? { ...headers, receipt } : headers;
      this.ask("send", destination, all, isBinary ? asBytes(body) : String(body), contentLength);
      if (receipt) {
        wait.item = item;
        this.waitFor(receipt, wait, timeout, `the receipt of a message to ${destination}`);
      } else {
        const own = this.connection;
        const settle = () =>
          own.socket.bufferedAmount > HELD && !own.isOver ? later(10, settle) : wait.resolve();
        settle();
      }
    } catch (error) {
      wait.reject(error);
    }
  }

  start(own) {
    try {
      own.start((...args) => this.ask(...args), this.version, this.server);
    } catch (error) {
      // The server knows nothing of it.
      this.subscriptions.delete(own.id);
      own.end(error);
    }
  }

  connected(own, { headers }) {
    if (this.isEnding()) {
      return;
    }
    this.connection = own;
    this.version = own.session.version();
    this.server = headers.server;
    this.since = Date.now();
    // Nothing that is published may overtake what is to receive the answer.
    this.subscriptions.forEach((subscription) => this.start(subscription));
    this.queue.splice(0).forEach((item) => this.write(item));
    this.set("connected");
    this.emit("connected", headers);
    this.opened.resolve();
  }

  take(own, event) {
    const { kind, headers } = event;
    if (kind === Kind.RECEIPT) {
      const id = headers["receipt-id"];
      this.waits.get(id)?.resolve();
      this.subscriptions.get(id)?.asked.resolve();
    } else if (kind === Kind.MESSAGE || kind === Kind.UNKNOWN_MESSAGE) {
      const message = new Message(event, (consumed, { ack, "message-id": messageId, subscription }, more) => {
        if (own !== this.connection) {
          throw new StompError("lost", "the connection that brought the message is lost");
        }
        own.request("acknowledge", consumed, { ack, messageId, subscription }, more);
      });
      const { subscription, "correlation-id": id } = headers;
      const all = this.subscriptions;
      const target = all.get(subscription) ?? (subscription === undefined && all.size === 1 && [...all.values()][0]);
      const wait = this.waits.get(id);
      if (target) {
        target.take(message);
      } else if (wait?.isReply) {
        wait.resolve(message);
      } else {
        this.emit("message", message);
      }
    }
  }

  /** The server's ERROR, of what it names. */
  refused(error, { headers }) {
    const id = headers?.["receipt-id"];
    this.waits.get(id)?.reject(error);
    // It would be refused again on each connection.
    this.subscriptions.get(id)?.end(error);
    this.emit("error", error);
  }

  lost(error) {
    this.connection = undefined;
    this.replies.clear();
    const again = [];
    for (const wait of [...this.waits.values()]) {
      if (wait.item?.options.retry && !this.isEnding()) {
        again.push(this.queued(wait.item));
      } else {
        wait.reject(new StompError("lost", "the connection was lost before the answer", { cause: error }));
      }
    }
    this.waits.clear();
    this.queue.unshift(...again);
    this.subscriptions.forEach((subscription) => subscription.lost());
    if (this.isEnding()) {
      this.finish();
      return;
    }
    this.set("waiting");
    this.emit("lost", error);
    const { leaving: isPlanned, round } = this;
    this.leaving = undefined;
    // Who answers and then throws out is not asked at once again and again.
    const wasShort = !isPlanned && Date.now() - this.since < this.options.delay * 2 ** round;
    run(this, wasShort ? round + 1 : 0, isPlanned ? undefined : error);
  }

  /** Ends the client: by `error`, or because the program wants it. */
  end(error) {
    if (this.isEnding()) {
      return;
    }
    this.error = error;
    this.set("closing");
    const reason = error ?? new StompError("closed", "the client is closed");
    this.attempting?.reject(reason);
    this.opened.reject(reason);
    this.wake?.();
    this.queue.splice(0).forEach(({ wait }) => wait.reject(reason));
    this.deafen?.();
    if (this.connection) {
      this.connection.disconnect({ receipt: "close" });
    } else {
      this.finish();
    }
  }

  finish() {
    this.subscriptions.forEach((subscription) => subscription.end(this.error));
    this.set("closed");
    this.over.resolve(this.error);
    this.emit("closed", this.error);
  }
}
