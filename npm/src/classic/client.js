// The client of stomp.js: the same calls, callbacks and debug lines, on a connection.

import { Connection, ignore, only } from "../connection.js";
import { Kind } from "../core/session.js";
import { asBytes } from "../core/utf8.js";
import { call } from "../report.js";
import { connectArguments } from "./arguments.js";
import { Frame } from "./frame.js";

const OPEN = 1;

export class Client {
  /** `open`: makes the socket; it is called at once, and again by a later `connect`. */
  constructor(open, Stomp) {
    this.Stomp = Stomp;
    this.open = open;
    this.counter = 0;
    this.connected = false;
    this.heartbeat = { outgoing: 10000, incoming: 10000 };
    this.maxWebSocketFrameSize = 16 * 1024;
    this.subscriptions = {};
    this.partialData = "";
    this.useSocket(open());
  }

  /** Shows a line: replace it, or set it to null. */
  debug(message) {
    if (typeof window !== "undefined") {
      window.console?.log(message);
    }
  }

  /**
   * Connects: `(headers, onConnect[, onError[, onClose]])` or
   * `(login, passcode, onConnect[, onError[, host]])`.
   */
  connect(...args) {
    // Of a disconnect that still waits for its receipt nothing may reach the new connection.
    this.ending?.end();
    if (this.connection && this.ws.readyState === OPEN) {
      this.say(() => "Already ACTIVE, ignoring request to activate");
      return;
    }
    const [headers, connectCallback, errorCallback, closeCallback] = this._parseConnect(...args);
    this.connectCallback = connectCallback;
    this.errorCallback = errorCallback;
    this.closeCallback = closeCallback;
    if (this.ws.readyState > OPEN) {
      this.useSocket(this.open());
    }
    if (this.ws.readyState > OPEN) {
      // A socket that was given and is spent: without a new one there is no connection.
      const spent = this.ws;
      queueMicrotask(() => this.lost(spent));
      return;
    }
    this.say(() => "Opening Web Socket...");
    const options = () => ({ raw: true, split: this.maxWebSocketFrameSize });
    const on = this.callbacks(headers);
    this.connection = on.connection = new Connection(this.ws, options, on);
  }

  /** Disconnects, then calls back; `callback` is always called, once. */
  disconnect(callback, headers) {
    if (this.ending) {
      this.ending.callbacks.push(callback);
      return;
    }
    const { connection, ws } = this;
    const ending = { callbacks: [callback], isAsked: headers?.receipt != null };
    ending.end = () => {
      if (this.ending === ending) {
        this.ending = undefined;
        this.cleanUp();
        (connection ?? ws).close();
        ending.callbacks.forEach((each) => call(this, each));
      }
    };
    this.ending = ending;
    if (!connection?.session?.version()) {
      // Before CONNECTED, or after an ERROR, there is nobody to take leave of.
      ending.end();
      return;
    }
    try {
      connection.disconnect({ receipt: `close-${++this.counter}`, ...headers });
      this.connected = false;
    } catch (error) {
      this.ending = undefined;
      throw error;
    }
  }

  /** Sends a message. A `content-length` of false leaves that header out. */
  send(destination, headers, body = "") {
    const { "content-length": length, ...others } = headers ?? {};
    const isBinary = body instanceof Uint8Array || body instanceof ArrayBuffer;
    const content = isBinary ? asBytes(body) : String(body ?? "");
    const own = length === false ? others : headers;
    this.request("send", String(destination), own, content, length !== false);
  }

  /** Begins a transaction: `{id, commit(), abort()}`. */
  begin(transaction) {
    const id = String(transaction || `tx-${this.counter++}`);
    this.request("begin", id);
    return { id, commit: () => this.commit(id), abort: () => this.abort(id) };
  }

  /** Commits a transaction. */
  commit(transaction) {
    this.request("commit", transaction);
  }

  /** Aborts a transaction. */
  abort(transaction) {
    this.request("abort", transaction);
  }

  /** Subscribes: `{id, unsubscribe()}`. */
  subscribe(destination, callback, headers) {
    const { id: given, ack = "auto", destination: _, ...others } = headers ?? {};
    const id = String(given || `sub-${this.counter++}`);
    // An answer may come before this returns.
    this.subscriptions[id] = callback;
    try {
      this.request("subscribe", id, String(destination), String(ack), others);
    } catch (error) {
      delete this.subscriptions[id];
      throw error;
    }
    return { id, unsubscribe: (headers) => this.unsubscribe(id, headers) };
  }

  /** Ends a subscription. */
  unsubscribe(id, headers) {
    delete this.subscriptions[id];
    this.request("unsubscribe", String(id), headers);
  }

