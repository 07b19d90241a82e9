// The client of stomp.js: the same calls, callbacks and debug lines, on the core's session.

import { Kind, Session, textOf } from "../core/session.js";
import { connectArguments } from "./arguments.js";
import { Frame } from "./frame.js";
import { report } from "./report.js";
import { splitBytes, splitText } from "./split.js";

/** How long `disconnect` waits for the server's receipt before it closes all the same, in ms. */
const DISCONNECT_LIMIT = 2000;

const OPEN = 1;

/** A frame for the debug lines: without the passcode, which only these two commands hold. */
const shown = (text) =>
  /^(CONNECT|STOMP)\n/.test(text) ? text.replace(/(\npasscode:)[^\n]*/g, "$1********") : text;

const isBeat = (data) => data === "\n" || (data.byteLength === 1 && textOf(data) === "\n");

const ignore = () => {};

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
    for (const name of ["Stomp", "open", "session", "ending"]) {
      Object.defineProperty(this, name, { enumerable: false, writable: true });
    }
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
    if (this.session && this.ws.readyState === OPEN) {
      this.say("Already ACTIVE, ignoring request to activate");
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
    this.say("Opening Web Socket...");
    const ws = this.ws;
    ws.onmessage = (event) => this.receive(ws, event.data);
    ws.onclose = (event) => this.lost(ws, event);
    const opened = () => {
      if (ws !== this.ws || this.session || ws.readyState > OPEN) {
        return;
      }
      this.say("Web Socket Opened...");
      try {
        this.start({ ...headers });
      } catch (error) {
        this.call(errorCallback, new Frame("ERROR", { message: error.message }));
        ws.close();
      }
    };
    if (ws.readyState === OPEN) {
      // A socket that was opened by somebody else: its event has gone by.
      queueMicrotask(opened);
    } else {
      ws.onopen = opened;
    }
  }

  /** Disconnects, then calls back; `callback` is always called, once. */
  disconnect(callback, headers = {}) {
    if (this.ending) {
      this.ending.callbacks.push(callback);
      return;
    }
    const ws = this.ws;
    const ending = { callbacks: [callback], receipt: undefined, end: undefined };
    let limit;
    ending.end = () => {
      if (this.ending !== ending) {
        return;
      }
      this.ending = undefined;
      clearTimeout(limit);
      ws.onopen = ws.onclose = ws.onmessage = ignore;
      this.cleanUp();
      ws.close();
      for (const each of ending.callbacks) {
        this.call(each);
      }
    };
    this.ending = ending;
    if (!this.session?.version()) {
      // Before CONNECTED, or after an ERROR, there is nobody to take leave of.
      ending.end();
      return;
    }
    try {
      ending.receipt = headers?.receipt;
      const receipt = ending.receipt ?? `close-${++this.counter}`;
      this.session.disconnect({ ...headers, receipt });
    } catch (error) {
      this.ending = undefined;
      throw error;
    }
    this.connected = false;
    ws.onclose = ending.end;
    limit = setTimeout(ending.end, DISCONNECT_LIMIT);
    limit.unref?.();
    this.flush();
  }

  /** Sends a message. A `content-length` of false leaves that header out. */
  send(destination, headers = {}, body = "") {
    const { "content-length": length, ...others } = headers ?? {};
    const binary = body instanceof Uint8Array || body instanceof ArrayBuffer;
    const content = body instanceof ArrayBuffer ? new Uint8Array(body) : body;
    const own = length === undefined || length === false ? others : headers;
    this.session_().send(
      String(destination),
      own,
      binary ? content : String(content ?? ""),
      length !== false,
    );
    this.flush();
  }

  /** Begins a transaction: `{id, commit(), abort()}`. */
  begin(transaction) {
    const id = String(transaction || `tx-${this.counter++}`);
    this.session_().begin(id);
    this.flush();
    return { id, commit: () => this.commit(id), abort: () => this.abort(id) };
  }

  /** Commits a transaction. */
  commit(transaction) {
    this.session_().commit(transaction);
    this.flush();
  }

  /** Aborts a transaction. */
  abort(transaction) {
    this.session_().abort(transaction);
    this.flush();
  }

  /** Subscribes: `{id, unsubscribe()}`. */
  subscribe(destination, callback, headers = {}) {
    const { id: given, ack = "auto", ...others } = headers ?? {};
    const id = String(given || `sub-${this.counter++}`);
    delete others.destination;
    this.session_().subscribe(id, String(destination), String(ack), others);
    this.subscriptions[id] = callback;
    this.flush();
    return { id, unsubscribe: (headers) => this.unsubscribe(id, headers) };
  }

  /** Ends a subscription. */
  unsubscribe(id, headers = {}) {
    delete this.subscriptions[id];
    this.session_().unsubscribe(String(id), headers ?? {});
    this.flush();
  }

  /** Acknowledges a message by its `message-id` (1.2: its `ack` header) and subscription. */
  ack(messageId, subscription, headers = {}) {
    this.acknowledge(true, { ack: messageId, messageId, subscription }, headers);
  }

  /** Refuses a message. */
  nack(messageId, subscription, headers = {}) {
    this.acknowledge(false, { ack: messageId, messageId, subscription }, headers);
  }

  acknowledge(consumed, message, headers) {
    const { "message-id": _, subscription: __, ...others } = headers ?? {};
    this.session_().acknowledge(consumed, message, others);
    this.flush();
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

  session_() {
    if (!this.session) {
      throw new Error("not connected: call connect() and wait for its callback");
    }
    return this.session;
  }

  start(headers) {
    this.session?.close();
    const { outgoing, incoming } = this.heartbeat || {};
    if (/[\0\r\n]/.test(headers.passcode)) {
      // The core's error would quote it.
      throw new Error("the passcode has a line end or NUL, which CONNECT can't hold");
    }
    delete headers["accept-version"];
    delete headers["heart-beat"];
    this.session = new Session({
      versions: this.Stomp.VERSIONS.supportedVersions(),
      outgoing: Number(outgoing) || 0,
      incoming: Number(incoming) || 0,
      tolerance: 200,
      headers,
    });
    this.flush();
  }

  /** Sends what the session has to send. */
  flush() {
    for (let frame = this.session?.transmit(); frame; frame = this.session?.transmit()) {
      if (frame.length === 1) {
        this.ws.send("\n");
        this.say(">>> PING");
        continue;
      }
      const isText = typeof frame === "string";
      this.say(() => `>>> ${shown(isText ? frame : textOf(frame))}`);
      const size = this.maxWebSocketFrameSize;
      const pieces = isText ? splitText(frame, size) : splitBytes(frame, size);
      let remaining = frame.length;
      for (const piece of pieces) {
        this.ws.send(piece);
        remaining -= piece.length;
        if (remaining > 0) {
          this.say(`remaining = ${remaining}`);
        }
      }
    }
  }

  receive(ws, data) {
    if (ws !== this.ws || !this.session) {
      return;
    }
    if (typeof data !== "string" && !ArrayBuffer.isView(data)) {
      this.say(() => `--- got data length: ${data.byteLength}`);
    }
    this.session.feed(data);
    if (isBeat(data)) {
      this.say("<<< PONG");
      return;
    }
    this.say(() => `<<< ${typeof data === "string" ? data : textOf(data)}`);
    // A callback may disconnect, which ends the session.
    for (let event = this.session.next(); event; event = this.session?.next()) {
      this.handle(event);
    }
  }

  handle(event) {
    if (event.kind === Kind.FAILURE) {
      this.say(event.text);
      this.call(this.errorCallback, new Frame("ERROR", { message: event.text }, ""));
      this.ws.close();
      return;
    }
    const frame = Frame.received(event);
    switch (event.kind) {
      case Kind.CONNECTED:
        this.say(`connected to server ${frame.headers.server}`);
        this.connected = true;
        this.version = this.session.version();
        this.beat();
        this.call(this.connectCallback, frame);
        break;
      case Kind.MESSAGE:
      case Kind.UNKNOWN_MESSAGE:
        this.message(frame);
        break;
      case Kind.RECEIPT:
        this.call(this.onreceipt, frame);
        break;
      case Kind.DISCONNECTED:
        if (this.ending?.receipt !== undefined) {
          this.call(this.onreceipt, frame);
        }
        this.ending?.end();
        break;
      case Kind.ERROR:
        this.call(this.errorCallback, frame);
        break;
      default:
        this.say(() => `Unhandled frame: ${frame}`);
    }
  }

  message(frame) {
    const { subscription, "message-id": messageId, ack } = frame.headers;
    const ids = Object.keys(this.subscriptions);
    // A 1.0 server may not say which subscription it is; with one there is no doubt.
    const id = subscription ?? (ids.length === 1 ? ids[0] : undefined);
    const callback = Object.hasOwn(this.subscriptions, id ?? "")
      ? this.subscriptions[id]
      : this.onreceive;
    const target = { ack, messageId, subscription };
    frame.ack = (headers) => this.acknowledge(true, target, headers);
    frame.nack = (headers) => this.acknowledge(false, target, headers);
    if (callback) {
      this.call(callback, frame);
    } else {
      this.say(() => `Unhandled received MESSAGE: ${frame}`);
    }
  }

  beat() {
    const { outgoing, incoming } = this.session.heartBeat();
    if (outgoing) {
      this.say(`send PING every ${outgoing}ms`);
      this.pinger = this.Stomp.setInterval(outgoing, () => {
        if (this.session && this.ws.readyState === OPEN) {
          this.session.beat();
          this.flush();
        }
      });
    }
    if (incoming) {
      this.say(`check PONG every ${incoming}ms`);
      const ws = this.ws;
      this.ponger = this.Stomp.setInterval(incoming, () => {
        if (this.session?.isSilent()) {
          this.say(`did not receive server activity for the last ${2 * incoming}ms`);
          // A dead connection may take minutes to close; the program is told now, and may connect
          // again at once.
          ws.onclose = ignore;
          ws.close();
          this.lost(ws);
        }
      });
    }
  }

  lost(ws, event) {
    if (ws !== this.ws || this.isLost === ws) {
      return;
    }
    this.isLost = ws;
    const text = `Whoops! Lost connection to ${ws.url}`;
    this.say(text);
    this.cleanUp();
    this.call(this.closeCallback, event);
    this.call(this.errorCallback, text);
  }

  cleanUp() {
    this.connected = false;
    for (const name of ["pinger", "ponger"]) {
      if (this[name] !== undefined) {
        this.Stomp.clearInterval(this[name]);
        this[name] = undefined;
      }
    }
    this.session?.close();
    this.session = undefined;
    this.subscriptions = {};
  }

  /** A debug line; a function is only called if somebody listens. */
  say(line) {
    if (typeof this.debug === "function") {
      // With the client as `this`, and no exception of the program's between frames.
      this.call(this.debug, typeof line === "function" ? line() : line);
    }
  }

  /** Calls a program's function; what it throws does not stop the others. */
  call(callback, ...args) {
    if (typeof callback === "function") {
      try {
        callback.apply(this, args);
      } catch (error) {
        report(error);
      }
    }
  }
}
