// A session: frames to send, and the events of what came. Sockets and timers are its user's.

import { Kind } from "./kind.js";
import { Reader } from "./reader.js";
import { concat, textOf, utf8Encoder, utf8Length } from "./utf8.js";

export { Kind } from "./kind.js";
export { failure, readFrames } from "./reader.js";
export { textOf } from "./utf8.js";

const clock = () => (typeof performance === "object" ? performance.now() : Date.now());

const VERSIONS = ["1.0", "1.1", "1.2"];

/** What a header may have to escape. One for all: a literal is made anew wherever it is read. */
const SPECIAL = /[\\\r\n:\0]/;

/**
 * What begins the line of a name that needs no escapes, by the name: programs use the same again and
 * again, and a text of fewer parts is put together sooner.
 */
const plain = new Map();

const refuse = (text) => {
  throw new Error(text);
};

export class Session extends Reader {
  /**
   * A session whose CONNECT is ready to be transmitted. `versions`: as `1.1,1.0`; `outgoing` and
   * `incoming`: heart-beats in milliseconds, 0 for none; `tolerance`: how long the server may be
   * silent, in percent of the agreed interval; `headers`: of CONNECT.
   */
  constructor({ versions, outgoing, incoming, tolerance = 200, headers }) {
    const all = {
      "accept-version": VERSIONS.filter((version) => versions.includes(version)).join(),
      "heart-beat": `${outgoing},${incoming}`,
      ...headers,
    };
    const accepted = String(all["accept-version"]);
    const offered = VERSIONS.reduce(
      (bits, version, bit) => bits | (accepted.includes(version) << bit),
      0,
    );
    const [send, receive] = String(all["heart-beat"]).split(",");
    super(offered || refuse("accept-version has none of 1.0, 1.1, 1.2"), send, receive);
    this.tolerance = tolerance > 100 ? tolerance : 100;
    /** What CONNECTED agreed on. */
    this.agreed = { outgoing: 0, incoming: 0 };
    this.subscriptions = new Set();
    this.transactions = new Set();
    this.frames = [];
    this.heard = clock();
    try {
      this.frames.push(`${this.head("CONNECT", {}, all)}\n\n\0`);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Takes the data of a socket's message: text, ArrayBuffer or any view. */
  feed(data) {
    // A look at the clock costs more than all else here.
    this.isFresh = true;
    super.feed(data);
  }

  /**
   * Queues SEND. `body`: text or Uint8Array. Without `withLength` there is no `content-length`, and
   * the body can't hold a NUL.
   */
  send(destination, headers, body, withLength) {
    this.connected(headers);
    const text = typeof body === "string";
    const length = text ? utf8Length(body) : body.length;
    const given = headers?.["content-length"];
    let head = this.head("SEND", { destination }, headers);
    if (given != null) {
      String(given) === String(length) || refuse(`content-length ${given}: the body has ${length} bytes`);
    } else if (withLength) {
      if (length) {
        head += `\ncontent-length:${length}`;
      }
    } else if (body.includes(text ? "\0" : 0)) {
      refuse("a body with a NUL needs a content-length");
    }
    head += "\n\n";
    this.frames.push(text ? `${head}${body}\0` : concat([head, body, "\0"]));
  }

  /** Queues SUBSCRIBE. `ack`: `auto`, `client` or `client-individual`. */
  subscribe(id, destination, ack, headers) {
    this.subscriptions.has(id) && refuse(`subscription id ${id} is in use`);
    /^(auto|client(-individual)?)$/.test(ack) ||
      refuse(`${ack} is not an ack mode (auto, client, client-individual)`);
    this.request("SUBSCRIBE", { id, destination, ack }, headers);
    this.subscriptions.add(id);
  }

  /** Queues UNSUBSCRIBE; of an id that is not known the server is the judge. */
  unsubscribe(id, headers) {
    this.request("UNSUBSCRIBE", { id }, headers);
    this.subscriptions.delete(id);
  }

  /**
   * Queues ACK, or NACK if not `consumed`, in the version's form. `message`: its `ack`, `message-id`
   * and `subscription` headers, as far as there are.
   */
  acknowledge(consumed, { ack, messageId, subscription }, headers) {
    const version = this.version();
    const need = (value, header) =>
      value || refuse(`the message has no ${header} header to acknowledge it by`);
    consumed || version !== "1.0" || refuse("STOMP 1.0 has no NACK");
    this.request(
      consumed ? "ACK" : "NACK",
      version === "1.2"
        ? { id: need(ack, "ack") }
        : {
            "message-id": need(messageId, "message-id"),
            subscription: version === "1.1" ? need(subscription, "subscription") : subscription,
          },
      headers,
    );
  }

  begin(transaction) {
    this.transactions.has(transaction) && refuse(`transaction ${transaction} has already begun`);
    this.request("BEGIN", { transaction });
    this.transactions.add(transaction);
  }

  commit(transaction, headers) {
    this.end("COMMIT", transaction, headers);
  }

  abort(transaction) {
    this.end("ABORT", transaction);
  }

  end(command, transaction, headers) {
    this.transaction(transaction);
    this.request(command, { transaction }, headers);
    this.transactions.delete(transaction);
  }

  /** Queues DISCONNECT, after which nothing more can be sent. Its receipt comes as DISCONNECTED. */
  disconnect(headers) {
    this.request("DISCONNECT", {}, headers);
    const receipt = headers?.receipt;
    this.over = receipt == null;
    this.farewell = String(receipt);
  }

  /** The next frame to send: text, or Uint8Array for one with a binary body, or undefined. */
  transmit() {
    return this.frames.shift();
  }

  /** Queues a heart-beat. */
  beat() {
    this.version() && this.frames.push("\n");
  }

  /**
   * Whether the server has been silent for too long, counted from the first call after it was heard.
   * Called at the interval that was agreed, it finds out within one more.
   */
  isSilent() {
    if (this.isFresh) {
      this.isFresh = false;
      this.heard = clock();
    }
    const { incoming } = this.agreed;
    return incoming > 0 && (clock() - this.heard) * 100 >= incoming * this.tolerance;
  }

  /** The agreed intervals in milliseconds; 0: none. */
  heartBeat() {
    return this.agreed;
  }

  /** `"1.0"`, `"1.1"`, `"1.2"`, or undefined before CONNECTED and after an end. */
  version() {
    // It is agreed in the head, whose frame may still be on its way.
    return this.over || this.event?.kind === Kind.CONNECTED ? undefined : this.negotiated;
  }

  // What follows is not for users.

  /** Some kinds depend on what this session has asked for. */
  kindOf(kind, headers) {
    if (kind === Kind.MESSAGE) {
      const { subscription } = headers;
      // Without the header the user knows best which subscription it is.
      return subscription === undefined || this.subscriptions.has(subscription)
        ? kind
        : Kind.UNKNOWN_MESSAGE;
    }
    if (kind === Kind.CONNECTED) {
      const [version, outgoing, incoming] = this.core.words.subarray(6);
      this.negotiated = VERSIONS[version];
      this.agreed = { outgoing, incoming };
      // Silence counts from an interval later on: the server may take this frame for its first beat.
      this.heard = clock() + incoming;
      this.isFresh = false;
    }
    return kind === Kind.RECEIPT && headers["receipt-id"] === this.farewell
      ? Kind.DISCONNECTED
      : kind;
  }

  request(command, own, headers) {
    this.connected(headers);
    this.frames.push(`${this.head(command, own, headers)}\n\n\0`);
  }

  connected(headers) {
    (this.version() && this.farewell === undefined) || refuse("the session is not connected");
    headers?.transaction != null && this.transaction(headers.transaction);
  }

  transaction(id) {
    this.transactions.has(id) || refuse(`no open transaction ${id}`);
  }

  /**
   * Command and headers, without the last LF; `null` and `undefined` mean no header, and `own` ones
   * can't be given.
   */
  head(command, own, headers) {
    let head = command;
    for (const name in own) {
      head += this.line(name, own[name]);
    }
    for (const name of Object.keys(headers ?? {})) {
      if (!own.hasOwnProperty(name)) {
        head += this.line(name, headers[name]);
      }
    }
    return head;
  }

  line(name, value) {
    if (value == null) {
      return "";
    }
    const text = typeof value === "string" ? value : String(value);
    return (plain.get(name) ?? this.lineOf(name)) + this.escape(text, 0, name);
  }

  /** What begins the line of a header. */
  lineOf(name) {
    name || refuse("a header needs a name");
    const escaped = this.escape(name, 1, name);
    const line = `\n${escaped}:`;
    if (escaped === name && plain.size < 256) {
      plain.set(name, line);
    }
    return line;
  }

  escape(text, isName, name) {
    if (!SPECIAL.test(text)) {
      return text;
    }
    const { core } = this;
    const { read, written } = utf8Encoder().encodeInto(text, core.io);
    const length = read === text.length && core.escape(this.id, written, isName);
    // Not what it says: that may be a passcode.
    length || refuse(`header ${JSON.stringify(name)} can't hold a NUL, more than 128 KiB, or in this version a line end`);
    return textOf(core.io.subarray(1 - length));
  }
}