  /** Acknowledges a message by its `message-id` (1.2: its `ack` header) and subscription. */
  ack(messageId, subscription, headers) {
    this.acknowledge(true, messageId, subscription, headers);
  }

  /** Refuses a message. */
  nack(messageId, subscription, headers) {
    this.acknowledge(false, messageId, subscription, headers);
  }

  acknowledge(consumed, messageId, subscription, headers) {
    const { "message-id": _, subscription: __, ...others } = headers ?? {};
    this.request("acknowledge", consumed, { ack: messageId, messageId, subscription }, others);
  }

  /** The arguments of `connect` as `[headers, onConnect, onError, onClose]`. */
  _parseConnect(...args) {
    return connectArguments(args);
  }

  // What follows is not for programs.

  useSocket(ws) {
    this.ws = ws;
    ws.binaryType = "arraybuffer";
    // A socket that fails says so here before it closes; `ws` of Node throws if nobody listens.
    ws.onerror ??= ignore;
  }

  /** A method of the session, and what it gives to send. */
  request(...args) {
    if (!this.connection?.session) {
      throw new Error("not connected: call connect() and wait for its callback");
    }
    this.connection.request(...args);
  }

  callbacks(given) {
    const { ws, Stomp } = this;
    const { "accept-version": _, "heart-beat": __, ...headers } = given;
    const beat = (name) => Number(this.heartbeat?.[name]) || 0;
    const on = {
      session: () => ({
        versions: Stomp.VERSIONS.supportedVersions(),
        outgoing: beat("outgoing"),
        incoming: beat("incoming"),
        headers,
      }),
      every(interval, callback) {
        const timer = Stomp.setInterval(interval, callback);
        return () => Stomp.clearInterval(timer);
      },
      opened: () => this.say(() => "Web Socket Opened..."),
      debug: (make) => this.say(make),
      data: (data) => {
        if (typeof data !== "string" && !ArrayBuffer.isView(data)) {
          this.say(() => `--- got data length: ${data.byteLength}`);
        }
      },
      piece: (_, remaining) => remaining && this.say(() => `remaining = ${remaining}`),
      // After a disconnect, or on a new connection, what comes of the old one is nobody's.
      frame: (event) => on.connection === this.connection && this.handle(event),
      closed: (event) => {
        if (on.connection === this.connection) {
          this.ending ? this.ending.end() : this.lost(ws, event);
        }
      },
    };
    return on;
  }

  handle(event) {
    const frame = Frame.received(event);
    switch (event.kind) {
      case Kind.CONNECTED:
        this.connected = true;
        this.version = this.connection.session.version();
        call(this, this.connectCallback, frame);
        break;
      case Kind.MESSAGE:
      case Kind.UNKNOWN_MESSAGE:
        // After a disconnect nobody waits for messages.
        this.ending || this.message(frame);
        break;
      case Kind.RECEIPT:
        call(this, this.onreceipt, frame);
        break;
      case Kind.DISCONNECTED:
        this.ending?.isAsked && call(this, this.onreceipt, frame);
        this.ending?.end();
        break;
      case Kind.ERROR:
      case Kind.FAILURE:
        call(this, this.errorCallback, frame);
        break;
      default:
        this.say(() => `Unhandled frame: ${frame}`);
    }
  }

  message(frame) {
    const { connection, subscriptions } = this;
    const { subscription, "message-id": messageId, ack } = frame.headers;
    const id = subscription ?? only(subscriptions);
    const answer = (name) => (headers) => {
      if (connection === this.connection) {
        this[name](this.version === "1.2" ? ack : messageId, id, headers);
      } else {
        // The server gives it again, by another id.
        this.say(() => `${name.toUpperCase()} not sent: its connection has ended`);
      }
    };
    frame.ack = answer("ack");
    frame.nack = answer("nack");
    const callback = {}.hasOwnProperty.call(subscriptions, id) ? subscriptions[id] : this.onreceive;
    if (callback) {
      call(this, callback, frame);
    } else {
      this.say(() => `Unhandled received MESSAGE: ${frame}`);
    }
  }

  lost(ws, event) {
    if (ws !== this.ws || this.isLost === ws) {
      return;
    }
    this.isLost = ws;
    const text = `Whoops! Lost connection to ${ws.url}`;
    this.say(() => text);
    this.cleanUp();
    call(this, this.closeCallback, event);
    call(this, this.errorCallback, text);
  }

  cleanUp() {
    this.connected = false;
    this.connection = undefined;
    this.subscriptions = {};
  }

  /** A debug line, made only if somebody listens; with the client as `this`. */
  say(make) {
    if (typeof this.debug === "function") {
      call(this, this.debug, make());
    }
  }
}
