// A client of @stomp/stompjs, and mailboxes for what its callbacks get.

import { Client, Versions } from "@stomp/stompjs";
import { TCPWrapper } from "@stomp/tcp-wrapper";
import { WebSocket } from "ws";

// The library takes the browser's.
Object.assign(globalThis, { WebSocket });

/** Milliseconds after which something that should have happened counts as a hang. */
const WAIT = 20_000;

/** Versions over transports. */
export const dialects = [
  ...["1.0", "1.1", "1.2"].flatMap((version) => [
    { version, transport: "tcp" },
    { version, transport: "websocket" },
  ]),
  { version: "1.2", transport: "websocket", options: { forceBinaryWSFrames: true } },
  { version: "1.2", transport: "websocket", options: { splitLargeFrames: true } },
].map((dialect) => ({
  ...dialect,
  name: [dialect.version, dialect.transport, ...Object.keys(dialect.options ?? {})].join(" "),
}));

/** What a callback got, to be taken in order. */
class Mailbox {
  #items = [];
  #waiting = [];

  put = (item) => {
    const waiting = this.#waiting.shift();
    if (waiting) waiting(item);
    else this.#items.push(item);
  };

  get isEmpty() {
    return this.#items.length === 0;
  }

  async take() {
    if (this.#items.length > 0) return this.#items.shift();
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`nothing came for ${WAIT} ms`)), WAIT);
    });
    const item = new Promise((resolve) => this.#waiting.push(resolve));
    return Promise.race([item, late]).finally(() => clearTimeout(timer));
  }
}

export class Peer {
  connects = new Mailbox();
  messages = new Mailbox();
  unhandled = new Mailbox();
  errors = new Mailbox();
  closes = new Mailbox();
  beats = new Mailbox();
  #receipts = 0;

  constructor(broker, dialect, options = {}) {
    this.dialect = dialect;
    this.client = new Client({
      stompVersions: new Versions([dialect.version]),
      reconnectDelay: 0,
      heartbeatIncoming: 0,
      heartbeatOutgoing: 0,
      onConnect: this.connects.put,
      onUnhandledMessage: this.unhandled.put,
      onStompError: this.errors.put,
      onWebSocketClose: this.closes.put,
      onHeartbeatReceived: () => this.beats.put(true),
      ...(dialect.transport === "tcp"
        ? { webSocketFactory: () => new TCPWrapper(broker.tcp.hostname, broker.tcp.port) }
        : { brokerURL: broker.websocket.href }),
      ...dialect.options,
      ...options,
    });
  }

  static async connect(broker, dialect, options) {
    const peer = new Peer(broker, dialect, options);
    peer.client.activate();
    peer.connected = await peer.connects.take();
    return peer;
  }

  /** Does something with a receipt, and waits for that. */
  async confirm(call) {
    const receipt = `receipt-${++this.#receipts}`;
    const box = new Mailbox();
    this.client.watchForReceipt(receipt, box.put);
    const result = call({ receipt });
    await box.take();
    return result;
  }

  send(destination, body, headers = {}) {
    const content = typeof body === "string" ? { body } : { binaryBody: body };
    return this.confirm((receipt) =>
      this.client.publish({ destination, ...content, headers: { ...headers, ...receipt } }),
    );
  }

  subscribe(destination, headers = {}) {
    return this.confirm((receipt) =>
      this.client.subscribe(destination, this.messages.put, { ...headers, ...receipt }),
    );
  }

  async bodies(number) {
    const bodies = [];
    while (bodies.length < number) bodies.push((await this.messages.take()).body);
    return bodies;
  }

  /** COMMIT and ABORT of this library take no receipt, so that of another frame shows that they are done. */
  fence() {
    return this.send("/topic/fence", "");
  }

  /** The ERROR frame, after which the broker has closed the connection. */
  async error() {
    const error = await this.errors.take();
    await this.closes.take();
    return error;
  }

  /** With the library's own receipt. */
  disconnect() {
    return this.client.deactivate();
  }
}
